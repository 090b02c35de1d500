"""Files to desired state: what documents take from the Project and from one another, and what is handed on."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.desired import Key, Place, Specs
from reconciler.load import load_specs
from schemas.problem import Problem

_HEAD = "apiVersion: ordinaut/v1\n"
_PROJECT = "kind: Project\nname: home"
_SERVER = "kind: ToolServer\nname: weather\nstdio: {command: weather}"
_TASK = """\
kind: Task
name: brief
schedule: {manual: true}
pipeline: [{id: look, uses: weather.forecast}]"""


def _compiled(*documents: str, environment: str = "default") -> Specs:
    files = [
        SourceFile(f"specs/{number}.yaml", (_HEAD + dedent(text)).encode())
        for number, text in enumerate(documents)
    ]
    return compile_specs(files, environment=environment)


def _body(
    specs: Specs, name: str = "brief", kind: str = "Task", namespace: str = "default"
) -> Any:
    assert not specs.errors, specs.errors
    return specs.documents[Key(kind, namespace, name)].body


def _told(specs: Specs) -> list[tuple[str, str]]:
    return [(problem.place, problem.code) for problem in specs.problems]


def test_documents_are_found_by_kind_namespace_and_name_never_by_file() -> None:
    one = _compiled(_PROJECT, _SERVER, _TASK)
    other = compile_specs(
        [
            SourceFile(
                "elsewhere.yaml",
                "---\n".join(_HEAD + d + "\n" for d in (_TASK, _PROJECT, _SERVER)).encode(),
            )
        ]
    )

    assert {k: d.digest for k, d in one.documents.items()} == {
        k: d.digest for k, d in other.documents.items()
    }
    assert one.project == "home"
    assert one.documents[Key("Task", "default", "brief")].place == Place("specs/2.yaml", 1, 1)


def test_the_order_of_files_does_not_matter() -> None:
    files = [
        SourceFile(f"{n}.yaml", (_HEAD + text).encode())
        for n, text in enumerate((_PROJECT, _SERVER, _TASK, _TASK))
    ]

    assert compile_specs(files) == compile_specs(files[::-1])


def test_the_defaults_of_a_namespace_come_before_those_for_all() -> None:
    project = """\
        kind: Project
        name: home
        defaults:
          namespace: shop
          owner: everybody
          timeout: 5m
          namespaces:
            shop: {timeout: 9m}
            ops: {owner: team-ops, timezone: Europe/Chisinau}
            sales: {owner: team-sales}"""
    task = (
        "kind: Task\nname: NAME\nschedule: {cron: '0 8 * * *', timezone: UTC}\n"
        "pipeline: [{id: plan, uses: llm.plan}]"
    )
    bare = task.replace(", timezone: UTC", "").replace("NAME", "bare")
    specs = _compiled(
        project,
        task.replace("NAME", "one"),
        task.replace("NAME", "two") + "\nnamespace: ops",
        task.replace("NAME", "three") + "\nnamespace: sales\nowner: me",
        bare + "\nnamespace: ops",
    )

    assert specs.errors == ()
    found = {key.label: one.body for key, one in specs.documents.items() if key.kind == "Task"}
    assert {name: (body.get("owner"), body["timeout"]) for name, body in found.items()} == {
        "shop/one": ("everybody", "9m"),
        "ops/two": ("team-ops", "5m"),
        "ops/bare": ("team-ops", "5m"),
        "sales/three": ("me", "5m"),
    }
    assert found["ops/bare"]["schedule"][0]["timezone"] == "Europe/Chisinau"
    broken = _compiled(project, bare)
    assert [problem.code for problem in broken.errors] == ["ORD006"]


@pytest.mark.parametrize("namespace", ["[]", "{}", "3"])
def test_a_namespace_that_is_none_takes_no_defaults(namespace: str) -> None:
    project = "kind: Project\nname: home\ndefaults: {namespaces: {ops: {owner: me}}}"
    agent = f"kind: Agent\nname: assistant\nscopes: ['*']\nnamespace: {namespace}"

    assert {problem.code for problem in _compiled(project, agent).errors} == {"ORD007"}


def test_the_defaults_of_the_project_stand_in_for_what_a_document_leaves_out() -> None:
    project = """\
        kind: Project
        name: home
        defaults:
          namespace: ops
          owner: team-home
          agent: assistant
          timezone: Europe/Chisinau
          catch_up: {policy: skip}
          overlap: allow
          priority: 7
          timeout: 5m
          retry: {attempts: 4}"""
    agent = "kind: Agent\nname: assistant\nscopes: ['*']"
    task = """\
        kind: Task
        name: brief
        schedule:
          - {cron: "0 8 * * *"}
          - {rrule: FREQ=DAILY, timezone: UTC}
          - {at: [2026-01-05T08:30Z, 2026-01-05T08:30]}
          - {at: 2026-01-05T08:30Z}
          - {every: 5m}
          - {every: 5m, start: 2026-01-05T08:30}
        pipeline: [{id: look, uses: weather.forecast}]"""

    body = _body(_compiled(project, agent, _SERVER, task), namespace="ops")

    assert [s.get("timezone") for s in body["schedule"]] == [
        "Europe/Chisinau", "UTC", "Europe/Chisinau", None, None, "Europe/Chisinau",
    ]  # fmt: skip
    assert (body["owner"], body["agent"], body["overlap"], body["priority"]) == (
        "team-home", "ops/assistant", "allow", 7,
    )  # fmt: skip
    assert (body["timeout"], body["retry"]["attempts"], body["catch_up"]["policy"]) == (
        "5m",
        4,
        "skip",
    )
    assert body["pipeline"][0]["uses"] == "ops/weather.forecast"


def test_what_a_document_says_itself_wins_over_the_defaults_also_when_it_says_nothing() -> None:
    project = "kind: Project\nname: home\ndefaults: {owner: team, agent: assistant, timezone: UTC}"
    task = _TASK + "\nagent: null\nowner: me\nnamespace: default"
    calendar = "kind: Calendar\nname: closed\ndates: [2026-12-25]"

    specs = _compiled(project, _SERVER, task, calendar)

    assert "agent" not in _body(specs)
    assert _body(specs)["owner"] == "me"
    assert _body(specs, "closed", "Calendar")["timezone"] == "UTC"


def test_variables_of_the_environment_lie_over_those_of_the_project_and_keep_their_type() -> None:
    project = """\
        kind: Project
        name: home
        variables: {city: Chisinau, urgency: 5, words: "it's ${plain}"}
        environments: {prod: {variables: {urgency: 9}}}"""
    task = """\
        kind: Task
        name: brief
        priority: ${vars.urgency}
        schedule: {manual: true}
        pipeline:
          - id: look
            uses: weather.forecast
            if: vars.urgency > `3`
            with: {city: "${vars.city}", text: "in ${vars.city}: ${vars.words}", now: "${now}"}"""

    default = _body(_compiled(project, _SERVER, task))
    production = _body(_compiled(project, _SERVER, task, environment="prod"))

    assert (default["priority"], production["priority"]) == (5, 9)
    [step] = production["pipeline"]
    assert step["with"] == {
        "city": "Chisinau",
        "text": "in Chisinau: it's $${plain}",
        "now": "${now}",
    }
    assert step["if"] == "`9` > `3`"


def test_variables_are_filled_in_a_project_too_but_for_what_says_them() -> None:
    project = """\
        kind: Project
        name: home
        variables: {port: "8431", host: 127.0.0.1}
        environments: {prod: {variables: {host: worker.example}}}
        processes:
          worker:
            command: python
            args: [worker.py, "--port=${vars.port}"]
            ready: http://${vars.host}:${vars.port}/"""

    [default, prod] = [
        _body(_compiled(project, environment=name), "home", "Project")["processes"]["worker"]
        for name in ("default", "prod")
    ]

    assert default["args"] == ["worker.py", "--port=8431"]
    assert (default["ready"], prod["ready"]) == (
        "http://127.0.0.1:8431/",
        "http://worker.example:8431/",
    )


