"""Large plans: what may hurt is told one by one, the rest is counted, and -v tells everything."""

from __future__ import annotations

from functools import cache

from reconciler.core.desired import Key
from reconciler.core.folding import ROOM, fold
from reconciler.core.guards import NOTHING_ALLOWED, Footprint, evaluate, refused
from reconciler.core.look import Look
from reconciler.core.render import render_plan
from schemas.plan import Plan
from schemas.rules import Guards
from tests.core.plan_story import plan_of
from tests.support.specs import compiled, database_of

HEAD = "kind: ToolServer\nname: fs\nstdio: {command: mcp-fs}"
AGENT = "kind: Agent\nname: helper\nscopes: [fs.list]"
DAILY = 'cron: "0 6 * * *", timezone: UTC'
HOURLY = 'cron: "0 * * * *", timezone: UTC'


def task(number: int, **changed: str) -> str:
    """A task; what is named is other than usual."""
    given = {"schedule": DAILY, "uses": "fs.list", "more": "owner: team", **changed}
    return (
        f"kind: Task\nname: t{number:04}\nnamespace: n{number % 10}\nschedule: {{{given['schedule']}}}\n"
        f"pipeline: [{{id: look, uses: default/{given['uses']}, with: {{a: {given.get('a', 1)}}}}}]\n"
        f"{given['more']}"
    )


def documents(*tasks: str, agent: str = AGENT) -> str:
    """Documents in YAML."""
    return "\n---\n".join([HEAD, agent, *tasks])


@cache
def large(meta: int = 0, pipeline: int = 0, schedule: int = 0, retire: int = 0) -> Plan:
    """A plan with so many changes of each weight."""
    before, after = [], []
    for number in range(meta + pipeline + schedule + retire):
        before.append(task(number))
        if number < meta:
            after.append(task(number, more="owner: other"))
        elif number < meta + pipeline:
            after.append(task(number, a="2"))
        elif number < meta + pipeline + schedule:
            after.append(task(number, schedule=HOURLY))
    return plan_of(database_of(documents(*before)), compiled(documents(*after)))


def told(plan: Plan, verbose: int = 0) -> tuple[int, list[str]]:
    """How many changes are told one by one, and the lines about the folds."""
    lines = render_plan(plan, Look(verbose=verbose)).splitlines()
    heads = [line for line in lines if line[:2] in {"~ ", "- ", "+ "} and "-> " not in line[:40]]
    start = next((place for place, line in enumerate(lines) if line.startswith("* ")), len(lines))
    end = lines.index("", start) if start < len(lines) else start
    return len(heads), lines[start:end]


def test_a_plan_that_fits_is_not_folded() -> None:
    assert told(large(meta=ROOM)) == (ROOM, [])


def test_what_only_describes_folds_first() -> None:
    assert told(large(meta=50, pipeline=20, schedule=20, retire=1)) == (
        41,
        [
            "* 50 changes of labels, owner, description, slo or notify",
            "    in        n0 5  n1 5  n2 5  n3 5  n4 5  n5 5  n6 5  n7 5  and 2 more",
            "    owners    other 50",
            "  folded; -v shows each",
        ],
    )


def test_then_what_runs_and_then_when() -> None:
    count, lines = told(large(meta=1, pipeline=1, schedule=ROOM + 5, retire=3))

    assert count == 3
    assert [line for line in lines if line.startswith("* ")] == [
        "* 1 change of labels, owner, description, slo or notify",
        "* 1 change of steps, parameters or policy",
        f"* {ROOM + 5} changes of when something runs, or of what is new",
    ]


def test_what_stops_work_folds_only_where_nobody_would_read_on() -> None:
    assert told(large(meta=9, retire=ROOM))[0] == ROOM
    count, lines = told(large(retire=ROOM + 9))

    assert count == 20
    assert lines[0].startswith(f"* {ROOM + 9 - 20} changes that stop work, overwrite what others")
    assert f"    reasons   retire {ROOM + 9 - 20}" in lines
    assert len(told(large(retire=ROOM + 9), verbose=1)[1]) == 0


def test_new_power_for_what_exists_never_folds() -> None:
    before = documents(*(task(number) for number in range(ROOM + 5)))
    after = documents(
        task(0, uses="fs.delete"),
        *(task(number, more="owner: other") for number in range(1, ROOM + 5)),
        agent=AGENT.replace("fs.list", "fs.*"),
    )

    count, lines = told(plan_of(database_of(before), compiled(after)))

    assert count == 2
    assert lines[0] == f"* {ROOM + 4} changes of labels, owner, description, slo or notify"


def test_the_tools_that_folded_tasks_call_are_named() -> None:
    plan = plan_of(
        database_of(documents()), compiled(documents(*(task(one) for one in range(ROOM + 1))))
    )

    assert "    tools     + fs.list" in told(plan)[1]


def test_verbose_unfolds_everything() -> None:
    assert told(large(meta=ROOM + 9), verbose=1) == (ROOM + 9, [])


def test_what_is_folded_is_told_in_the_same_order_whatever_the_order_of_the_files() -> None:
    tasks = [task(number) for number in range(ROOM + 20)]
    one, other = compiled(documents(*tasks)), compiled(documents(*reversed(tasks)))
    database = database_of(documents())

    texts = [render_plan(plan_of(database, specs), Look()) for specs in (one, other)]

    assert texts[0].replace("specs/", "") == texts[1].replace("specs/", "")


def test_folding_keeps_every_change_exactly_once() -> None:
    plan = large(meta=40, pipeline=40, schedule=40, retire=2)

    folded = fold(plan.changes)

    every = [*folded.told, *(change for one in folded.folds for change in one.changes)]
    assert sorted(change.key for change in every) == [change.key for change in plan.changes]


def test_a_fold_says_whose_it_is_and_what_fires_first() -> None:
    _, folds = told(large(schedule=100))

    assert "    owners    team 100" in folds
    assert "    first     Thu 22 Oct 15:00 UTC, n0/t0000" in folds


def test_ten_thousand_changes_are_still_a_text_that_can_be_read() -> None:
    plan = large(schedule=100, retire=100)
    many = [
        change.model_copy(update={"name": f"t{number}", "key": f"n/t{number}"})
        for number in range(50)
        for change in plan.changes
    ]
    drifted = [change.model_copy(update={"reason": "drift"}) for change in many[:3000]]

    text = render_plan(
        plan.model_copy(update={"changes": (*drifted, *many[3000:])}), Look(width=80)
    )

    lines = text.splitlines()
    assert len(lines) < 150
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("    reasons   ") and "drift " in line for line in lines)


def test_a_refusal_names_the_first_and_counts_the_rest() -> None:
    keys = [f"n/t{number}" for number in range(1, 1112)]
    live = {Key("Task", "n", key): True for key in keys}
    footprint = Footprint(live=live, retiring=tuple(live))

    for guard in refused(evaluate(footprint, Guards(), NOTHING_ALLOWED)):
        assert len(guard.message) < 300
    protect = next(
        one for one in evaluate(footprint, Guards(), NOTHING_ALLOWED) if one.name == "protect"
    )
    assert protect.message.endswith(" and 1101 more")
