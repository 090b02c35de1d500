"""Blots known secrets out of text, in the forms that programs write them in."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Hashable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus

BLOT: Final = "[redacted]"
# Shorter values ("1", "true", "dev") are settings rather than secrets, and occur everywhere.
_SHORTEST: Final = 4
# A line of a key is a secret of its own, since logs are written line by line; "}" and "-----" are none.
_SHORTEST_LINE: Final = 16
_KEPT: Final = 20


_IN_GO: Final = str.maketrans({letter: f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"})


class Redactor:
    """Replaces each secret, wherever it stands in a text, by `[redacted]`: as it is, and as JSON, Python, URLs and Base64 write it."""

    __slots__ = ("_forms", "_known")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: dict[Hashable, dict[str, None]] = {}
        self._forms: tuple[str, ...] = ()
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: str, of: Hashable | None = None) -> None:
        """Blot this out too, from now on; of those that take one another's place, which are `of` the same, the last twenty."""
        known = self._known.setdefault(secret if of is None else of, {})
        is_new = secret not in known
        known.pop(secret, None)
        known[secret] = None
        if is_new:
            forms = {*self._forms, *_forms(secret)}
            if len(known) > _KEPT:
                # Each makes each text take longer to search.
                del known[next(iter(known))]
                forms = {
                    form for one in self._known.values() for each in one for form in _forms(each)
                }
            # Longest first: of two secrets where one contains the other, the whole one is blotted.
            self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))

    def __call__(self, text: str) -> str:
        # One by one, which is ten times as fast as a pattern of all of them.
        found = [form for form in self._forms if form in text]
        return re.sub("|".join(map(re.escape, found)), BLOT, text) if found else text

    def after_cut(self, text: str) -> str:
        """As when called, for a text that is the end of a longer one: the cut may have gone through a secret."""
        head = text[:_SHORTEST]
        left = max(
            (
                len(form) - at
                for form in self._forms
                for at in _places(form, head)
                if text.startswith(form[at:])
            ),
            default=0,
        )
        return (BLOT if left else "") + self(text[left:])

    def within(self, value: Any) -> Any:
        """A JSON value, with the secrets blotted out of each of its texts."""
        match value:
            case str():
                return self(value)
            case dict():
                return {self(key): self.within(item) for key, item in value.items()}
            case list() | tuple():
                return [self.within(item) for item in value]
            case _:
                return value


def _places(text: str, part: str) -> Iterator[int]:
    """Where a part stands in a text, whole."""
    at = text.find(part) if len(part) == _SHORTEST else -1
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


@lru_cache(maxsize=1024)
def _forms(secret: str) -> frozenset[str]:
    forms = {secret, secret.strip(), *(each for one in _parts(secret) for each in _written(one))}
    return frozenset(form for form in forms if len(form) >= _SHORTEST)


def _parts(secret: str) -> Iterator[str]:
    yield secret
    for line in secret.splitlines():
        if len(line.strip()) >= _SHORTEST_LINE:
            yield line.strip()


def _written(text: str) -> Iterator[str]:
    yield text
    for is_ascii in (True, False):
        within = json.dumps(text, ensure_ascii=is_ascii)[1:-1]
        yield within
        # JSON that holds JSON, as many a tool answers.
        yield json.dumps(within, ensure_ascii=is_ascii)[1:-1]
        # As PHP and Go write it.
        yield within.replace("/", "\\/")
        yield within.translate(_IN_GO)
    yield repr(text)[1:-1]
    if len(text) >= _SHORTEST:
        raw = text.encode(errors="surrogatepass")
        # All of it, the parts of a path, and `encodeURIComponent`; a form, and `URLSearchParams`.
        for safe in ("", "/", "!'()*"):
            yield quote(raw, safe=safe)
        yield quote_plus(raw)
        yield quote_plus(raw, safe="*").replace("~", "%7E")
        for encoded in _in_base64(raw):
            yield encoded
            yield encoded.replace("+", "-").replace("/", "_")


def _in_base64(raw: bytes) -> Iterator[str]:
    """What is to be seen of it in Base64, whatever stands before and after it: `user:secret`, for one."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        # A letter carries six bits: those at the ends are shared with the neighbours.
        shared = -1 if (before + len(raw)) % 3 else None
        core = encoded.rstrip("=")[before and before + 1 : shared]
        if len(core) >= _SHORTEST:
            yield core


NOTHING_TO_BLOT: Final = Redactor()
