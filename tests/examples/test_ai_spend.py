"""The example ai-spend, as `make example NAME=ai-spend` starts it: a day is run, savings are found, proposed, merged and measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.examples.ai_spend import (
    HEALTHY,
    WASTE,
    books_of,
    copy_of_example,
    day_before,
    run_days,
)
from tests.support.git import Clone
from tests.support.processes import ordinaut, started

TOLERANCE = 0.02
"""How far what is saved may be from what was estimated: letters of another day are a few letters longer or shorter."""


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return copy_of_example(tmp_path)


async def run(task: str, example: Path) -> None:
    """Have a task run, to its end."""
    asked = await ordinaut("run", task, "--wait", cwd=example, seconds=240)
    assert asked.status == 0, asked.stdout + asked.stderr


def advice(example: Path) -> dict[str, dict[str, Any]]:
    """What is advised, by task."""
    with books_of(example) as books:
        rows = books.execute("select * from recommendation").fetchall()
    assert len({row["task"] for row in rows}) == len(rows)
    return {row["task"]: row for row in rows}


def accept(clone: Clone, branches: list[str]) -> None:
    """Merge proposals beside what is checked out, as a forge does, and pull: so `up` sees them all at once."""
    beside = Clone(clone.folder.parent / "forge")
    clone.git("worktree", "add", "-q", "-b", "accepted", str(beside.folder))
    for branch in branches:
        beside.git("merge", "-q", "--no-edit", branch)
    clone.git("merge", "-q", "--ff-only", "accepted")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("days", [1, pytest.param(6, marks=pytest.mark.full_size)])
async def test_of_a_known_workload_exactly_the_waste_is_found_proposed_and_saved(
    clone: Clone, days: int
) -> None:
    example = clone.folder / "examples" / "ai-spend"
    head = clone.git("rev-parse", "HEAD")
    async with started("up", "--env", "dev", cwd=example) as up:
        await up.line("watching the specs", seconds=60)
        runs = await run_days(example, day_before(1 + days), day_before(2), (*WASTE, *HEALTHY))
        assert runs == days * (10 * 12 + 24 + 48)
        await run("keep-books", example)
        await run("advise", example)

        found = advice(example)
        proposed = {task: row for task, row in found.items() if row["state"] == "proposed"}
        # Precision and recall are both 1.
        assert {task: row["kind"] for task, row in proposed.items()} == WASTE
        assert {task: row["said"] for task, row in found.items() if task not in proposed} == {
            "workload/add-up": "1 of 1 tests fail: add-up-adds-up",
            "workload/with-price-list": "1 of 1 tests fail: with-price-list-knows-the-price",
        }
        as_known(proposed)
        # A proposal is a branch: what is checked out and in force is as it was.
        assert clone.git("rev-parse", "HEAD") == head
        assert clone.git("status", "--porcelain") == ""
        message = clone.git("log", "-1", "--format=%B", proposed["workload/sort-mail"]["branch"])
        assert "Estimated saving: 0.0353" in message
        assert "### Ordinaut plan" in message

        accept(clone, [row["branch"] for row in proposed.values()])
        await up.line("applied revision r2: 7 update", seconds=60)
        await run_days(example, day_before(1), day_before(1), WASTE)
        await run("keep-books", example)
        await run("measure-savings", example)

        measured = {task: advice(example)[task] for task in WASTE}
        assert {row["state"] for row in measured.values()} == {"realised"}
        for task, row in measured.items():
            estimated, realised = row["estimated_per_day"], row["realised_per_day"]
            assert float(realised) == pytest.approx(float(estimated), rel=TOLERANCE), task

        await agrees_with_spend(example)
        up.terminate()
        assert (await up.ended()).status == 0


def as_known(proposed: dict[str, dict[str, Any]]) -> None:
    """Shares that follow from how the workload is made (README.md, "What is seeded")."""
    share = {
        task: float(row["estimated_per_day"] / row["cost_per_day"])
        for task, row in proposed.items()
    }
    # Runs and tries that fall away are whole; what calls cost differs by the letters in them.
    assert share["workload/watch-news"] == pytest.approx(1 - 6 / 48)
    assert share["workload/report-orders"] == pytest.approx(12 / 24, rel=0.01)
    assert share["workload/ask-in-vain"] == pytest.approx(2 / 3)
    assert share["workload/answers"] == pytest.approx(44 / 96, rel=0.05)
    # Beside calls that fall away, those that stay ask without the time.
    assert 33 / 84 < share["workload/letters"] < 33 / 84 + 0.1
    assert share["workload/sort-mail"] == pytest.approx(1 - 0.25 / 3, rel=0.01)
    assert 0.7 < share["workload/with-handbook"] < 0.95


async def agrees_with_spend(example: Path) -> None:
    """Nothing is missing in the books, and nothing is in them twice: they add up to what `ordinaut spend` tells."""
    spent = json.loads((await ordinaut("spend", "--json", cwd=example)).stdout)
    with books_of(example) as books:
        row = books.execute(
            "select sum(cost)::text as cost, sum(input_tokens) as tokens from spend where source = 'ai-spend'"
        ).fetchone()
    assert row is not None
    [cost] = spent["total"]["costs"]
    assert float(row["cost"]) == pytest.approx(float(cost["amount"]))
    assert row["tokens"] == spent["total"]["input_tokens"]
