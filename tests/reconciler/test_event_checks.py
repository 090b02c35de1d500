"""Tasks that events start: what is known before any event comes, and what an apply makes of it."""

from __future__ import annotations

import pytest

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.event_gains import hooks_gained, streams_gained, topics_gained
from reconciler.core.lint.rules import lint
from reconciler.core.lint.world import world_of
from runtime.core.schedules import compile_schedules
from schemas.plan import FieldChange
from tests.reconciler.test_lint import NOW, PROJECT

SHARED = "apiVersion: ordinaut/v1\nkind: Task\nname: pack\ntimeout: 1m\n"


def task(
    schedule: str, says: str = "${event.data.order}", uses: str = "ordinaut.transform"
) -> str:
    given = f'{{value: "{says}"}}' if uses == "ordinaut.transform" else f'{{event: "{says}"}}'
    return f"{SHARED}schedule: {schedule}\npipeline: [{{id: a, uses: {uses}, with: {given}}}]\n"


def problems(text: str) -> list[tuple[str, str]]:
    specs = compile_specs([SourceFile("specs/a.yaml", (PROJECT + "---\n" + text).encode())])
    return [(problem.code, problem.message) for problem in specs.problems]


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("{event: orders.paid}", "${event.topic} ${event.source} ${event.id} ${event.time}"),
        ("{event: orders.paid, debounce: 30s}", "${event.count} ${event.data}"),
        ("{event: 'orders.*', batch: {within: 1m}}", "${event.items[0].data} ${event.count}"),
        ("{event: ordinaut.run.failed, filter: \"data.task == 'x'\"}", "${event.data.error}"),
    ],
)
def test_what_is_known_of_an_event_may_be_used(schedule: str, says: str) -> None:
    assert problems(task(schedule, says)) == []


@pytest.mark.parametrize(
    ("schedule", "says", "code", "words"),
    [
        ("{event: orders.paid}", "${event.count}", "ORD502", "the event has no `count`"),
        ("{event: orders.paid, debounce: 30s}", "${event.items}", "ORD502", "no `items`"),
        ("{event: orders.paid}", "${event.result}", "ORD502", "no `result`"),
        ("{event: orders.paid, filter: 'a =='}", "x", "ORD501", "cannot be parsed"),
        ("{event: 'orders: paid'}", "x", "ORD007", "in which `*` stands for anything"),
        ("{event: a, debounce: 1s, batch: {within: 1s}}", "x", "ORD007", "take one"),
        ("{event: a, batch: {max: 1001, within: 1s}}", "x", "ORD007", "1000"),
        ("{event: a, batch: {max: 5}}", "x", "ORD006", "within"),
    ],
)
def test_what_cannot_be_right_is_told(schedule: str, says: str, code: str, words: str) -> None:
    ((found, message),) = problems(task(schedule, says))

    assert found == code
    assert words in message


def test_nobody_emits_events_of_our_own() -> None:
    text = task("{manual: true}", "ordinaut.run.failed", "ordinaut.emit")

    assert [code for code, _ in problems(text)] == ["ORD007"]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (task("{event: orders.paid}", "orders.paid", "ordinaut.emit"), ["ORD818"]),
        (task("{event: 'orders.*'}", "orders.paid", "ordinaut.emit"), ["ORD818"]),
        (task("{event: orders.paid}", "orders.sent", "ordinaut.emit"), []),
        (task("{event: orders.paid, filter: data.again}", "orders.paid", "ordinaut.emit"), []),
        (task("{event: ordinaut.run.failed}"), ["ORD818"]),
        (task("{event: 'ordinaut.*'}"), ["ORD818"]),
        (task("{event: '*'}"), []),
        (task("{event: ordinaut.revision.applied}"), []),
        (task("{event: ordinaut.run.failed, filter: \"data.task == 'x'\"}"), []),
    ],
)
def test_a_task_that_its_own_events_start_is_advised_about(text: str, codes: list[str]) -> None:
    files = [SourceFile("specs/a.yaml", (PROJECT + "---\n" + text).encode())]
    found = lint(world_of(compile_specs(files), files, NOW), "default", {"ORD818"})

    assert [problem.code for problem in found] == codes


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"event": "orders.paid"}, "on event orders.paid"),
        ({"event": "a", "filter": "data.x"}, "on event a where data.x"),
        ({"event": "a", "debounce": "30s"}, "on event a, once none has come for 30s"),
        (
            {"event": "a", "batch": {"max": 5, "within": "1m"}},
            "on event a, 5 at a time or those of 1m",
        ),
    ],
)
def test_a_schedule_is_told_in_words(schedule: dict[str, object], words: str) -> None:
    body = {"namespace": "default", "name": "pack", "schedule": [schedule]}

    assert compile_schedules(body).describe() == words


