"""`notify` of a task becomes tasks of their own: seen in plans, checked where they were written, and never telling of themselves."""

from __future__ import annotations

from typing import Any

from reconciler.core.compile import compile_specs
from reconciler.core.desired import Key, Specs
from reconciler.core.files import SourceFile

PROJECT = "apiVersion: ordinaut/v1\nkind: Project\nname: home\nsecrets: {chat: {env: CHAT}}\n"
TASK = """\
apiVersion: ordinaut/v1
kind: Task
name: billing
namespace: shop
owner: ada
schedule: {every: 1h}
pipeline: [{id: a, uses: ordinaut.transform, with: {value: 1}}]
"""
NOTIFY = """\
notify:
  - on: [failure, lateness]
    late: 10m
    uses: ordinaut.post
    with: {url: "${secrets.chat}", body: "${event.data.task}"}
  - {on: approval, uses: ordinaut.post, with: {url: "https://a.example", body: 1}}
"""


def compiled(task: str, project: str = PROJECT) -> Specs:
    files = {"specs/ordinaut.yaml": project, "specs/billing.yaml": task}
    return compile_specs([SourceFile(name, text.encode()) for name, text in files.items()])


def body(specs: Specs, name: str, namespace: str = "shop") -> Any:
    return specs.documents[Key("Task", namespace, name)].body


def told(specs: Specs) -> list[tuple[int, int, str]]:
    return [(one.line, one.column, one.message) for one in specs.problems]


def test_each_entry_becomes_a_task_that_listens_to_the_events_of_its_own_task_alone() -> None:
    specs = compiled(TASK + NOTIFY)

    assert specs.problems == ()
    first, second = body(specs, "billing-notify"), body(specs, "billing-notify-2")
    assert [(one["event"], one["filter"]) for one in first["schedule"]] == [
        ("ordinaut.run.failed", "data.task == 'shop/billing'"),
        ("ordinaut.run.late", "data.task == 'shop/billing' && data.after_seconds == `600`"),
    ]
    assert second["schedule"][0]["filter"] == (
        "data.task == 'shop/billing' && data.kind == 'approval'"
    )
    assert (first["owner"], first["overlap"]) == ("ada", "queue_all")
    assert "notify" not in first
    place = specs.documents[Key("Task", "shop", "billing-notify-2")].place
    assert (place.file, place.line) == ("specs/billing.yaml", 13)


def test_a_recovery_and_drift_are_those_of_the_task() -> None:
    specs = compiled(TASK + NOTIFY.replace("[failure, lateness]", "[recovery, drift]"))

    assert specs.problems == ()
    assert [
        (one["event"], one["filter"]) for one in body(specs, "billing-notify")["schedule"]
    ] == [
        ("ordinaut.task.recovered", "data.task == 'shop/billing'"),
        ("ordinaut.drift.detected", "data.document == 'Task/shop/billing'"),
    ]


def test_late_is_what_the_entry_says_or_the_promise_or_five_minutes() -> None:
    def late(more: str, entry: str = NOTIFY) -> str:
        condition: str = body(compiled(TASK + entry + more), "billing-notify")["schedule"][1][
            "filter"
        ]
        return condition.rsplit("== ", maxsplit=1)[-1]

    unsaid = NOTIFY.replace("    late: 10m\n", "")
    promise = "slo: {lateness: {within: 90s, target: 99%}}\n"
    assert late(promise) == "`600`"
    assert late(promise, unsaid) == "`90`"
    assert late("", unsaid) == "`300`"


def test_a_storm_is_told_in_one_run() -> None:
    often = compiled(TASK + NOTIFY.replace("late: 10m", "at_most_every: 10m"))

    batch = body(often, "billing-notify")["schedule"][0]["batch"]
    assert batch == {"max": 100, "within": "10m"}


def test_every_task_is_told_of_by_the_defaults_but_those_that_tell() -> None:
    entry = "{on: failure, uses: ordinaut.post, with: {url: 'https://a.example', body: '${event.data}'}}"
    specs = compiled(TASK, f"{PROJECT}defaults: {{notify: [{entry}]}}\n")

    assert specs.problems == ()
    tasks = sorted(key.name for key in specs.documents if key.kind == "Task")
    assert tasks == ["billing", "billing-notify"]
    mute = compiled(TASK + "notify: []\n", f"{PROJECT}defaults: {{notify: [{entry}]}}\n")
    assert sorted(key.name for key in mute.documents if key.kind == "Task") == ["billing"]


def test_what_is_wrong_is_said_once_where_it_was_written() -> None:
    wrong = NOTIFY.replace("secrets.chat", "secrets.nobody").replace("uses: ordinaut.post, with", "uses: ordinaut.pots, with")  # fmt: skip
    specs = compiled(TASK + wrong)

    assert [(line, column) for line, column, _ in told(specs)] == [(12, 20), (13, 26)]
    assert "no secret `nobody`" in specs.problems[0].message


def test_an_occasion_that_is_none_is_said_and_makes_no_task() -> None:
    specs = compiled(TASK + NOTIFY.replace("on: approval", "on: birthday"))

    [(line, _, message)] = told(specs)
    assert line == 13
    assert "birthday" in message


def test_an_occasion_that_is_named_twice_is_refused_as_it_would_be_counted_twice() -> None:
    found = compiled(TASK + "notify: {on: [failure, failure], uses: ordinaut.transform}\n")

    [problem] = found.problems
    assert problem.message == "`notify.on`: names an occasion twice, which would count it twice"


def test_a_task_without_notify_is_what_it_was() -> None:
    assert "notify" not in body(compiled(TASK), "billing")
