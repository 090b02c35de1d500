"""`ordinaut apply --expect-digest`: what was reviewed is applied, or nothing is."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from runtime.errors import EXIT_BLOCKED, EXIT_STALE
from tests.cli.test_plan import PROJECT, SERVER, TASK
from tests.support.cli import Cli
from tests.support.git import Clone, new_repository


@pytest.fixture
def clone(folder: Path, cli: Cli) -> Clone:
    """A repository whose specs are applied, and which an edit has changed since."""
    clone = new_repository(folder)
    clone.write({"specs/ordinaut.yaml": PROJECT, "specs/fs.yaml": SERVER})
    clone.write({f"specs/{name}.yaml": TASK.replace("NAME", name) for name in ("one", "two")})
    clone.commit()
    assert cli("apply", "--yes").status == 0
    clone.write({"specs/one.yaml": TASK.replace("NAME", "one") + "priority: 7\n"})
    return clone


def reviewed(cli: Cli, *words: str) -> str:
    """The digest of the plan that was reviewed."""
    digest: str = cli("plan", "--json", *words).json["digest"]
    return digest


@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_what_was_reviewed_in_git_alone_is_applied_without_asking(
    clone: Clone, cli: Cli, prefix: str
) -> None:
    digest = reviewed(cli, "--base", "HEAD")

    applied = cli("apply", "--expect-digest", prefix + digest)

    assert (applied.status, applied.lines[-1]) == (0, "Applied as r2: 1 updated.")


def test_a_part_is_expected_by_its_own_digest(clone: Clone, cli: Cli) -> None:
    clone.write({"specs/two.yaml": TASK.replace("NAME", "two") + "priority: 7\n"})
    digest = reviewed(cli, "--only", "one")

    assert cli("apply", "--expect-digest", digest).status == EXIT_STALE
    applied = cli("apply", "--only", "one", "--expect-digest", digest)

    assert applied.lines[-1] == "Applied as r2: 1 updated."
    assert "Plan: 1 to update, 3 unchanged." in cli("plan").lines


def test_drift_that_nobody_reviewed_is_told_and_nothing_is_applied(
    clone: Clone, cli: Cli, rows: psycopg.Connection
) -> None:
    digest = reviewed(cli, "--base", "HEAD")
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'two'")

    applied = cli("apply", "--expect-digest", digest)

    assert applied.status == EXIT_STALE
    now = reviewed(cli)
    message = (
        "error ORD202: what would be applied is not what was reviewed: the digest is now "
        f"sha256:{now}, for drift Task two, update Task one; applied last was r1 ("
    )
    assert message in applied.stderr
    assert "≠ two" in applied.stdout
    assert rows.execute("select count(*) from ordinaut.revision").fetchone() == (1,)


def test_asking_again_for_what_was_applied_is_done_already(
    clone: Clone, cli: Cli, rows: psycopg.Connection
) -> None:
    digest = reviewed(cli)
    cli("apply", "--expect-digest", digest)

    again = cli("apply", "--expect-digest", digest)
    told = cli("apply", "--expect-digest", digest, "--json")

    assert (again.status, again.lines[-1]) == (0, "Already applied as r2.")
    assert (told.status, '"revision":2,"already_applied":true' in told.lines[-1]) == (0, True)
    assert rows.execute("select count(*) from ordinaut.revision").fetchone() == (2,)


def test_what_was_applied_and_is_not_in_force_any_more_is_told(clone: Clone, cli: Cli) -> None:
    digest = reviewed(cli)
    cli("apply", "--expect-digest", digest)
    clone.write({"specs/two.yaml": TASK.replace("NAME", "two") + "priority: 7\n"})

    again = cli("apply", "--expect-digest", digest)

    assert again.status == EXIT_STALE
    assert "what was reviewed was applied already, as r2; now what would be" in again.stderr


def test_a_plan_of_another_commit_names_what_it_would_do(clone: Clone, cli: Cli) -> None:
    for number in range(6):
        clone.write({f"specs/t{number}.yaml": TASK.replace("NAME", f"t{number}")})
    clone.write({"specs/two.yaml": None})

    applied = cli("apply", "--expect-digest", "0" * 64)

    assert (
        "for retire Task two, update Task one, create Task t0, create Task t1, create Task t2, "
        "and 3 more; applied last was r1" in applied.stderr
    )


def test_where_nothing_is_left_to_apply_that_is_told(clone: Clone, cli: Cli) -> None:
    clone.git("checkout", "--quiet", ".")

    applied = cli("apply", "--expect-digest", "0" * 64)

    assert (applied.status, "for there is nothing to apply; applied last" in applied.stderr) == (
        EXIT_STALE,
        True,
    )


def test_before_the_first_apply_there_is_no_last_one(clone: Clone, cli: Cli) -> None:
    clone.write({"specs/ordinaut.yaml": PROJECT.replace("home", "office"), "specs/two.yaml": None})
    clone.write({"specs/fs.yaml": SERVER.replace("name: fs", "name: other")})
    clone.write({"specs/one.yaml": TASK.replace("NAME", "uno").replace("fs.", "other.")})

    applied = cli("apply", "--expect-digest", "0" * 64)

    assert applied.status == EXIT_STALE
    assert "applied last" not in applied.stderr


def test_guards_refuse_what_was_reviewed_all_the_same(clone: Clone, cli: Cli) -> None:
    clone.write({"specs/one.yaml": None, "specs/two.yaml": None})
    digest = reviewed(cli, "--base", "HEAD")

    assert cli("apply", "--expect-digest", digest).status == EXIT_BLOCKED
    applied = cli("apply", "--expect-digest", digest, "--allow-retire", "2")
    assert applied.lines[-1] == "Applied as r2: 2 retired."


@pytest.mark.parametrize("digest", ["", "sha256:", "123", "0" * 63, "0" * 65, "md5:" + "0" * 64])
def test_what_is_no_digest_is_refused(clone: Clone, cli: Cli, digest: str) -> None:
    applied = cli("apply", "--expect-digest", digest)

    assert (applied.status, "a digest is sha256:" in applied.stderr) == (1, True)


@pytest.mark.parametrize("words", [("--only", "one"), ("--expect-digest", "0" * 64)])
def test_a_plan_file_is_applied_as_it_is(clone: Clone, cli: Cli, words: tuple[str, ...]) -> None:
    cli("plan", "--out", "plan.json")

    applied = cli("apply", "--plan", "plan.json", *words)

    assert (applied.status, "a plan FILE is applied as it is" in applied.stderr) == (1, True)


def test_a_plan_of_git_against_git_is_no_plan_to_apply(clone: Clone, cli: Cli) -> None:
    cli("plan", "--base", "HEAD", "--json-out", "plan.json")
    digest = json.loads(Path("plan.json").read_text())["digest"]

    applied = cli("apply", "--plan", "plan.json")

    assert applied.status == 1
    assert "plan.json compares two commits and no database" in applied.stderr
    assert f"ordinaut apply --expect-digest {digest}" in applied.stderr


def test_json_shows_the_plan_that_was_not_expected(clone: Clone, cli: Cli) -> None:
    applied = cli("apply", "--json", "--expect-digest", "0" * 64)

    assert [json.loads(line)["type"] for line in applied.lines] == ["plan", "result"]
