"""Who wrote past git, in words: what is not known is left out, and what could mislead a reader's terminal is not shown."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.core.attributing import stray_words
from schemas.drift import StrayWrite

WHEN = datetime(2026, 11, 21, 9, 13, 51, tzinfo=UTC)


def test_everything_that_is_known_is_said() -> None:
    write = StrayWrite(changed_at=WHEN, role="ada", application="psql", address="10.0.0.7")

    assert stray_words(write, 2026) == (
        "written by ada through psql from 10.0.0.7, Sat 21 Nov 09:13 UTC"
    )


def test_what_is_not_known_is_left_out() -> None:
    assert stray_words(StrayWrite(application=""), 2026) == "written by somebody"


def test_a_session_cannot_write_on_the_reader_s_terminal() -> None:
    assert "\x1b" not in stray_words(StrayWrite(role="a", application="\x1b[2J"), 2026)
