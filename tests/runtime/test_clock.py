"""The machine's clocks, as the program sees them."""

from __future__ import annotations

import pytest

from runtime.clock import SYSTEM_CLOCK


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.001, 0.005])
async def test_an_instant_is_reached_and_never_before_it_has_come(seconds: float) -> None:
    instant = SYSTEM_CLOCK.monotonic() + seconds

    await SYSTEM_CLOCK.reach(instant)

    assert SYSTEM_CLOCK.monotonic() >= instant
