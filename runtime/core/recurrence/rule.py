"""RECUR text to a checked rule: the grammar and every prohibition of RFC 5545 section 3.3.10.

Promises: a `Rule` that comes out of here is one that RFC 5545 allows and that engines agree on. What the RFC forbids is
`ORD602`; the three rules that engines read differently are `ORD603` with the explicit forms named; text that is not a
rule is `ORD601`. Every message names the part. Names are case-insensitive, as ABNF literals are.

Left to others: whether a rule ever fires, and what it means across DST.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from runtime.core.recurrence import values
from runtime.core.recurrence.lines import explicit_form
from runtime.core.recurrence.triggers import Until
from runtime.core.recurrence.values import RANGES, Frequency, refuse
from runtime.errors import ScheduleError

_PARTS: Final = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *RANGES)
# Parts that fields of the schedule hold, not the rule's text.
_FIELDS: Final[Mapping[str, str]] = {
    "DTSTART": "write it as `start:` (local time, e.g. 2026-01-05T08:30) beside the rule",
    "EXDATE": "write it as `exdate:` beside the rule",
    "RDATE": "write it as `rdate:` beside the rule",
    "TZID": "write it as `timezone:` beside the rule",
    "EXRULE": "RFC 5545 removed EXRULE; use `exclude:` with a calendar, or `exdate:`",
    "RSCALE": "RFC 7529 calendars are not supported; rules are Gregorian",
    "SKIP": "RFC 7529 is not supported; name the last day of a month as BYMONTHDAY=-1",
    "BYEASTER": "RFC 5545 has no Easter; list the dates in `rdate:` or in a calendar",
}
# One line and no colon: whatever is wrong with it, nothing was pasted.
_ONE_LINE: Final = re.compile(r"[!-9;-~]+=[!-9;-~]*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One RFC 5545 rule; every tuple is sorted and without repetition, empty if the part is absent.

    Attributes:
        byday: (n, weekday) with Monday = 0; n is 0 for every such weekday, else the numbered one.
        until: as written; a date stands for the end of that day.
    """

    freq: Frequency
    interval: int = 1
    count: int | None = None
    until: Until = None
    week_start: int = 0
    bysecond: tuple[int, ...] = ()
    byminute: tuple[int, ...] = ()
    byhour: tuple[int, ...] = ()
    byday: tuple[tuple[int, int], ...] = ()
    bymonthday: tuple[int, ...] = ()
    byyearday: tuple[int, ...] = ()
    byweekno: tuple[int, ...] = ()
    bymonth: tuple[int, ...] = ()
    bysetpos: tuple[int, ...] = ()

    @property
    def sub_daily(self) -> bool:
        """Whether the rule repeats within a day, and so by elapsed time."""
        return self.freq in ("HOURLY", "MINUTELY", "SECONDLY")

    @property
    def limited(self) -> bool:
        """Whether a BYxxx part other than BYSETPOS is there."""
        times = self.bysecond or self.byminute or self.byhour
        days = self.byday or self.bymonthday or self.byyearday or self.byweekno or self.bymonth
        return bool(times or days)


def parse_rule(text: str, *, until: Until = None, count: int | None = None) -> Rule:
    """Parse and check one rule.

    Args:
        text: RECUR value; a `RRULE:` prefix and a last `;` are allowed.
        until: the bound from beside the rule, treated as if the text held it.
        count: likewise.

    Raises:
        ScheduleError: `ORD601`, `ORD602` or `ORD603`.
    """
    parts = _split(text)
    if "FREQ" not in parts:
        refuse(
            f"rule {text!r} has no FREQ",
            "start it with FREQ=DAILY, FREQ=WEEKLY or another frequency",
        )
    bounds: list[str] = [name for name in ("COUNT", "UNTIL") if name in parts]
    bounds += [name for name, value in (("count", count), ("until", until)) if value is not None]
    if len(bounds) > 1:
        _forbid(
            f"{bounds[0]} and {bounds[1]} bound the same rule",
            "RFC 5545 section 3.3.10 allows one: drop the other",
        )
    rule = Rule(
        freq=values.frequency(parts["FREQ"]),
        interval=values.positive("INTERVAL", parts.get("INTERVAL", "1")),
        count=values.positive("COUNT", parts["COUNT"]) if "COUNT" in parts else count,
        until=values.bound(parts["UNTIL"]) if "UNTIL" in parts else until,
        week_start=values.weekday("WKST", parts["WKST"]) if "WKST" in parts else 0,
        byday=values.weekdays(parts["BYDAY"]) if "BYDAY" in parts else (),
        **{name.lower(): values.numbers(name, parts[name]) for name in RANGES if name in parts},
    )
    _check_combinations(rule)
    _check_contested(rule)
    return rule


def _forbid(message: str, hint: str) -> NoReturn:
    raise ScheduleError(message, hint=hint, code="ORD602")


def _contest(message: str, hint: str) -> NoReturn:
    raise ScheduleError(message, hint=hint, code="ORD603")


def bare_rule(text: str) -> str:
    """The rule without its name and a last `;`, in capitals."""
    return text.strip().upper().removeprefix("RRULE:").strip().removesuffix(";")


