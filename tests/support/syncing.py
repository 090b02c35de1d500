"""A repository, a database, and what `ordinaut sync` makes of the one for the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.examining import Subject
from reconciler.mirror import Mirror
from reconciler.remote import find_remote
from reconciler.signatures import NO_TRUST, Trust
from reconciler.sync import Judge, Look
from reconciler.syncing import BranchSync
from runtime.actor import Actor
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.store.connect import connect
from runtime.store.sources import Branch
from tests.support.applying import Bench
from tests.support.git import Clone, new_repository

API = "apiVersion: ordinaut/v1\n"
PROJECT = f"{API}kind: Project\nname: home\n"
SERVER = f"{API}kind: ToolServer\nname: fs\nstdio: {{command: mcp-fs}}\n"


def _to_nobody(_look: Look) -> None:
    pass


def task(name: str, more: str = "") -> str:
    """A task in YAML, as a file of its own."""
    return (
        f"{API}kind: Task\nname: {name}\nschedule: {{every: 1h}}\n"
        f"pipeline: [{{id: look, uses: fs.list}}]\n{more}"
    )


@dataclass
class Origin:
    """A repository that is pulled, and the database that is to match it."""

    clone: Clone
    bench: Bench
    state_dir: Path

    def write(self, **tasks: str | None) -> None:
        """Write tasks by name, each with what it says beside the rest; None takes one away."""
        self.clone.write(
            {
                f"specs/{name}.yaml": None if more is None else task(name, more)
                for name, more in tasks.items()
            }
        )

    def push(self, **tasks: str | None) -> str:
        """Write tasks, and commit them."""
        self.write(**tasks)
        return self.clone.commit()

    def sync(
        self,
        trust: Trust = NO_TRUST,
        clock: Clock = SYSTEM_CLOCK,
        tell: Callable[[Look], None] = _to_nobody,
        **subject: Any,
    ) -> BranchSync:
        """What pulls it, once a minute; a new one knows of the past only what is in the database."""
        remote = find_remote(str(self.clone.folder), is_verified=False)
        mirror = Mirror(remote, "main", self.state_dir, clock)
        given = {
            "conninfo": self.bench.url,
            "branch": Branch(remote.address, "main", "specs", "default"),
            "place": mirror.place,
            "trust": trust,
            "state_dir": self.state_dir,
            "actor": Actor("sync@desk", "sync"),
        }
        judge = Judge(Subject(**{**given, **subject}))
        return BranchSync(mirror, judge, timedelta(minutes=1), tell, clock)

    async def look(self, trust: Trust = NO_TRUST) -> Look:
        """One look by a process of its own."""
        return await self.sync(trust).look()

    @property
    def names(self) -> list[str]:
        """The tasks in force."""
        found = self.bench.rows(
            "select name from ordinaut.spec where kind = 'Task' and retired_at is null order by 1"
        )
        return [name for (name,) in found]

    @property
    def events(self) -> list[str]:
        """What was told of the branch, oldest first."""
        found = self.bench.rows(
            "select type from ordinaut.event_log where type ^@ 'source.' order by sequence"
        )
        return [kind for (kind,) in found]


def stands(look: Look) -> tuple[str | None, str | None]:
    """Condition and reason."""
    return look.report.condition, look.report.reason


@pytest.fixture
def origin(database: str, tmp_path: Path) -> Iterator[Origin]:
    """A repository with one commit of two tasks."""
    clone = new_repository(tmp_path / "origin")
    clone.write({"specs/ordinaut.yaml": PROJECT, "specs/fs.yaml": SERVER})
    with connect(database) as connection:
        origin = Origin(clone, Bench(database, connection), tmp_path / "state")
        origin.push(one="", two="")
        yield origin
