"""The example ai-spend as its tests need it: a copy in a repository of its own, its books, and what is seeded."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from runtime.actor import current_actor
from runtime.backfilling import Asked, backfill_task
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.database import open_database
from tests.support.git import Clone
from tests.support.probes import eventually
from tests.support.processes import ROOT
from tests.support.valkey import free_port

EXAMPLE: Final = ROOT / "examples" / "ai-spend"

WASTE: Final = {
    "workload/answers": "cache",
    "workload/letters": "near",
    "workload/with-handbook": "trim",
    "workload/sort-mail": "model",
    "workload/watch-news": "slow",
    "workload/report-orders": "merge",
    "workload/ask-in-vain": "retries",
}
"""What each seeded task wastes, by the rule that has to find it."""

HEALTHY: Final = (
    "workload/add-up",
    "workload/count-orders",
    "workload/quotes",
    "workload/try-again",
    "workload/with-price-list",
)
"""Seeded tasks that waste nothing."""


def copy_of_example(folder: Path) -> Clone:
    """The example in a repository of its own, with a port of its own for its stand-in, at the depth that it has here."""
    example = folder / "clone" / "examples" / "ai-spend"
    shutil.copytree(EXAMPLE, example, ignore=shutil.ignore_patterns(".ordinaut", "__pycache__"))
    port = str(free_port())
    for file in example.rglob("*.yaml"):
        file.write_text(file.read_text().replace("18500", port))
    clone = Clone(folder / "clone")
    (clone.folder / ".gitignore").write_text(".ordinaut/\n__pycache__/\n.config/\n")
    for words in (("init", "-q", "-b", "main"), ("config", "user.name", "Ada"), ("config", "user.email", "ada@example.com"), ("add", "-A"), ("commit", "-q", "-m", "As it is")):  # fmt: skip
        clone.git(*words)
    return clone


def day_before(days: int) -> str:
    """A day in UTC, so many days ago."""
    return f"{SYSTEM_CLOCK.now().astimezone(UTC) - timedelta(days=days):%Y-%m-%d}"


async def run_days(example: Path, first: str, last: str, tasks: Iterable[str]) -> int:
    """Have the runtime run what tasks were due for on days of the past; how many runs that were."""
    config = Config(state_dir=example / ".ordinaut")

    def queue() -> int:
        asked = Asked(first, last, None, False, current_actor(reason=""))
        with open_database(config, name="test") as connection:
            return sum(len(backfill_task(connection, task, asked).queued) for task in tasks)

    def look() -> bool:
        with open_database(config, name="test") as connection:
            active = "select from ordinaut.run where finished_at is null limit 1"
            return connection.execute(active).fetchone() is None

    async def is_idle() -> bool:
        return await asyncio.to_thread(look)

    # Finding the embedded servers takes an event loop, and so a thread without one.
    queued = await asyncio.to_thread(queue)
    await eventually(is_idle, "everything has run", seconds=600)
    return queued


@contextmanager
def books_of(example: Path) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """The books of an example that runs."""
    url = (example / ".ordinaut" / "databases" / "ai_spend").read_text().strip()
    with psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection:
        yield connection


def server_module(name: str) -> ModuleType:
    """A module of the example's servers, which import each other by their bare names."""
    folder = str(EXAMPLE / "servers")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def instant(day: int, hour: int, minute: int = 0) -> datetime:
    """One of November 2026."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)
