"""`ordinaut emit`: tell of an event."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import click
import orjson
import psycopg

from runtime.actor import current_actor
from runtime.cli.options import configured, json_option
from runtime.cli.output import echo, echo_json
from runtime.config import Config
from runtime.core.hearing import OWN
from runtime.core.tracing import kept_link
from runtime.database import database
from runtime.errors import OrdinautError
from runtime.store.connect import CONNECT_TIMEOUT_SECONDS, SESSION_OPTIONS, connect
from runtime.store.events import Arrival, Event, arrive, arrive_by_token
from runtime.store.migrate import require_current
from schemas.patterns import TOPIC, WORDS


@click.command(
    epilog="""\b
Examples:
  ordinaut emit orders.paid --data '{"order": 17}' --id order-17-paid
  ordinaut emit --callback "$TOKEN" --data '"done"'
"""
)
@click.argument("topic", required=False)
@click.option("--data", "text", default="null", metavar="JSON", help="What there is to say.")
@click.option(
    "--id", "event_id", metavar="ID", help="What the event is called: the same one counts once."
)
@click.option("--source", default="cli", metavar="TEXT", help="Who says so; ids are its own.")
@click.option("--callback", metavar="TOKEN", help="End the one wait that this token is for.")
@click.option(
    "--traceparent", metavar="CONTEXT", help="The span it is told from (W3C): traces are linked."
)
@json_option
@configured("database_url", "state_dir")
def emit(
    *,
    config: Config,
    topic: str | None,
    text: str,
    event_id: str | None,
    source: str,
    callback: str | None,
    traceparent: str | None,
    as_json: bool,
) -> None:
    """Tell of an event of this TOPIC, or answer a callback: tasks that listen to it run, and runs that wait for it go on.

    An event is kept: a run that begins to wait only later finds what came since it began. Said twice with one --id it
    counts once. A callback token counts once, and not after its wait is over.
    """
    data = _json(text)
    if (topic is None) == (callback is None):
        raise click.UsageError("give a TOPIC, or a token with --callback")
    link = _link(traceparent)
    event = (
        None
        if topic is None
        else Event(_topic(topic), data, source, event_id or str(uuid4()), link)
    )
    with (
        database(config, create=False) as conninfo,
        connect(conninfo, name="ordinaut emit") as connection,
    ):
        require_current(connection)
        arrival = asyncio.run(_send(conninfo, event, callback, data, link))
    _tell(event, arrival, as_json=as_json)


async def _send(
    conninfo: str, event: Event | None, callback: str | None, data: Any, link: str | None
) -> Arrival:
    async with await psycopg.AsyncConnection.connect(
        conninfo,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        application_name="ordinaut emit",
        options=SESSION_OPTIONS,
    ) as connection:
        if event is not None:
            return await arrive(connection, event, actor=current_actor())
        return await arrive_by_token(connection, callback or "", data, link)


def _tell(event: Event | None, arrival: Arrival, *, as_json: bool) -> None:
    if as_json:
        name = {} if event is None else {"id": event.event_id, "topic": event.topic}
        became = {"is_new": arrival.is_new, "ended": arrival.ended, "heard": arrival.heard}
        echo_json({**name, **became})
    elif not arrival.is_new:
        echo("It came before, and counts once.")
    else:
        echo(f"On record: {_became(arrival)}.")


def _became(arrival: Arrival) -> str:
    parts = []
    if arrival.heard:
        parts.append(f"for {arrival.heard:,} task{'s' * (arrival.heard != 1)}")
    if arrival.ended:
        parts.append(f"{arrival.ended:,} wait{'s' * (arrival.ended != 1)} ended")
    return ", ".join(parts) or "nothing waits for it yet"


def _topic(text: str) -> str:
    if re.search(TOPIC, text) is None:
        raise click.UsageError(f"a TOPIC is {WORDS[TOPIC]}")
    if text.startswith(OWN):
        raise click.UsageError(f"topics that begin with {OWN} are those of Ordinaut's own events")
    return text


def _link(traceparent: str | None) -> str | None:
    if traceparent is None:
        return None
    if (link := kept_link([traceparent])) is None:
        raise click.UsageError(
            "--traceparent is 00-TRACE-SPAN-FLAGS in hexadecimal digits, as W3C Trace Context has it"
        )
    return link


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise OrdinautError(
            f"--data is no JSON: {error}",
            hint="text is JSON in double quotes, such as --data '\"done\"'",
            code="ORD007",
        ) from None
