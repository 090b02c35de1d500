"""Guards: what they refuse, and what it takes to go on all the same."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.desired import Key
from reconciler.core.guards import Allowed, Footprint, evaluate, refused
from schemas.rules import Guards
from tests.support.documents import key

RULES = Guards()


def tasks(count: int, namespace: str = "default", first: int = 0) -> list[Key]:
    return [key(f"{namespace}/t{number}") for number in range(first, first + count)]


def names(footprint: Footprint, rules: Guards = RULES, **allowed: Any) -> list[str]:
    """The guards that refuse."""
    return [g.name for g in refused(evaluate(footprint, rules, Allowed(**allowed)))]


def fleet(live: int, retiring: int, *, protected: int = 0) -> Footprint:
    keys = tasks(live)
    return Footprint(
        live={one: place < protected for place, one in enumerate(keys)},
        retiring=keys[:retiring],
    )


@pytest.mark.parametrize(
    ("live", "retiring", "refuses"),
    [
        pytest.param(100, 0, False, id="nothing"),
        pytest.param(10, 5, False, id="half, but only five"),
        pytest.param(50, 6, True, id="more than five and more than a tenth"),
        pytest.param(60, 6, False, id="more than five, a tenth exactly"),
        pytest.param(1000, 100, False, id="a hundred of a thousand"),
        pytest.param(1000, 101, True, id="a hundred and one of a thousand"),
    ],
)
def test_retiring_many_is_refused_if_it_is_also_a_large_share(
    live: int, retiring: int, refuses: bool
) -> None:
    assert names(fleet(live, retiring)) == (["retire"] if refuses else [])


@pytest.mark.parametrize(("allowed", "refuses"), [(6, False), (5, True), (7, True), (None, True)])
def test_only_the_exact_number_lets_a_large_retirement_pass(
    allowed: int | None, refuses: bool
) -> None:
    assert names(fleet(50, 6), retire=allowed) == (["retire"] if refuses else [])


def test_the_project_sets_its_own_numbers() -> None:
    rules = Guards(max_retire=0, max_retire_percent=0)

    assert names(fleet(1000, 1), rules) == ["retire"]


def test_a_refusal_names_the_number_to_allow() -> None:
    guard = refused(evaluate(fleet(50, 6), RULES))[0]

    assert (guard.value, guard.limit) == (6, 5)
    assert guard.message == "retires 6 of 50 (12.0 %)"
    assert guard.hint == "if that is meant: `ordinaut apply --allow-retire 6`"


class TestEmptied:
    def test_retiring_every_task_is_refused_even_if_there_is_only_one(self) -> None:
        project, agent, task = key("p", "Project"), key("a", "Agent"), key("t")
        footprint = Footprint(live=dict.fromkeys((project, agent, task), False), retiring=[task])

        guards = refused(evaluate(footprint, RULES))

        assert [(g.name, g.message) for g in guards] == [("empty", "leaves nothing of the tasks")]
        assert names(footprint, retire=1) == []

    def test_emptying_a_namespace_is_refused(self) -> None:
        live = dict.fromkeys([key("ops/a"), key("b")], False)

        guards = refused(evaluate(Footprint(live=live, retiring=[key("ops/a")]), RULES))

        assert [g.message for g in guards] == ["leaves nothing of namespace ops"]

    def test_a_namespace_that_gets_something_else_is_not_emptied(self) -> None:
        live = dict.fromkeys([key("ops/a"), key("b")], False)
        footprint = Footprint(live=live, retiring=[key("ops/a")], arriving=[key("ops/c")])

        assert names(footprint) == []

    def test_a_project_document_does_not_keep_its_namespace_alive(self) -> None:
        project, agent = key("p", "Project"), key("a", "Agent")
        footprint = Footprint(live=dict.fromkeys([project, agent], False), retiring=[agent])

        assert names(footprint) == ["empty"]

    def test_a_project_may_be_renamed(self) -> None:
        footprint = Footprint(
            live={key("p", "Project"): False, key("t"): False}, retiring=[key("p", "Project")]
        )

        assert names(footprint) == []


def test_nothing_lets_a_protected_document_go() -> None:
    footprint = fleet(50, 2, protected=1)

    guards = refused(evaluate(footprint, RULES, Allowed(retire=2)))

    assert [(g.name, g.message) for g in guards] == [("protect", "retires protected Task t0")]


def test_a_conflict_is_refused_unless_it_is_forced() -> None:
    footprint = Footprint(live={key("t"): False}, conflicts=[key("t")])

    assert names(footprint) == ["conflict"]
    assert names(footprint, conflicts=1) == []


@pytest.mark.parametrize("option", ["retire", "conflicts", "adopt"])
def test_another_number_than_was_asked_for_is_refused_also_below_every_limit(option: str) -> None:
    footprint = Footprint(
        live=dict.fromkeys(tasks(50), False),
        retiring=tasks(2),
        conflicts=tasks(2, first=2),
        adopted=tasks(2, first=4),
    )
    asked = {"retire": 2, "conflicts": 2, "adopt": 2}

    assert names(footprint, **asked) == []
    for other in (0, 1, 3):
        found = refused(evaluate(footprint, RULES, Allowed(**asked | {option: other})))
        assert [guard.name for guard in found] == [option.removesuffix("s")]
        assert f"not {other}" in found[0].message
        assert " 2`" in found[0].hint


@pytest.mark.parametrize("option", ["retire", "conflicts", "adopt"])
def test_a_number_that_was_asked_for_is_no_leave_to_do_nothing(option: str) -> None:
    guards = refused(evaluate(Footprint(live={}), RULES, Allowed(**{option: 1})))

    assert [guard.name for guard in guards] == [option.removesuffix("s")]


@pytest.mark.parametrize(("allowed", "refuses"), [(1, False), (2, True), (None, True)])
def test_taking_over_a_row_that_no_apply_made_is_refused_unless_asked_for(
    allowed: int | None, refuses: bool
) -> None:
    footprint = Footprint(live={key("t"): False}, adopted=[key("u")])

    assert names(footprint, adopt=allowed) == (["adopt"] if refuses else [])


def test_every_guard_answers_even_if_nothing_is_wrong() -> None:
    guards = evaluate(Footprint(live={}), RULES)

    assert [(g.name, g.ok, g.hint) for g in guards] == [
        ("retire", True, ""),
        ("empty", True, ""),
        ("protect", True, ""),
        ("conflict", True, ""),
        ("adopt", True, ""),
    ]
