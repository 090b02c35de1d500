"""Secrets are read when they are needed, and remembered only to be blotted out."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.errors import SecretUnreadable
from runtime.keyring import Keyring
from runtime.secrets import Secrets


def test_a_secret_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOKEN", "abc")

    assert Secrets({"token": {"env": "TOKEN"}}, Keyring(tmp_path, SYSTEM_CLOCK))["token"] == "abc"


def test_a_secret_is_read_from_a_file_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n\n")

    assert (
        Secrets({"token": {"file": "token"}}, Keyring(tmp_path, SYSTEM_CLOCK))["token"] == "abc\n"
    )


def test_a_changed_secret_is_in_force_at_the_next_look(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    secrets = Secrets({"token": {"file": "token"}}, Keyring(tmp_path, SYSTEM_CLOCK))
    assert secrets["token"] == "old"

    (tmp_path / "token").write_text("new")

    assert secrets["token"] == "new"
    assert secrets.known == {"old", "new"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"env": "NOT_THERE"}, "the environment variable NOT_THERE, which is not set"),
        ({"file": "nowhere"}, "could not be read from nowhere"),
        ({"command": ["pass", "show"]}, "was not collected"),
    ],
)
def test_a_secret_that_cannot_be_had_says_why(
    tmp_path: Path, source: dict[str, object], message: str
) -> None:
    with pytest.raises(SecretUnreadable, match=message) as refused:
        Secrets({"token": source}, Keyring(tmp_path, SYSTEM_CLOCK))["token"]

    assert refused.value.code == "ORD410"


def test_an_unknown_name_is_missing_like_any_key(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Secrets({}, Keyring(tmp_path, SYSTEM_CLOCK))["token"]


def test_what_is_shown_instead_names_the_secret_and_reads_nothing(tmp_path: Path) -> None:
    secrets = Secrets({"token": {"file": "nowhere"}}, Keyring(tmp_path, SYSTEM_CLOCK))

    assert secrets.masked() == {"token": "[secret token]"}
    assert (list(secrets), len(secrets), secrets.known) == (["token"], 1, set())
