"""What is exported compiles to what is in force, whatever that is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.apply import Request, apply_plan
from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.desired import Key, Specs
from reconciler.core.formatting import format_file
from reconciler.core.guards import Allowed
from reconciler.export import export
from reconciler.planning import plan_against
from runtime.actor import Actor
from runtime.embedded import Urls
from runtime.errors import PlanError
from runtime.store.connect import connect
from runtime.store.rows import Connection
from schemas.plan import PlanSource
from tests.reconciler.specs import others, tasks, written
from tests.support.applying import Bench
from tests.support.databases import fresh_database
from tests.support.specs import compiled

TELLING = """\
kind: Project
name: platform
owner: team-ops
secrets: {token: {env: TOKEN}}
variables: {city: Chisinau}
defaults:
  owner: team-a
  agent: shared/assistant
  timezone: Europe/Chisinau
  timeout: 10m
  catch_up: {policy: all}
  namespaces: {ops: {owner: team-ops, timeout: 9m}, shared: {owner: everybody}}
environments: {prod: {variables: {city: Iasi}}}
guards: {max_retire: 3}
"""
TALE = """\
kind: ToolServer
name: fs
stdio: {command: mcp-fs, env: {TOKEN: '${secrets.token}'}}
---
kind: ToolServer
name: fs
namespace: ops
stdio: {command: other-fs}
---
kind: Agent
name: assistant
namespace: shared
scopes: ['*']
---
kind: Agent
name: assistant
scopes: ['*']
owner: null
---
kind: Calendar
name: holidays
dates: ['2026-12-25', '2026-12-26']
---
kind: Calendar
name: holidays
namespace: ops
timezone: UTC
dates: ['2026-05-01']
windows: [{from: '22:00', to: '06:00'}]
---
kind: Pipeline
name: look
params: {type: object, properties: {path: {type: string, default: /}, deep: {type: boolean}}}
steps:
  - {id: look, uses: fs.list, with: {path: '${params.path}', text: "two\\nlines\\n"}}
---
kind: Task
name: plain
schedule: {cron: '0 8 * * *', exclude: [holidays]}
pipeline: {use: look, with: {deep: true}}
params: {words: ['no', '1e3', '0x1f', '~', '', ' x', '2026-01-05', 'on: off', '${vars.city}', 'é…']}
---
kind: Task
name: abroad
namespace: ops
owner: null
agent: null
timeout: 1h
catch_up: {}
schedule:
  - {rrule: 'FREQ=DAILY;BYHOUR=8', exclude: [holidays, default/holidays], timezone: UTC}
  - {condition: {uses: default/fs.stat, every: 1m, when: 'result.size > `3`'}}
  - {manual: true}
pipeline:
  - {id: near, uses: fs.list, retry: {}}
  - {id: far, uses: default/fs.list, needs: [], effect: once, on_unknown: {verify: default/fs.stat, when: 'result'}}
  - {id: said, uses: llm.plan, with: {prompt: '$${now} is ${now}'}}
