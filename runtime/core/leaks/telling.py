"""What names and words say of secrets: which names tell of one, and which texts only stand in its place.

Pure. What such a name is worth where, `secrets` says; where names and values stand within a text, `credentials` says.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_PASS: Final = r"pass(?:word|wd|phrase)"  # noqa: S105 - how passwords are called
TELLING: Final = rf"{_PASS}|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|authorization"  # fmt: skip
_NAMES: Final = re.compile(
    rf"(?i:(?:^|[_-])(?:{TELLING})$|{_PASS}$)"
    r"|[a-z](?:Password|Secret|Token|ApiKey|AccessKey|PrivateKey|Credentials?)$"
)
_NUMBERS_TOO: Final = re.compile(rf"(?i:(?:{_PASS}|pwd)$)")
# Where a text is, and which one it is, is known to everybody who works with it.
_PLACES: Final = re.compile(
    r"(?i:(?:^|[_-])(?:ids?|uuid|hash|sha\d*|digest|checksum|commit|revision|cursor|(?:page|next|sync)[_-]?token)$)"
    r"|[a-z](?:Ids?|Hash|Digest)$|^(?:page|next|sync)Token$|[a-z](?:Page|Next|Sync)Token$"
)
# What such a field says where it holds none.
_WORDS: Final = frozenset({"auto", "basic", "bearer", "default", "digest", "false", "fetch", "include", "none", "null", "omit", "optional", "required", "same-origin", "true"})  # fmt: skip
_STAND_IN: Final = re.compile(r"<.*>|\*+|\.+|…")
SHORTEST: Final = 4
PLACE_STARTS: Final = ("/", "./", "../", "~/", "http://", "https://")


@lru_cache(maxsize=1024)
def tells(name: str) -> bool:
    """Whether what goes by a name is a secret; documents have few different names."""
    return bool(_NAMES.search(name)) and not is_place(name)


@lru_cache(maxsize=1024)
def is_place(name: str) -> bool:
    """Whether a name is of an identity, a digest or a position, which may look random and is no secret."""
    return bool(_PLACES.search(name))


@lru_cache(maxsize=1024)
def is_of_password(name: str) -> bool:
    """Whether what goes by a name is a secret even if it is a number."""
    return bool(_NUMBERS_TOO.search(name))


def is_literal(text: str) -> bool:
    """Whether a text could be a secret itself, rather than a reference to one, a word about it, or a place."""
    return (
        len(text) >= SHORTEST
        and "${" not in text
        and text.lower() not in _WORDS
        and not text.startswith(PLACE_STARTS)
        and not _STAND_IN.fullmatch(text)
    )
