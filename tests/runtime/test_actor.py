"""Who runs this program."""

from __future__ import annotations

import socket

import pytest

from runtime.actor import current_actor

CI = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "CIRCLE_USERNAME")


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs these tests is not asked."""
    for name in CI:
        monkeypatch.delenv(name, raising=False)


def test_an_actor_is_a_user_on_a_host() -> None:
    user, _, host = current_actor().name.partition("@")

    assert user
    assert host == socket.gethostname()


def test_a_user_without_a_name_is_called_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000)

    assert current_actor().name == f"4000000@{socket.gethostname()}"


@pytest.mark.parametrize("name", CI)
def test_a_ci_system_names_its_user(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "ada")

    assert current_actor().name == "ada@ci"
