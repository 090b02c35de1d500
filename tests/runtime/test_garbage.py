"""Garbage is looked for seldom while a runtime works, and as ever afterwards."""

from __future__ import annotations

import gc

from runtime.garbage import collecting_later, collecting_nothing, collecting_seldom


def test_garbage_is_looked_for_seldom_for_a_while() -> None:
    before = gc.get_threshold()
    with collecting_seldom():
        assert gc.get_threshold() == (20_000, *before[1:])
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()

    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_what_is_made_while_nothing_is_looked_for_is_looked_through_later() -> None:
    """A process that plans again and again must not keep what each plan left."""
    frozen = gc.get_freeze_count()
    with collecting_later():
        assert not gc.isenabled()

    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_what_is_loaded_is_not_looked_through_again() -> None:
    try:
        with collecting_nothing():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