def test_an_environment_that_is_not_declared_is_refused() -> None:
    specs = _compiled("kind: Project\nname: home\nenvironments: {prod: {}}", environment="prd")

    [problem] = specs.errors
    assert (problem.place, problem.code) == ("specs/0.yaml:4:1", "ORD009")
    assert "`prod`" in problem.hint


def test_a_name_is_looked_up_in_the_own_namespace_first_and_in_default_after_that() -> None:
    servers = "\n---\n".join(
        [_SERVER]
        + [
            _HEAD + f"kind: ToolServer\nname: {name}\nnamespace: ops\nstdio: {{command: x}}"
            for name in ("weather", "mail")
        ]
    )
    task = """\
        kind: Task
        name: brief
        namespace: {namespace}
        schedule: {{manual: true}}
        pipeline:
          - {{id: one, uses: weather.forecast}}
          - {{id: two, uses: default/weather.forecast}}
          - {{id: three, uses: ops/mail.send/now}}
          - {{id: four, uses: llm.plan, effect: once, on_unknown: {{verify: weather.sent, when: result.ok}}}}"""

    here = _body(_compiled(_PROJECT, servers, task.format(namespace="ops")), namespace="ops")
    there = _body(_compiled(_PROJECT, servers, task.format(namespace="default")))

    def uses(body: Any) -> list[str]:
        return [step["uses"] for step in body["pipeline"]] + [
            body["pipeline"][3]["on_unknown"]["verify"]
        ]

    assert uses(here) == ["ops/weather.forecast", "weather.forecast", "ops/mail.send/now", "llm.plan", "ops/weather.sent"]  # fmt: skip
    assert uses(there) == ["weather.forecast", "weather.forecast", "ops/mail.send/now", "llm.plan", "weather.sent"]  # fmt: skip


