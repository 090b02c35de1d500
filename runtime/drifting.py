"""Service: finds documents that somebody wrote past git, and tells of each once when it comes and once when it goes.

One set-based statement a minute over all documents and their schedules, and one after an apply that restored some; of any
number of runtimes whose statements meet, one tells.
What becomes of it is not decided here: the Project's `heal` says so, and who applies sees to it.
"""

from __future__ import annotations

from typing import Final

import psycopg

from runtime.clock import Clock
from runtime.logs import get_logger
from runtime.service import stop_if_cancelled
from runtime.store.drift import DriftNews, detect_drift
from runtime.store.pool import Pool
from runtime.wake import Bell

_log = get_logger("drift")
_AGAIN_SECONDS: Final = 60.0


class DriftWatch:
    """Service: looks for drift once a minute.

    Args:
        pool: connections.
        clock: for waiting.
        bell: rung after an apply that restored what was drift; None where nobody rings.
    """

    name = "drift watch"

    def __init__(self, pool: Pool, clock: Clock, bell: Bell | None = None) -> None:
        self._pool = pool
        self._bell = bell or Bell(clock)

    async def run(self) -> None:
        while True:
            stop_if_cancelled()
            try:
                await self.run_once()
            except psycopg.OperationalError as error:
                _log.warning("drift not looked for: %s", " ".join(str(error).split()))
            await self._bell.sleep(_AGAIN_SECONDS)

    async def run_once(self) -> list[DriftNews]:
        """Look once; returns what was news."""
        news = await detect_drift(self._pool)
        for one in news:
            _tell(one)
        return news


def _tell(news: DriftNews) -> None:
    data = news.data
    if news.type == "drift.detected":
        who = data["role"] or "somebody"
        _log.warning(
            "%s differs from what was applied (%s); %s wrote it past git",
            data["document"],
            ", ".join(data["differs"]),
            who,
        )
    else:
        how = f"by r{data['revision']}" if data["revision"] else "by hand"
        _log.info("%s is again as it was applied, %s", data["document"], how)
