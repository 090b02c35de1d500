"""What `ordinaut watch` says: what each save comes to."""

from __future__ import annotations

from typing import Protocol

from reconciler.cli.looknews import LookLines, look_json
from reconciler.reconcile import Folder, Reconciled
from runtime.cli.output import bold, dim, echo, echo_json_line
from runtime.errors import OrdinautError


class News(Protocol):
    """Who is told."""

    def begins(self, folder: Folder) -> None:
        """Watching begins."""
        ...

    def looked(self, outcome: Reconciled | OrdinautError) -> None:
        """The first look, or one after a save or after what was refused before."""
        ...


class Lines:
    """News for people, on stdout.

    Args:
        verbose: how much a plan says, as -v.
    """

    def __init__(self, verbose: int = 0) -> None:
        self._looks = LookLines(verbose)
        self._is_first = True

    def begins(self, folder: Folder) -> None:
        """What is watched, and what comes of it."""
        what = "each save is applied" if folder.applies else "saves are shown, and not applied"
        echo(f"{bold('watching')} {folder.path}")
        echo(dim(f"{what}; Ctrl-C stops"))

    def looked(self, outcome: Reconciled | OrdinautError) -> None:
        """What the look came to, unless it found nothing new."""
        self._looks.looked(outcome, first=self._is_first)
        self._is_first = False


class JsonLines:
    """News for programs: one JSON object a line."""

    def begins(self, folder: Folder) -> None:
        """Nothing: each line says what it is about."""

    def looked(self, outcome: Reconciled | OrdinautError) -> None:
        """A look, whatever it found."""
        plan = outcome.plan if isinstance(outcome, Reconciled) else None
        found = {"type": "look", "plan": plan and plan.model_dump(mode="json")}
        echo_json_line(found | look_json(outcome))
