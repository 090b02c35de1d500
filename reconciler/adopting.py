"""Documents that are in the database and not ours, taken over: those of other projects, and rows that no apply made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.core.desired import Key, Specs
from reconciler.core.guards import Allowed
from reconciler.core.holding import under_hold
from reconciler.core.standing import written_key
from reconciler.core.suggest import did_you_mean
from reconciler.holds import hold_on
from reconciler.origin import plan_source
from reconciler.planning import plan_against
from runtime.errors import NotFound, PlanError
from runtime.store.rows import Connection
from schemas.plan import Plan


def allowed_adoption(
    keys: Sequence[Key],
    override_freeze: str | None = None,
    override_policies: Mapping[str, str] | None = None,
) -> Allowed:
    """These documents, and no other on the way; in a freeze window, or against policies, for these reasons alone."""
    return Allowed(adopt=len(keys), freeze=override_freeze, policies=override_policies or {})


def plan_adoption(
    connection: Connection, specs: Specs, folder: Path, keys: Sequence[Key], allowed: Allowed
) -> Plan:
    """The plan that takes over these documents, with what they refer to, as the specs have them.

    Args:
        specs: without errors.
        folder: where they are.
        allowed: `allowed_adoption`, with these keys.

    Raises:
        NotFound: ORD310, the specs hold no such document.
        PlanError: ORD212, it is ours already, or not in the database.
        SpecError: it is protected where it is, or others are in the way.
    """
    for key in keys:
        _require_written(key, specs)
    source = plan_source(specs.project, folder)
    only = tuple(f"{key.kind}/{key.label}" for key in keys)
    made = plan_against(connection, specs, source, allowed, only, taking=keys)
    adopted = {written_key(change) for change in made.changes if change.action == "adopt"}
    others = [key for key in keys if key not in adopted]
    if others:
        raise PlanError(
            f"there is nothing to take over: {', '.join(map(str, others))} "
            f"{'is' if len(others) == 1 else 'are'} new or ours already",
            hint="`ordinaut plan` shows what apply does with it",
            code="ORD212",
        )
    return under_hold(made, hold_on(connection, specs, source, folder))


def _require_written(key: Key, specs: Specs) -> None:
    if key not in specs.documents:
        known = [one.label for one in specs.documents if one.kind == key.kind]
        raise NotFound(
            f"the specs hold no {key}",
            hint=did_you_mean(
                key.label, known, "write it first; what is adopted is what they say"
            ),
        )
