"""What looks like a rename is hinted at, and nothing more is done about it."""

from __future__ import annotations

import pytest

from schemas.plan import Plan
from tests.core.plan_story import plan_of
from tests.support.specs import compiled, database_of

HEAD = "kind: ToolServer\nname: fs\nstdio: {command: mcp-fs}\n---\n"
TASK = """\
kind: Task
name: NAME
namespace: ops
owner: team-ops
schedule: {cron: "30 7 * * 1-5", timezone: Europe/Berlin}
params: {city: Berlin, units: metric}
timeout: 5m
pipeline:
  - {id: look, uses: default/fs.list, with: {path: /in}}
  - {id: move, uses: default/fs.move, with: {from: /in, to: /out}}
"""
OTHER = """\
kind: Task
name: other
namespace: ops
schedule: {cron: "0 3 * * *", timezone: UTC}
pipeline: [{id: look, uses: default/fs.purge}]
"""


def named(name: str, text: str = TASK) -> str:
    """The task under a name."""
    return text.replace("NAME", name)


def plan(before: str, after: str) -> Plan:
    """The plan from one text to another."""
    return plan_of(database_of(HEAD + before), compiled(HEAD + after))


def hints(before: str, after: str) -> list[str]:
    """What the hints of a plan say."""
    return [one.message for one in plan(before, after).diagnostics if one.code == "ORD211"]


def test_an_equal_document_under_another_name_is_hinted_at_with_what_to_write() -> None:
    made = plan(named("one"), named("two"))

    (hint,) = made.diagnostics
    assert (hint.severity, hint.file, hint.line) == ("note", "specs/02.yaml", 1)
    assert hint.message == "Task ops/two looks like ops/one, which would be retired (100% equal)"
    assert hint.hint == "`renamed_from: one` in it keeps history, queue and overrides"


def test_it_is_a_hint_and_no_rename() -> None:
    assert [(one.action, one.key) for one in plan(named("one"), named("two")).changes] == [
        ("retire", "ops/one"),
        ("create", "ops/two"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "alike"),
    [
        ("timeout: 5m", "timeout: 6m", True),
        ("city: Berlin", "city: Hamburg", True),
        ("30 7 * * 1-5", "0 8 * * *", True),
        ("pipeline:", "priority: 9\nlabels: {a: b}\npipeline:", True),
        ("{path: /in}", "{path: /else}", True),
        (
            'owner: team-ops\nschedule: {cron: "30 7 * * 1-5", timezone: Europe/Berlin}',
            'owner: us\nschedule: {cron: "0 8 * * *", timezone: UTC}',
            False,
        ),
        (TASK[TASK.index("pipeline:") :], "pipeline: [{id: a, uses: default/fs.purge}]\n", False),
    ],
)
def test_four_fifths_of_equal_content_are_enough(old: str, new: str, alike: bool) -> None:
    assert bool(hints(named("one"), named("two").replace(old, new))) is alike


def test_defaults_make_no_documents_alike() -> None:
    assert hints(OTHER, OTHER.replace("name: other", "name: new").replace("purge", "list").replace("0 3", "0 4")) == []  # fmt: skip


def test_a_former_namespace_is_named() -> None:
    moved = plan(named("one"), named("one").replace("namespace: ops", "namespace: sales"))

    assert [one.hint for one in moved.diagnostics] == [
        "`renamed_from: ops/one` in it keeps history, queue and overrides"
    ]


def test_a_declared_rename_needs_no_hint() -> None:
    assert hints(named("one"), named("two") + "renamed_from: one\n") == []


def test_what_is_only_new_or_only_gone_needs_no_hint() -> None:
    both = named("one") + "---\n" + named("two")

    assert hints(named("one"), both) == []
    assert hints(both, named("one")) == []


def test_the_likeliest_goes_first_and_each_is_taken_once() -> None:
    near = named("near").replace("timeout: 5m", "timeout: 6m")
    before = named("one") + "---\n" + near

    assert hints(before, named("two")) == [
        "Task ops/two looks like ops/one, which would be retired (100% equal)"
    ]
    assert hints(before, named("two") + "---\n" + named("three").replace("5m", "7m")) == [
        "Task ops/three looks like ops/near, which would be retired (92% equal)",
        "Task ops/two looks like ops/one, which would be retired (100% equal)",
    ]


def test_kinds_are_not_mixed() -> None:
    agent = "kind: Agent\nname: a\nscopes: [fs.list]"

    assert hints(agent + "\n---\n" + named("one"), "kind: Agent\nname: b\nscopes: [fs.list]") == [
        "Agent b looks like a, which would be retired (100% equal)"
    ]


def test_among_very_many_only_equal_ones_are_found() -> None:
    count = 101
    before = "---\n".join(named(f"a{n}").replace("/in", f"/{n}") for n in range(count))
    after = "---\n".join(named(f"b{n}").replace("/in", f"/{n}") for n in range(count))

    found = hints(before, after.replace("timeout: 5m", "timeout: 6m", 1))

    assert len(found) == count - 1
    assert found[0] == "Task ops/b1 looks like ops/a1, which would be retired (100% equal)"
