"""Service: restores what was written past git, where the Project says `heal: heal`.

What a runtime has found and told is planned like everything else, against the last revision and without any specs, and
applied as a revision of kind `heal`: in one transaction, under the project's lock, with its schedules armed anew. Of
several processes that heal one comes first, and the others find nothing left. What a guard refuses stays as it is, and is
said once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from reconciler.apply import Request, apply_plan
from reconciler.drifting import RESTORING, plan_drift
from runtime.actor import ORDINAUT
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.errors import OrdinautError
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.connect import connect
from runtime.store.drift import list_drift
from schemas.apply import ApplyReport

_log = get_logger("healing")
_AGAIN_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Healed:
    """What came of healing one project: a report, or why it was refused."""

    project: str
    environment: str
    outcome: ApplyReport | OrdinautError


class Healer:
    """Service: looks every ten seconds at what has been found, which is next to nothing, and heals it."""

    name = "healer"

    def __init__(self, conninfo: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._conninfo = conninfo
        self._clock = clock
        self._refusals: set[str] = set()

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            await self._look()
            await self._clock.sleep(_AGAIN_SECONDS)

    async def _look(self) -> None:
        try:
            healed = await asyncio.to_thread(heal_once, self._conninfo)
        except OrdinautError as error:
            self._refuse({error.message})
            return
        refusals = set()
        for one in healed:
            where = f"{one.project}/{one.environment}"
            if isinstance(one.outcome, OrdinautError):
                refusals.add(f"{where}: {one.outcome.message}")
            elif one.outcome.revision is not None:
                _log.warning("%s is again as it was applied, by r%d", where, one.outcome.revision)
        self._refuse(refusals)

    def _refuse(self, refusals: set[str]) -> None:
        for refusal in sorted(refusals - self._refusals):
            _log.warning("not healed: %s", refusal)
        self._refusals = refusals


def heal_once(conninfo: str) -> list[Healed]:
    """Restore every project that wants to be healed and of which drift was told.

    Raises:
        StoreError: the database cannot be reached or read.
    """
    with connect(conninfo, name="ordinaut heal") as connection:
        found = list_drift(connection)
        owners = {(one.project, one.environment) for one in found if one.policy == "heal"}
        healed = []
        for project, environment in sorted(owners):
            outcome: ApplyReport | OrdinautError
            try:
                plan = plan_drift(connection, project, environment)
                # Nobody is overwritten who could be asked: whoever wrote past git wrote over what was agreed on.
                allowed = replace(RESTORING, conflicts=plan.summary.conflict)
                outcome = apply_plan(
                    connection, plan, Request(actor=ORDINAUT, allowed=allowed, kind="heal")
                )
            except OrdinautError as error:
                outcome = error
            healed.append(Healed(project, environment, outcome))
    return healed
