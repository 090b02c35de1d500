"""What strangers wrote, as a terminal may be given it: names, messages and reasons may come from anywhere."""

from __future__ import annotations

import re
from typing import Final

# The colours of ours; and what else would move the cursor, hide text, or turn the direction of writing around.
_OBEYED: Final = re.compile(
    r"(\x1b\[(?:[012]|3[0-79]|9[0-7])m)"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


def harmless(text: str) -> str:
    """Text in which what would be obeyed is written as its number."""
    return _OBEYED.sub(lambda found: found[1] or f"\\u{ord(found[0]):04x}", text)


def moved_in(text: str) -> str:
    """Text in full, with each line but the first moved in, where none of it can pass for a line of ours."""
    return "\n    ".join(text.splitlines())
