"""Secrets that stand where a reference should: known by their form, by the name they are given, or by how random they look.

What looks like one is shown nowhere: not in a message, not in a plan, not where a line is quoted.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

from runtime.core.leaks.credentials import secret_argument, why_credentials, without_credentials
from runtime.core.leaks.telling import (
    PLACE_STARTS,
    SHORTEST,
    TELLING,
    is_literal,
    is_of_password,
    is_place,
    tells,
)
from schemas.plan import HIDDEN

Path = tuple[str | int, ...]
# What is judged of a text: what it holds, its name as well, or even how random it looks.
_Reach = Literal["forms", "names", "data"]

# Fields whose values go to tools and servers; everything else is the language's own.
_DATA: Final = frozenset(
    {"args", "env", "headers", "parameters", "params", "url", "variables", "with"}
)
# Fields where a name tells, and what a value looks like does not: the user's own, which are shown wherever tasks are; and
# credentials, beside which there are the ids of clients.
_NAMED: Final = frozenset({"auth", "labels", "models"})
# What documents, steps and tools are called, and how they call one another.
_CALLED: Final = frozenset({"agent", "id", "kind", "name", "namespace", "renamed_from", "save_as", "use", "uses"})  # fmt: skip
_OPTION: Final = re.compile(r"--?([A-Za-z][\w-]*)")
_CHECKSUM: Final = re.compile(r"(?:sha\d+|md5)[-:=]")
_RANDOM: Final = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_SHORTEST_RANDOM: Final = 24
_SURELY_NO_WORD: Final = 8
_BITS: Final = 4.0
# Of so many letters one is followed by one of another kind, at least: words put together are less restless.
_RESTLESS: Final = 3
# A line of YAML or of a program, where nothing can be read but that.
_LINE: Final = re.compile(
    rf"""(?i:((?:{TELLING})\\?["']?\s*[:=]\s*+))(?![\s"']*\$\{{)(["']?[^\s#{{\[].*)"""
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


def leaks_in(value: Any) -> list[Leak]:
    """Every text in a document, or in any other value, that looks like a secret."""
    found: list[Leak] = []
    _gather(value, (), "forms", found)
    return found


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
    """A text of any kind without these secrets, and without what looks like one by itself."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return without_credentials(text, HIDDEN)


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


def _gather(value: Any, path: Path, reach: _Reach, found: list[Leak]) -> None:
    match value:
        case dict():
            _gather_fields(value, path, reach, found)
        case list() | tuple():
            before = len(found)
            for number, inner in enumerate(value):
                _gather(inner, (*path, number), reach, found)
            if reach == "data":
                told = {leak.path for leak in found[before:]}
                found += (leak for leak in _after_options(value, path) if leak.path not in told)
        case str():
            if why := _looks_like(_name(path), value, reach):
                found.append(Leak(path, value, why))
        case int() if reach != "forms" and _is_number_of_password(_name(path), value):
            found.append(Leak(path, str(value), "by its name"))
        case _:
            pass


def _gather_fields(
    fields: Mapping[str, Any], path: Path, reach: _Reach, found: list[Leak]
) -> None:
    for key, inner in fields.items():
        if _is_secret_key(key):
            found.append(Leak(path, key, "by its form"))
        if not isinstance(inner, str):
            _gather(inner, (*path, key), _reach_of(key, reach), found)
        # Most of what there is: it gets no path of its own, unless it is to be told.
        elif why := _looks_like(key, inner, _reach_of(key, reach)):
            found.append(Leak((*path, key), inner, why))


def _reach_of(key: str, around: _Reach) -> _Reach:
    if around == "data" or key in _DATA:
        return "data"
    return "names" if key in _NAMED else around


@lru_cache(maxsize=1024)
def _is_secret_key(key: str) -> bool:
    """Whether a key looks like a secret; documents have few different ones."""
    return bool(why_credentials(key, strict=True))


def _is_number_of_password(name: str, value: int) -> bool:
    is_number = not isinstance(value, bool) and len(str(value)) >= SHORTEST
    return is_number and is_of_password(name)


def _after_options(items: Sequence[Any], path: Path) -> Iterator[Leak]:
    """What follows an option like `--password` in a list of arguments, and the password of a command."""
    told = set()
    for number, (option, text) in enumerate(pairwise(items), start=1):
        if isinstance(option, str) and isinstance(text, str) and not text.startswith("-"):
            named = _OPTION.fullmatch(option)
            if named and tells(named[1]) and is_literal(text):
                told.add(number)
                yield Leak((*path, number), text, "by the option before it")
    arguments = [item if isinstance(item, str) else "" for item in items]
    position = secret_argument(arguments)
    if position is not None and position not in told:
        yield Leak((*path, position), arguments[position], "by its form")


def _name(path: Path) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


# Much of what documents say is the same in each of them.
@lru_cache(maxsize=4096)
def _looks_like(name: str, text: str, reach: _Reach) -> str:
    """Why a text looks like a secret; empty if it does not."""
    if len(text) < SHORTEST or (reach == "forms" and name in _CALLED):
        return ""
    if why := why_credentials(text, strict=reach != "data"):
        return why
    if reach != "forms" and tells(name) and is_literal(text):
        return "by its name"
    return "since it looks random" if reach == "data" and _is_random(name, text) else ""


def _is_random(name: str, text: str) -> bool:
    """Whether a text has digits and letters of both cases, mixed as only machines do it."""
    if len(text) < _SHORTEST_RANDOM or text.startswith(PLACE_STARTS) or is_place(name):
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
