"""A condition over a tool's answers: whether an answer that came now starts a run.

Theory of operation
    An answer meets the condition or does not, and a row of answers that meet it is a stretch. With `level` every answer of
    a stretch fires. With `rising` a stretch fires at most once, and only from the phase `armed`:

        armed     it may fire; once the stretch is as long as `for` asks, it does, and is spent
        spent     it has fired; when the answer satisfies `rearm` it is armed, or, if the stretch still lasts, released
        released  it has fired and was rearmed within a stretch; armed as soon as that ends

    So every firing comes after the condition was seen not to hold, and never twice without a rearming in between. Nothing
    is known before the first answer: if that meets the condition, a stretch begins with it. Where no answer comes, because
    the tool failed or nobody asked, nothing changes: a stretch ends by an answer and not by silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, assert_never

Edge = Literal["rising", "level"]
Phase = Literal["armed", "spent", "released"]


@dataclass(frozen=True, slots=True)
class ConditionRule:
    """When a condition fires: at the beginning of a stretch that lasts `holds_for`, or throughout."""

    edge: Edge = "rising"
    holds_for: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is remembered between two answers: the phase, and since when the condition is met (None: it is not)."""

    phase: Phase = "armed"
    met_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer makes of a condition."""

    standing: Standing
    fires: bool


def judge(
    rule: ConditionRule, standing: Standing, *, is_met: bool, is_rearmed: bool, now: datetime
) -> Verdict:
    """Judge one answer.

    Args:
        rule: when to fire.
        standing: what the answer before left.
        is_met: whether the answer meets the condition.
        is_rearmed: whether it satisfies the rearming, which by default is that the condition is not met.
        now: when it came.
    """
    met_since = (standing.met_since or now) if is_met else None
    phase = _moved(standing.phase, is_met=is_met, is_rearmed=is_rearmed)
    held = met_since is not None and now - met_since >= rule.holds_for
    fires = held and phase == "armed"
    if fires and rule.edge == "rising":
        phase = "spent"
    return Verdict(Standing(phase, met_since), fires)


def _moved(phase: Phase, *, is_met: bool, is_rearmed: bool) -> Phase:
    """The phase before it is asked whether to fire."""
    match phase:
        case "armed":
            return "armed"
        case "spent" if not is_rearmed:
            return "spent"
        case "spent" | "released":
            return "released" if is_met else "armed"
        case _:
            assert_never(phase)


def describe_condition(poll: Mapping[str, Any]) -> str:
    """A normalised `condition` in plain words."""
    held = f" for {poll['for']}" if "for" in poll else ""
    again = f", again only after {poll['rearm']}" if "rearm" in poll else ""
    asks = "each time {} answers {}" if poll["edge"] == "level" else "when {} comes to answer {}"
    return f"{asks.format(poll['uses'], poll['when'])}{held}, asked every {poll['every']}{again}"
