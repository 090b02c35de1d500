"""What a runtime process does: all of it, or only some where the parts are to be scaled apart."""

from __future__ import annotations

from typing import Final, Literal, get_args

Duty = Literal["scheduler", "worker", "relay"]
"""scheduler: decides what is due. worker: executes runs and asks conditions. relay: publishes events."""

DUTIES: Final[tuple[Duty, ...]] = get_args(Duty)
EVERYTHING: Final = frozenset(DUTIES)
