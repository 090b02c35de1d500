"""Puts batches of events on the stream, and notices where Redis has lost what was put there.

Beside the stream is a hash with the id that we gave this Redis, and the number of the last batch that it has, by
installation. Both are written together with the events, so that what is lost is lost together: a Redis that fell over,
failed over to a replica that was behind, or was emptied, has a lower number than the database says, or none.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from runtime.config import Config
from runtime.errors import ConfigError
from runtime.store.outbox import Batch
from schemas.event import TYPE_PREFIX, types_like

# One command for the whole batch, and all of it or nothing: a connection that breaks leaves no half to be repeated. The
# batch comes from PostgreSQL in the form in which it is taken apart here, so that nobody looks at an event in between.
_PUBLISH: Final = r"""
local stream, marks = KEYS[1], KEYS[2]
local length, source, bus, expected, number, entries = unpack(ARGV)
local known = redis.call('HMGET', marks, 'bus', source)
local held = tonumber(known[2] or '-1')
if redis.call('EXISTS', stream) == 0 then
    held = -1
end
if known[1] ~= bus or (expected ~= '0' and held < tonumber(expected)) then
    if not known[1] then
        redis.call('HSET', marks, 'bus', bus)
    end
    return {known[1] or bus, held}
end
local own = {}
for place = 3, #KEYS do
    own[ARGV[place + 4]] = KEYS[place]
end
local value = '([^\31]*)\31'
local pattern = '^' .. string.rep(value, 6) .. '(.*)$'
for entry in string.gmatch(entries, '[^\30]+') do
    local sequence, id, kind, subject, time, run, data = string.match(entry, pattern)
    local attributes = {
        'specversion', '1.0', 'id', id, 'source', source, 'type', kind, 'subject', subject, 'time', time,
        'datacontenttype', 'application/json', 'sequence', sequence, 'data', data
    }
    if run ~= '' then
        attributes[19], attributes[20] = 'runid', run
    end
    redis.call('XADD', stream, 'MAXLEN', '~', length, '*', unpack(attributes))
    if own[kind] then
        redis.call('XADD', own[kind], 'MAXLEN', '~', length, '*', unpack(attributes))
    end
end
if number ~= '0' then
    redis.call('HSET', marks, source, number)
end
"""


class EventsLost(RedisError):
    """Redis is not the one that we published to, or has less than we published.

    Attributes:
        bus: its id.
        held: the number of the last batch that it has; -1 if it has none.
    """

    def __init__(self, bus: UUID, held: int) -> None:
        super().__init__("Redis has lost events that were published")
        self.bus = bus
        self.held = held


class Publisher:
    """The way to the stream, and to those of single types, which are in its slot.

    Attributes:
        bus_id: what the Redis is called that we publish to; a guess until it was asked.

    Raises:
        ConfigError: ORD306, a stream is asked for of a type that there is not.
    """

    def __init__(self, bus: Redis, config: Config) -> None:
        self._publish = bus.register_script(_PUBLISH)
        types = _types_with_streams(config.topic_streams)
        self._keys = [
            config.stream,
            beside(config.stream, "marks"),
            *(beside(config.stream, kind) for kind in types),
        ]
        self._types = [TYPE_PREFIX + kind for kind in types]
        self._length = config.stream_length
        self.bus_id = uuid4()

    async def publish(self, batch: Batch) -> None:
        """Put a batch on the stream, or, with none, only look whether everything is there.

        Raises:
            EventsLost: nothing was put there.
            RedisError: Redis is away or refused.
        """
        answer: Any = await self._publish(
            keys=self._keys,
            args=[
                self._length,
                batch.source,
                str(self.bus_id),
                batch.last_number,
                batch.number,
                batch.entries,
                *self._types,
            ],
        )
        if answer is not None:
            name, held = answer
            raise EventsLost(UUID(name), int(held))


def _types_with_streams(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if not types_like([pattern]):
            raise ConfigError(
                f"setting topic_streams: no type of event is like {pattern}",
                hint="docs/events.md lists them: run.failed, drift.*, …",
            )
    return types_like(patterns)


def beside(stream: str, name: str) -> str:
    """A key that a Redis Cluster keeps where it keeps the stream, so that one script may write both."""
    return f"{stream}:{name}" if "{" in stream else f"{{{stream}}}:{name}"
