"""An exception from a rule says why on its own line."""

from __future__ import annotations

import re

import pytest

from tests.house.sources import Module, module, modules

_EXCEPTION = re.compile(
    r"#\s*(noqa|type: ignore|pyright: ignore|pragma: no (cover|branch))(?P<rest>.*)$"
)
_CODES = r"(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*|\[[a-z-]+(,\s*[a-z-]+)*\])"
_REASONED = {
    "noqa": re.compile(rf"^{_CODES}\s+(-|#)\s+\w"),
    "type: ignore": re.compile(rf"^{_CODES}\s+(-|#)\s+\w"),
    "pyright: ignore": re.compile(rf"^{_CODES}\s+(-|#)\s+\w"),
}


def _unexplained(source: Module) -> list[str]:
    """Exceptions without codes or reasons; those of coverage have no codes."""
    found = []
    for line, comment in source.comments():
        match = _EXCEPTION.search(comment)
        if match is None:
            continue
        reasoned = _REASONED.get(match[1], re.compile(r"^\s+(-|#)\s+\w"))
        if not reasoned.match(match["rest"]):
            found.append(f"{source.path}:{line} {comment}")
    return found


def test_every_exception_carries_its_reason() -> None:
    assert [offence for source in modules() for offence in _unexplained(source)] == []


@pytest.mark.parametrize(
    "comment",
    [
        "noqa",
        "noqa: S101",
        "noqa:S101",
        "type: ignore",
        "type: ignore[arg-type]",
        "noqa - because",
        "pragma: no cover",
    ],
)
def test_an_exception_without_a_reason_is_found(comment: str) -> None:
    assert _unexplained(module("runtime/planted.py", f"x = 1  # {comment}\n"))


@pytest.mark.parametrize(
    "comment",
    [
        "noqa: S101 - it holds",
        "noqa: S101, E501 - it holds",
        "type: ignore[arg-type]  # it holds",
        "pragma: no cover - x",
    ],
)
def test_an_exception_with_a_reason_is_fine(comment: str) -> None:
    assert _unexplained(module("runtime/planted.py", f"x = 1  # {comment}\n")) == []


def test_no_comment_puts_work_off() -> None:
    found = [
        f"{source.path}:{line} {comment}"
        for source in modules()
        for line, comment in source.comments()
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", comment)
    ]

    assert found == []
