"""The plan as text, compared with texts that were read and found good."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.look import Look
from reconciler.core.render import render_plan
from schemas.drift import StrayWrite
from schemas.problem import Problem
from tests.core.plan_story import AFTER, BASE, BEFORE, PAUSED, plan_of, story, task
from tests.support.specs import Database, compiled, database_of

GOLDEN = Path(__file__).parent / "plans"
COLOURS = re.compile(r"\x1b\[\d+m")

TEXTS = {
    "story-80": (story, Look(width=80)),
    "story-120": (story, Look(width=120)),
    "story-verbose": (story, Look(width=120, verbose=True)),
    "story-whole": (story, Look(width=120, verbose=2)),
    "first": (lambda: plan_of(Database({}), compiled(AFTER), base=None), Look(width=80)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_plan_reads_as_agreed(name: str) -> None:
    make, look = TEXTS[name]

    assert render_plan(make(), look) == (GOLDEN / f"{name}.txt").read_text()


def test_no_line_ends_in_blanks_with_colours_or_without() -> None:
    agents = "kind: Agent\nname: a\n---\nkind: Agent\nname: longer\nowner: me"
    text = render_plan(
        plan_of(database_of(agents), compiled("kind: Agent\nname: b")), Look(colour=True)
    )

    plain = COLOURS.sub("", text).splitlines()
    assert "- Agent a" in plain
    assert [line for line in plain if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_no_line_of_a_plan_is_wider_than_asked_for(verbose: int, width: int) -> None:
    text = render_plan(story(), Look(width=width, verbose=verbose))

    body = text[: text.index("Digest:")]
    assert [line for line in body.splitlines() if len(line) > width] == []


def test_what_is_long_goes_on_in_the_next_line() -> None:
    """Who wrote by hand, times in two zones, and values of a field."""
    before = f"""
