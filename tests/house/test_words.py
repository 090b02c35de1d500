"""One word per idea, and no word that says nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.sources import ROOT, Module, files, module, modules, product, relative, words

EMPTY_WORDS = {
    "common",
    "handler",
    "helper",
    "job",
    "manager",
    "misc",
    "util",
    "utilitie",
    "utility",
}


def _is_empty(word: str) -> bool:
    """Whether it says nothing, alone or as one of many."""
    return word.removesuffix("s") in EMPTY_WORDS


def _names(source: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every name that a module gives; what others call theirs is their affair, and a test's name is a sentence."""
    for node in ast.walk(source.tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if not name.startswith("test_"):
                    yield node, name
            case ast.ClassDef(name=name):
                yield node, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield node, name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield node, name
            case ast.alias(asname=str(name)):
                yield node, name
            case _:
                pass


def _empty_names(source: Module) -> list[str]:
    found = [
        f"{source.place(node)} {name}"
        for node, name in _names(source)
        if any(_is_empty(word) for word in words(name))
    ]
    if any(_is_empty(word) for word in words(source.path)):
        found.append(source.path)
    return found


def test_no_name_is_empty() -> None:
    assert [offence for source in modules() for offence in _empty_names(source)] == []


@pytest.mark.parametrize(
    "line", ["def run_job(): ...", "class LeaseManager: ...", "jobs = 1", "self.event_handler = 1"]
)
def test_an_empty_name_is_found(line: str) -> None:
    assert _empty_names(module("runtime/planted.py", line))


def test_no_word_of_the_database_is_empty() -> None:
    statements = [path for path in files() if path.suffix == ".sql" and path.parts[-2] != "house"]
    found = {
        f"{relative(path)}: {word}"
        for path in statements
        for word in re.findall(
            r"[a-z]+", re.sub(r"--.*", "", path.read_text(encoding="utf-8").lower())
        )
        if _is_empty(word)
    }

    assert statements
    assert found == set()


def test_loggers_carry_the_name_of_the_product() -> None:
    """The packages have common names, so that `logging` could not tell ours from others'."""
    loggers = {
        source.place(node): argument.value
        for source in product()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("getLogger")
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }

    assert loggers
    assert {
        place: name for place, name in loggers.items() if name.partition(".")[0] != "ordinaut"
    } == {}


def test_every_word_of_the_glossary_stands_once_and_in_order() -> None:
    table = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^\| \*\*(.+?)\*\* \|", table, flags=re.MULTILINE)

    assert len(entries) > 40
    assert entries == sorted(set(entries))
