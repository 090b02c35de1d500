"""Microseconds per rendering, beside plain `jmespath.search` for the same values.

    python tests/bench/bench_expressions.py

Prints one row a case: ours, jmespath with its own cache warm, and the ratio. Text has no counterpart in jmespath.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jmespath

from runtime.core.expressions import Context, compile_condition, compile_template

EVENTS = [{"title": f"Meeting {n}", "start": "2026-01-05T09:00:00Z"} for n in range(20)]
STEPS: dict[str, Any] = {
    "events": {"items": EVENTS},
    "weather": {"temperature": 30, "text": "Sunny"},
    "summary": {"text": "A fine day. " * 20},
}
PARAMS = {"city": "Chisinau"}
CONTEXT = Context(now=datetime(2026, 1, 5, 6, 30, tzinfo=UTC), params=PARAMS, steps=STEPS)
PLAIN = {"now": "2026-01-05T06:30:00Z", "params": PARAMS, "steps": STEPS}

CONSTANT = {"chat_id": 12345, "options": {"silent": True, "tags": ["a", "b"]}}
EXPRESSIONS = {
    "path": "params.city",
    "20 events": "steps.events.items",
    "projection": "steps.events.items[*].title",
    "filter": "length(steps.events.items[?start > now])",
    "comparison": "steps.weather.temperature > `25` && steps.weather.text == 'Sunny'",
}
STEP = {
    **CONSTANT,
    "start": "${now}",
    "end": "${now+24h}",
    "events": "${steps.events}",
    "text": "Weather in ${params.city}: ${steps.weather.text}",
}


def microseconds(call: Callable[[], object]) -> float:
    """The best of several rounds, which the rest of the machine disturbs least."""
    timer = timeit.Timer(call)
    count, _ = timer.autorange()
    return min(timer.repeat(repeat=5, number=count)) / count * 1e6


def row(name: str, ours: float, plain: float | None = None) -> None:
    compared = f"{plain:10.2f} {ours / plain:7.2f}x" if plain else ""
    print(f"{name:28}{ours:10.2f}{compared}")


def main() -> None:
    print(f"{'':28}{'ours us':>10}{'jmespath us':>11}")
    for name, text in EXPRESSIONS.items():
        template = compile_template(f"${{{text}}}")
        row(
            name,
            microseconds(lambda template=template: template.render(CONTEXT)),
            microseconds(lambda text=text: jmespath.search(text, PLAIN)),
        )
    condition = compile_condition(EXPRESSIONS["comparison"])
    row("comparison as a condition", microseconds(lambda: condition.test(CONTEXT)))
    constant, step = compile_template(CONSTANT), compile_template(STEP)
    row("constant arguments", microseconds(lambda: constant.render(CONTEXT)))
    row("a step's arguments", microseconds(lambda: step.render(CONTEXT)))
    row("compile a step's arguments", microseconds(lambda: compile_template(STEP)))


if __name__ == "__main__":
    main()
