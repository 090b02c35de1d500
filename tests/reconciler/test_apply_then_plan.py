"""Whatever valid specs are applied: the database then holds them, and the next plan is empty."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.apply import Request, apply_plan
from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.desired import Specs
from reconciler.core.formatting import format_file
from reconciler.core.guards import Allowed
from reconciler.planning import plan_against
from runtime.actor import Actor
from runtime.embedded import Urls
from runtime.store.connect import connect
from runtime.store.rows import Connection
from schemas.plan import Plan, PlanSource
from tests.reconciler.folders import Folder, folders
from tests.support.databases import fresh_database

# Without shrinking, which would apply folders for minutes: what fails is told as it was found.
QUICK = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


@pytest.fixture(scope="module")
def lasting(servers: Urls) -> Iterator[Connection]:
    """One database for all examples: each finds what the one before left."""
    with fresh_database(servers.database) as url, connect(url) as connection:
        yield connection


def specs_of(folder: Folder, chance: random.Random, *, formatted: bool = False) -> Specs:
    """What a folder compiles to, spelt one of many ways; with `formatted`, as `ordinaut fmt` leaves that."""
    files = folder.files(chance)
    if formatted:
        files = [SourceFile(one.name, _formatted(one)) for one in files]
    specs = compile_specs(files)
    assert not specs.errors, specs.errors
    return specs


def _formatted(file: SourceFile) -> bytes:
    if not file.name.endswith((".yaml", ".yml")):
        return file.data
    formatted = format_file(file.name, file.data)
    assert formatted.data is not None, formatted.problems
    return formatted.data


def plan(connection: Connection, specs: Specs) -> Plan:
    return plan_against(connection, specs, PlanSource(project="property"))


@pytest.mark.unmeasured
@settings(QUICK, max_examples=40)
@given(folder=folders(), chance=st.randoms(use_true_random=False))
def test_after_an_apply_the_plan_is_empty(
    lasting: Connection, folder: Folder, chance: random.Random
) -> None:
    specs = specs_of(folder, chance)
    first = plan(lasting, specs)

    allowed = Allowed(retire=first.summary.retire, freeze="tests go on")
    apply_plan(lasting, first, Request(actor=Actor("ada@desk"), allowed=allowed))

    again = plan(lasting, specs_of(folder, chance))
    assert (again.changes, again.unmanaged) == ((), ())
    rows = lasting.execute(
        "select kind, namespace, name, digest from ordinaut.spec where retired_at is null"
    ).fetchall()
    assert sorted(rows) == sorted(
        (key.kind, key.namespace, key.name, wanted.digest)
        for key, wanted in specs.documents.items()
    )


@pytest.mark.unmeasured
@settings(QUICK, max_examples=15)
@given(folder=folders(), chance=st.randoms(use_true_random=False))
def test_the_plan_of_one_state_is_the_same_however_the_specs_are_written(
    lasting: Connection, folder: Folder, chance: random.Random
) -> None:
    one = plan(lasting, specs_of(folder, chance))
    other = plan(lasting, specs_of(folder, chance, formatted=True))

    assert one.digest == other.digest
    placeless = {"file": None, "line": None}
    assert [c.model_copy(update=placeless | {"preview": None}) for c in one.changes] == [
        c.model_copy(update=placeless | {"preview": None}) for c in other.changes
    ]
