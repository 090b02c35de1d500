"""The one normaliser: what means the same has the same digest, and what does not, does not."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.desired import Desired
from reconciler.core.digest import (
    FACETS,
    IDENTITY,
    canonical,
    digest_of,
    facet_digests,
    normalised,
)
from schemas.base import Document
from schemas.spec import KINDS
from schemas.task import Task
from tests.reconciler.specs import others, tasks, written

_PROJECT = b"{apiVersion: ordinaut/v1, kind: Project, name: home}"
_MINIMAL: dict[str, Any] = {
    "apiVersion": "ordinaut/v1",
    "kind": "Task",
    "name": "brief",
    "schedule": {"manual": True},
    "pipeline": [{"id": "one", "uses": "llm.plan"}],
}


def _compiled(text: str, file: str = "specs/a.yaml") -> Desired:
    specs = compile_specs(
        [SourceFile("specs/ordinaut.yaml", _PROJECT), SourceFile(file, text.encode())]
    )
    assert not specs.errors, (text, specs.errors)
    [document] = [found for key, found in specs.documents.items() if key.kind != "Project"]
    return document


def _task(**fields: Any) -> Task:
    return Task.model_validate({**_MINIMAL, **fields})


def _digest(**fields: Any) -> str:
    return digest_of(normalised(_task(**fields)))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(tasks() | others(), st.randoms(use_true_random=False))
def test_however_a_document_is_written_its_digests_are_the_same(
    document: dict[str, Any], chance: random.Random
) -> None:
    one = _compiled(written(document, chance))
    other = _compiled(written(document, chance), "specs/deeper/b.yml")

    assert canonical(one.body) == canonical(other.body)
    assert (one.digest, one.facets) == (other.digest, other.facets)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(tasks() | others())
def test_a_normal_form_is_valid_and_normal_already(document: dict[str, Any]) -> None:
    model = KINDS[document["kind"]].model_validate(document)
    body = normalised(model)

    again = type(model).model_validate({"apiVersion": "ordinaut/v1", **body})

    assert normalised(again) == body


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"timeout": "60s"}, {"timeout": "1m"}),
        ({}, {"timeout": "1h"}),
        ({}, {"owner": None, "labels": {}}),
        ({"schedule": {"manual": True}}, {"schedule": [{"manual": True}]}),
        ({}, {"renamed_from": "former"}),
        ({}, {"namespace": "default"}),
    ],
)
def test_what_means_the_same_has_one_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert _digest(**one) == _digest(**other)


@pytest.mark.parametrize(
    ("facet", "fields"),
    [
        ("schedule", {"schedule": {"every": "5m"}}),
        ("pipeline", {"pipeline": [{"id": "two", "uses": "llm.plan"}]}),
        ("pipeline", {"params": {"city": "Chisinau"}}),
        ("pipeline", {"agent": "assistant"}),
        ("policy", {"overlap": "allow"}),
        ("policy", {"timeout": "2h"}),
        ("policy", {"protect": True}),
        ("policy", {"retry": {"attempts": 2}}),
        ("policy", {"catch_up": {"max": 5}}),
        ("meta", {"labels": {"team": "home"}}),
        ("meta", {"owner": "team-home"}),
        ("meta", {"description": "words"}),
    ],
)
def test_a_change_moves_its_own_facet_and_no_other(facet: str, fields: dict[str, Any]) -> None:
    before, after = (facet_digests(normalised(_task(**given))) for given in ({}, fields))

    assert [name for name in FACETS if before[name] != after[name]] == [facet]
    assert _digest() != _digest(**fields)


def test_every_field_of_a_task_belongs_to_one_facet_or_to_its_identity() -> None:
    facets = [field for fields in FACETS.values() for field in fields]

    assert len(facets) == len(set(facets))
    # What calendars hold is put into a task's body, and written in documents of their own.
    written = {*facets, *IDENTITY} - {"calendars"}
    fields = {field.alias or name for name, field in Task.model_fields.items()}
    assert written == fields - {"apiVersion", "renamed_from"}


def test_other_kinds_have_a_definition_and_a_meta_facet() -> None:
    def facets(**fields: Any) -> dict[str, str]:
        agent = {"apiVersion": "ordinaut/v1", "kind": "Agent", "name": "assistant", **fields}
        return facet_digests(normalised(KINDS["Agent"].model_validate(agent)))

    assert facets().keys() == {"pipeline", "meta"}
    assert facets(name="other") == facets()
    assert (
        facets(owner="me")["pipeline"]
        == facets()["pipeline"]
        != facets(scopes=["x.*"])["pipeline"]
    )
    assert facets(owner="me")["meta"] != facets()["meta"] == facets(scopes=["x.*"])["meta"]


@pytest.mark.parametrize(
    "value", [None, [None, {"a": None}], {"a": None}, 1.0, -0.0, 2**63 - 1, "é\U0001f600", ""]
)
def test_arguments_are_kept_as_they_are(value: Any) -> None:
    task = _task(pipeline=[{"id": "one", "uses": "llm.plan", "with": {"value": value}}])

    kept = normalised(task)["pipeline"][0]["with"]["value"]

    assert (kept, type(kept)) == (value, type(value))


def test_money_and_dates_have_one_form() -> None:
    def body(kind: str, **fields: Any) -> Any:
        document: type[Document] = KINDS[kind]
        return normalised(
            document.model_validate(
                {"apiVersion": "ordinaut/v1", "kind": kind, "name": "a", **fields}
            )
        )

    costs = [
        body("Agent", budgets=[{"per": "day", "cost": cost}])["budgets"][0]["cost"]
        for cost in (1.5, "1.5", "1.50")
    ]
    assert costs == ["1.5", "1.5", "1.5"]
    assert body("Calendar", timezone="UTC", dates=["2026-12-25"])["dates"] == ["2026-12-25"]


def test_the_digest_of_a_known_document_stays_the_same() -> None:
    """A change here changes every digest in every database: raise NORMALISER_VERSION with it."""
    assert _digest() == "015788e84c214973545c2be92d190d5545e261c12986baf661f815f4e675638a"