def test_a_pipeline_that_is_used_is_written_out_with_the_defaults_of_its_parameters() -> None:
    pipeline = """\
        kind: Pipeline
        name: report
        namespace: ops
        params:
          properties: {city: {type: string}, days: {type: integer, default: 3}, when: {default: "${now}"}}
          required: [city]
        steps: [{id: look, uses: weather.forecast, with: {city: "${params.city}", days: "${params.days}"}}]
        finally: [{id: tell, uses: weather.forecast, with: {city: "${run.outcome}"}}]"""
    server = _SERVER + "\nnamespace: ops"
    task = """\
        kind: Task
        name: brief
        schedule: {manual: true}
        params: {city: Chisinau}
        pipeline: {use: ops/report, with: {city: "${params.city}"}}"""

    body = _body(_compiled(_PROJECT, server, pipeline, task))

    assert body["pipeline"]["use"] == "ops/report"
    assert body["pipeline"]["with"] == {"city": "${params.city}", "days": 3, "when": "${now}"}
    for steps in (body["pipeline"]["steps"], body["pipeline"]["finally"]):
        assert [step["uses"] for step in steps] == ["ops/weather.forecast"]


def test_calendars_and_polled_tools_become_absolute() -> None:
    calendar = "kind: Calendar\nname: closed\nnamespace: ops\ntimezone: UTC\ndates: [2026-12-25]"
    task = """\
        kind: Task
        name: brief
        namespace: ops
        schedule:
          - {cron: "0 8 * * *", timezone: UTC, exclude: [closed]}
          - {condition: {uses: weather.alert, every: 5m, when: result.ok}}
        pipeline: [{id: look, uses: weather.forecast}]"""

    body = _body(_compiled(_PROJECT, _SERVER, calendar, task), namespace="ops")

    assert body["schedule"][0]["exclude"] == ["ops/closed"]
    assert body["schedule"][1]["condition"]["uses"] == "weather.alert"


def test_a_document_with_errors_is_not_handed_on_but_can_be_named() -> None:
    server = "kind: ToolServer\nname: weather\nstdio: {command: weather}\nsandbx: {}"

    specs = _compiled(_PROJECT, server, _TASK)

    assert _told(specs) == [("specs/1.yaml:5:1", "ORD005")]
    assert Key("ToolServer", "default", "weather") not in specs.documents
    assert Key("Task", "default", "brief") in specs.documents


