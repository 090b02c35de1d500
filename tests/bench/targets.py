"""What is measured, against what was promised: every benchmark ends its figures with these words."""

from __future__ import annotations


def judged(
    measured: float,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> str:
    """The target, the ratio of what was measured to it, and whether it is held."""
    if at_most is not None:
        return _words(f"at most {at_most:,g}", measured / at_most, measured <= at_most)
    assert at_least is not None
    return _words(f"at least {at_least:,g}", measured / at_least, measured >= at_least)


def _words(target: str, ratio: float, is_held: bool) -> str:
    return f"{target}: {ratio:.2f} of it, {'held' if is_held else 'MISSED'}"
