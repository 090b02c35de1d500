"""How text is set: width, colour, characters, and times and spans as people read them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import orjson

Style = Literal["add", "change", "remove", "note", "dim", "bold"]

# What Terraform made familiar: green, yellow, red; grey for what matters less.
_CODES: Final[dict[Style, str]] = {
    "add": "32",
    "change": "33",
    "remove": "31",
    "note": "36",
    "dim": "90",
    "bold": "1",
}
_ASCII: Final = str.maketrans({"≠": "*", "…": "~", "—": "-", "±": "+"})
# Controls, marks of direction and other characters without a shape, halves of pairs, what is not assigned, other spaces.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# Words, and what is to be typed, between backticks, as one.
_TYPED: Final = re.compile(r"`[^`]*`\S*|\S+")
# The end of a line: blanks, and colours that begin or end between them.
_TRAILING: Final = re.compile(r"(?: |\x1b\[\d+m)+$")
_UNITS: Final = (("day", 86_400), ("h", 3600), ("min", 60), ("s", 1))


@dataclass(frozen=True, slots=True)
class Look:
    """How a plan is shown.

    Attributes:
        width: columns that lines should fit in; nothing is cut to fit.
        verbose: 1 unfolds everything and shows every field, 2 shows long values whole.
        colour: use terminal colours, which never carry a meaning of their own.
        ascii_only: use no character outside ASCII.
    """

    width: int = 100
    verbose: int = 0
    colour: bool = False
    ascii_only: bool = False

    def paint(self, text: str, style: Style) -> str:
        """Text in a style."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text

    def finish(self, lines: Iterable[str]) -> str:
        """Lines to text."""
        text = "\n".join(_TRAILING.sub(_without_blanks, line) for line in lines) + "\n"
        return text.translate(_ASCII) if self.ascii_only else text


def _without_blanks(found: re.Match[str]) -> str:
    return found[0].replace(" ", "")


def flow(parts: Sequence[str], width: int, gap: str = "  ", indent: str = "  ") -> list[str]:
    """Parts on as few lines as they need; all lines but the first are indented."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(gap) + len(part) <= width:
            lines[-1] += gap + part
        else:
            lines.append(indent + part if lines else part)
    return lines


def wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    """A sentence on as few lines as it needs; what is to be typed, between backticks, stays together."""
    return flow(_TYPED.findall(visible(text)), width, gap=" ", indent=indent)


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows of cells, aligned to the left."""
    widths = [max(map(len, cells)) for cells in zip_longest(*rows, fillvalue="")]
    return [
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]


def day_and_time(instant: datetime, zone: ZoneInfo, year: int) -> str:
    """`Fri 23 Oct 08:00 CEST`, with the year where it is not `year` and seconds where there are any."""
    local = instant.astimezone(zone)
    clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"{day(local, year)} {clock} {local:%Z}"


def day(local: datetime, year: int) -> str:
    """`Fri 23 Oct`, with the year where it is not `year`."""
    return f"{local:%a} {local.day} {local:%b}" + ("" if local.year == year else f" {local.year}")


def rough_span(span: timedelta) -> str:
    """A span in its largest unit and the next one: `10 h 25 min`, `2 days`."""
    left = int(span.total_seconds())
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def value_text(value: Any, limit: int = 48) -> str:
    """A JSON value on one line, cut where it is longer than `limit`."""
    text = visible(value if isinstance(value, str) else orjson.dumps(value).decode())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def visible(text: str) -> str:
    """Text on one line, in which everything that is there can be seen.

    What would move the cursor, turn the direction of writing around or hide is written as its number: specs may come
    from strangers, and what a reviewer sees has to be what is there.
    """
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(
        f"\\u{ord(one):04x}" if unicodedata.category(one) in _UNSEEN else one for one in line
    )


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
