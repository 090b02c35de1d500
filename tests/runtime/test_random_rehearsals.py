"""Whatever a rehearsed run meets, it ends, or waits for what is not given; and it does so alike each time."""

from __future__ import annotations

import random
from typing import Any

import pytest

from runtime.core.played import Played
from runtime.core.program import compile_program
from runtime.live import Live
from runtime.rehearsal.given import Scene
from runtime.rehearsal.play import play
from schemas.spec import KINDS
from schemas.testing import Test as Document
from tests.support.clock import START
from tests.support.installed import task

SEEDS = range(150)
RETRIED = ["tool_error", "not_sent"]
KINDS_OF_STEPS: tuple[dict[str, Any], ...] = (
    {},
    {"effect": "once"},
    {"effect": "once", "on_unknown": "ask"},
    {"effect": "once", "on_unknown": {"verify": "tool.look", "when": "result.found"}},
    {"approval": {"by": ["ana"], "timeout": "5m", "on_timeout": "skip"}},
    {"foreach": "${params.list}", "max_parallel": 2},
    {"uses": "ordinaut.approve", "with": {"message": "x", "timeout": "10m"}},
    {"uses": "ordinaut.sleep", "with": {"for": "10m"}},
    {"uses": "ordinaut.wait_for", "with": {"event": "a", "timeout": "10m"}},
    {"uses": "ordinaut.run", "with": {"task": "other"}},
)
SPANS = ("0s", "1s", "40s", "15m", "3h")


def _step(draw: random.Random, number: int) -> dict[str, Any]:
    made = {"id": f"s{number}", "uses": "tool.do", **draw.choice(KINDS_OF_STEPS)}
    if draw.random() < 0.3:
        made["on_error"] = "continue"
    if draw.random() < 0.3:
        made["needs"] = [f"s{one}" for one in range(number) if draw.random() < 0.5]
    if draw.random() < 0.5:
        attempts, initial = draw.choice((2, 4)), draw.choice(("1s", "5m"))
        made["retry"] = {"attempts": attempts, "initial": initial, "retry_on": RETRIED}
    return made


def _answer(draw: random.Random) -> dict[str, Any]:
    answer: dict[str, Any] = {"result": {"found": True}}
    if draw.random() < 0.5:
        answer = {"outcome": draw.choice(("tool_error", "not_sent", "lost", "timeout"))}
        answer["verified"] = {"found": draw.random() < 0.5}
        if draw.random() < 0.7:
            answer["settled"] = draw.choice(("happened", "failed", "try_again"))
    return answer | {"takes": draw.choice(SPANS)}


def _given(draw: random.Random, step: dict[str, Any]) -> Any:
    match step:
        case {"uses": "ordinaut.sleep"}:
            return None
        case {"uses": "ordinaut.wait_for"}:
            return draw.choice((None, {"outcome": "timeout"}, {"event": {"takes": draw.choice(SPANS)}}))  # fmt: skip
    tries: list[Any] = [_answer(draw) for _ in range(8)]
    if "approval" in step or step["uses"] == "ordinaut.approve":
        decided = {"approved": draw.random() < 0.7, "takes": draw.choice(SPANS)}
        return {"approval": draw.choice(("nobody", decided)), "tries": tries}
    return {"items": [tries] * 3} if "foreach" in step else tries


def _played(seed: int) -> Played:
    draw = random.Random(seed)
    steps = [_step(draw, number) for number in range(draw.randint(1, 6))]
    given = {step["id"]: one for step in steps if (one := _given(draw, step)) is not None}
    timeout = draw.choice(("1m", "1h", "2d"))
    fields = {"params": {"list": [1, 2, 3]}, "timeout": timeout, "pipeline": steps}
    whole = {"apiVersion": "ordinaut/v1", "kind": "Test", "name": "it", "task": "t", "expect": {}}
    test = Document.model_validate(whole | {"now": START.isoformat(), "given": given})
    document = KINDS["Task"].model_validate(task("t", **fields))
    body = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    return play(compile_program(body, "p"), Scene("it", START, given=test.given), Live())


@pytest.mark.parametrize("seed", SEEDS)
def test_every_course_comes_to_an_end_and_to_the_same(seed: int) -> None:
    first, second = _played(seed), _played(seed)

    assert first.state in {"succeeded", "failed", "waiting", "broken off"}
    assert (first.calls, first.steps, first.seconds) == (
        second.calls,
        second.steps,
        second.seconds,
    )
    if first.state == "succeeded":
        assert all(
            step.state in {"succeeded", "failed", "skipped"} for step in first.steps.values()
        )
    if first.state == "waiting":
        assert any(step.state == "waiting" for step in first.steps.values())
