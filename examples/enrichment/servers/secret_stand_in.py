"""A stand-in for a vault: prints the secret of the name that it is given, and makes it up when it is first asked."""

from __future__ import annotations

import contextlib
import secrets
import sys
from pathlib import Path

KEPT = Path(__file__).resolve().parent.parent / ".ordinaut" / "vault"

KEPT.mkdir(mode=0o700, parents=True, exist_ok=True)
file = KEPT / sys.argv[1]
made = KEPT / f"{sys.argv[1]}.{secrets.token_hex(8)}"
made.touch(mode=0o600)
made.write_text(secrets.token_urlsafe(32))
# Whoever is first counts, and nobody reads half of it.
with contextlib.suppress(FileExistsError):
    file.hardlink_to(made)
made.unlink()
print(file.read_text())
