"""What the next occurrence costs: typical rules, starts a day, a year and thirty years old, beside dateutil's `after()`.

Run: python tests/bench/bench_recurrence.py

Columns: compiling the rule; the first question to a fresh rule; the median of later questions; dateutil's `after()` on
a fresh rule (its only way: it walks from DTSTART). All in milliseconds of this process's own time. dateutil gets naive
local times, without any zone, and is left out where one call takes more than ten seconds.
"""

from __future__ import annotations

import signal
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from types import FrameType
from typing import TypeVar

from dateutil.rrule import rrulestr

sys.path.insert(0, str(Path(__file__).parents[2]))

from runtime.core.recurrence import RRuleTrigger, compile_trigger

T = TypeVar("T")
NOW = datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC)
ZONE = "Europe/Chisinau"
AGES = {
    "1 day": timedelta(days=1),
    "1 year": timedelta(days=365),
    "30 years": timedelta(days=30 * 365),
}
RULES = (
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=30",
    "FREQ=DAILY;BYHOUR=8;BYMINUTE=30",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO",
    "FREQ=MONTHLY;BYMONTHDAY=1,15",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
    "FREQ=HOURLY",
    "FREQ=MINUTELY;INTERVAL=15",
    "FREQ=MINUTELY",
    "FREQ=SECONDLY;INTERVAL=10",
)
BOUNDED = (
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;UNTIL=19800101T000000Z",
    "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
    "FREQ=DAILY;COUNT=100000",
)


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Milliseconds of processor time, and the result."""
    begin = process_time()
    result = call()
    return (process_time() - begin) * 1000, result


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Break off what takes longer."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def dateutil_cost(rule: str, start: datetime) -> str:
    local_now = NOW.replace(tzinfo=None)
    try:
        with at_most(10):
            spent, _ = timed(
                lambda: rrulestr(rule.replace("Z", ""), dtstart=start).after(local_now)
            )
    except TimeoutError:
        return "> 10,000"
    except ValueError:
        return "refused"
    return f"{spent:,.2f}"


def row(rule: str, age: str, start: datetime) -> str:
    trigger = RRuleTrigger(rule, ZONE, start)
    compiling = statistics.median(timed(lambda: compile_trigger(trigger))[0] for _ in range(5))
    compiled = compile_trigger(trigger)
    first, _ = timed(lambda: compiled.next_after(NOW))
    later = statistics.median(timed(lambda: compiled.next_after(NOW))[0] for _ in range(21))
    return f"| {rule} | {age} | {compiling:.3f} | {first:.3f} | {later:.3f} | {dateutil_cost(rule, start)} |"


def main() -> None:
    """Print the table."""
    compile_trigger(RRuleTrigger("FREQ=DAILY", ZONE, NOW.replace(tzinfo=None))).next_after(NOW)
    print("| rule | start's age | compile | first next | later next | dateutil after() |")
    print("|---|---|---:|---:|---:|---:|")
    for rule in RULES:
        for age, span in AGES.items():
            print(row(rule, age, (NOW - span).replace(tzinfo=None, second=0)))
    for rule in BOUNDED:
        print(row(rule, "since 1970", datetime(1970, 1, 1)))
    print(f"\n{planning(10_000)}")


def planning(number: int) -> str:
    """What it costs to compile so many different schedules and to ask each for its next occurrence."""
    first = datetime(2020, 1, 1)
    triggers = [
        RRuleTrigger(RULES[index % len(RULES)], ZONE, first + timedelta(minutes=index))
        for index in range(number)
    ]
    compiling, compiled = timed(lambda: [compile_trigger(trigger) for trigger in triggers])
    asking, _ = timed(lambda: [one.next_after(NOW) for one in compiled])
    again, _ = timed(lambda: [one.next_after(NOW) for one in compiled])
    return (
        f"{number:,} schedules: {compiling:,.0f} ms to compile, {asking:,.0f} ms for the first next of each, "
        f"{again:,.0f} ms for the next after that"
    )


if __name__ == "__main__":
    main()