kind: ToolServer
name: fs
stdio: {{command: mcp-fs}}
---
kind: Task
name: t
schedule: {{cron: "30 9 * * *", timezone: Europe/Berlin}}
agent: {"a" * 60}
pipeline: [{{id: a, uses: fs.list}}]
"""
    after = before.replace("30 9", "15 17").replace("Berlin", "Lisbon").replace("aaa", "bbb")
    after += f"params: {{first: {'word ' * 30}end, second: [{', '.join(['some'] * 20)}]}}\n"
    agents = "".join(f"---\nkind: Agent\nname: {one * 60}\nscopes: ['*']\n" for one in "ab")
    plan = plan_of(database_of(before + agents), compiled(after + agents))
    stray = StrayWrite(role="r" * 60, application="somebody's script", changed_at=plan.as_of)
    (change,) = plan.changes
    plan = plan.model_copy(update={"changes": (change.model_copy(update={"stray_write": stray}),)})

    for verbose in (0, 1, 2):
        lines = render_plan(plan, Look(width=80, verbose=verbose)).splitlines()
        assert [line for line in lines if len(line) > 80 and "Digest" not in line] == []


def test_colour_is_only_ever_added() -> None:
    plan = story()

    coloured = render_plan(plan, Look(width=80, colour=True))

    assert "\x1b[33m~\x1b[0m" in coloured
    assert COLOURS.sub("", coloured).split() == render_plan(plan, Look(width=80)).split()


def test_a_terminal_without_unicode_gets_ascii() -> None:
    text = render_plan(story(), Look(ascii_only=True, verbose=True))

    assert text.isascii()
    assert "* ops/oncall-ping" in text


@pytest.mark.parametrize(("verbose", "told"), [(0, False), (1, True)])
def test_rows_that_no_apply_made_are_named_when_asked(verbose: int, told: bool) -> None:
    database = database_of(BEFORE)
    row = database.rows[task("ops/fx-rates")]
    database.rows[row.key] = replace(row, last=None)
    plan = plan_of(database, compiled(AFTER))

    text = render_plan(plan, Look(verbose=verbose))

    assert "1 unmanaged and ignored" in text
    assert ("i unmanaged  Task ops/fx-rates  no apply made them" in text) == told


def test_no_change_is_one_line() -> None:
    text = render_plan(plan_of(database_of(BEFORE), compiled(BEFORE)), Look())

    assert text == "No changes: 8 documents match r41.\n"


def test_a_pause_is_shown_even_if_nothing_changes() -> None:
    plan = plan_of(database_of(BEFORE), compiled(BEFORE), overrides=[PAUSED])

    assert render_plan(plan, Look(width=120)).splitlines()[1] == (
        'i ops/weekly-report  paused by bob until Mon 26 Oct 14:05 UTC ("vendor outage")  not touched by apply'
    )


def test_a_pause_without_end_or_reason_says_no_more_than_it_knows() -> None:
    plan = plan_of(
        database_of(BEFORE),
        compiled(BEFORE),
        overrides=[PAUSED.model_copy(update={"reason": "", "until": None})],
    )

    assert render_plan(plan, Look()).splitlines()[1] == (
        "i ops/weekly-report  paused by bob  not touched by apply"
    )


def test_a_pause_of_a_task_that_is_retired_ends_with_it() -> None:
    kept, _, _ = BEFORE.rpartition("---")
    plan = plan_of(database_of(BEFORE), compiled(kept), overrides=[PAUSED])

    assert '("vendor outage")  ends with its task' in render_plan(plan, Look(width=120))


def test_other_time_zone_data_behind_the_schedules_in_force_are_named() -> None:
    behind = {"2025b": 1, "2026a": 3, "2026b": 40}
    plan = plan_of(database_of(BEFORE), compiled(BEFORE), tzdata_applied=behind)

    assert plan.tzdata_applied == {"2025b": 1, "2026a": 3}
    assert render_plan(plan, Look(width=120)).splitlines()[1:] == [
        "i time zone data  this plan is by 2026b"
        "  1 schedule in force by 2025b, 3 schedules in force by 2026a"
    ]


@pytest.mark.parametrize(("verbose", "shown"), [(False, 10), (True, 13)])
def test_many_messages_fold(verbose: bool, shown: int) -> None:
    problems = [
        Problem(
            code="ORD818",
            severity="warning",
            message="starts itself",
            file="specs/a.yaml",
            line=line,
            column=1,
        )
        for line in range(1, 14)
    ]
    plan = plan_of(database_of(BEFORE), compiled(BEFORE), diagnostics=problems)

    text = render_plan(plan, Look(verbose=verbose))

    assert text.count("! ORD818 specs/a.yaml:") == shown
    assert ("and 3 more messages (-v)" in text) is not verbose


def test_a_long_message_goes_on_below_its_beginning() -> None:
    problem = Problem(
        code="ORD818",
        message="this word of a field is understood " * 4,
        severity="warning",
        file="specs/tasks/weekday-morning-briefing.yaml",
        line=12,
        column=3,
    )
    plan = plan_of(database_of(BEFORE), compiled(BEFORE), diagnostics=[problem])

    text = render_plan(plan, Look(width=80))

    assert "\n    understood this word" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_refusal_says_what_to_do() -> None:
    plan = plan_of(
        database_of(BEFORE), compiled("kind: ToolServer\nname: fs\nstdio: {command: x}")
    )

    text = render_plan(plan, Look())

    assert (
        "Refused: retires 6 of 8 (75.0 %)\n  if that is meant: `ordinaut apply --allow-retire 6`\n"
        in text
    )


def test_the_commit_of_edited_specs_is_not_passed_off_as_theirs() -> None:
    plan = story().model_copy(
        update={"source": story().source.model_copy(update={"dirty": True}), "base": BASE}
    )

    assert "platform@3f9c2e1 and uncommitted edits" in render_plan(plan, Look())


def test_a_pipeline_of_its_own_steps_gives_way_to_a_shared_one() -> None:
    shared = """
