"""Whether Redis is there and what it holds, for `ordinaut status`; not being there is an answer, not an error."""

from __future__ import annotations

from runtime.bus import bus_address, bus_errors, connect_bus
from runtime.config import Config
from runtime.database import redis_url
from runtime.errors import BusError
from schemas.status import BusStatus


def bus_status(config: Config) -> BusStatus:
    """Ask Redis, in bounded time."""
    url = redis_url(config)
    if url is None:
        return BusStatus(stream=config.stream)
    try:
        with bus_errors(url), connect_bus(url) as bus:
            events = bus.xlen(config.stream)
    except BusError as error:
        return BusStatus(address=bus_address(url), problem=error.message, stream=config.stream)
    return BusStatus(address=bus_address(url), reachable=True, stream=config.stream, events=events)
