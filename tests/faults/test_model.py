"""Whatever happens in whatever order, the database says what the reference says: `reference.py` is what ought to be.

Several runtimes on one database are driven by hand, with the database's clock: they claim, fire, crash, freeze beyond
their leases and wake; people apply, pause, cancel and decide; events come; the clock is set. After each of these all
decisions, runs, step results, leases and queues are compared. A course of events that goes wrong is printed shrunk, and
can be repeated: all that is random follows from its seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from runtime.embedded import Urls
from tests.faults.acts import Acts
from tests.faults.courses import course_of
from tests.faults.openings import Event

COURSES, LENGTH = 14, 55
LONG_COURSES, LONG_LENGTH = 400, 150
MOST_REPLAYS = 100


def problem_of(server: str, course: Sequence[Event]) -> Exception | None:
    """What is wrong after one of these events; None if nothing is."""
    world = Acts(server)
    try:
        for event in course:
            getattr(world, event.what)(event.which, event.given)
            world.compare()
        world.compare_events()
    except Exception as problem:  # noqa: BLE001 - whatever it is, it is told
        return problem
    finally:
        world.close()
    return None


def shrunk(server: str, course: Sequence[Event]) -> list[Event]:
    """Fewer events of this course that go wrong as well; what was applied first stays."""
    first, *rest = course
    size, replays = max(1, len(rest) // 2), 0
    while size and replays < MOST_REPLAYS:
        for start in range(len(rest) - 1, -1, -size):
            less = rest[: max(0, start - size + 1)] + rest[start + 1 :]
            replays += 1
            if problem_of(server, [first, *less]) is not None:
                rest = less
        size //= 2
    return [first, *rest]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_any_course_of_events_leaves_what_the_reference_says(
    servers: Urls, request: pytest.FixtureRequest
) -> None:
    """Asserts after each event: the same decisions with the same reasons, the same runs in the same queues under the same
    leases, the same results under the lease that recorded them, the same failed tries, and the same calls under way; and at
    the end, that each run is told once to have begun and to have ended.
    """
    is_long = request.config.getoption("--long")
    courses, length = (LONG_COURSES, LONG_LENGTH) if is_long else (COURSES, LENGTH)
    for seed in range(courses):
        course = course_of(seed, length)
        if problem_of(servers.database, course) is None:
            continue
        course = shrunk(servers.database, course)
        told = "\n".join(map(repr, course))
        raise AssertionError(f"seed {seed}, shrunk:\n{told}") from problem_of(
            servers.database, course
        )
