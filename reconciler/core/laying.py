"""One overlay laid over one document, as plain values with their places.

Mappings are merged all the way down, every other value replaces what was, and `null` takes a field away. A value that was
laid keeps its place in the overlay, and so does every mapping that it was laid into; the document itself stays where it is.
What may not be said, or was said before by another overlay, is reported and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconciler.core.desired import Place
from reconciler.core.documents import Children, Mark, Node, SourceDocument, shown, shown_kind
from reconciler.core.entry import problem_at, shown_place
from reconciler.core.locate import LaidMark, Path, fields_by_name, path_text, place_of
from reconciler.core.suggest import did_you_mean
from schemas.problem import Problem
from schemas.spec import KINDS

_ADDRESS: Final = frozenset({"apiVersion", "kind", "namespace", "name"})
_FIXED: Final[dict[Path, str]] = {
    ("renamed_from",): "a document has one history, whatever the environment",
    ("environments",): "an environment cannot say which environments there are",
    ("defaults", "namespace"): "the namespace is part of what documents are called",
}


@dataclass(slots=True)
class Said:
    """What the overlays of one document in one environment have said so far: fields, and the mappings around these."""

    fields: dict[Path, Place] = field(default_factory=dict)
    around: dict[Path, Place] = field(default_factory=dict)

    def before(self, path: Path, place: Place) -> Place | None:
        """Where this field, a part of it or what it is a part of was set before; if nowhere, it now is."""
        above = [path[:length] for length in range(len(path))]
        set_at = [self.fields.get(one) for one in (*above, path)] + [self.around.get(path)]
        if found := next(filter(None, set_at), None):
            return found
        self.fields[path] = place
        for one in above:
            self.around.setdefault(one, place)
        return None


def laid_over(
    document: SourceDocument, overlay: SourceDocument, said: Said, problems: list[Problem]
) -> SourceDocument:
    """A document with an overlay laid over it.

    Args:
        document: what is laid over, of the kind and name that the overlay says.
        overlay: the overlay.
        said: what was laid over the same document before.
        problems: takes what cannot be laid.
    """
    laying = _Laying(overlay, said, problems)
    given = {name: item for name, item in overlay.value.items() if name not in _ADDRESS}
    value, children = laying.mapping(document.value, document.node[1], given, overlay.node[1], ())
    return replace(
        document,
        value=value,
        # A document begins where it is written.
        node=(document.node[0], children),
        dynamic=document.dynamic or overlay.dynamic,
        overlaid=True,
    )


def left_out_problems(overlay: SourceDocument, said: Said) -> Iterator[Problem]:
    """What is wrong with an overlay that leaves its document out."""
    place = place_of(overlay, ("enabled",))
    if overlay.value["enabled"] is not False:
        yield problem_at(
            place,
            "ORD007",
            f"`enabled` is `false` in an overlay; this is {shown_kind(overlay.value['enabled'])}",
            "a document that is there needs no word about it",
        )
    for name in overlay.value:
        if name not in _ADDRESS and name != "enabled":
            yield problem_at(
                place_of(overlay, (name,), key=True),
                "ORD016",
                f"`{shown(name)}` is set where the document is left out",
                "remove it, or `enabled: false`",
            )
    if before := said.before((), place):
        yield _said_twice((), place, before)


def _said_twice(path: Path, place: Place, before: Place) -> Problem:
    what = f"`{path_text(path)}`" if path else "the document"
    return problem_at(
        place,
        "ORD016",
        f"two overlays of one environment say what becomes of {what}; first at {shown_place(before)}",
        "keep one of them: overlays have no order",
    )


def _child(children: Children, name: str) -> tuple[Mark, Node]:
    """Where a key of a mapping stands, and its value."""
    assert isinstance(children, dict)  # noqa: S101 - the node of a mapping has the places of its keys
    return children[name]


@dataclass(frozen=True, slots=True)
class _Laying:
    """One walk through an overlay."""

    overlay: SourceDocument
    said: Said
    problems: list[Problem]

    def mapping(
        self, below: Any, at: Children, given: Mapping[str, Any], over: Children, path: Path
    ) -> tuple[dict[str, Any], Children]:
        """A mapping laid over what is there, which counts as nothing if it is no mapping; each with its places."""
        value = dict(below) if isinstance(below, dict) else {}
        places = dict(at) if isinstance(at, dict) else {}
        for name, item in given.items():
            self._field(value, places, (*path, name), item, _child(over, name))
        return value, places

    def _field(
        self,
        value: dict[str, Any],
        places: dict[str, tuple[Mark, Node]],
        path: Path,
        item: Any,
        at: tuple[Mark, Node],
    ) -> None:
        """Lay one field."""
        name = str(path[-1])
        key_mark, (mark, children) = at
        if path in _FIXED:
            message = f"`{path_text(path)}` cannot be laid over: {_FIXED[path]}"
            self._refuse(path, "ORD016", message, "say it in the document itself")
        elif isinstance(item, dict) and item:
            there = places[name][1][1] if name in places else None
            value[name], laid = self.mapping(value.get(name), there, item, children, path)
            places[name] = self._mark(key_mark), (self._mark(mark), laid)
        elif not self._is_first(path):
            return
        elif item is None:
            self._take_away(value, places, path)
        else:
            value[name] = item
            places[name] = self._mark(key_mark), self._node((mark, children))

    def _take_away(
        self, value: dict[str, Any], places: dict[str, tuple[Mark, Node]], path: Path
    ) -> None:
        name = str(path[-1])
        if name not in value:
            self._refuse(
                path,
                "ORD009",
                f"`{path_text(path)}` is not in the document, so it cannot be taken away",
                did_you_mean(name, value),
            )
        elif len(path) == 1 and self._is_required(name):
            hint = "lay another value, or leave the document out with `enabled: false`"
            self._refuse(path, "ORD016", f"`{name}` is required: it cannot be taken away", hint)
        else:
            del value[name]
            places.pop(name)

    def _is_required(self, name: str) -> bool:
        info = fields_by_name(KINDS[self.overlay.value["kind"]]).get(name)
        return info is not None and info.is_required()

    def _is_first(self, path: Path) -> bool:
        """Whether no overlay set this field before; else it is reported."""
        place = place_of(self.overlay, path, key=True)
        if before := self.said.before(path, place):
            self.problems.append(_said_twice(path, place, before))
        return not before

    def _refuse(self, path: Path, code: str, message: str, hint: str) -> None:
        place = place_of(self.overlay, path, key=True)
        self.problems.append(problem_at(place, code, message, hint))

    def _mark(self, mark: Mark) -> LaidMark:
        return LaidMark(mark.line, mark.column, self.overlay)

    def _node(self, node: Node) -> Node:
        """The places of a value of the overlay, which know that they are in it."""
        mark, children = node
        match children:
            case dict():
                return self._mark(mark), {
                    name: (self._mark(key), self._node(inner))
                    for name, (key, inner) in children.items()
                }
            case list():
                return self._mark(mark), [self._node(inner) for inner in children]
            case _:
                return self._mark(mark), None
