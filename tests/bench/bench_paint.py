"""How soon a page of the dashboard is painted in Chromium, with 100,000 runs in the database.

    python -m tests.bench.bench_paint [--runs 100000] [--tasks 1000] [--times 5]

First paint is what the browser measures (PerformancePaintTiming), from the begin of the navigation on: the server's work, the
way over loopback, parsing and layout. Each page is loaded several times by somebody who is signed in; the first load of all,
which fills caches of the server, is told apart. The load of the machine stands beside, as it makes all of this slower.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from statistics import median
from typing import Final

import psycopg

from tests.bench.serving import serving as servers
from tests.support.browser import Visit, chromium
from tests.support.showcase import Showcase, crowd, furnish
from tests.support.web import serving

TARGET_MS: Final = 300
_PAINTED: Final = """() => new Promise((told) => new PerformanceObserver((list, observer) => {
  const first = list.getEntries().find((one) => one.name === "first-paint");
  if (first) { observer.disconnect(); told(first.startTime); }
}).observe({ type: "paint", buffered: true }))"""


def main() -> None:
    """Fill a database, and look at every page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    asyncio.run(_measure(asked))


async def _measure(asked: argparse.Namespace) -> None:
    async with servers() as site:
        await asyncio.to_thread(_in_thread, site.database, asked)


def _in_thread(database: str, asked: argparse.Namespace) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        show = furnish(connection)
        crowd(connection, show, tasks=asked.tasks, runs=asked.runs)
    with serving(database) as web, chromium() as browser:
        visit = Visit(browser, web.url, web.token)
        print(f"{asked.runs:,} runs of {asked.tasks:,} tasks; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")  # fmt: skip
        slow = []
        for path in _paths(show):
            paints = [visit.see(path).evaluate(_PAINTED) for _ in range(asked.times + 1)]
            middle = median(paints[1:])
            slow += [path] * (not middle < TARGET_MS)
            print(f"{path:<52} first {paints[0]:6.0f} ms   then {middle:6.0f} ms, worst {max(paints[1:]):6.0f} ms")  # fmt: skip
        visit.close()
        print(f"load {os.getloadavg()[0]:.1f}; target {TARGET_MS} ms: {'missed by ' + ', '.join(slow) if slow else 'met by every page'}")  # fmt: skip


def _paths(show: Showcase) -> list[str]:
    run = show.runs["morning"]
    return [
        "/", "/tasks", "/tasks?standing=failing", "/tasks/home/morning-briefing", "/runs", "/runs?state=failed",
        "/runs?task=home/morning-briefing", f"/runs/{run}", "/timeline", "/changes", "/changes/2", "/approvals", "/spend",
        "/health", "/audit",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
