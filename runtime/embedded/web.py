"""Where the web side of `ordinaut up` is: it takes a free port where its own is taken, so it leaves its address in the state folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from runtime.embedded.processes import ProcessRecord
from runtime.embedded.state import StateFolder

_NAME: Final = "web.json"


@contextmanager
def address_left(state_dir: Path, url: str) -> Iterator[None]:
    """Leave the address of our web side for as long as the block lasts; of several processes the last one's is found.

    Args:
        state_dir: the state folder; made where there is none.
        url: where a browser finds it.
    """
    state = StateFolder(state_dir)
    state.prepare()
    us = ProcessRecord.of(os.getpid())
    text = json.dumps([url, us and asdict(us)])
    path = state.write(_NAME, text)
    try:
        yield
    finally:
        if path.exists() and path.read_text() == text:
            path.unlink()


def address_of_up(state_dir: Path) -> str | None:
    """Where the web side of the `ordinaut up` is that runs over this folder; None if none does."""
    try:
        url, record = json.loads((state_dir / _NAME).read_text())
        owner = ProcessRecord(**record)
    except (OSError, ValueError, TypeError):
        return None
    return str(url) if owner.is_alive() else None
