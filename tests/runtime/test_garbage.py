"""Garbage is looked for seldom while a runtime works, and as ever afterwards."""

from __future__ import annotations

import gc

from runtime.garbage import collecting_seldom


def test_garbage_is_looked_for_seldom_for_a_while() -> None:
    before = gc.get_threshold()
    with collecting_seldom():
        assert gc.get_threshold() == (20_000, *before[1:])
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()

    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
