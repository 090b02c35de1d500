"""What git and its programs say of a commit's signature, read strictly: whatever is not known to be good is not."""

from __future__ import annotations

import re
from typing import Final

from schemas.source import SignatureFault

_GOOD_SSH: Final = re.compile(r'Good "git" signature for (\S.*) with [A-Z0-9-]+ key (SHA256:\S+)')
_SSH_TIMES: Final = ("key has expired", "key is not yet valid")
_SSH_USES: Final = "key is not permitted for use in signature namespace"
_GPG: Final = "[GNUPG:] "
# The first that is there decides; the words are those of doc/DETAILS in GnuPG.
_GPG_FAULTS: Final[tuple[tuple[str, SignatureFault], ...]] = (
    ("BADSIG", "bad_signature"),
    ("REVKEYSIG", "revoked_key"),
    ("EXPKEYSIG", "expired_key"),
    ("EXPSIG", "expired_key"),
    ("NO_PUBKEY", "unknown_key"),
)


def ssh_fault(talk: str, *, is_good: bool) -> SignatureFault | None:
    """What is wrong with an SSH signature; None if it is good.

    Args:
        talk: what `git verify-commit --raw` printed.
        is_good: whether it ended well.
    """
    lines = talk.splitlines()
    good = [line for line in lines if line.startswith("Good ")]
    if is_good and len(good) == 1 and _GOOD_SSH.fullmatch(good[0]):
        return None
    if any(words in line for line in lines for words in _SSH_TIMES):
        return "expired_key"
    is_known = not good and not any(_SSH_USES in line for line in lines)
    return "bad_signature" if is_known else "unknown_key"


def gpg_fault(talk: str, *, is_good: bool) -> SignatureFault | None:
    """What is wrong with an OpenPGP signature; None if it is good, and the only one.

    Args:
        talk: what `git verify-commit --raw` printed: GnuPG's status lines.
        is_good: whether it ended well.
    """
    said = [
        line.removeprefix(_GPG).split(" ")[0]
        for line in talk.splitlines()
        if line.startswith(_GPG)
    ]
    for word, fault in _GPG_FAULTS:
        if word in said:
            return fault
    whole = all(said.count(word) == 1 for word in ("NEWSIG", "GOODSIG", "VALIDSIG"))
    return None if is_good and whole else "bad_signature"


def signature_of(commit: str) -> str:
    """The signature in a commit object; empty if there is none."""
    head = commit.partition("\n\n")[0]
    found = re.search(r"^gpgsig(?:-sha256)? ((?:.*\n )*.*)$", head, flags=re.MULTILINE)
    return found[1] if found else ""
