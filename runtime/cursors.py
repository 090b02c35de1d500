"""Where a list goes on: places in it as words of which nobody but us is to make anything."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from runtime.errors import NotFound


def cursor_of(kind: str, place: str) -> str:
    """The cursor of a place in a list of this kind."""
    return urlsafe_b64encode(f"{kind}:{place}".encode()).decode().rstrip("=")


def place_in(kind: str, cursor: str) -> str:
    """The place that a cursor stands for.

    Raises:
        NotFound: ORD310, it leads nowhere in this list.
    """
    padding = "=" * (-len(cursor) % 4)
    try:
        found, _, place = urlsafe_b64decode(cursor + padding).decode().partition(":")
    except ValueError:
        found = place = ""
    if found != kind or not place:
        raise bad_cursor()
    return place


def bad_cursor() -> NotFound:
    """The refusal of a cursor that is none."""
    return NotFound(
        "cursor: it leads nowhere in this list",
        hint="take it from the page before, as it is there",
    )
