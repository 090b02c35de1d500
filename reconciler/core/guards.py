"""Rules that refuse a plan unless what they refuse is asked for by its exact number; and one that does another number.

Pure, so that apply can ask again under its lock. The rules are those that were last applied, not those that the plan
brings: loosening a guard and what it guards against take two applies. The same holds for `protect`, which is read from
the database and has no override.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from reconciler.core.desired import Key
from runtime.errors import Blocked, Conflicted, Frozen, Held, PolicyBroken, PolicyFailed
from schemas.plan import Guard, Plan
from schemas.rules import Guards

# Documents and places that a refusal names.
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Footprint:
    """What guards look at.

    Attributes:
        live: the project's documents in force, each with whether it is protected.
        retiring: those that would be retired.
        arriving: keys that would be new: creations and the new keys of renames.
        conflicts: documents that somebody else changed too.
        adopted: rows that no revision wrote and that would be taken over.
    """

    live: Mapping[Key, bool]
    retiring: Collection[Key] = ()
    arriving: Collection[Key] = ()
    conflicts: Collection[Key] = ()
    adopted: Collection[Key] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """What was asked for in so many words.

    Attributes:
        retire: this many retirements, exactly.
        adopt: this many adoptions, exactly.
        conflicts: overwriting this many documents that others changed, exactly.
        freeze: applying in a freeze window, for this reason.
        policies: going on although policies refuse, for these reasons, by name; None where what was applied is restored,
            which no policy judges again.
    """

    retire: int | None = None
    adopt: int | None = None
    conflicts: int | None = None
    freeze: str | None = None
    policies: Mapping[str, str] | None = field(default_factory=dict)


NOTHING_ALLOWED: Final = Allowed()


def evaluate(
    footprint: Footprint, rules: Guards, allowed: Allowed = NOTHING_ALLOWED
) -> tuple[Guard, ...]:
    """Every guard, in one order, whether it lets the plan pass or not."""
    return (
        _retire(footprint, rules, allowed),
        _emptied(footprint, allowed),
        _protect(footprint),
        _conflict(footprint, allowed),
        _adopt(footprint, allowed),
    )


def refused(guards: Collection[Guard]) -> tuple[Guard, ...]:
    """The guards that do not let the plan pass."""
    return tuple(guard for guard in guards if not guard.ok)


def refused_content(guards: Collection[Guard]) -> tuple[Guard, ...]:
    """Those of them that refuse what a plan does, whenever it is applied: not its hour, nor where it comes from."""
    return tuple(guard for guard in refused(guards) if guard.name not in _PASSING)


def told_by(plan: Plan, command: str) -> Plan:
    """The plan whose hints name the command that it is of, where that is not `apply`."""
    guards = tuple(
        guard.model_copy(
            update={"hint": guard.hint.replace("`ordinaut apply ", f"`ordinaut {command} ")}
        )
        for guard in plan.guards
    )
    return plan.model_copy(update={"guards": guards})


def refusal(guards: Collection[Guard]) -> Blocked | Conflicted:
    """The error for guards that refuse."""
    kinds = {_KINDS.get(guard.name, Blocked) for guard in guards}
    kind = kinds.pop() if len(kinds) == 1 else Blocked
    return kind(
        "the plan " + "; it ".join(guard.message for guard in guards),
        hint="\n".join(guard.hint for guard in guards),
    )


_PASSING: Final = frozenset({"freeze", "hold"})

_KINDS: Final[Mapping[str, type[Blocked | Conflicted]]] = {
    "conflict": Conflicted,
    "hold": Held,
    "freeze": Frozen,
    "policy": PolicyBroken,
    "policy_failure": PolicyFailed,
}


def _retire(footprint: Footprint, rules: Guards, allowed: Allowed) -> Guard:
    count, total = len(footprint.retiring), len(footprint.live)
    share = 100 * count / total if total else 0.0
    too_many = count > rules.max_retire and share > rules.max_retire_percent
    ok, other = _as_asked(allowed.retire, count, refuses=too_many)
    return Guard(
        name="retire",
        ok=ok,
        value=count,
        limit=max(rules.max_retire, int(total * rules.max_retire_percent / 100)),
        message=f"retires {count} of {total} ({share:.1f} %){other}",
        hint=_if_meant("--allow-retire", count) if too_many or not ok else "",
    )


def _as_asked(asked: int | None, count: int, *, refuses: bool) -> tuple[bool, str]:
    """Whether a number passes, and what to say of another one that was asked for."""
    if asked is None:
        return not refuses, ""
    return asked == count, "" if asked == count else f", not {asked}"


def _if_meant(option: str, count: int) -> str:
    if not count:
        return f"leave out `{option}`"
    return f"if that is meant: `ordinaut apply {option} {count}`"


def _emptied(footprint: Footprint, allowed: Allowed) -> Guard:
    emptied = tuple(_emptied_places(footprint))
    count = len(footprint.retiring)
    return Guard(
        name="empty",
        ok=not emptied or allowed.retire == count,
        value=len(emptied),
        limit=0,
        message=f"leaves nothing of {_named(emptied)}" if emptied else "empties nothing",
        hint=_if_meant("--allow-retire", count) if emptied else "",
    )


def _emptied_places(footprint: Footprint) -> Iterator[str]:
    """All tasks, and each namespace, of which nothing would remain but the Project, and something would be retired."""
    retiring = [key for key in footprint.retiring if key.kind != "Project"]
    staying = [
        key
        for key in {*footprint.live, *footprint.arriving} - set(footprint.retiring)
        if key.kind != "Project"
    ]
    if any(k.kind == "Task" for k in retiring) and not any(k.kind == "Task" for k in staying):
        yield "the tasks"
    remaining = {key.namespace for key in staying}
    for namespace in sorted({key.namespace for key in retiring} - remaining):
        yield f"namespace {namespace}"


def _protect(footprint: Footprint) -> Guard:
    hit = sorted(key for key in footprint.retiring if footprint.live.get(key))
    return Guard(
        name="protect",
        ok=not hit,
        value=len(hit),
        limit=0,
        message=f"retires protected {_named(hit)}" if hit else "retires nothing protected",
        hint="apply it once without `protect`, then take it out" if hit else "",
    )


def _conflict(footprint: Footprint, allowed: Allowed) -> Guard:
    hit = sorted(footprint.conflicts)
    ok, other = _as_asked(allowed.conflicts, len(hit), refuses=bool(hit))
    what = f"overwrites what others changed: {_named(hit)}"
    meant = _if_meant("--force-conflicts", len(hit))
    return Guard(
        name="conflict",
        ok=ok,
        value=len(hit),
        limit=0,
        message=(what if hit else "overwrites nobody's changes")
        + (f" ({len(hit)}{other})" if other else ""),
        hint=f"bring their change into git; {meant}" if hit else "" if ok else meant,
    )


def _adopt(footprint: Footprint, allowed: Allowed) -> Guard:
    hit = sorted(footprint.adopted)
    ok, other = _as_asked(allowed.adopt, len(hit), refuses=bool(hit))
    what = f"takes over what no apply made: {_named(hit)}"
    return Guard(
        name="adopt",
        ok=ok,
        value=len(hit),
        limit=0,
        message=(what if hit else "takes over nothing")
        + (f" ({len(hit)}{other})" if other else ""),
        hint="" if ok and not hit else _if_meant("--allow-adopt", len(hit)),
    )


def _named(keys: Sequence[object]) -> str:
    """The first by name and how many more there are: the plan has them all."""
    named = ", ".join(map(str, keys[:_NAMED]))
    return f"{named} and {len(keys) - _NAMED} more" if len(keys) > _NAMED else named