def _split(text: str) -> dict[str, str]:
    body = bare_rule(text)
    _check_body(text, body)
    parts: dict[str, str] = {}
    for piece in body.split(";"):
        name, equals, value = piece.partition("=")
        if name not in _PARTS:
            _refuse_part(piece, name)
        if not equals or not value:
            refuse(f"{piece!r} in rule {text!r} has no value", f"write {name}=VALUE")
        if name in parts:
            _forbid(
                f"{name} stands twice in rule {text!r}",
                f"a part may occur once; join the values with commas: {name}={parts[name]},{value}",
            )
        parts[name] = value
    return parts


def _check_body(text: str, body: str) -> None:
    if not body:
        refuse("the rule is empty", "write for example FREQ=DAILY;BYHOUR=8;BYMINUTE=30")
    if not body.isascii():
        refuse(f"rule {text!r} holds characters that are not ASCII", "type it anew")
    if _ONE_LINE.fullmatch(body) and not any(field in body for field in _FIELDS):
        return
    if (fields := explicit_form(text)) is not None:
        refuse(_several_lines(body), f"write\n{fields}")
    for field, advice in _FIELDS.items():
        if re.search(rf"(^|[;\s]){field}\b", body):
            refuse(f"{field} is not part of a rule", advice)
    if "=" not in body:
        hint = "write for example FREQ=DAILY;BYHOUR=8;BYMINUTE=30; a cron expression is written as `cron:`"
        refuse(f"{text!r} is not an RFC 5545 rule", hint)
    if re.search(r"\s", body):
        joined = re.sub(r"\s+", ";", re.sub(r"\s*([;,=])\s*", r"\1", body))
        refuse(f"rule {text!r} holds blanks", f"write {joined}")


def _several_lines(body: str) -> str:
    found = re.search(r"DTSTART|EXDATE|RDATE", body)
    return f"{found[0]} is not part of a rule" if found else "the text holds more than one rule"


def _refuse_part(piece: str, name: str) -> NoReturn:
    close = difflib.get_close_matches(name, _PARTS, 1, 0.6)
    hint = f"did you mean {close[0]}?" if close else f"the parts are {', '.join(_PARTS)}"
    refuse(f"{name or repr(piece)} is not a part of an RFC 5545 rule", hint)


def _check_combinations(rule: Rule) -> None:
    numbered = any(number for number, _ in rule.byday)
    freq = rule.freq
    checks: tuple[tuple[bool, str, str], ...] = (
        (
            numbered and freq not in ("MONTHLY", "YEARLY"),
            f"BYDAY with a number stands in a {freq} rule",
            "numbered weekdays belong to MONTHLY and YEARLY rules: did you mean FREQ=MONTHLY?",
        ),
        (
            numbered and bool(rule.byweekno),
            "BYDAY with a number stands beside BYWEEKNO",
            "a week has each weekday once: drop the number",
        ),
        (
            bool(rule.bymonthday) and freq == "WEEKLY",
            "BYMONTHDAY stands in a WEEKLY rule",
            "did you mean FREQ=DAILY or FREQ=MONTHLY?",
        ),
        (
            bool(rule.byyearday) and freq in ("DAILY", "WEEKLY", "MONTHLY"),
            f"BYYEARDAY stands in a {freq} rule",
            "did you mean FREQ=YEARLY?",
        ),
        (
            bool(rule.byweekno) and freq != "YEARLY",
            f"BYWEEKNO stands in a {freq} rule",
            "only YEARLY rules may name weeks: did you mean FREQ=YEARLY?",
        ),
        (
            bool(rule.bysetpos) and not rule.limited,
            "BYSETPOS has no set to choose from",
            "add the BYxxx part whose values it numbers, e.g. BYDAY=MO,TU,WE,TH,FR",
        ),
    )
    for wrong, message, hint in checks:
        if wrong:
            _forbid(f"{message}, which RFC 5545 section 3.3.10 forbids", hint)


def _check_contested(rule: Rule) -> None:
    if rule.freq != "YEARLY":
        return
    # Where the rule names the day by its number, nothing is left to read: the weeks only limit it.
    if rule.byweekno and not (rule.byday or rule.bymonthday or rule.byyearday):
        _contest(
            "BYWEEKNO without BYDAY is read as whole weeks by some engines and as one day by others",
            "add BYDAY=MO,TU,WE,TH,FR,SA,SU for the whole week, or BYDAY with the start's weekday for one day",
        )
    if rule.bymonthday and not rule.bymonth and not rule.byyearday:
        _contest(
            "FREQ=YEARLY with BYMONTHDAY but no BYMONTH is read as every month by some engines and as the start's month by others",
            "write FREQ=MONTHLY for every month, or add BYMONTH for one",
        )
    spilling = {1, 52, 53, -1, -52, -53} & set(rule.byweekno)
    if spilling and (rule.interval > 1 or rule.bysetpos):
        part = "INTERVAL" if rule.interval > 1 else "BYSETPOS"
        _contest(
            f"BYWEEKNO={min(spilling)} with {part}: engines differ on the year of a week that reaches over the new year",
            "name the days: BYMONTH=12,1 with BYMONTHDAY and BYDAY, or list them in `rdate:`",
        )
