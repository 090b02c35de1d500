"""Where every path is there, an expression means what the jmespath library says it means.

One difference is meant, and kept out here: `!a.b`, which the library reads as `(!a).b`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jmespath
from hypothesis import given, settings
from hypothesis import strategies as st
from jmespath.exceptions import JMESPathError

from runtime.core.expressions import Context, compile_condition
from runtime.errors import ExpressionError

STEPS = {
    "a": {"b": [{"c": 1, "d": {"c": "x"}}, {"c": 2}, {"d": []}], "c": "text", "d": None},
    "b": [[1, 2], [3], []],
    "c": 0,
}
CONTEXT = Context(now=datetime(2026, 1, 5, tzinfo=UTC), steps=STEPS)


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Every construct of the grammar around smaller expressions."""
    below = st.sampled_from(
        [
            ".a",
            ".b",
            ".c",
            ".d",
            "[0]",
            "[-1]",
            "[*]",
            "[]",
            "[1:]",
            ".*",
            "[?c]",
            ".[c, d]",
            ".{c: d}",
        ]
    )
    two = [
        "{} | {}",
        "{} || {}",
        "{} && {}",
        "{} == {}",
        "{} < {}",
        "[{}, {}]",
        "{{a: {}, b: {}}}",
        "not_null({}, {})",
    ]
    one = [
        "({})",
        "[!({})]",
        "to_array({})",
        "type({})",
        "to_string({})",
        "map(&{}, steps.b)",
        "steps.a.b[?{}]",
    ]
    return st.one_of(
        st.tuples(inner, below).map("".join),
        st.tuples(st.sampled_from(one), inner).map(lambda made: made[0].format(made[1])),
        st.tuples(st.sampled_from(two), inner, inner).map(lambda made: made[0].format(*made[1:])),
    )  # fmt: skip


EXPRESSIONS = st.recursive(
    st.sampled_from(
        ["steps", "steps.a", "steps.a.b", "steps.b", "steps.c", "@", "c", "`1`", "'x'"]
    ),
    grow,
    max_leaves=6,
)


def ours(expression: str) -> tuple[str, Any]:
    try:
        return "", compile_condition(expression).evaluate(CONTEXT)
    except ExpressionError as error:
        return error.code, None


@settings(max_examples=1000)
@given(EXPRESSIONS)
def test_an_expression_means_what_jmespath_says_or_is_refused(expression: str) -> None:
    code, value = ours(expression)

    if code in {"", "ORD503"}:
        try:
            assert value == jmespath.search(expression, {"steps": STEPS})
        except (JMESPathError, TypeError):
            assert code == "ORD503"


def test_most_of_the_generated_expressions_are_not_refused() -> None:
    """Otherwise the test above would compare nothing."""
    compared = []

    @settings(max_examples=300, database=None, derandomize=True)
    @given(EXPRESSIONS)
    def collect(expression: str) -> None:
        compared.append(ours(expression)[0] == "")

    collect()

    assert sum(compared) > 100
