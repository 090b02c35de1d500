"""Callback tokens."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from runtime.core.callback import callback_token, read_token

RUN = UUID(int=7)
KEY = b"k" * 32


def test_a_token_is_the_same_each_time_and_says_its_run_and_step() -> None:
    token = callback_token(KEY, RUN, "paid")

    assert callback_token(KEY, RUN, "paid") == token
    assert read_token(KEY, token) == (RUN, "paid")


def test_a_token_of_another_key_run_or_step_is_none() -> None:
    token = callback_token(KEY, RUN, "paid")

    assert read_token(b"other", token) is None
    assert read_token(KEY, token.replace("paid", "sent")) is None
    assert callback_token(KEY, UUID(int=8), "paid") != token


@given(st.text(max_size=80) | st.from_regex(r"paid\.[A-Za-z0-9_-]{43}", fullmatch=True))
def test_no_text_is_taken_for_a_token_by_chance(text: str) -> None:
    assert read_token(KEY, text) is None
