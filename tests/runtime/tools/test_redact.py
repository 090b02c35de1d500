"""Secrets are blotted out in whatever form a program writes them."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.tools.redact import Redactor

AWKWARD = 'p@ss "w\\rd" über\n🔑/+'
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQC7\n}\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "written",
    [
        AWKWARD,
        json.dumps(AWKWARD),
        json.dumps(AWKWARD, ensure_ascii=False),
        repr(AWKWARD),
        f"https://host/?token={quote(AWKWARD, safe='')}",
        f"token={quote_plus(AWKWARD)}",
    ],
)
def test_a_secret_is_blotted_out_as_json_python_and_urls_write_it(written: str) -> None:
    blotted = Redactor([AWKWARD])(written)

    assert "[redacted]" in blotted
    assert "rd" not in blotted.replace("[redacted]", "")


@given(st.binary(max_size=9), st.text(min_size=8), st.binary(max_size=9))
def test_a_secret_is_blotted_out_of_base64_whatever_stands_beside_it(
    before: bytes, secret: str, after: bytes
) -> None:
    raw = secret.encode(errors="surrogatepass")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        written = encode(before + raw + after).decode()

        blotted = Redactor([secret])(written)

        assert "[redacted]" in blotted
        # What is left at the ends tells less than two letters of it.
        assert len(blotted) <= len(encode(before).decode()) + len(encode(after).decode()) + 20


def test_each_line_of_a_key_is_a_secret_and_what_is_too_short_for_one_is_not() -> None:
    redact = Redactor([KEY])

    assert redact("line 2: MIIEvQIBADANBgkqhkiG9w0BAQEF") == "line 2: [redacted]"
    assert redact("}") == "}"


def test_a_secret_is_blotted_out_without_the_blanks_around_it() -> None:
    assert Redactor([" token-1234 \n"])("it is token-1234.") == "it is [redacted]."


def test_what_is_shorter_than_four_characters_is_a_setting_and_stays() -> None:
    assert Redactor(["dev", "1"])("dev 1") == "dev 1"
