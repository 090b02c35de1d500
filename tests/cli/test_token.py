"""`ordinaut token` makes tokens that are shown once, lists what is known of them, and revokes them."""

from __future__ import annotations

import hashlib

import psycopg

from schemas.token import NewToken, TokenList
from tests.support.cli import Cli


def test_a_token_is_shown_once_and_only_its_digest_is_kept(
    cli: Cli, rows: psycopg.Connection
) -> None:
    made = cli("token", "create", "grafana", "--scope", "read")

    assert made.status == 0
    token = made.stdout.strip()
    assert token.startswith("ord_")
    assert len(token) == 47
    kept = rows.execute("select * from ordinaut.api_token").fetchall()
    assert token not in str(kept)
    assert hashlib.sha256(token.encode()).digest() in kept[0]
    assert token not in cli("token", "list").stdout


def test_a_token_expires_after_90_days_unless_told_otherwise(cli: Cli) -> None:
    made = NewToken.model_validate(
        cli("token", "create", "a", "--scope", "read", "--scope", "operate", "--json").json
    )

    assert (made.expires_at - made.created_at).days == 90
    assert made.scopes == ("read", "operate")


def test_no_token_is_in_force_for_ever(cli: Cli) -> None:
    refused = cli("token", "create", "a", "--scope", "read", "--expires", "1000d")

    assert refused.status == 1
    assert "400d is the most" in refused.stderr


def test_two_tokens_of_one_name_are_refused_until_the_first_is_revoked(cli: Cli) -> None:
    cli("token", "create", "a", "--scope", "read")
    again = cli("token", "create", "a", "--scope", "read")
    revoked = cli("token", "revoke", "a")
    third = cli("token", "create", "a", "--scope", "read")

    assert (again.status, revoked.status, third.status) == (1, 0, 0)
    assert "ORD318" in again.stderr
    listed = TokenList.model_validate(cli("token", "list", "--json").json)
    assert [one.revoked_at is not None for one in listed.tokens] == [False, True]


def test_what_is_not_there_cannot_be_revoked(cli: Cli) -> None:
    assert "ORD310" in cli("token", "revoke", "a").stderr


def test_a_name_that_is_none_is_refused(cli: Cli) -> None:
    for name in ("Grafana", "a b", "-a", "a\n", "é", "x" * 64):
        assert (
            "is no name for a token"
            in cli("token", "create", "--scope", "read", "--", name).stderr
        )


def test_a_list_without_tokens_says_so(cli: Cli) -> None:
    assert cli("token", "list").stderr == "there is no token\n"
