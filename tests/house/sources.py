"""What the rules of the house read: the files of this repository, and its Python as syntax trees."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PRODUCT: Final = ("migrations", "reconciler", "runtime", "schemas")
_GENERATED: Final = {"__pycache__", "build", "dist", "node_modules"}
_HIDDEN_BUT_OURS: Final = {".ci", ".github", ".gitignore"}


@dataclass(frozen=True, slots=True)
class Module:
    """A Python file.

    Attributes:
        path: from the root, with slashes.
        text: what it says.
        tree: the same, parsed.
    """

    path: str
    text: str
    tree: ast.Module

    @property
    def is_product(self) -> bool:
        """Whether it is part of what is installed."""
        return self.path.partition("/")[0] in PRODUCT

    def place(self, node: ast.AST) -> str:
        """Where a node stands, as `file:line`."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method, inner ones included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def comments(self) -> Iterator[tuple[int, str]]:
        """Every comment with its line."""
        lines = iter(self.text.splitlines(keepends=True))
        for token in tokenize.generate_tokens(lambda: next(lines, "")):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def module(path: str, text: str) -> Module:
    """A module from its text; also for planting offences that a rule must find."""
    return Module(path, text, ast.parse(text))


@cache
def files() -> tuple[Path, ...]:
    """Every file of the repository: not what tools generate, and nothing hidden but what is ours."""
    return tuple(sorted(_walk(ROOT)))


@cache
def modules() -> tuple[Module, ...]:
    """Every Python file."""
    return tuple(
        module(relative(path), path.read_text(encoding="utf-8"))
        for path in files()
        if path.suffix == ".py"
    )


@cache
def product() -> tuple[Module, ...]:
    """The Python files that are installed."""
    return tuple(module for module in modules() if module.is_product)


def documents() -> tuple[Path, ...]:
    """Every Markdown file."""
    return tuple(path for path in files() if path.suffix == ".md")


def relative(path: Path) -> str:
    """A path from the root, with slashes."""
    return path.relative_to(ROOT).as_posix()


def dotted(node: ast.AST) -> str:
    """A name or chain of attributes as it is written, such as `os.environ`; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{dotted(value)}.{name}"
        case _:
            return ""


def imported(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Every name that a module imports, in full."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                yield from ((node, name.name) for name in names)
            case ast.ImportFrom(module=source, names=names):
                yield from ((node, f"{source}.{name.name}") for name in names)
            case _:
                pass


def words(name: str) -> tuple[str, ...]:
    """The words of an identifier, whichever way it joins them: `leaseUntil`, `lease_until`, `LeaseUntil`."""
    return tuple(word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _GENERATED or path.suffix == ".egg-info":
            continue
        if path.name.startswith(".") and path.name not in _HIDDEN_BUT_OURS:
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path
