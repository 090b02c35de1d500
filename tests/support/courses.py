"""Courses that runs take: steps of tasks, by what is the matter with them. `tool.do` succeeds, `tool.fail` is rejected, and
what becomes of `tool.lose` nobody knows.
"""

from __future__ import annotations

from typing import Any

from tests.support.executing import step

DO: dict[str, Any] = {"with": {"n": "${params.n}"}}

COURSES: dict[str, dict[str, Any]] = {
    "steps": {"pipeline": [step("a", **DO), step("b", **{"with": {"n": "${steps.a}"}})]},
    "failure": {"pipeline": [step("a"), step("b", "tool.fail"), step("c")]},
    "goto": {
        "pipeline": [step("a", "tool.fail", on_error={"goto": "c"}), step("b"), step("c", **DO)]
    },
    "items": {
        "pipeline": [
            step("a", foreach="${params.list}", max_parallel=3, **{"with": {"n": "${item}"}})
        ]
    },
    "some fail": {
        "pipeline": [
            step("a", "tool.fail", foreach="${params.list}", on_error="continue"),
            step("b", **{"with": {"n": "${steps.a}"}}),
        ]
    },
    "skips": {"pipeline": [step("a", **{"if": "params.n == `2`"}), step("b", **DO)]},
    "finally": {
        "pipeline": [step("a", "tool.fail")],
        "finally": [step("z", **{"with": {"how": "${run.outcome}", "who": "${run.error.step}"}})],
    },
    "side by side": {
        "pipeline": [step("a", needs=[]), step("b", "tool.fail", needs=[]), step("c", needs=[])]
    },
    "once": {"pipeline": [step("a", "tool.lose", effect="once"), step("b")]},
}
