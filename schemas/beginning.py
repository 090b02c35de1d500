"""The answer of `ordinaut init --json`: what was written, and what was there already."""

from __future__ import annotations

from typing import Final, Literal

from schemas.base import Model

BEGINNING_FORMAT: Final = "ordinaut.dev/beginning/v1"


class Beginning(Model):
    """What a repository of specs begins with. Fields are only ever added within a format."""

    format: Literal["ordinaut.dev/beginning/v1"] = BEGINNING_FORMAT
    """The form of this answer."""
    project: str
    """What the Project is called, if it was written."""
    written: tuple[str, ...] = ()
    """Files that were written, or that gained a line."""
    kept: tuple[str, ...] = ()
    """Files that were there already, and stay as they are."""
