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


@pytest.mark.parametrize(
    "written",
    [
        "https://host/?t=p'a(s)s%2Fw*%26~%3C!%20%C3%BC",  # encodeURIComponent
        "t=p%27a%28s%29s%2Fw*%26%7E%3C%21+%C3%BC",  # URLSearchParams
        "https://host/p%27a%28s%29s/w%2A%26~%3C%21%20%C3%BC/x",  # the path of a URL
        r"""{"t":"p'a(s)s\/w*&~<! \u00fc"}""",  # PHP
        r"""{"t":"p'a(s)s/w*\u0026~\u003c! ü"}""",  # Go
    ],
)
def test_a_secret_is_blotted_out_as_servers_in_other_languages_write_it(written: str) -> None:
    blotted = Redactor(["p'a(s)s/w*&~<! ü"])(written)

    assert "[redacted]" in blotted
    assert "a(s" not in blotted
    assert "s%29" not in blotted


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


def test_of_what_is_replaced_again_and_again_the_last_twenty_are_known() -> None:
    redact = Redactor(["fixed-secret"])
    redact.learn("used-throughout", "crm")
    for number in range(500):
        redact.learn(f"token-{number:03}-of-crm", "crm")
        redact.learn("used-throughout", "crm")
        redact.learn("of-another", "mail")

    assert redact("token-479-of-crm token-481-of-crm") == "token-479-of-crm [redacted]"
    assert redact("used-throughout, of-another, fixed-secret") == ", ".join(["[redacted]"] * 3)
    assert len(redact._forms) < 200
