"""What is to be sent becomes one sound request or letter, or is refused: nothing slips in a header, a recipient or an address."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.core.letters import MOST_BYTES, Unsendable, letter_of, post_of
from tests.support.factories import NOON

MAIL: dict[str, Any] = {
    "server": "mail.example:587",
    "from": "ordinaut@example.com",
    "to": ["ada@example.com"],
    "subject": "billing failed",
    "text": "It did.",
}
BREAKS = ["\r\nBcc: eve@evil.example", "\nBcc: eve@evil.example", "\rX: y", "\x00", "\x0b", "\x85", "\u2028x"]  # fmt: skip


def letter(**facts: Any) -> Any:
    return letter_of({**MAIL, **facts}, "key-1", NOON)


def test_a_letter_says_who_it_is_from_and_that_a_program_wrote_it() -> None:
    made = letter(to=["ada@example.com", "bob@example.com"], subject="Rechnung für März")

    assert made.recipients == ("ada@example.com", "bob@example.com")
    assert made.message["Subject"] == "Rechnung für März"
    assert made.message["To"] == "ada@example.com, bob@example.com"
    assert made.message["Auto-Submitted"] == "auto-generated"
    assert made.message.get_content() == "It did.\n"


def test_every_try_has_the_same_id_and_another_call_another() -> None:
    ids = [letter_of(MAIL, key, NOON).message["Message-ID"] for key in ("a", "a", "b")]

    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("field", ["subject", "from", "to", "server"])
@pytest.mark.parametrize("text", BREAKS)
def test_no_field_brings_another_header_along(field: str, text: str) -> None:
    whole = f"{MAIL['to'][0] if field in {'to', 'from'} else MAIL[field]}{text}"

    with pytest.raises(Unsendable):
        letter(**{field: [whole] if field == "to" else whole})


@pytest.mark.parametrize(
    "address",
    [
        "ada",
        "ada@",
        "@example.com",
        "ada@example.com, eve@evil.example",
        "ada@example.com;eve@evil.example",
        "Ada <ada@example.com>",
        "ada@example.com>",
        " ada@example.com",
        "ada@example.com (eve@evil.example)",
        "ada@exam ple.com",
    ],
)
def test_an_address_is_one_address(address: str) -> None:
    with pytest.raises(Unsendable, match="address"):
        letter(to=[address])


@pytest.mark.parametrize("server", ["mail.example", "mail.example:0", "mail.example:65536", "a b:25", "http://x:25", "mail.example:25/x"])  # fmt: skip
def test_a_mail_server_is_a_host_and_a_port(server: str) -> None:
    with pytest.raises(Unsendable, match="mail server"):
        letter(server=server)


def test_no_password_goes_over_a_line_that_is_not_encrypted() -> None:
    with pytest.raises(Unsendable, match="not encrypted"):
        letter(security="none", username="ada", password="secret")


def test_neither_a_letter_nor_a_request_is_of_any_length() -> None:
    with pytest.raises(Unsendable, match="262,144"):
        letter(text="x" * (MOST_BYTES + 1))
    with pytest.raises(Unsendable, match="262,144"):
        post_of({"url": "https://a.example", "body": "x" * MOST_BYTES}, "k")


def test_a_password_is_in_no_text_of_a_letter() -> None:
    made = letter(username="ada", password="secret")

    assert "secret" not in repr(made)


def test_a_request_carries_its_key_and_what_it_is_told() -> None:
    post = post_of(
        {
            "url": "https://a.example/x",
            "body": {"é": [1]},
            "headers": {"Authorization": "Bearer t"},
        },
        "key-1",
    )

    assert post.body == '{"é":[1]}'.encode()
    assert post.headers == {"idempotency-key": "key-1", "authorization": "Bearer t"}
    assert "Bearer" not in repr(post)


@pytest.mark.parametrize(
    "headers",
    [
        *({"x-note": f"a{text}"} for text in BREAKS),
        *({f"x-note{text}": "a"} for text in BREAKS),
        {"x note": "a"},
        {"x-note": "é"},
        {"Host": "evil.example"},
        {"Content-Length": "0"},
        {"transfer-encoding": "chunked"},
    ],
)
def test_no_header_brings_another_along_or_says_where_the_request_goes(
    headers: dict[str, str],
) -> None:
    with pytest.raises(Unsendable, match="eader"):
        post_of({"url": "https://a.example", "body": 1, "headers": headers}, "k")


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https:///path",
        "https://a.example:99999",
        "https://ada:secret@a.example",
        "https://a.example/x y",
        "https://a.example/\r\nHost: evil",
        "http://[::1",
    ],
)
def test_an_address_of_a_request_is_one(url: str) -> None:
    with pytest.raises(Unsendable, match="address"):
        post_of({"url": url, "body": 1}, "k")