---
kind: Task
name: shared
namespace: ops
schedule: {manual: true}
pipeline: {use: look}
"""


def compiled_again(texts: list[str], environment: str = "default") -> Specs:
    files = [SourceFile(f"specs/{n}.yaml", text.encode()) for n, text in enumerate(texts)]
    specs = compile_specs(files, environment=environment)
    assert not specs.errors, "\n".join(map(str, specs.errors)) + "\n".join(texts)
    return specs


def digests(connection: Connection) -> dict[Key, str]:
    rows = connection.execute(
        "select kind, namespace, name, digest from ordinaut.spec where retired_at is null"
    ).fetchall()
    return {Key(*row[:3]): row[3] for row in rows}


def exported(connection: Connection, *, skip_defaults: bool) -> list[str]:
    return [one.text for one in export(connection, [], None, skip_defaults=skip_defaults)]


@pytest.fixture(scope="module")
def lasting(servers: Urls) -> Iterator[Connection]:
    """One database for all examples: each finds what the one before left."""
    with fresh_database(servers.database) as url, connect(url) as connection:
        yield connection


def unprotected(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "protect"}


def without_minus_zero(value: Any) -> Any:
    """PostgreSQL knows one zero only."""
    match value:
        case dict():
            return {name: without_minus_zero(one) for name, one in value.items()}
        case list():
            return [without_minus_zero(one) for one in value]
        case float():
            return value + 0.0
        case _:
            return value


FOLDERS = st.lists(
    (tasks() | others()).map(unprotected).map(without_minus_zero),
    min_size=1,
    max_size=5,
    unique_by=lambda d: (d["kind"], d["name"]),
)


def specs_of(documents: list[dict[str, Any]], chance: random.Random) -> Specs:
    """Documents spelt one of many ways; an overlay could not come back."""
    project = b"apiVersion: ordinaut/v1\nkind: Project\nname: property\n"
    files = [
        SourceFile(f"specs/{place}.yaml", written(document, chance).encode())
        for place, document in enumerate(documents)
    ]
    specs = compile_specs([SourceFile("specs/ordinaut.yaml", project), *files])
    assert not specs.errors, specs.errors
    return specs


@pytest.mark.unmeasured
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=FOLDERS, chance=st.randoms(use_true_random=False), skip=st.booleans())
def test_what_is_exported_compiles_to_the_same(
    lasting: Connection, documents: list[dict[str, Any]], chance: random.Random, skip: bool
) -> None:
    specs = specs_of(documents, chance)
    plan = plan_against(lasting, specs, PlanSource(project="property"))
    allowed = Allowed(retire=plan.summary.retire)
    apply_plan(lasting, plan, Request(actor=Actor("ada@desk"), allowed=allowed))

    again = compiled_again(exported(lasting, skip_defaults=skip))

    assert {key: one.digest for key, one in again.documents.items()} == digests(lasting)


@pytest.mark.parametrize("skip", [False, True])
def test_references_defaults_and_what_was_written_out_come_back_as_they_were(
    bench: Bench, skip: bool
) -> None:
    bench.apply(TALE, TELLING)

    texts = exported(bench.connection, skip_defaults=skip)

    again = compiled_again(texts)
    assert {key: one.digest for key, one in again.documents.items()} == digests(bench.connection)
    for text in texts:
        assert format_file("x.yaml", text.encode()).data.decode() == text
    whole = "\n".join(texts)
    assert "  use: look\n" in whole
    assert "calendars:" not in whole
    assert "agent: null" in whole


def test_leaving_out_defaults_leaves_little(bench: Bench) -> None:
    bench.apply(
        "kind: Task\nname: one\nschedule: {every: 1h}\npipeline: [{id: a, uses: llm.plan}]"
    )

    texts = exported(bench.connection, skip_defaults=True)

    assert texts[1] == (
        "apiVersion: ordinaut/v1\nkind: Task\nname: one\nschedule:\n  - every: 1h\n"
        "pipeline:\n  - id: a\n    uses: llm.plan\n"
    )


def test_what_somebody_changed_by_hand_is_exported_as_it_is(bench: Bench) -> None:
    bench.apply(
        "kind: Task\nname: one\nschedule: {every: 1h}\npipeline: [{id: a, uses: llm.plan}]"
    )
    bench.run("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")

    specs = compiled_again(exported(bench.connection, skip_defaults=True))

    plan = plan_against(bench.connection, specs, PlanSource(project="platform"))
    assert [(one.key, one.reason) for one in plan.changes] == [("one", "converged")]


@pytest.mark.parametrize("broken", ["{}", '{"priority": "x"}', '{"pipeline": 3}'])
def test_a_row_that_is_no_document_any_more_is_refused(bench: Bench, broken: str) -> None:
    bench.apply(
        "kind: Task\nname: one\nschedule: {every: 1h}\npipeline: [{id: a, uses: llm.plan}]"
    )
    change = "body || %s" if broken != "{}" else "%s"
    bench.run(f"update ordinaut.spec set body = {change}::jsonb where name = 'one'", broken)

    with pytest.raises(PlanError, match=r"^ORD213: Task one is no valid document any more"):
        exported(bench.connection, skip_defaults=True)


def test_the_tale_is_told_of_sound_specs() -> None:
    assert len(compiled(TALE, TELLING).documents) == 11
