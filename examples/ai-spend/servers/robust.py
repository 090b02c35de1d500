"""Days that cost far more than such days use to, told from those before them by statistics that outliers do not bend.

The rule is the modified z-score of Iglewicz and Hoaglin ("How to Detect and Handle Outliers", 1993; also the NIST/SEMATECH
e-Handbook of Statistical Methods, 1.3.5.17): 0.6745 (x - median) / MAD, and 3.5 and more is an outlier. Where more than half
of the days are alike and MAD is nothing, the mean absolute deviation takes its place: (x - median) / (1.2533 MeanAD). Days
are compared with the 28 before them of their own kind, working days or weekends, at least 6; only what costs more is told, and
only where it is a fifth more, so that a series that hardly moves does not cry for a cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from statistics import fmean, median
from typing import Final, NamedTuple

OUTLIER: Final = 3.5
SPAN: Final = timedelta(days=28)
LEAST_DAYS: Final = 6
LEAST_RISE: Final = 1.2
_SATURDAY: Final = 5


class Anomaly(NamedTuple):
    """A day that cost far more than it should have: what it cost, what such days use to, and its modified z-score."""

    day: date
    cost: float
    usual: float
    score: float


def modified_z(value: float, others: list[float]) -> float:
    """How far a value is from the median of others, in robust standard deviations; infinite where these are all alike."""
    middle = median(others)
    spread = median(abs(one - middle) for one in others)
    if spread:
        return 0.6745 * (value - middle) / spread
    spread = 1.2533 * fmean(abs(one - middle) for one in others)
    if spread:
        return (value - middle) / spread
    return 0.0 if value == middle else float("inf")


def anomalies(costs: Mapping[date, float]) -> list[Anomaly]:
    """The days of one series that stand out, the first first; a day that did is no measure for those after it."""
    found: list[Anomaly] = []
    out: set[date] = set()
    for day in sorted(costs):
        others = [
            cost
            for other, cost in costs.items()
            if timedelta(0) < day - other <= SPAN
            and (other.weekday() >= _SATURDAY) == (day.weekday() >= _SATURDAY)
            and other not in out
        ]
        if len(others) < LEAST_DAYS:
            continue
        score, usual = modified_z(costs[day], others), median(others)
        if score >= OUTLIER and costs[day] >= LEAST_RISE * usual:
            out.add(day)
            found.append(Anomaly(day, costs[day], usual, score))
    return found
