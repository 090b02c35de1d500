"""Every number that specs may hold is the same after the database kept it; every other is refused where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.core.desired import Desired, Key
from reconciler.core.digest import canonical
from reconciler.core.documents import read_documents
from reconciler.core.look import Look
from reconciler.core.render import render_plan
from reconciler.export import export, write_files
from reconciler.load import load_specs
from runtime.embedded import Urls
from runtime.store.connect import connect
from tests.support.applying import Bench, specs, task
from tests.support.databases import fresh_database
from tests.support.specs import compiled

QUICK = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
EDGES = "1e15 1e16 9007199254740993 9.223372036854774e18 -9.223372036854775808e18 1.0 -0.0 -0 0.10 5e-324 1e-7 3.14159265358979"
BEYOND = ("1e22", "1.5e300", "-1e19", "9.223372036854775808e18", "9223372036854775808", "12345678901234567890.5")  # fmt: skip
KEPT = st.floats(-(2.0**62), 2.0**62) | st.integers(-(2**63), 2**63 - 1)


@pytest.fixture(scope="module")
def lasting(servers: Urls) -> Iterator[Bench]:
    """A database that keeps what earlier examples did to it, as databases do."""
    with fresh_database(servers.database) as url, connect(url) as connection:
        yield Bench(url, connection)


def holding(numbers: list[str]) -> str:
    return specs(task("t", more=f"params: {{numbers: [{', '.join(numbers)}]}}\n"))


def again(bench: Bench) -> Desired:
    """What an export of the database compiles to."""
    with TemporaryDirectory() as folder:
        write_files(export(bench.connection, [], "platform", skip_defaults=True), Path(folder))
        found = load_specs(Path(folder))
    assert not found.errors, found.errors
    return found.documents[Key("Task", "default", "t")]


def check(bench: Bench, numbers: list[str]) -> None:
    text = holding(numbers)
    bench.apply(text)
    assert bench.plan(text).changes == ()
    wanted = compiled(text).documents[Key("Task", "default", "t")]
    assert again(bench).digest == wanted.digest
    ((stored,),) = bench.rows("select body from ordinaut.spec where kind = 'Task'")
    assert canonical(stored) == canonical(wanted.body)
    # Whatever it was, taking it out can be shown, as text and as JSON.
    gone = bench.plan(specs(task("t")))
    assert "params" in render_plan(gone, Look(verbose=1))
    orjson.dumps(gone.model_dump(mode="json"))


def test_numbers_at_the_edges_are_applied_planned_and_exported_as_the_same(lasting: Bench) -> None:
    check(lasting, EDGES.split())


@settings(QUICK, max_examples=15)
@given(numbers=st.lists(KEPT.map(repr), min_size=1, max_size=40))
def test_every_number_of_64_bits_is_applied_planned_and_exported_as_the_same(
    lasting: Bench, numbers: list[str]
) -> None:
    check(lasting, numbers)


@pytest.mark.parametrize("number", BEYOND)
def test_a_number_that_the_database_would_make_another_is_refused_where_it_stands(
    number: str,
) -> None:
    reading = read_documents("specs/t.yaml", f"params:\n  h: {number}\n".encode())

    (problem,) = reading.problems
    assert (problem.code, problem.place) == ("ORD007", "specs/t.yaml:2:6")
    assert f"{number} does not fit into 64 bits" in problem.message


def test_what_an_older_version_applied_can_be_shown_and_replaced(bench: Bench) -> None:
    bench.apply(specs(task("t", more="params: {h: 1}\n")))
    for table in ("spec", "spec_revision"):
        bench.run(
            f"update ordinaut.{table} set body = jsonb_set(body, '{{params,h}}', '1e22') where body->>'kind' = 'Task'"
        )

    plan = bench.plan(specs(task("t", more="params: {h: 2}\n")))

    assert "params.h: 1e+22 -> 2" in render_plan(plan, Look())
    orjson.dumps(plan.model_dump(mode="json"))
    bench.carry_out(plan)
    assert bench.plan(specs(task("t", more="params: {h: 2}\n"))).changes == ()
