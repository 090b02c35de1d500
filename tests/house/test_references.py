"""What the program can do is in its documentation, and what the documentation points at is there."""

from __future__ import annotations

import ast
import json
import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest

from reconciler.cli import main
from schemas.codes import CODES
from schemas.spec import KINDS
from tests.house.references import commands, references, settings
from tests.house.sources import ROOT, documents, product, relative

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@pytest.mark.parametrize("path", references())
def test_generated_pages_are_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == references()[path], "run `make generated`"


def test_every_command_and_option_is_in_the_reference() -> None:
    text = (ROOT / "docs/cli-reference.md").read_text(encoding="utf-8")

    missing = [
        f"{name} {spelling}"
        for name, command in commands()
        for spelling in (
            f"Usage: {name} ",
            *(o for p in command.params if isinstance(p, click.Option) for o in p.opts),
        )
        if spelling not in text
    ]
    assert missing == []


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_has_help_with_examples_that_it_understands(name: str) -> None:
    command = dict(commands())[name]
    examples = [
        part
        for line in (command.epilog or "").splitlines()
        for part in re.split(r" && | \| ", line.strip())
        if re.match(r"([A-Z_]+=\S+ )*ordinaut ", part)
    ]

    assert command.help
    assert examples
    for example in examples:
        words = [
            word
            for word in shlex.split(example.partition(" > ")[0])
            if not re.match(r"[A-Z_]+=", word)
        ]
        _understand(main, words[1:])


def _understand(command: click.Command, words: list[str]) -> None:
    context = command.make_context(command.name, list(words))
    left = [*context._protected_args, *context.args]
    if isinstance(command, click.Group) and (left or not command.invoke_without_command):
        _, inner, rest = command.resolve_command(context, left)
        assert inner is not None
        _understand(inner, rest)


def test_every_field_of_the_language_is_in_the_reference() -> None:
    text = (ROOT / "docs/spec-reference.md").read_text(encoding="utf-8")
    language = json.loads((ROOT / "schemas/ordinaut.schema.json").read_text(encoding="utf-8"))
    sections = dict(
        re.findall(r"^#+ (\w[\w ]*)\n(.*?)(?=^#|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    )

    missing = [
        f"{part}.{field}"
        for part, about in language["definitions"].items()
        for field in about.get("properties", {})
        if f"| `{field}` |"
        not in sections[part] + (sections["Every document"] if part in KINDS else "")
    ]
    assert missing == []


def test_every_setting_is_told() -> None:
    assert all(meaning for _, meaning in settings())


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code: str) -> None:
    rows = re.findall(
        rf"^\| {code} \| (.+?) \| (.+) \|$",
        (ROOT / "docs/errors.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )

    assert [meaning for meaning, _ in rows] == [CODES[code]]


def test_every_explained_code_exists() -> None:
    told = re.findall(
        r"\bORD\d{3}\b", "".join(path.read_text(encoding="utf-8") for path in documents())
    )

    assert set(told) <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_given_by_something(code: str) -> None:
    """A code that is only the default of an error class counts where that class is used, and not only caught."""
    given = {path for path, constant in _constants() if constant == code} - {"schemas/codes.py"}

    assert given
    assert given != {"runtime/errors.py"} or _classes_with(code) & _used_classes()


@cache
def _constants() -> frozenset[tuple[str, str]]:
    return frozenset(
        (source.path, node.value)
        for source in product()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _classes_with(code: str) -> set[str]:
    return {
        error.name
        for source in product()
        if source.path == "runtime/errors.py"
        for error in ast.walk(source.tree)
        if isinstance(error, ast.ClassDef) and f"'{code}'" in ast.unparse(error)
    }


@cache
def _used_classes() -> frozenset[str]:
    used = set()
    for source in product():
        caught = {
            name
            for node in ast.walk(source.tree)
            if isinstance(node, ast.ExceptHandler) and node.type is not None
            for name in ast.walk(node.type)
        }
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Name) and node not in caught:
                used.add(node.id)
    return frozenset(used)


@pytest.mark.parametrize("document", documents(), ids=relative)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(
        r"```.*?```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL
    )

    lost = []
    for match in _LINK.finditer(text):
        target, _, anchor = match["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = document.parent / target if target else document
        if not found.exists() or (anchor and anchor not in _anchors(found)):
            lost.append(match["target"])
    assert lost == []


def _anchors(document: Path) -> set[str]:
    """The names under which a heading can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
