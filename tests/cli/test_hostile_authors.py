"""Whoever may push says who they are; no command lets that move the cursor, hide a line or paint another one."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.cli.test_plan import specs
from tests.support.cli import Cli
from tests.support.git import Clone, new_repository

__all__ = ["specs"]

_EVIL = "Bob\x1b[2J\x1b[1;31mEVIL\x9b8m\u202e"
_SHOWN = "Bob\\u001b[2J\\u001b[1;31mEVIL\\u009b8m\\u202e"


@pytest.fixture
def clone(specs: Path, folder: Path) -> Clone:
    """The working folder as a repository whose last author means harm."""
    clone = new_repository(folder)
    clone.write({".gitignore": ".ordinaut/\n"})
    clone.git("add", "--all", ".")
    clone.git("commit", "--quiet", f"--author={_EVIL} <bob@example.com>", "--message", _EVIL)
    return clone


@pytest.mark.parametrize("is_written_raw", [False, True])
def test_no_command_obeys_an_author(
    clone: Clone, cli: Cli, rows: psycopg.Connection, is_written_raw: bool
) -> None:
    cli("sync", "--once")
    if is_written_raw:
        # As it came in before names were written as they can be seen.
        rows.execute("update ordinaut.revision set author = %s", (_EVIL,))
        rows.execute(
            "update ordinaut.source_status set message = %s, condition = 'Held'", (_EVIL,)
        )

    show, told = cli("show", "r1"), [cli("status"), cli("history"), cli("approve")]

    assert _SHOWN in show.stdout
    assert all(_harmless(one.stdout + one.stderr) for one in (show, *told))
    assert (_SHOWN in told[0].stdout) is is_written_raw


def test_a_refusal_names_an_author_that_nothing_obeys(
    clone: Clone, cli: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    keys = tmp_path_factory.mktemp("keys") / "allowed_signers"
    keys.write_text("ada ssh-ed25519 AAAA\n")

    sync = cli("sync", "--once", "--verify", "ssh", "--allowed-signers", str(keys))

    assert (sync.status, f"by {_SHOWN} <bob@example.com>" in sync.stdout) == (3, True)
    assert _harmless(sync.stdout)


def _harmless(text: str) -> bool:
    return all(one.isprintable() or one == "\n" for one in text)
