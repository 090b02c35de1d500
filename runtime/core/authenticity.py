"""Whether a POST was sent by somebody who knows the secret: its signatures, checked while its body passes by.

Understood are HMAC-SHA256 over the body in hexadecimal, which GitHub, Bitbucket, Gitea and Forgejo send, and Standard
Webhooks (https://www.standardwebhooks.com), which GitLab sends for a signing token. What only repeats the secret, such as
GitLab's older `X-Gitlab-Token`, proves nothing about a body and counts for nothing. Every comparison takes the same time
whatever differs. Nothing of a body is kept, and how old a signature is does not matter: a repeated wake-up does no harm.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from binascii import hexlify
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from runtime.errors import ConfigError

MIN_SECRET_LETTERS: Final = 16

# Each holds the digits alone, or behind the name of the hash.
_HEX_HEADERS: Final = frozenset(
    {
        b"x-forgejo-signature",
        b"x-gitea-signature",
        b"x-hub-signature",
        b"x-hub-signature-256",
        b"x-ordinaut-signature",
    }
)
_STANDARD_HEADERS: Final = (b"webhook-id", b"webhook-timestamp", b"webhook-signature")
_STANDARD_PREFIX: Final = "whsec_"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """What a sender and we know.

    Attributes:
        key: the secret as it is written.
        standard_key: the one that Standard Webhooks signs with; None for a secret that is not in its form.
    """

    key: bytes
    standard_key: bytes | None


def secret_of(text: str) -> Secret:
    """A secret as it was typed into a forge.

    Raises:
        ConfigError: it is short enough to be guessed, or begins with `whsec_` and goes on with something else than base64.
    """
    if len(text) < MIN_SECRET_LETTERS:
        raise ConfigError(
            f"a secret for wake-ups has at least {MIN_SECRET_LETTERS} letters",
            hint="make one with `openssl rand -hex 32` and give it to the forge and to Ordinaut",
        )
    if not text.startswith(_STANDARD_PREFIX):
        return Secret(text.encode(), None)
    try:
        return Secret(text.encode(), b64decode(text.removeprefix(_STANDARD_PREFIX), validate=True))
    except (BadBase64, ValueError) as error:
        raise ConfigError(
            f"a secret for wake-ups that begins with {_STANDARD_PREFIX} goes on in base64",
            hint="copy GitLab's signing token whole",
        ) from error


class Signatures:
    """The signatures of one request: give it the body piece by piece, then ask.

    Args:
        headers: names in small letters, and values.
        secrets: any of which may have signed.
    """

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], secrets: Iterable[Secret]) -> None:
        self._claims = tuple(_claims(headers, secrets))

    def __bool__(self) -> bool:
        """Whether there is any to be checked."""
        return bool(self._claims)

    def update(self, piece: bytes | bytearray) -> None:
        """Take the next piece of the body."""
        for claim in self._claims:
            claim.mac.update(piece)

    def hold(self) -> bool:
        """Whether one of them is right, after the whole body."""
        return any(claim.holds() for claim in self._claims)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one secret would have signed, and what is claimed to be its signature."""

    mac: hmac.HMAC
    written: Callable[[bytes], bytes]
    given: tuple[bytes, ...]

    def holds(self) -> bool:
        right = self.written(self.mac.digest())
        return any(hmac.compare_digest(right, given) for given in self.given)


def _claims(headers: Sequence[tuple[bytes, bytes]], secrets: Iterable[Secret]) -> Iterator[_Claim]:
    in_hex = tuple(
        value.removeprefix(b"sha256=").lower() for name, value in headers if name in _HEX_HEADERS
    )
    number, timestamp, signed = (dict(headers).get(name) for name in _STANDARD_HEADERS)
    for secret in secrets:
        if in_hex:
            yield _Claim(hmac.new(secret.key, digestmod="sha256"), hexlify, in_hex)
        if signed and number and timestamp and secret.standard_key:
            before = number + b"." + timestamp + b"."
            mac = hmac.new(secret.standard_key, before, digestmod="sha256")
            yield _Claim(mac, _standard, tuple(signed.split()))


def _standard(digest: bytes) -> bytes:
    return b"v1," + b64encode(digest)
