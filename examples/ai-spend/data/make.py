"""Makes data/history.csv: seven weeks of sums by day, with three days that stand out, and the truth about them.

Seeded, so that it makes the same again: `python data/make.py`. Working days cost more than weekends, and all move by a few per
cent; none of that is an anomaly. What is one is in `PLANTED`.
"""

from __future__ import annotations

import csv
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

DAYS: Final = 49
# Of what is made as if it were this day: a Sunday, so that weekends are where `days_ago` says.
TODAY: Final = date(2026, 11, 22)
PLANTED: Final = {("briefing", 3): 4.0, ("enrich-batch", 10): 2.5, ("match-partners", 17): 6.0}
_SATURDAY: Final = 5


class Series(NamedTuple):
    """What a task uses to cost on a working day."""

    task: str
    agent: str
    tool: str
    model: str
    client: str
    calls: int
    cost: float


SERIES: Final = (
    Series("briefing", "assistant", "llm.plan", "large-stand-in", "home", 40, 0.35),
    Series("follow-up", "assistant", "llm.extract", "small-stand-in", "home", 220, 0.11),
    Series("enrich-batch", "enricher", "llm.extract", "small-stand-in", "acme", 1800, 0.92),
    Series("classify-titles", "enricher", "llm.extract", "small-stand-in", "globex", 900, 0.47),
    Series("match-partners", "analyst", "llm.plan", "large-stand-in", "initech", 75, 1.65),
)


def rows() -> list[dict[str, object]]:
    """Every day of every series, the oldest first."""
    draw = random.Random(8)  # noqa: S311 - data, not a secret
    made: list[dict[str, object]] = []
    for ago in range(DAYS, 0, -1):
        weekend = (TODAY - timedelta(days=ago)).weekday() >= _SATURDAY
        for one in SERIES:
            much = (0.3 if weekend else 1.0) * draw.uniform(0.92, 1.08) * PLANTED.get((one.task, ago), 1.0)  # fmt: skip
            calls = round(one.calls * much)
            made.append(
                {
                    "days_ago": ago,
                    "source": "seeded",
                    "task": one.task,
                    "agent": one.agent,
                    "tool": one.tool,
                    "model": one.model,
                    "client": one.client,
                    "currency": "USD",
                    "calls": calls,
                    "input_tokens": calls * 300,
                    "output_tokens": calls * 40,
                    "cost": f"{one.cost * much:.6f}",
                }
            )
    return made


if __name__ == "__main__":
    with (Path(__file__).parent / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows()[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows())
