"""The graph of steps: needs, order, readiness, and what expressions may read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.core.expressions import Reference, compile_template, references
from runtime.core.graph import StepGraph, StepProblem, check_references, find_problems
from schemas.pipeline import Step


@dataclass(frozen=True)
class Given:
    id: str
    needs: tuple[str, ...] | None = None
    save_as: str | None = None
    if_: str | bool | None = None
    on_error: object = "fail"

    @property
    def result_name(self) -> str:
        return self.save_as or self.id


BRIEFING = (
    Given("calendar", save_as="events"),
    Given("weather", needs=()),
    Given("brief", needs=("calendar", "weather"), save_as="summary"),
    Given("send", if_="length(steps.summary.text) > `0`"),
    Given("log"),
)


def test_a_step_without_needs_follows_the_one_before_it_and_empty_needs_start_at_once() -> None:
    graph = StepGraph.of(BRIEFING)

    assert graph.needs == {
        "calendar": (),
        "weather": (),
        "brief": ("calendar", "weather"),
        "send": ("brief",),
        "log": ("send",),
    }


def test_the_order_respects_needs_and_otherwise_the_list() -> None:
    steps = [
        Given("late", needs=("first",)),
        Given("b", needs=()),
        Given("first", needs=()),
        Given("a", needs=()),
    ]

    assert StepGraph.of(steps).order == ("b", "first", "late", "a")


def test_what_comes_before_a_step_is_all_it_needs_directly_or_not() -> None:
    graph = StepGraph.of(BRIEFING)

    assert graph.before("send") == {"brief", "calendar", "weather"}
    assert graph.before("weather") == frozenset()


def test_the_model_of_a_step_is_a_step_of_the_graph() -> None:
    steps = [
        Step.model_validate({"id": "a", "uses": "s.t", "save_as": "x"}),
        Step.model_validate({"id": "b", "uses": "s.t", "if": "steps.x"}),
    ]

    assert StepGraph.of(steps).order == ("a", "b")


@pytest.mark.parametrize(
    ("steps", "problems"),
    [
        ([Given("a"), Given("a")], [("two steps have the id a", "a")]),
        (
            [Given("a"), Given("b", save_as="a")],
            [("the name a of step b already belongs to step a", "b")],
        ),
        (
            [Given("a", save_as="x"), Given("b", save_as="x")],
            [("the name x of step b already belongs to step a", "b")],
        ),
        (
            [Given("a", save_as="b"), Given("b")],
            [("the name b of step b already belongs to step a", "b")],
        ),
        ([Given("a", save_as="a")], []),
        ([Given("a", needs=("a",))], [("step a needs itself", "a")]),
        (
            [Given("fetch"), Given("b", needs=("fetsh",))],
            [("step b needs fetsh, and there is no such step", "b")],
        ),
        (
            [Given("a", needs=("c",)), Given("b"), Given("c"), Given("d")],
            [("steps need each other in a circle: a needs c needs b needs a", "a")],
        ),
        (
            [
                Given("a", needs=("b",)),
                Given("b", needs=("a",)),
                Given("c", needs=("d", "a")),
                Given("d", needs=("c",)),
            ],
            [
                ("steps need each other in a circle: a needs b needs a", "a"),
                ("steps need each other in a circle: c needs d needs c", "c"),
            ],
        ),
    ],
)
def test_every_contradiction_is_found(steps: list[Given], problems: list[tuple[str, str]]) -> None:
    found = find_problems(steps)

    assert [(p.message, p.step) for p in found] == problems
    assert {(p.code, p.severity) for p in found} <= {("ORD013", "error")}


def test_an_unknown_need_comes_with_the_name_that_was_probably_meant() -> None:
    (close,) = find_problems([Given("fetch"), Given("b", needs=("fetsh",))])
    (far,) = find_problems([Given("fetch"), Given("b", needs=("zzz",))])

    assert (close.hint, far.hint) == ("did you mean fetch?", "")


def test_steps_with_problems_make_no_graph() -> None:
    with pytest.raises(ValueError, match="step a needs itself"):
        StepGraph.of([Given("a", needs=("a",))])


def problems_of(step: str, template: str) -> list[StepProblem]:
    read = references(compile_template(template))
    return check_references(BRIEFING, StepGraph.of(BRIEFING), step, read)


@pytest.mark.parametrize(
    ("step", "template"),
    [
        ("brief", "${steps.events.items[0].title} ${steps.weather}"),
        ("log", "${steps.summary.text}"),
        ("log", "${default(steps.send.id, 'none')}"),
        ("log", "${params.send} ${keys(steps)}"),
    ],
)
def test_results_of_steps_that_come_before_may_be_read(step: str, template: str) -> None:
    assert problems_of(step, template) == []


@pytest.mark.parametrize(
    ("step", "template", "message", "hint"),
    [
        (
            "brief",
            "${steps.evnts}",
            "steps.evnts is not there: no step saves evnts",
            "did you mean steps.events?",
        ),
        (
            "brief",
            "${steps.calendar.items}",
            "steps.calendar.items is not there: no step saves calendar",
            "step calendar saves its result as events: write steps.events",
        ),
        ("brief", "${steps.zzz}", "steps.zzz is not there: no step saves zzz", ""),
        ("brief", "${default(steps.zzz, 'x')}", "steps.zzz is not there: no step saves zzz", ""),
        (
            "weather",
            "${steps.events}",
            "steps.events: step calendar need not have run before step weather",
            "add calendar to the needs of weather",
        ),
        ("send", "${steps.send.id}", "steps.send.id: step send reads its own result", ""),
    ],
)
def test_a_result_that_is_not_certainly_there_is_an_error(
    step: str, template: str, message: str, hint: str
) -> None:
    assert problems_of(step, template) == [StepProblem("ORD502", message, step, hint)]


def test_reading_a_result_that_may_not_exist_is_a_warning_unless_defaulted() -> None:
    steps = (
        Given("often", if_="params.often"),
        Given("tried", on_error="continue"),
        Given("sure", if_=True),
        Given("end"),
    )
    graph = StepGraph.of(steps)
    read = {Reference("steps", (name,)) for name in ("often", "tried", "sure")}

    found = check_references(steps, graph, "end", read)

    assert [(p.code, p.severity, p.message) for p in found] == [
        (
            "ORD101",
            "warning",
            "steps.often: step often may be skipped, and then there is no result",
        ),
        (
            "ORD101",
            "warning",
            "steps.tried: step tried goes on after a failure, and then there is no result",
        ),
    ]
    assert found[0].hint == "write default(steps.often, <something else>)"


def test_steps_of_finally_come_after_all_others_and_are_a_list_of_their_own() -> None:
    first = [Given("a"), Given("b", needs=())]
    last = [Given("tell"), Given("sweep", needs=()), Given("end")]

    graph = StepGraph.of(first, last)

    assert graph.needs == {
        "a": (),
        "b": (),
        "tell": ("a", "b"),
        "sweep": ("a", "b"),
        "end": ("sweep",),
    }
    assert graph.before("end") == {"a", "b", "sweep"}


def test_no_step_needs_one_of_the_other_list() -> None:
    first = [Given("a"), Given("b", needs=("tell",))]
    last = [Given("tell", needs=("a",)), Given("end", needs=("b", "tell"))]

    assert [(p.step, p.message) for p in find_problems(first, last)] == [
        ("b", "step b needs tell, which runs when the others are over"),
        ("tell", "step tell needs a, which is over in any case"),
        ("end", "step end needs b, which is over in any case"),
    ]


@pytest.mark.parametrize(
    ("step", "template", "found"),
    [
        ("tell", "${steps.a}", ["warning"]),
        ("tell", "${default(steps.a, 'no')}", []),
        ("end", "${steps.tell}", []),
        ("tell", "${steps.end}", ["error"]),
        ("a", "${steps.tell}", ["error"]),
    ],
)
def test_what_finally_reads_of_the_others_may_not_be_there(
    step: str, template: str, found: list[str]
) -> None:
    first, last = [Given("a")], [Given("tell"), Given("end")]
    read = references(compile_template(template))

    problems = check_references(
        [*first, *last], StepGraph.of(first, last), step, read, {"tell", "end"}
    )

    assert [problem.severity for problem in problems] == found


@st.composite
def step_lists(draw: st.DrawFn) -> list[Given]:
    """Steps that need only steps of lower rank, listed in any order."""
    names = draw(st.permutations([f"s{rank}" for rank in range(draw(st.integers(1, 8)))]))
    return [
        Given(
            name,
            tuple(draw(st.sets(st.sampled_from([f"s{r}" for r in range(rank)])))) if rank else (),
        )
        for name in names
        for rank in [int(name[1:])]
    ]


@given(step_lists())
def test_in_the_order_of_steps_each_stands_after_all_it_needs(steps: list[Given]) -> None:
    graph = StepGraph.of(steps)
    passed: list[str] = []

    for name in graph.order:
        assert graph.before(name) <= set(passed)
        passed.append(name)

    assert sorted(passed) == sorted(step.id for step in steps)


class Counted(tuple[str, ...]):
    """Needs that count how often they are gone through."""

    readings = 0

    def __iter__(self) -> Iterator[str]:
        Counted.readings += 1
        return super().__iter__()


def test_a_thousand_steps_that_all_need_all_before_them_are_gone_through_a_few_times_each() -> (
    None
):
    names = [f"s{number}" for number in range(1000)]
    steps = [Given(name, Counted(names[:number])) for number, name in enumerate(names)]

    graph = StepGraph.of(steps)

    assert graph.before("s999") == set(names[:999])
    assert 1000 <= Counted.readings <= 10_000