kind: Pipeline
name: sweep
steps: [{id: list, uses: fs.list}]
---
"""
    wanted = compiled(
        shared
        + BEFORE.replace(
            "[{id: list, uses: default/fs.list}, {id: purge, uses: default/fs.move, with: {to: /tmp}}]",
            "{use: default/sweep}",
        )
    )

    lines = render_plan(plan_of(database_of(BEFORE), wanted), Look()).splitlines()

    start = next(place for place, line in enumerate(lines) if "nightly-cleanup" in line)
    assert lines[start + 1 : start + 3] == ["    tools     - fs.move", "    steps     - purge"]


def test_fields_of_other_kinds_are_shown_and_fold() -> None:
    server = "kind: ToolServer\nname: fs\nstdio: {command: %s}\n%s"
    more = "idle_stop: 1m\nmax_concurrency: 9\ncall_timeout: 1s\nconnect_timeout: 2s\nsandbox: {user: nobody}"
    plan = plan_of(database_of(server % ("a", "")), compiled(server % ("b", more)))

    text = render_plan(plan, Look())

    assert "~ ToolServer fs    specs/01.yaml:1" in text
    assert "    fields    call_timeout: 30s -> 1s\n" in text
    assert "and 2 more fields (-v)" in text
    assert "what a tool server runs" in text


def test_a_field_of_the_schedule_that_its_words_do_not_tell_gets_a_line() -> None:
    before = BEFORE.replace("timezone: UTC}", "timezone: UTC, until: 2040-01-01}")
    after = BEFORE.replace("timezone: UTC}", "timezone: UTC, until: 2040-01-02}")

    text = render_plan(plan_of(database_of(before), compiled(after)), Look())

    assert "2040-01-01" in text
    assert "2040-01-02" in text


def test_fields_that_come_and_go_are_marked() -> None:
    before = BEFORE.replace("namespace: support", "namespace: support\nparams: {a: 1, b: [2]}")
    after = BEFORE.replace("namespace: support", "namespace: support\nparams: {b: [2], c: x}")

    text = render_plan(plan_of(database_of(before), compiled(after)), Look())

    assert "    params    - params.a: 1\n              + params.c: x\n" in text


def test_what_looks_like_a_rename_says_how_to_make_it_one() -> None:
    hint = Problem(code="ORD211", severity="note", message="Task b looks like a", hint="`renamed_from: a` in it keeps history", file="f.yaml", line=1, column=1)  # fmt: skip

    text = " ".join(render_plan(story(diagnostics=[hint]), Look(width=80)).split())
    assert "Task b looks like a; `renamed_from: a` in it keeps history" in text


def test_what_is_told_whole_is_not_told_again_by_asking_for_more() -> None:
    before = "kind: Task\nname: a\nschedule: {manual: true}\npipeline: [{id: a, uses: llm.plan, with: {goal: OLD}}]\n"
    after = before.replace("OLD", "new") + "timeout: 5m\ndescription: New.\n"

    text = render_plan(plan_of(database_of(before), compiled(after)), Look(verbose=1))
    assert [text.count(words) for words in ("1h -> 5m", "OLD -> new", "+ /description  New.")] == [1, 1, 1]  # fmt: skip
    long = render_plan(
        plan_of(database_of(before), compiled(before.replace("OLD", "x" * 60))), Look(verbose=1)
    )
    assert "x" * 60 in long


def test_a_creation_is_shown_without_what_the_language_gives_anyway() -> None:
    text = render_plan(
        plan_of(Database({}), compiled("kind: Agent\nname: a\nscopes: [llm.plan]\n")),
        Look(verbose=1),
    )

    assert '    + /scopes  ["llm.plan"]\n' in text
    assert "/kind" not in text
    assert "/budgets" not in text
    assert "/destructive" not in text