def project(hooks: str) -> list[tuple[str, str]]:
    text = f"{PROJECT}secrets: {{shop: {{env: SHOP}}}}\nwebhooks: {hooks}\n"
    specs = compile_specs([SourceFile("specs/ordinaut.yaml", text.encode())])
    return [(problem.code, problem.message) for problem in specs.problems]


@pytest.mark.parametrize(
    "hooks",
    [
        '{shop: {secret: "${secrets.shop}"}}',
        '{shop: {preset: github, secret: ["${secrets.shop}"], topic: "a.${event.type}.${event.data.x}", tolerance: 1m}}',
    ],
)
def test_a_webhook_names_its_secret_and_may_say_its_topic(hooks: str) -> None:
    assert project(hooks) == []


@pytest.mark.parametrize(
    ("hooks", "code", "words"),
    [
        ("{shop: {secret: in-the-open}}", "ORD007", "a secret of the Project"),
        ('{shop: {secret: "${secrets.nope}"}}', "ORD410", "declares no secret `nope`"),
        ("{shop: {preset: github}}", "ORD006", "secret"),
        ('{shop: {preset: gitea, secret: "${secrets.shop}"}}', "ORD007", "github"),
        ('{shop: {secret: "${secrets.shop}", topic: "a.${event.nope}"}}', "ORD502", "nope"),
        ('{shop: {secret: "${secrets.shop}", topic: "a.${params.x}"}}', "ORD502", "params.x"),
        ('{SHOP: {secret: "${secrets.shop}"}}', "ORD007", "lower-case"),
    ],
)
def test_a_webhook_that_cannot_be_right_is_told(hooks: str, code: str, words: str) -> None:
    (found, message), *_ = project(hooks)

    assert found == code
    assert words in message


def ops(*changes: tuple[str, object, object]) -> list[FieldChange]:
    return [FieldChange(op="replace", path=path, before=a, after=b) for path, a, b in changes]


@pytest.mark.parametrize(
    ("changes", "hooks", "topics"),
    [
        (ops(("/webhooks", None, {"a": {}})), ["a"], []),
        (ops(("/webhooks/b", None, {"secret": []})), ["b"], []),
        (ops(("/webhooks/b/secret/0", "x", "y")), ["b"], []),
        (ops(("/webhooks/b/topic", "x", "y")), [], []),
        (ops(("/webhooks/b", {}, None)), [], []),
        (ops(("/schedule", [{"manual": True}], [{"event": "a"}, {"event": "b"}])), [], ["a", "b"]),
        (ops(("/schedule", [{"event": "a"}], [{"event": "a"}, {"event": "b"}])), [], ["b"]),
        (ops(("/schedule/0/event", "a", "b")), [], ["b"]),
        (ops(("/schedule/0/filter", "a", "b")), [], []),
        (ops(("/schedule/1", None, {"event": "b"})), [], ["b"]),
    ],
)
def test_a_plan_tells_who_comes_to_start_what(
    changes: list[FieldChange], hooks: list[str], topics: list[str]
) -> None:
    assert (list(hooks_gained(changes)), list(topics_gained(changes))) == (hooks, topics)


def streams(text: str) -> list[tuple[str, str]]:
    text = f"{PROJECT}secrets: {{shop: {{env: SHOP}}}}\nstreams: {text}\n"
    specs = compile_specs([SourceFile("specs/ordinaut.yaml", text.encode())])
    return [(problem.code, problem.message) for problem in specs.problems]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{orders: {stream: 'shop:orders'}}", None),
        ('{orders: {stream: a, url: "${secrets.shop}", group: g, start: oldest, topic: "a.${event.type}", id: i, data: d}}', None),
        ("{orders: {stream: a, url: 'redis://in-the-open'}}", "ORD007"),
        ('{orders: {stream: a, url: "${secrets.nope}"}}', "ORD410"),
        ('{orders: {stream: a, topic: "${event.nope}"}}', "ORD502"),
        ("{orders: {}}", "ORD006"),
    ],
)  # fmt: skip
def test_a_stream_is_checked(text: str, code: str | None) -> None:
    assert [found for found, _ in streams(text)][:1] == ([code] if code else [])


def test_a_plan_tells_which_streams_are_read() -> None:
    changes = ops(("/streams", {"a": {}}, {"a": {}, "b": {}}), ("/streams/c/url", 1, 2), ("/streams/d/id", 1, 2))  # fmt: skip

    assert list(streams_gained(changes)) == ["b", "c"]
