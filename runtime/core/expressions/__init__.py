"""Typed templates and conditions over JMESPath; pure, and bounded against hostile input.

    compile_template({"city": "${params.city}"}).render(context)
    compile_condition("steps.weather.temperature > `25`").test(context)

`context` says what the roots hold, `scan` finds `${...}` in text, `syntax` parses, `anchor` makes paths strict,
`interpreter` evaluates, `template` puts values together, `variables` fills `${vars.x}` at plan time. `query` asks any
other JSON value.
"""

from __future__ import annotations

from typing import Final

from runtime.core.expressions.context import (
    ABSENT,
    ANSWER_ROOTS,
    JSON,
    TEMPLATE_ROOTS,
    Context,
    Reference,
)
from runtime.core.expressions.expression import DEFAULT_LIMIT, is_true
from runtime.core.expressions.query import Meter, Query, compile_query
from runtime.core.expressions.template import (
    Condition,
    Template,
    compile_condition,
    compile_template,
)
from runtime.core.expressions.variables import render_condition_vars, render_vars

__all__ = [
    "ABSENT",
    "ANSWER_ROOTS",
    "DEFAULT_LIMIT",
    "EVERY_SECRET",
    "JSON",
    "TEMPLATE_ROOTS",
    "Condition",
    "Context",
    "Meter",
    "Query",
    "Reference",
    "Template",
    "compile_condition",
    "compile_query",
    "compile_template",
    "is_true",
    "references",
    "render_condition_vars",
    "render_vars",
    "secret_names",
    "uses_secrets",
]


def references(compiled: Template | Condition) -> frozenset[Reference]:
    """The paths that a template or condition reads, known without running it."""
    return compiled.references


def uses_secrets(compiled: Template | Condition) -> bool:
    """Whether what it renders may hold a secret, and must be kept out of records."""
    return any(_is_secret(reference) for reference in compiled.references)


EVERY_SECRET: Final = "*"  # noqa: S105 - no secret, but a name
"""In place of a name: an expression takes all of them."""


def secret_names(*compiled: Template | Condition) -> frozenset[str]:
    """The secrets that templates and conditions read, by name; `EVERY_SECRET` where one reads all there are."""
    return frozenset(
        str(reference.path[0]) if reference.path else EVERY_SECRET
        for one in compiled
        for reference in one.references
        if reference.root == "secrets"
    )


def _is_secret(reference: Reference) -> bool:
    if reference.root == "run":
        # Callback tokens, or all there is to know of the run.
        return reference.path[:1] in ((), ("callbacks",))
    return reference.root in ("secrets", "callback")
