"""What Redis knows of those who read from it."""

from __future__ import annotations

from redis import Redis


def is_following(url: str) -> bool:
    """Whether somebody waits for entries of a stream in this Redis database."""
    with Redis.from_url(url) as client:
        number = client.connection_pool.connection_kwargs.get("db", 0)
        return any(
            entry["cmd"] == "xread" and int(entry["db"]) == number
            for entry in client.client_list()
        )
