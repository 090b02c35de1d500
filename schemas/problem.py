"""A problem found in specs: what, where, why and what to do; part of every `--json` output."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Model

Severity = Literal["error", "warning", "note"]


class Problem(Model):
    """One thing that is wrong, at one place of one file."""

    code: str = Field(pattern=r"^ORD\d{3}$")
    """The stable code; `docs/errors.md` explains each."""
    severity: Severity = "error"
    """Only errors refuse a plan."""
    message: str
    """What is wrong."""
    hint: str = ""
    """What to do, or what was probably meant."""
    file: str
    """The file, from the parent of the specs folder on; as it can be opened, in what `validate` prints."""
    line: int = Field(ge=1)
    """The line, from 1."""
    column: int = Field(ge=1)
    """The column, from 1."""

    @property
    def place(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def reading_order(self) -> tuple[str, int, int, str, str]:
        """By what problems are sorted: where they are, then what they say."""
        return self.file, self.line, self.column, self.code, self.message
