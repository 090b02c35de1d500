"""The rule about secrets that stand in a file: known by their form, by the name they are given, or by how random they look.

What looks like one is never repeated in a message.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from reconciler.core.lint.world import World
from reconciler.core.locate import Path
from schemas.problem import Problem

# Fields whose values go to tools and servers; everything else is the language's own.
_DATA: Final = frozenset({"args", "env", "headers", "params", "url", "variables", "with"})
_FORMS: Final = re.compile(
    r"""
      \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_\w{20,} | \bglpat-[\w-]{16,}
    | \bxox[abeprs]-[\w-]{10,} | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b | \bAIza[\w-]{30,}
    | \bsk-[A-Za-z0-9_-]{20,} | \b[rs]k_live_[A-Za-z0-9]{10,} | \bnpm_[A-Za-z0-9]{30,}
    | \bpypi-[\w-]{30,} | \bSG\.[\w-]{16,}\.[\w-]{16,} | \b\d{8,10}:AA[\w-]{30,}
    | \beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}
    | -----BEGIN\ (?:[A-Z]+\ )*PRIVATE\ KEY-----
    | ://[^/\s:@$]+:[^/\s:@$]+@
    """,
    re.VERBOSE,
)
_NAMES: Final = re.compile(
    r"(?i:(?:^|[_-])(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credentials?|authorization)$)|[a-z](?:Password|Secret|Token|ApiKey|AccessKey|PrivateKey|Credentials?)$"
)
# Where a text is, and which one it is, is known to everybody who works with it.
_PLACES: Final = re.compile(
    r"(?i:(?:^|[_-])(?:ids?|uuid|hash|sha\d*|digest|checksum|commit|revision|cursor|(?:page|next|sync)[_-]?token)$)"
    r"|[a-z](?:Ids?|Hash|Digest)$|^(?:page|next|sync)Token$|[a-z](?:Page|Next|Sync)Token$"
)
_CHECKSUM: Final = re.compile(r"(?:sha\d+|md5)[-:=]")
_RANDOM: Final = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_SHORTEST: Final = 8
_BITS: Final = 4.0
# Of so many letters one is followed by one of another kind, at least: words put together are less restless.
_RESTLESS: Final = 3
_PATH_STARTS: Final = ("/", "./", "../", "~/")


def literal_secrets(world: World) -> Iterator[Problem]:
    """ORD807: a value that looks like a secret stands in the specs."""
    for entry in world.entries.values():
        for path, name, text in _data(entry.source.value, (), within=False):
            if why := _looks_like(name, text):
                yield from entry.problem(
                    path,
                    "ORD807",
                    f"this looks like a secret, {why}",
                    "declare it under `secrets` of the Project, write `${secrets.name}` here, and replace"
                    " the secret: git keeps what was committed",
                )


def _data(value: Any, path: Path, *, within: bool) -> Iterator[tuple[Path, str, str]]:
    """Every text of the fields that hold data, with its path and the name that it goes by."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from _data(inner, (*path, key), within=within or key in _DATA)
        case list():
            for number, inner in enumerate(value):
                yield from _data(inner, (*path, number), within=within)
        case str() if within:
            names = [part for part in path if isinstance(part, str)]
            yield path, names[-1], value
        case _:
            pass


def _looks_like(name: str, text: str) -> str:
    """Why a text looks like a secret; empty if it does not."""
    if _FORMS.search(text):
        return "by its form"
    if "${" in text or len(text) < _SHORTEST or text.startswith(_PATH_STARTS):
        return ""
    if _PLACES.search(name):
        return ""
    if _NAMES.search(name):
        return "by its name"
    return "since it looks random" if _is_random(text) else ""


def _is_random(text: str) -> bool:
    """Whether a text has digits and letters of both cases, mixed as only machines do it."""
    kinds = (str.isdigit, str.isupper, str.islower)
    return (
        bool(_RANDOM.fullmatch(text))
        and all(any(map(kind, text)) for kind in kinds)
        and not _CHECKSUM.match(text)
        and _entropy(text) >= _BITS
        and _RESTLESS * sum(_kind(one) != _kind(other) for one, other in pairwise(text))
        >= len(text)
    )


def _kind(letter: str) -> tuple[bool, bool, bool]:
    return letter.isdigit(), letter.isupper(), letter.islower()


def _entropy(text: str) -> float:
    """Bits a letter."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)
