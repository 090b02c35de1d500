"""`ordinaut dashboard`: a link that signs in once, for whoever may write to the database."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from runtime.store.connect import connect
from runtime.store.sessions import use_sign_in_link
from tests.support.cli import Cli


def secret_in(link: str) -> str:
    return parse_qs(urlsplit(link).query)["link"][0]


def test_the_link_leads_to_the_web_side_and_signs_in_once(database: str) -> None:
    done = Cli({"ORDINAUT_DATABASE_URL": database})("dashboard")

    link = done.stdout.strip()
    assert done.status == 0, done.stderr
    assert link.startswith("http://127.0.0.1:8470/sign-in?link=")
    with connect(database) as connection:
        found = use_sign_in_link(connection, secret_in(link))
        assert found is not None
        assert found[1] == {"read", "operate", "approve"}
        assert "@" in found[0]
        assert use_sign_in_link(connection, secret_in(link)) is None


def test_it_may_be_for_less_and_elsewhere(database: str) -> None:
    settings = {
        "ORDINAUT_DATABASE_URL": database,
        "ORDINAUT_PUBLIC_URL": "https://ordinaut.example",
    }

    done = Cli(settings)("dashboard", "--scope", "read", "--json")

    link = done.json["link"]
    assert link.startswith("https://ordinaut.example/sign-in?link=")
    with connect(database) as connection:
        found = use_sign_in_link(connection, secret_in(link))
    assert found is not None
    assert found[1] == {"read"}
