"""A stand-in for a mailbox and a service of news: what it answers follows from the hour that it is asked about."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any, Final

from mcp.server.mcpserver import MCPServer

server = MCPServer("feed-stand-in")

THINGS: Final = ("kettle", "lamp", "chair", "radio", "clock", "teapot", "mirror")
NAMES: Final = (
    "Ada",
    "Ben",
    "Cleo",
    "Dan",
    "Eva",
    "Fay",
    "Gus",
    "Hana",
    "Ida",
    "Jon",
    "Kim",
    "Leo",
    "Mia",
)
SAID: Final = ("I still owe you 12 euro and 30 euro for the {}", "the {} is broken", "thank you for the {}", "what is the price of a {}?")  # fmt: skip
_quoted = count()


def hour_of(at: str) -> int:
    """The hours since 1970 of an instant."""
    return int(datetime.fromisoformat(at).timestamp()) // 3600


@server.tool()
def letters(at: str) -> dict[str, Any]:
    """The letters that came in the hour of an instant, no two of a day alike."""
    hour = hour_of(at)
    thing, name = THINGS[hour % len(THINGS)], NAMES[hour % len(NAMES)]
    return {"letters": [f"{name} writes: {said.format(thing)}" for said in SAID]}


@server.tool()
def headlines(at: str) -> dict[str, Any]:
    """The headlines at an instant: new ones every eight hours."""
    issue = hour_of(at) // 8
    return {"headlines": [f"{THINGS[(issue + n) % 7]} prices, issue {issue}" for n in range(3)]}


@server.tool()
def orders(at: str) -> dict[str, Any]:
    """How many orders came in the hour of an instant."""
    hour = hour_of(at)
    return {
        "orders": f"{40 + hour * 7 % 23} orders, the last of a {THINGS[hour % 7]} by {NAMES[hour % 13]}"
    }


@server.tool()
def quote(ticker: str) -> dict[str, Any]:
    """A price that is another one each time it is asked for."""
    return {"ticker": ticker, "price": 100 + next(_quoted) % 17}


if __name__ == "__main__":
    server.run()
