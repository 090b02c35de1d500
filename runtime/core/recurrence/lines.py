"""Lines of an iCalendar component where a rule was expected, rewritten as the fields that a schedule has for them.

People paste `DTSTART` and `EXDATE` together with `RRULE`. They are refused, since a schedule names each of these once and in
its own field; what to write instead is worked out here, as far as the lines leave no doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

# A rule may stand without its name.
_LINE: Final = re.compile(
    r"(?:(DTSTART|RRULE|RDATE|EXDATE)((?:;[A-Z]+=[^:;]+)*):\s*|(?=FREQ=))(\S+)", re.IGNORECASE
)
_MOMENT: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_NEXT_LINE: Final = re.compile(
    r"(?<!:)\s+(?=(?:DTSTART|RRULE|RDATE|EXDATE)[;:]|FREQ=)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line: its name, the zone it names ("" if none), and its value."""

    name: str
    zone: str
    value: str


def explicit_form(text: str) -> str | None:
    """The fields of a schedule that say the same, one a line; None if the text is a rule, or no such lines."""
    lines = [_line(part) for part in _NEXT_LINE.split(text.strip())]
    known = [line for line in lines if line is not None]
    if len(known) < len(lines) or [line.name for line in known] == ["RRULE"]:
        return None
    zone, *others = {line.zone for line in known if line.zone} or {""}
    fields = [*_rules(known), f"timezone: {zone}" if zone else "", *_times(known)]
    if others or None in fields:
        return None
    return "\n".join(f"  {field}" for field in fields if field)


def _line(text: str) -> _Line | None:
    found = _LINE.fullmatch(text)
    if found is None:
        return None
    name, value = (found[1] or "RRULE").upper(), found[3].upper()
    pairs = (parameter.partition("=") for parameter in (found[2] or "").split(";")[1:])
    parameters = {parameter.upper(): given for parameter, _, given in pairs}
    is_utc = name == "DTSTART" and value.endswith("Z")
    return _Line(name, parameters.get("TZID", "UTC" if is_utc else ""), value)


def _rules(lines: Sequence[_Line]) -> Iterator[str]:
    rules = [line.value for line in lines if line.name == "RRULE"]
    if rules:
        yield "rrule: " + (rules[0] if len(rules) == 1 else f"[{', '.join(map(_quoted, rules))}]")


def _quoted(rule: str) -> str:
    # Commas would part the rule in a list.
    return f'"{rule}"'


def _times(lines: Sequence[_Line]) -> Iterator[str | None]:
    starts = [line.value for line in lines if line.name == "DTSTART"]
    if starts:
        yield _field("start", starts, is_local=True) if len(starts) == 1 else None
    for name in ("RDATE", "EXDATE"):
        values = [value for line in lines if line.name == name for value in line.value.split(",")]
        if values:
            yield _field(name.lower(), values, is_local=False)


def _field(name: str, values: Sequence[str], *, is_local: bool) -> str | None:
    """The field in YAML; None if a value is no date or time."""
    moments = [_MOMENT.fullmatch(value) for value in values]
    texts = [_iso(moment, is_local=is_local) for moment in moments if moment is not None]
    if len(texts) < len(values):
        return None
    return f"{name}: " + (texts[0] if is_local else f"[{', '.join(texts)}]")


def _iso(moment: re.Match[str], *, is_local: bool) -> str:
    year, month, day, hour, minute, second, utc = moment.groups()
    if hour is None:
        return f"{year}-{month}-{day}"
    seconds = "" if second == "00" else f":{second}"
    return f"{year}-{month}-{day}T{hour}:{minute}{seconds}{'' if is_local else utc}"
