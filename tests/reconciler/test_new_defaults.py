"""A version of the program that fills documents out otherwise than the one that applied them: nobody edited anything."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from reconciler.core.digest import digest_of, facet_digests
from reconciler.core.filling import todays_digest, todays_filling
from reconciler.core.look import Look
from reconciler.core.render import render_plan
from tests.support.applying import Bench, specs, task

SPECS = specs(task("one", "every: 1h"), task("two", more="retry: {attempts: 2}"))


def as_of_old(bench: Bench, remembered: bool = True, **fields: Any) -> None:
    """Let what was applied come from a version where these fields of tasks had other defaults, or were not known (None)."""
    filling = {**todays_filling()}
    filling["Task"] = {
        **{name: one for name, one in filling["Task"].items() if name not in fields},
        **{name: [f'"{value}"'] for name, value in fields.items() if value is not None},
    }
    rows = bench.rows("select uid, body from ordinaut.spec where kind = 'Task'")
    for uid, body in rows:
        old = {k: v for k, v in body.items() if k not in fields}
        old |= {name: value for name, value in fields.items() if value is not None}
        values = (Jsonb(old), digest_of(old))
        bench.run("set ordinaut.applying = 'on'")
        bench.run("update ordinaut.spec set body = %s, digest = %s where uid = %s", *values, uid)
        bench.run("reset ordinaut.applying")
        bench.run(
            "update ordinaut.spec_revision set body = %s, digest = %s, facets = %s where uid = %s",
            *values,
            Jsonb(facet_digests(old)),
            uid,
        )
    bench.run("insert into ordinaut.defaults values ('old', %s)", Jsonb(filling))
    bench.run("update ordinaut.revision set defaults = %s", "old" if remembered else None)


@pytest.fixture
def applied(bench: Bench) -> Bench:
    bench.apply(SPECS)
    return bench


@pytest.mark.parametrize(
    ("remembered", "fields"),
    [
        (True, {"timeout": "30m"}),
        (True, {"overlap": None}),
        (True, {"timeout": "30m", "overlap": None}),
        (True, {"gone": "by now"}),
        (False, {"overlap": None}),
    ],
)
def test_documents_that_nobody_edited_are_told_apart(
    applied: Bench, remembered: bool, fields: dict[str, Any]
) -> None:
    as_of_old(applied, remembered, **fields)

    plan = applied.plan(SPECS)

    assert [change.reason for change in plan.changes] == ["defaults_changed"] * 2
    assert (plan.summary.defaults_changed, plan.summary.update) == (2, 0)
    assert "nobody edited it" in render_plan(plan, Look())
    applied.apply(SPECS)
    assert applied.plan(SPECS).changes == ()
    assert applied.row("select defaults from ordinaut.revision where revision_id = 2") == (
        todays_digest(),
    )


def test_what_was_edited_is_an_edit(applied: Bench) -> None:
    as_of_old(applied, timeout="30m")

    plan = applied.plan(
        SPECS.replace("every: 1h", "every: 2h").replace("attempts: 2", "attempts: 3")
    )

    assert [change.reason for change in plan.changes] == ["git", "git"]


def test_what_was_changed_past_git_is_drift_and_no_conflict(applied: Bench) -> None:
    as_of_old(applied, timeout="30m")
    applied.run(
        "update ordinaut.spec set body = jsonb_set(body, '{priority}', '9') where name = 'one'"
    )

    plan = applied.plan(SPECS)

    assert [change.reason for change in plan.changes] == ["drift", "defaults_changed"]
    assert plan.applyable


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("timeout: 2h", {"one": "git", "two": "defaults_changed"}),
        ("timeout: 30m", {"two": "defaults_changed"}),
    ],
)
def test_what_is_written_is_no_default(applied: Bench, text: str, reasons: dict[str, str]) -> None:
    as_of_old(applied, timeout="30m")

    plan = applied.plan(specs(task("one", "every: 1h", text), SPECS.split("---\n")[2]))

    assert {change.key: change.reason for change in plan.changes} == reasons
