"""A team's whole world for one test: a repository, a command line, a database with a clock of its own, a scheduler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.store.pool import Pool, open_pool
from tests.support.applying import Bench
from tests.support.cli import Cli, Invoked
from tests.support.clock import FakeClock
from tests.support.git import Clone, new_repository
from tests.support.scheduling import make_scheduler

HEAD = "apiVersion: ordinaut/v1\n"
PROJECT = f"{HEAD}kind: Project\nname: home\n"
MANUAL = "manual: true"


def task(name: str, schedule: str = MANUAL, more: str = "", *, uses: str = "llm.plan") -> str:
    """A task of one step in YAML."""
    return (
        f"{HEAD}kind: Task\nname: {name}\nschedule: {{{schedule}}}\n"
        f"pipeline: [{{id: look, uses: {uses}}}]\n{more}"
    )


@dataclass(frozen=True)
class World:
    """What a team has.

    Attributes:
        clone: the repository; the specs are in its folder `specs`.
        cli: the command line, in the repository and with the database.
        bench: the database.
        clock: the database's time.
        pool: the scheduler's connections.
    """

    clone: Clone
    cli: Cli
    bench: Bench
    clock: FakeClock
    pool: Pool

    def write(self, **documents: str | None) -> None:
        """Write files into the specs folder by name, or take them away."""
        self.clone.write({f"specs/{name}.yaml": text for name, text in documents.items()})

    def plan(self, *words: str) -> Invoked:
        """The plan for the specs as they are."""
        return self.cli("plan", *words)

    def apply(self, *words: str) -> Invoked:
        """Apply the specs as they are, which must succeed."""
        applied = self.cli("apply", "--yes", *words)
        assert applied.status == 0, applied.stderr
        return applied

    def change(self, **documents: str | None) -> Invoked:
        """Write files, commit and apply."""
        self.write(**documents)
        self.clone.commit(f"Change {', '.join(documents)}")
        return self.apply()

    async def until(self, instant: datetime) -> None:
        """Let time pass to an instant and the scheduler decide what came."""
        await self.clock.set(instant)
        scheduler = make_scheduler(self.pool, self.clock)
        while (await scheduler.run_once()).due:
            pass

    def runs(self, name: str) -> list[tuple[Any, ...]]:
        """Every run of a task: for which instant, in which state, of which revision."""
        return self.bench.rows(
            "select r.occurrence_for, r.state, r.revision_id from ordinaut.run r"
            " join ordinaut.spec s on s.uid = r.task_uid where s.name = %s order by 1",
            name,
        )

    def queued(self) -> int:
        """How many runs wait in the queue."""
        found: int = self.bench.row("select count(*) from ordinaut.due_work")[0]
        return found


@pytest.fixture
async def world(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bench: Bench,
    clock: FakeClock,
) -> AsyncIterator[World]:
    """A world with a Project and nothing else, on a Thursday in October."""
    folder = tmp_path / "home"
    clone = new_repository(folder)
    clone.write({"specs/ordinaut.yaml": PROJECT, ".gitignore": ".ordinaut\n"})
    monkeypatch.chdir(folder)
    await clock.set(datetime.fromisoformat("2026-10-22T20:30:00Z"))
    await clock.attach(bench.url)
    pool = await open_pool(bench.url)
    cli = Cli({"ORDINAUT_DATABASE_URL": bench.url})
    yield World(clone, cli, bench, clock, pool)
    await pool.close()
