"""Reads the events of Ordinaut as one of a group, and loses none: redis-py and the standard library are all it needs.

Copy it and write `take`. What it does for you:

- Members of a group share the events. What a member was given and did not acknowledge, because it died, another takes over.
- An event that came before, by its id, is passed over.
- What `take` fails at is tried again, a few times; then it is set aside with the reason, and the others go on.
- Redis may go away, or come back empty: the group is made anew, and Ordinaut publishes again what was lost.

An event may still be taken twice, if a member dies between taking it and noting that it did. Where that matters, write the
event's id in the transaction in which you write what it did, with a unique key on it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

import redis

Event = dict[str, Any]
Fields = dict[str, str]


@dataclass(frozen=True)
class Settings:
    """How a member works.

    Attributes:
        stream: where the events are.
        group: who shares them; each group gets all of them.
        member: who this is; another name for each that runs at once.
        attempts: how often `take` may fail at an event before it is set aside.
        patience: how long an event stays with a member that says nothing, and the pause before it is tried again.
        remembered: how long it is known which events were taken.
    """

    stream: str = "ordinaut:events"
    group: str = "example"
    member: str = f"member-{os.getpid()}"
    attempts: int = 3
    patience: timedelta = timedelta(seconds=30)
    remembered: timedelta = timedelta(days=7)


class Consumer:
    """A member of a group.

    Args:
        bus: a client with `decode_responses=True`.
        take: does with an event what is to be done; whatever it raises means "not now".
        wants: types, as globs; others are acknowledged and passed over.
    """

    def __init__(
        self,
        bus: redis.Redis,
        settings: Settings,
        take: Callable[[Event], None],
        wants: Iterable[str] = ("*",),
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._take = take
        self._wants = tuple(wants)
        self._begin = "0-0"
        # All of a group in one slot, so that a Redis Cluster may do them in one transaction.
        beside = f"{{{settings.stream}}}:{settings.group}"
        self._seen = f"{beside}:seen:"
        self.set_aside = f"{beside}:set-aside"

    def run(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Take events until it is over; a Redis that is away is waited for."""
        while not is_over():
            try:
                self.run_once()
            except (redis.ConnectionError, redis.TimeoutError) as error:
                print(f"Redis does not answer: {error}", file=sys.stderr)
                time.sleep(1)

    def run_once(self, wait: timedelta = timedelta(seconds=1)) -> int:
        """Take what others left behind, and then what is new; how many entries that were."""
        try:
            left = self._left_behind()
            return left + self._new(0 if left else int(wait.total_seconds() * 1000))
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._bus.xgroup_create(
                self._settings.stream, self._settings.group, "0", mkstream=True
            )
            return 0

    def _left_behind(self) -> int:
        """Entries that a member was given long ago: it died, or failed at them. One walk over all of them takes several calls."""
        idle = int(self._settings.patience.total_seconds() * 1000)
        place = (self._settings.stream, self._settings.group, self._settings.member)
        self._begin, entries, *_ = self._bus.xautoclaim(*place, idle, self._begin, count=50)
        for position, fields in entries:
            pending = self._bus.xpending_range(*place[:2], position, position, 1)
            tried = int(pending[0]["times_delivered"]) - 1 if pending else 0
            self._look_at(position, fields, tried)
        return len(entries)

    def _new(self, wait_milliseconds: int) -> int:
        found: Any = self._bus.xreadgroup(
            self._settings.group,
            self._settings.member,
            {self._settings.stream: ">"},
            count=50,
            block=wait_milliseconds or None,
        )
        entries = [entry for _, some in found or () for entry in some]
        for position, fields in entries:
            self._look_at(position, fields, 0)
        return len(entries)

    def _look_at(self, position: str, fields: Fields, tried: int) -> None:
        """Take one entry; `tried` says how often it was given to a member before."""
        if tried >= self._settings.attempts:
            self._put_aside(position, fields, f"failed {tried} times")
            return
        try:
            event = {**fields, "data": json.loads(fields["data"])}
            key = self._seen + event["id"]
            kind = event["type"].removeprefix("ordinaut.")
        except (KeyError, ValueError) as error:
            self._put_aside(position, fields, f"is no event: {error!r}")
            return
        is_wanted = any(fnmatchcase(kind, pattern) for pattern in self._wants)
        if is_wanted and not self._bus.exists(key):
            try:
                self._take(event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the entry stays with us and is tried again
                print(f"{event['type']} {event['id']}: {error!r}", file=sys.stderr)
                return
        with self._bus.pipeline(transaction=True) as both:
            if is_wanted:
                both.set(key, position, ex=self._settings.remembered)
            both.xack(self._settings.stream, self._settings.group, position)
            both.execute()

    def _put_aside(self, position: str, fields: Fields, reason: str) -> None:
        """Keep what nobody could take, with the reason, where somebody may look at it."""
        print(f"entry {position} is set aside: it {reason}", file=sys.stderr)
        note: dict[Any, Any] = {**fields, "position": position, "reason": reason}
        with self._bus.pipeline(transaction=True) as both:
            both.xadd(self.set_aside, note, maxlen=10_000)
            both.xack(self._settings.stream, self._settings.group, position)
            both.execute()


def show(event: Event) -> None:
    """What this example does with an event."""
    kind = event["type"].removeprefix("ordinaut.")
    print(f"{event['time'][:19]}Z  {kind:<16}  {event['subject']}", flush=True)


def main() -> None:
    """Read until Ctrl-C."""
    arguments = argparse.ArgumentParser(
        description="Read the events of Ordinaut as one of a group."
    )
    arguments.add_argument(
        "--url", default=os.environ.get("ORDINAUT_REDIS_URL", "redis://127.0.0.1:6379/0")
    )
    arguments.add_argument("--group", default=Settings.group)
    arguments.add_argument(
        "--type", dest="wants", action="append", help="a glob such as 'run.*'; repeatable"
    )
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with redis.Redis.from_url(given.url, decode_responses=True) as bus:
        consumer = Consumer(bus, Settings(group=given.group), show, given.wants or ["*"])
        with suppress(KeyboardInterrupt):
            consumer.run()


if __name__ == "__main__":
    main()
