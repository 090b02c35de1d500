"""Keeps answers short: what a run was given and what it gave may be megabytes, and whoever reads it here pays by the word.

A value that is cut is replaced by how it begins, and its place is told; it can be asked for by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from runtime.errors import OrdinautError
from schemas.event_log import LogEvent
from schemas.mcp import RunAnswer
from schemas.proposal import Proposal
from schemas.run import RunReport, RunSummary, StepReport

MAX_ANSWER_BYTES: Final = 256 * 1024
MAX_VALUE_BYTES: Final = 2_000
MAX_ASKED_BYTES: Final = 60_000
_BEGINNING: Final = 400
_ADDED: Final = 8_192
_EVENTS: Final = 30
_TRIES: Final = 5
_WAITS: Final = 20
_VALUES: Final = ("input", "output")


class TooMuch(OrdinautError):
    """What would be answered is too large."""

    default_code = "ORD331"


def require_tellable(proposal: Proposal) -> None:
    """Refuse what nobody could be told of once it is done.

    Raises:
        TooMuch: ORD331.
    """
    size = len(proposal.model_dump_json())
    # Where it was written, and what became of merging it, comes to that.
    if size + _ADDED > MAX_ANSWER_BYTES:
        raise TooMuch(
            f"the plan of {len(proposal.documents)} documents has {size:,} bytes, too many to be told: nothing was written",
            hint="propose fewer of them at once, or use `ordinaut propose`",
        )


def shortened_run(report: RunReport, asked: str | None = None) -> RunAnswer:
    """What is told of a run.

    Args:
        report: all of it.
        asked: the step that was asked for, which is told whole, and alone.
    """
    steps = [one for one in report.steps if asked in {None, one.step}]
    most = MAX_VALUE_BYTES if asked is None else MAX_ASKED_BYTES
    cut: list[str] = []
    told = tuple(_step(one, most, cut) for one in steps)
    facts = {
        name: _value(getattr(report, name), MAX_VALUE_BYTES, name, cut)
        for name in ("params", "event")
    }
    events = () if asked else tuple(_newest(report.events, _EVENTS, "events", cut))
    short = tuple(
        one.model_copy(update={"data": shortened(one.data, MAX_VALUE_BYTES)}) for one in events
    )
    run = report.model_copy(update={**facts, "steps": told, "events": short})
    return RunAnswer(run=run, cut=tuple(cut))


def summary_of(report: RunReport) -> RunSummary:
    """A run as it is in lists."""
    return RunSummary(**{name: getattr(report, name) for name in RunSummary.model_fields})


def shortened_step(step: StepReport) -> StepReport:
    """What is told of a step among others."""
    return _step(step, MAX_VALUE_BYTES, [])


def shortened_events(events: Sequence[LogEvent]) -> Iterator[LogEvent]:
    """What is told of events."""
    for one in events:
        yield one.model_copy(update={"data": shortened(one.data, MAX_VALUE_BYTES)})


def shortened(value: Any, most: int) -> Any:
    """The value; where it is too large, how it begins, and its size."""
    text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    if len(text) <= most:
        return value
    return {"begins": text[:_BEGINNING].decode(errors="ignore"), "bytes": len(text)}


def _step(step: StepReport, most: int, cut: list[str]) -> StepReport:
    place = f"steps.{step.step}"
    changed: dict[str, Any] = {
        name: _value(getattr(step, name), most, f"{place}.{name}", cut) for name in _VALUES
    }
    changed["tries"] = tuple(_newest(step.tries, _TRIES, f"{place}.tries", cut))
    changed["waits"] = tuple(step.waits[:_WAITS])
    if len(step.waits) > _WAITS:
        cut.append(f"{place}.waits")
    return step.model_copy(update=changed)


def _value(value: Any, most: int, place: str, cut: list[str]) -> Any:
    short = shortened(value, most)
    if short is not value:
        cut.append(place)
    return short


def _newest(values: Sequence[Any], most: int, place: str, cut: list[str]) -> Sequence[Any]:
    if len(values) > most:
        cut.append(place)
    return values[-most:]
