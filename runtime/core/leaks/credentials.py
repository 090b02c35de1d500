"""Credentials within a text: of a known form, after a scheme of HTTP, as a value after its name, on a command line.

Pure, and cheap where there are none, since every text of every document is looked through. Prose about credentials is not
taken for them: `Bearer tokens are rotated`, `password=<yours>` and `Basic ${secrets.login}` hold none.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from runtime.core.leaks.telling import is_literal, tells

_FORMS: Final = re.compile(
    r"""
      \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_\w{20,} | \bglpat-[\w-]{16,}
    | \bxox[abeprs]-[\w-]{10,} | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b | \bAIza[\w-]{30,}
    | \bsk-[A-Za-z0-9_-]{20,} | \b[rs]k_live_[A-Za-z0-9]{10,} | \bnpm_[A-Za-z0-9]{30,}
    | \bpypi-[\w-]{30,} | \bSG\.[\w-]{16,}\.[\w-]{16,} | \b\d{8,10}:AA[\w-]{30,}
    | (?<![\w-])-*eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}
    | -----BEGIN\ (?:[A-Z]+\ )*PRIVATE\ KEY-----(?:[^-]*(?:-----END\ (?:[A-Z]+\ )*PRIVATE\ KEY-----)?)?
    | ://[^/\s:@$]*:[^/\s:@$]+@
    """,
    re.VERBOSE,
)
# A text without one of these holds nothing that is looked for here. Branches begin with a letter each, which is what
# makes this one fast: most texts are seen by it alone.
_MARKS: Final = re.compile(
    r":|=|gh[pousr]_|github_|glpat-|xox|A(?:KIA|SIA|Iza)|sk-|k_live_|npm_|pypi-|SG\.|eyJ|-----B"
    r"|earer\s|EARER\s|asic\s|ASIC\s|curl\s|mysql|mariadb"
)
_SCHEME: Final = re.compile(r"\b(?i:(bearer)|basic)\s+([\w.~+/-]{8,}={0,2})")
_PAIR: Final = re.compile(
    r"""
    (?<![\w-])-*([A-Za-z_][\w-]{0,80})
    (?:=["']?|["']\s*:\s*["'])  # As in a query, an assignment or an option; as in JSON.
    ((?![=$<{(])[^\s&;,"']+)
    """,
    re.VERBOSE,
)
_HEADER: Final = re.compile(
    r"\s*([A-Za-z][\w-]{0,80}):\s*(?:(?i:bearer|basic|token|apikey)\s+)?((?![$<{(\"'])\S{8,})\s*"
)
# As in a file of settings. Where code has `=` between blanks, names, calls and placeholders follow it.
_SETTING: Final = re.compile(
    r"""(?<![\w-])([A-Za-z_][\w-]{0,80})[ \t]{0,9}=[ \t]{0,9}["']?([\w+/][\w+/=~!#%^*&-]{7,}+)(?=["'\s,;]|$)"""
)
# A command, as far as the next one; what it is called with is looked for in it once, however often it is named.
_CURL, _MYSQL = (
    re.compile(rf"\b{name}\s[^|;&\n\\]*(?:\\.[^|;&\n\\]*)*", re.DOTALL)
    for name in ("curl", r"(?:mysql|mariadb)[\w-]{0,20}")
)
_BETWEEN: Final = r"""(?:=|[\s\\]{1,100}|)["']?"""
_LOGIN: Final = re.compile(
    rf"""(?<!\S)(?:-[A-Za-z]{{0,20}}[uU]|--(?:proxy-)?user){_BETWEEN}[^\s:"'$<{{]{{1,100}}:([^\s"'$<{{(][^\s"']*)"""
)
_SENT: Final = re.compile(
    rf"""
    (?<!\S)(?:-[A-Za-z]{{0,20}}H|--(?:proxy-)?header){_BETWEEN}([A-Za-z][\w-]{{0,80}}):\s{{0,9}}
    (?:(?i:bearer|basic|token|apikey)\s{{1,9}})?((?![$<{{(])[^\s"']{{8,}})
    """,
    re.VERBOSE,
)
_PASSWORD: Final = re.compile(
    r"""(?<!\S)(?:-p|--password(=|[\s\\]{1,100}))["']?((?!(?<=\s)-)[^\s"'$<{(][^\s"']*)"""
)
_STAND_INS: Final = frozenset({"pass", "passwd", "password", "pwd", "secret", "token"})
_HAS_DIGIT_OR_HUMP: Final = re.compile(r"\d|[a-z][A-Z]")
_LETTERS: Final = re.compile(r"[A-Za-z]")
_MANY_DIGITS, _MANY_CHANGES, _LONG = 3, 6, 16

Span = tuple[int, int]


def why_credentials(text: str, *, strict: bool) -> str:
    """Why a text holds credentials; empty if it holds none.

    Args:
        strict: whether it is prose, in which a word may follow a telling name and `=`, or a scheme.
    """
    if not _MARKS.search(text):
        return ""
    if _FORMS.search(text) or any(_after_schemes(text, strict=strict)) or any(_in_commands(text)):
        return "by its form"
    return "by its name" if any(_after_names(text, strict=strict)) else ""


def without_credentials(text: str, stand_in: str) -> str:
    """A text of any kind with a stand-in for each of its credentials."""
    if not _MARKS.search(text):
        return text
    text = _FORMS.sub(stand_in, text)
    spans = {*_after_schemes(text, strict=True), *_in_commands(text), *_after_names(text, strict=True)}  # fmt: skip
    pieces, told = [], 0
    for start, end in sorted(spans):
        if start >= told:
            pieces += [text[told:start], stand_in]
        told = max(told, end)
    return "".join((*pieces, text[told:]))


def secret_argument(arguments: list[str]) -> int | None:
    """The position of the argument that holds the password of a command such as curl; None if there is none."""
    found = next(_in_commands(" ".join(arguments)), None)
    ends = 0
    for position, argument in enumerate(arguments):
        ends += len(argument) + 1
        if found is not None and found[0] < ends:
            return position
    return None


def _after_schemes(text: str, *, strict: bool) -> Iterator[Span]:
    for match in _SCHEME.finditer(text):
        is_whole = not strict and match.span() == (0, len(text))
        is_one = _is_token(match[2], is_whole=is_whole) if match[1] else _is_login(match[2])
        if is_one:
            yield match.span(2)


def _is_token(text: str, *, is_whole: bool) -> bool:
    """Whether what follows `Bearer` is made by a machine; where nothing else is said, a digit is enough."""
    if is_whole and any(map(str.isdigit, text)):
        return True
    bare = re.sub(r"[\W_]", "", text)
    changes = sum(
        (one.isdigit(), one.isupper()) != (other.isdigit(), other.isupper())
        for one, other in pairwise(bare)
    )
    digits = sum(map(str.isdigit, bare))
    return len(bare) >= _LONG and bool(
        (digits >= _MANY_DIGITS and _LETTERS.search(bare))
        or (digits and changes >= _MANY_CHANGES)
        or digits == len(bare)
    )


def _is_login(text: str) -> bool:
    """Whether what follows `Basic` is a name and a password, put together as RFC 7617 section 2 has it."""
    try:
        name, colon, _ = b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return False
    return bool(colon) and name.isprintable()


def _after_names(text: str, *, strict: bool) -> Iterator[Span]:
    is_word = not strict and not any(map(str.isspace, text))
    for match in _PAIR.finditer(text):
        name, value = match.groups()
        if tells(name) and is_literal(value) and (is_word or _is_made_up(value)):
            yield match.span(2)
    for match in _SETTING.finditer(text):
        name, value = match.groups()
        if tells(name) and is_literal(value) and any(map(str.isdigit, value)):
            yield match.span(2)
    header = _HEADER.fullmatch(text)
    if header and tells(header[1]) and is_literal(header[2]) and _is_made_up(header[2]):
        yield header.span(2)


def _is_made_up(text: str) -> bool:
    """Whether a text is hardly a word that explains what a name is for."""
    return bool(_HAS_DIGIT_OR_HUMP.search(text)) and text.lower() not in _STAND_INS


def _in_commands(text: str) -> Iterator[Span]:
    for command in _CURL.finditer(text):
        for match in _LOGIN.finditer(text, *command.span()):
            if _is_password(match[1]):
                yield match.span(1)
        for match in _SENT.finditer(text, *command.span()):
            if tells(match[1]) and is_literal(match[2]) and _is_made_up(match[2]):
                yield match.span(2)
    for command in _MYSQL.finditer(text):
        for match in _PASSWORD.finditer(text, *command.span()):
            # What stands apart may be the name of a database, and the password be asked for.
            is_apart = (match[1] or "=") != "="
            if _is_password(match[2]) and (not is_apart or _is_made_up(match[2])):
                yield match.span(2)


def _is_password(text: str) -> bool:
    return is_literal(text) and text.lower() not in _STAND_INS
