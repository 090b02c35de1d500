"""Rewrites a JMESPath tree so that paths whose place is known are read strictly.

Theory of operation. JMESPath answers null for whatever is not there. Most nodes of a tree are evaluated at a place that
is known beforehand: at the roots, or at a path from them (`steps.weather.{t: temperature}` evaluates `temperature` at
`steps.weather`). That place is the node's *anchor*. A chain of fields and indexes at an anchor becomes one strict node,
and is what `references` reports. Behind a projection, a filter or inside `&expression` the value at hand is some element;
there the anchor is None and JMESPath's own rule holds, so that `days[*].rain` may pass over days without rain.

Node types that this module adds, all read by the interpreter: `root_path` and `path` (strict chains), `instant`
(`now` and `now+24h`), `default`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, NoReturn

from runtime.core.expressions.context import Reference, merge_references, path_text
from runtime.core.expressions.functions import complaint_about_call
from runtime.core.expressions.paths import Path, close_match
from runtime.core.expressions.scan import raw_string, span_of
from runtime.core.expressions.syntax import POSTFIX, Node
from runtime.core.expressions.times import check_format, zone_named
from runtime.errors import ExpressionError

_FOLDS: Final = frozenset({"subexpression", "index_expression", "pipe"})
"""Each child is evaluated at what the child before it gave."""

_ELEMENTWISE: Final = frozenset({"projection", "value_projection", "filter_projection"})
"""The first child gives the elements; the others are evaluated at each."""

_LEAVES: Final = frozenset({"literal", "slice", "identity", "current", "field", "index"})


def anchor_tree(tree: Node, text: str, roots: frozenset[str]) -> tuple[Node, frozenset[Reference]]:
    """The rewritten tree and the paths it reads.

    Args:
        tree: as `syntax.parse` gives it; not changed.
        text: the expression, for hints.
        roots: the names that may stand at the start of a path.

    Raises:
        ExpressionError: ORD501 for a wrong call or use of a root, ORD502 for a name that is no root.
    """
    rewriter = _Rewriter(text, roots)
    anchored = rewriter.rewrite(tree, ())
    return anchored, merge_references(rewriter.references)


def static_path(node: Node, anchor: Path | None) -> Path | None:
    """The path from the roots that `node` reads when evaluated at `anchor`; None if it does more than that."""
    if anchor is None:
        return None
    kind = node["type"]
    if kind in {"field", "index"}:
        return (*anchor, node["value"])
    if kind in {"current", "identity"}:
        return anchor
    if kind in _FOLDS:
        path: Path | None = anchor
        for child in node["children"]:
            path = static_path(child, path)
        return path
    return None


def _leads_on(node: Node, anchor: Path) -> bool:
    """Whether the node begins by going further down from its anchor, as the filter in `steps.days[?rain]` does."""
    while node["type"] in POSTFIX and static_path(node, anchor) is None:
        node = node["children"][0]
    return static_path(node, anchor) not in (None, anchor)


class _Rewriter:
    def __init__(self, text: str, roots: frozenset[str]) -> None:
        self.text = text
        self.roots = roots
        self.references: set[Reference] = set()
        self.guarded = False

    def rewrite(self, node: Node, anchor: Path | None) -> Node:
        path = static_path(node, anchor)
        if path is not None and anchor is not None:
            strict = self.strict(node, path, anchor)
            self.record(path)
            return strict
        kind, children = node["type"], node["children"]
        if kind in _LEAVES:
            return self.leaf(node)
        if kind in _FOLDS:
            return {**node, "children": self.fold(children, anchor)}
        if kind in _ELEMENTWISE:
            base, *inner = children
            rest = [self.rewrite(child, None) for child in inner]
            return {**node, "children": [self.rewrite(base, anchor), *rest]}
        if kind == "function_expression":
            return self.call(node, anchor)
        if kind == "expref":
            raise ExpressionError("&... stands only where a function takes an expression")
        return {**node, "children": [self.operand(child, anchor) for child in children]}

    def fold(self, children: list[Node], anchor: Path | None) -> list[Node]:
        """The leading static children become one strict node; only the child behind them has a known anchor."""
        path, static = anchor, 0
        # Some child is not static, or the whole fold would be one path and never come here.
        while (further := static_path(children[static], path)) is not None:
            path, static = further, static + 1
        rewritten = []
        if static and path is not None and anchor is not None:
            rewritten.append(self.strict(children[0], path, anchor))
            if not _leads_on(children[static], path):
                self.record(path)
        for child in children[static:]:
            rewritten.append(self.rewrite(child, path))
            path = None
        return rewritten

    def operand(self, node: Node, anchor: Path | None) -> Node:
        """A child that begins a new path; `now` by itself is the run's instant even where names belong to an element."""
        instant = self.instant(node["value"]) if node["type"] == "field" else None
        return instant or self.rewrite(node, anchor)

    def leaf(self, node: Node) -> Node:
        if node["type"] == "slice" and node["children"][2] == 0:
            raise ExpressionError("the step of a slice cannot be 0")
        return node

    def strict(self, node: Node, path: Path, anchor: Path) -> Node:
        if not path:
            raise ExpressionError(
                "the expression reads every root at once", hint="name one, as in params or steps"
            )
        root = str(path[0])
        if not anchor and (instant := self.instant(root)):
            if len(path) > 1:
                raise ExpressionError(f"{root} is a text: nothing stands below it")
            return instant
        if root not in self.roots:
            self.refuse_root(root)
        if not anchor:
            return {"type": "root_path", "value": path, "children": []}
        if path == anchor:
            return node
        return {"type": "path", "value": (path[len(anchor) :], anchor), "children": []}

    def record(self, path: Path) -> None:
        """Note that `path` is read."""
        if path == ("secrets",):
            raise ExpressionError(
                "secrets cannot be read all at once", hint="name one, as in secrets.api_token"
            )
        if path[0] in self.roots:
            self.references.add(Reference(str(path[0]), path[1:], self.guarded))

    def instant(self, name: str) -> Node | None:
        try:
            span = span_of(name)
        except ValueError as wrong:
            raise ExpressionError(str(wrong)) from None
        if span is None and name != "now":
            return None
        self.references.add(Reference("now", (), self.guarded))
        return {"type": "instant", "value": span, "children": []}

    def call(self, node: Node, anchor: Path | None) -> Node:
        name, arguments = node["value"], node["children"]
        if wrong := complaint_about_call(name, [argument["type"] for argument in arguments]):
            message, hint = wrong
            raise ExpressionError(message, hint=hint)
        if name == "default":
            return self.default(arguments, anchor)
        if name == "format_time":
            _check_time_literals(arguments)
        return {**node, "children": [self.argument(child, anchor) for child in arguments]}

    def argument(self, node: Node, anchor: Path | None) -> Node:
        if node["type"] != "expref":
            return self.operand(node, anchor)
        return {**node, "children": [self.operand(child, None) for child in node["children"]]}

    def default(self, arguments: list[Node], anchor: Path | None) -> Node:
        wanted, otherwise = arguments
        outer, self.guarded = self.guarded, True
        children = [self.operand(wanted, anchor)]
        self.guarded = outer
        children.append(self.operand(otherwise, anchor))
        # A plain path tells null from missing. Anything more has JMESPath's null for both.
        is_path = static_path(wanted, anchor) is not None
        return {"type": "default", "value": is_path, "children": children}

    def refuse_root(self, root: str) -> NoReturn:
        shown = path_text((root,))
        found = re.search(rf"(?<![\w.]){re.escape(root)}(?!\w)", self.text)
        raise ExpressionError(
            f"{shown} is not there; expressions start at {', '.join(sorted(self.roots))}",
            hint=_root_hint(root, self.text, self.roots),
            code="ORD502",
            position=found.start() if found else 0,
        )


def _root_hint(root: str, text: str, roots: Iterable[str]) -> str:
    if root in {"true", "false", "null"}:
        return f"write `{root}` between backticks"
    if json.dumps(root) in text:
        return f"double quotes name a field; text is written in single quotes: {raw_string(root)}"
    if close := close_match(root, roots):
        return f"did you mean {close}?"
    return f"a step's result is steps.{root}, a parameter params.{root}, and text is {raw_string(root)}"


def _check_time_literals(arguments: list[Any]) -> None:
    """A format or zone that is written out is checked at once, not when the step runs."""
    checks = (check_format, zone_named)
    for node, check in zip(arguments[1:], checks, strict=True):
        if node["type"] == "literal" and isinstance(node["value"], str):
            try:
                check(node["value"])
            except ValueError as wrong:
                raise ExpressionError(str(wrong)) from None