def test_a_kind_of_which_parts_were_refused_is_told_as_that() -> None:
    assert _told(_compiled(_PROJECT, "kind: [&a Task]\nname: x")) == [
        ("specs/1.yaml:2:8", "ORD011")
    ]


def test_a_name_that_may_stand_in_what_cannot_be_read_is_not_missed() -> None:
    broken = "kind: ToolServer\nname: weather\nstdio: {command: weather"
    task = _TASK.replace("forecast}]", "forecast}, {id: send, uses: mail.send}]")

    assert [code for _, code in _told(_compiled(_PROJECT, broken, task))] == ["ORD002", "ORD009"]
    unread = Problem(
        code="ORD001", message="cannot be read", file="specs/x.yaml", line=1, column=1
    )
    files = [
        SourceFile("specs/0.yaml", (_HEAD + _PROJECT).encode()),
        SourceFile("specs/1.yaml", (_HEAD + task).encode()),
    ]
    assert compile_specs(files, unread=[unread]).problems == (unread,)


@pytest.mark.parametrize(
    ("project", "code"),
    [
        ("kind: Project\nname: home\nvariables: {city: '${vars.other}'}", "ORD502"),
        ("kind: Project\nname: home\nsecrets: {key: {file: '${now}'}}", "ORD502"),
    ],
)
def test_nothing_is_filled_in_in_the_project(project: str, code: str) -> None:
    assert [problem.code for problem in _compiled(project).problems] == [code]


def test_what_a_flawed_project_would_say_is_not_missed() -> None:
    project = """\
        kind: Project
        name: home
        variables: {City: 1}
        secrets: {key: {}}"""
    task = (
        _TASK.replace("forecast}", "forecast, with: {a: '${vars.city}', b: '${secrets.key}'}}")
        + "\npriority: ${vars.urgency}"
    )

    assert [place for place, _ in _told(_compiled(project, _SERVER, task))] == ["specs/0.yaml:4:13", "specs/0.yaml:5:16"]  # fmt: skip


def test_a_project_that_is_not_sound_still_counts_as_one() -> None:
    project = "kind: Project\nname: home\nvariables: &all {city: x}"
    task = _TASK.replace("forecast}", "forecast, with: {a: '${vars.other}', b: '${secrets.key}'}}")

    assert [code for _, code in _told(_compiled(project, _SERVER, task))] == ["ORD011"]


def test_a_project_beyond_repair_is_reported_once() -> None:
    assert _told(_compiled("kind: Project\nname: [home]\nlabels: {'': x}", _SERVER, _TASK)) == [
        ("specs/0.yaml:3:7", "ORD007"),
        ("specs/0.yaml:4:10", "ORD007"),
    ]


def test_the_weekday_morning_briefing_is_valid() -> None:
    specs = load_specs(Path(__file__).parents[2] / "docs" / "examples" / "briefing")

    assert not specs.errors
    briefing = specs.documents[Key("Task", "default", "weekday-morning-briefing")]
    assert [step["uses"] for step in briefing.body["pipeline"]] == [
        "google-calendar.list_events", "weather.forecast", "llm.plan", "telegram.send_message",
    ]  # fmt: skip
    assert briefing.facets.keys() == {"schedule", "pipeline", "policy", "meta"}


def test_the_task_that_a_step_runs_is_one_of_its_own_namespace_unless_it_says_so() -> None:
    task = """\
        kind: Task
        name: brief
        namespace: ops
        schedule: {manual: true}
        params: {which: default/other}
        pipeline:
          - {id: near, uses: ordinaut.run, with: {task: report}}
          - {id: far, uses: ordinaut.run, with: {task: default/report}}
          - {id: told, uses: ordinaut.run, with: {task: "${params.which}"}}"""

    body = _body(_compiled(_PROJECT, task), namespace="ops")

    assert [step["with"]["task"] for step in body["pipeline"]] == [
        "ops/report",
        "report",
        "${params.which}",
    ]
