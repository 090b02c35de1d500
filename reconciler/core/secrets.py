"""Secrets that stand where a reference should: known by their form, by the name they are given, or by how random they look.

What looks like one is shown nowhere: not in a message, not in a plan, not where a line is quoted.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

from schemas.plan import HIDDEN

Path = tuple[str | int, ...]

# Fields whose values go to tools and servers; everything else is the language's own.
_DATA: Final = frozenset({"args", "env", "headers", "params", "url", "variables", "with"})
# What documents, steps and tools are called, and how they call one another.
_CALLED: Final = frozenset({"agent", "id", "kind", "name", "namespace", "renamed_from", "save_as", "use", "uses"})  # fmt: skip
_FORMS: Final = re.compile(
    r"""
      \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_\w{20,} | \bglpat-[\w-]{16,}
    | \bxox[abeprs]-[\w-]{10,} | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b | \bAIza[\w-]{30,}
    | \bsk-[A-Za-z0-9_-]{20,} | \b[rs]k_live_[A-Za-z0-9]{10,} | \bnpm_[A-Za-z0-9]{30,}
    | \bpypi-[\w-]{30,} | \bSG\.[\w-]{16,}\.[\w-]{16,} | \b\d{8,10}:AA[\w-]{30,}
    | \beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}
    | -----BEGIN\ (?:[A-Z]+\ )*PRIVATE\ KEY-----(?:[^-]*(?:-----END\ (?:[A-Z]+\ )*PRIVATE\ KEY-----)?)?
    | ://[^/\s:@$]*:[^/\s:@$]+@
    """,
    re.VERBOSE,
)
_SHORTEST_FORM: Final = len("://:x@")
_PASS: Final = r"pass(?:word|wd|phrase)"  # noqa: S105 - how passwords are called
_TELLING: Final = rf"{_PASS}|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|authorization"  # fmt: skip
_NAMES: Final = re.compile(
    rf"(?i:(?:^|[_-])(?:{_TELLING})$|{_PASS}$)"
    r"|[a-z](?:Password|Secret|Token|ApiKey|AccessKey|PrivateKey|Credentials?)$"
)
_NUMBERS_TOO: Final = re.compile(rf"(?i:(?:{_PASS}|pwd)$)")
# `--token=…`, `API_KEY=…`, `?api_key=…`: names within a text that is one word, or the word before it in a list.
_GIVEN: Final = re.compile(rf"(?i:(?:^|[?&;,/_-])(?:{_TELLING}))=([^\s&;,$]+)")
_OPTION: Final = re.compile(r"--?([A-Za-z][\w-]*)")
# Where a text is, and which one it is, is known to everybody who works with it.
_PLACES: Final = re.compile(
    r"(?i:(?:^|[_-])(?:ids?|uuid|hash|sha\d*|digest|checksum|commit|revision|cursor|(?:page|next|sync)[_-]?token)$)"
    r"|[a-z](?:Ids?|Hash|Digest)$|^(?:page|next|sync)Token$|[a-z](?:Page|Next|Sync)Token$"
)
# What such a field says where it holds none.
_WORDS: Final = frozenset({"auto", "basic", "bearer", "default", "digest", "false", "fetch", "include", "none", "null", "omit", "optional", "required", "same-origin", "true"})  # fmt: skip
_STAND_IN: Final = re.compile(r"<.*>|\*+|\.+|…")
_CHECKSUM: Final = re.compile(r"(?:sha\d+|md5)[-:=]")
_RANDOM: Final = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_SHORTEST: Final = 4
_SHORTEST_RANDOM: Final = 24
_SURELY_NO_WORD: Final = 8
_BITS: Final = 4.0
# Of so many letters one is followed by one of another kind, at least: words put together are less restless.
_RESTLESS: Final = 3
_PLACE_STARTS: Final = ("/", "./", "../", "~/", "http://", "https://")
# A line of YAML or of a program, where nothing can be read but that.
_LINE: Final = re.compile(
    rf"""(?i:((?:{_TELLING})["']?\s*[:=]\s*))(?![\s"']*\$\{{)(["']?[^\s#{{\[].*)"""
)


class Leak(NamedTuple):
    """A text that looks like a secret.

    Attributes:
        path: where it is; of a key, where its mapping is.
        text: what it says, which is never shown.
        why: why it looks like one.
    """

    path: Path
    text: str
    why: str


def leaks_in(value: Any, path: Path = ()) -> Iterator[Leak]:
    """Every text in a value of a document that looks like a secret.

    Args:
        value: the document, or a part of it.
        path: where in the document the value is.
    """
    yield from _leaks(value, path, any(part in _DATA for part in path))


def secrets_in(*values: Any) -> frozenset[str]:
    """The texts in documents that look like secrets."""
    return frozenset(leak.text for value in values for leak in leaks_in(value))


def places_in(value: Any, secrets: Collection[str], path: Path = ()) -> Iterator[Path]:
    """Where in a value these secrets are, under whatever name; of a key, where its mapping is."""
    match value:
        case dict():
            if any(_tells(key, secrets) for key in value):
                yield path
            else:
                for key, inner in value.items():
                    yield from places_in(inner, secrets, (*path, key))
        case list() | tuple():
            for number, inner in enumerate(value):
                yield from places_in(inner, secrets, (*path, number))
        case str() | int() if not isinstance(value, bool):
            if _tells(str(value), secrets):
                yield path
        case _:
            pass


def hidden(value: Any, secrets: Collection[str]) -> Any:
    """A value with a stand-in for whatever tells one of these secrets."""
    places = set(places_in(value, secrets)) if secrets else ()
    return _without(value, (), places) if places else value


def blotted(text: str, secrets: Collection[str] = ()) -> str:
    """A text of any kind without these secrets, and without what looks like one by its form."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _FORMS.sub(HIDDEN, text) if len(text) >= _SHORTEST_FORM else text


def blotted_line(line: str) -> str:
    """A line of a file without what follows a telling name, or looks like a secret by its form."""
    return _LINE.sub(rf"\1{HIDDEN}", blotted(line))


def _tells(text: str, secrets: Collection[str]) -> bool:
    # A short one may be part of a word.
    return text in secrets or any(
        len(secret) >= _SURELY_NO_WORD and secret in text for secret in secrets
    )


def _without(value: Any, path: Path, found: Collection[Path]) -> Any:
    if path in found:
        return HIDDEN
    match value:
        case dict():
            return {key: _without(inner, (*path, key), found) for key, inner in value.items()}
        case list() | tuple():
            return [_without(inner, (*path, number), found) for number, inner in enumerate(value)]
        case _:
            return value


def _leaks(value: Any, path: Path, within: bool) -> Iterator[Leak]:
    match value:
        case dict():
            for key, inner in value.items():
                if _has_form(key):
                    yield Leak(path, key, "by its form")
                yield from _leaks(inner, (*path, key), within or key in _DATA)
        case list() | tuple():
            for number, inner in enumerate(value):
                yield from _leaks(inner, (*path, number), within)
            if within:
                yield from _after_options(value, path)
        case str():
            if why := _looks_like(_name(path), value, within=within):
                yield Leak(path, value, why)
        case int() if within and _is_number_of_password(_name(path), value):
            yield Leak(path, str(value), "by its name")
        case _:
            pass


@lru_cache(maxsize=1024)
def _has_form(key: str) -> bool:
    """Whether a key looks like a secret; documents have few different ones."""
    return len(key) >= _SHORTEST_FORM and bool(_FORMS.search(key))


def _is_number_of_password(name: str, value: int) -> bool:
    is_number = not isinstance(value, bool) and len(str(value)) >= _SHORTEST
    return is_number and bool(_NUMBERS_TOO.search(name))


def _after_options(items: Sequence[Any], path: Path) -> Iterator[Leak]:
    """What follows an option like `--password` in a list of arguments."""
    for number, (option, text) in enumerate(pairwise(items), start=1):
        if isinstance(option, str) and isinstance(text, str) and not text.startswith("-"):
            named = _OPTION.fullmatch(option)
            if named and _by_name(named[1], text):
                yield Leak((*path, number), text, "by the option before it")


def _name(path: Path) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _looks_like(name: str, text: str, *, within: bool) -> str:
    """Why a text looks like a secret; empty if it does not."""
    if not within:
        is_one = len(text) >= _SHORTEST_FORM and name not in _CALLED and _FORMS.search(text)
        return "by its form" if is_one else ""
    if len(text) < _SHORTEST:
        return ""
    if _FORMS.search(text):
        return "by its form"
    if (given := _GIVEN.search(text)) and _is_literal(given[1]):
        return "by its name"
    if _by_name(name, text):
        return "by its name"
    return "since it looks random" if _is_random(name, text) else ""


def _by_name(name: str, text: str) -> bool:
    return bool(_NAMES.search(name)) and not _PLACES.search(name) and _is_literal(text)


def _is_literal(text: str) -> bool:
    """Whether a text could be a secret itself, rather than a reference to one, a word about it, or a place."""
    return (
        len(text) >= _SHORTEST
        and "${" not in text
        and text.lower() not in _WORDS
        and not text.startswith(_PLACE_STARTS)
        and not _STAND_IN.fullmatch(text)
    )


def _is_random(name: str, text: str) -> bool:
    """Whether a text has digits and letters of both cases, mixed as only machines do it."""
    if len(text) < _SHORTEST_RANDOM or text.startswith(_PLACE_STARTS) or _PLACES.search(name):
        return False
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
