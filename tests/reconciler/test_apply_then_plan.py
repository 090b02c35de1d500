"""Whatever valid specs are applied: the database then holds them, and the next plan is empty."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.apply import Request, apply_plan
from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.desired import Specs
from reconciler.core.guards import Allowed
from reconciler.planning import plan_against
from runtime.embedded import Urls
from runtime.store.connect import connect
from runtime.store.specs import Connection
from schemas.plan import Plan, PlanSource
from tests.reconciler.specs import others, tasks, written
from tests.support.databases import fresh_database

PROJECT = b"apiVersion: ordinaut/v1\nkind: Project\nname: property\n"


@pytest.fixture(scope="module")
def lasting(servers: Urls) -> Iterator[Connection]:
    """One database for all examples: each finds what the one before left."""
    with fresh_database(servers.database) as url, connect(url) as connection:
        yield connection


def unprotected(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "protect"}


FOLDERS = st.lists(
    (tasks() | others()).map(unprotected), max_size=5, unique_by=lambda d: (d["kind"], d["name"])
)


def specs_of(documents: list[dict[str, Any]], chance: random.Random) -> Specs:
    """Documents spelt one of many ways, in one of many orders and files."""
    chance.shuffle(documents)
    files = [
        SourceFile(f"specs/{chance.random()}.yaml", written(document, chance).encode())
        for document in documents
    ]
    specs = compile_specs([SourceFile("specs/ordinaut.yaml", PROJECT), *files])
    assert not specs.errors, specs.errors
    return specs


def plan(connection: Connection, specs: Specs) -> Plan:
    return plan_against(connection, specs, PlanSource(project="property"))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=FOLDERS, chance=st.randoms(use_true_random=False))
def test_after_an_apply_the_plan_is_empty(
    lasting: Connection, documents: list[dict[str, Any]], chance: random.Random
) -> None:
    specs = specs_of(documents, chance)
    first = plan(lasting, specs)

    allowed = Allowed(retire=first.summary.retire)
    apply_plan(lasting, first, Request(actor="ada@desk", allowed=allowed))

    again = plan(lasting, specs_of(documents, chance))
    assert (again.changes, again.unmanaged) == ((), ())
    rows = lasting.execute(
        "select kind, namespace, name, digest from ordinaut.spec where retired_at is null"
    ).fetchall()
    assert sorted(rows) == sorted(
        (key.kind, key.namespace, key.name, wanted.digest)
        for key, wanted in specs.documents.items()
    )


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=FOLDERS, chance=st.randoms(use_true_random=False))
def test_the_plan_of_one_state_is_the_same_however_the_specs_are_written(
    lasting: Connection, documents: list[dict[str, Any]], chance: random.Random
) -> None:
    one, other = (plan(lasting, specs_of(documents, chance)) for _ in range(2))

    assert one.digest == other.digest
    placeless = {"file": None, "line": None}
    assert [c.model_copy(update=placeless | {"preview": None}) for c in one.changes] == [
        c.model_copy(update=placeless | {"preview": None}) for c in other.changes
    ]
