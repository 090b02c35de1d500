"""`ordinaut sync --once`, `ordinaut approve`, and what `status`, `show` and `history` say of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from reconciler.cli import main
from tests.cli.test_plan import TASK, specs
from tests.support.cli import Cli
from tests.support.git import Clone, new_repository

__all__ = ["specs"]


@pytest.fixture
def clone(specs: Path, folder: Path) -> Clone:
    """The working folder as a repository, everything committed."""
    clone = new_repository(folder)
    clone.write({".gitignore": ".ordinaut/\n"})
    clone.commit()
    return clone


def remove_tasks(clone: Clone) -> str:
    clone.write({"specs/one.yaml": None, "specs/two.yaml": None})
    return clone.commit()


def test_the_repository_around_the_working_folder_is_pulled(
    clone: Clone, cli: Cli, rows: psycopg.Connection
) -> None:
    head = clone.git("rev-parse", "HEAD")

    sync = cli("sync", "--once")

    assert sync.status == 0
    assert "+ one  " in sync.stdout
    assert sync.lines[-2:] == ["Applied as r1: 4 created.", f"Synced  {head[:12]} is in force"]
    assert rows.execute("select git_commit, git_branch from ordinaut.revision").fetchone() == (
        head,
        "main",
    )
    again = cli("sync", "--once")
    assert (again.status, again.stdout) == (0, f"Synced  {head[:12]} is in force\n")


def test_json_is_one_line_a_look(clone: Clone, cli: Cli) -> None:
    report = cli("sync", "--once", "--json").json

    assert report["format"] == "ordinaut.dev/sync/v1"
    assert (report["condition"], report["reason"], report["project"]) == (
        "Synced",
        "applied",
        "home",
    )
    assert report["report"]["revision"] == 1
    assert report["repository"] == str(clone.folder)


def test_broken_specs_are_shown_with_their_lines(clone: Clone, cli: Cli) -> None:
    cli("sync", "--once")
    clone.write({"specs/one.yaml": TASK.replace("NAME", "one").replace("every", "evry")})
    clone.commit()

    sync = cli("sync", "--once")
    status = cli("status")

    assert sync.status == 1
    assert "specs/one.yaml:4:" in sync.stdout
    assert "evry" in sync.stdout
    assert "InvalidSource  " in sync.lines[-1]
    assert "source  " in status.stdout
    assert "InvalidSource  home/default from main of " in status.stdout
    assert "holds errors, so what was applied before stays in force" in status.stdout


def test_what_waits_is_shown_approved_and_remembered(
    clone: Clone, cli: Cli, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    cli("sync", "--once")
    head = remove_tasks(clone)
    waiting = cli("sync", "--once")
    digest = json.loads(cli("approve", "--json").stdout)["plans"][0]["plan_digest"]
    assert (waiting.status, waiting.lines[-1]) == (
        3,
        f"NeedsApproval  the plan for {head[:12]} leaves nothing of the tasks. "
        f"If that is meant: `ordinaut approve {digest[:12]}`, or mend it in git",
    )
    listed = cli("approve")
    assert listed.stdout.startswith(
        f"{digest[:12]}  home/default from specs at {head[:12]} by Ada <ada@example.com>, main of {clone.folder}  the plan for {head[:12]} leaves"
    )
    assert "NeedsApproval  home/default" in cli("status").stdout

    unasked = cli("approve", digest[:12])
    monkeypatch.setattr("reconciler.cli.consent.is_terminal", lambda: True)
    env = {"ORDINAUT_DATABASE_URL": database}
    declined = CliRunner().invoke(main, ["approve", digest[:12]], input="n\n", env=env)
    as_json = CliRunner().invoke(main, ["approve", digest[:12], "--json"], input="n\n", env=env)
    approved = cli("approve", f"sha256:{digest}", "--yes", "--reason", " they are done ")

    assert (unasked.status, "give --yes" in unasked.stderr) == (1, True)
    assert (declined.exit_code, "Let this plan pass? [y/N]" in declined.stderr) == (1, True)
    assert "\n- one\n" in declined.stdout
    origin = (
        f"home/default from specs at {head[:12]} by Ada <ada@example.com>, main of {clone.folder}"
    )
    assert f"\n{origin}\n" in declined.stdout
    assert (as_json.exit_code, as_json.stdout) == (1, "")
    assert "\n- one\n" in as_json.stderr
    assert f"\n{origin}\n" in as_json.stderr
    assert (approved.status, approved.lines[-1]) == (
        0,
        f"Approved: the next look of `ordinaut sync` applies {digest[:12]}.",
    )
    assert "(they are done); the next look applies it" in cli("status").stdout
    assert cli("approve").stderr == "nothing waits for approval\n"
    assert cli("sync", "--once").status == 0
    shown = cli("show", "r2").stdout
    assert re.search(r"^approved +by \S+@\S+: they are done$", shown, flags=re.MULTILINE)
    assert cli("history", "--json").json["revisions"][0]["approval"]["digest"] == digest


def test_an_approval_is_taken_back_and_then_the_plan_waits_again(
    clone: Clone, cli: Cli, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("sync", "--once")
    remove_tasks(clone)
    digest = cli("sync", "--once", "--json").json["plan_digest"]
    early = cli("approve", digest, "--withdraw", "--yes")
    unasked = cli("approve", digest, "--withdraw")
    cli("approve", digest, "--yes", "--reason", "they are done")

    listed, told = cli("approve"), cli("approve", "--json").json
    monkeypatch.setattr("reconciler.cli.consent.is_terminal", lambda: True)
    env = {"ORDINAUT_DATABASE_URL": database}
    asked = CliRunner().invoke(main, ["approve", digest, "--withdraw"], input="n\n", env=env)
    taken = cli("approve", digest[:12], "--withdraw", "--yes", "--json")
    again = cli("approve", digest, "--withdraw", "--yes")

    assert (early.status, "no approval of digest" in early.stderr) == (1, True)
    assert (unasked.status, "this is no terminal: give --yes" in unasked.stderr) == (1, True)
    assert f"{digest[:12]}  home/default from specs at " in listed.stdout
    assert "(they are done); `ordinaut approve DIGEST --withdraw` takes that back" in listed.stdout
    assert (told["plans"], [one["plan_digest"] for one in told["approved"]]) == ([], [digest])
    assert told["approved"][0]["approval"]["refusals"] == ["empty"]
    assert (asked.exit_code, "Take this approval back? [y/N]" in asked.stderr) == (1, True)
    assert taken.json == {"withdrawn": digest}
    assert again.status == 1
    assert cli("sync", "--once").status == 3
    assert cli("approve", digest, "--yes").status == 0
    assert cli("sync", "--once").status == 0
    assert cli("approve", digest, "--withdraw", "--yes").status == 1


@pytest.mark.parametrize(
    "options", [("--withdraw",), ("--withdraw", "--deny", "0123456789ab"), ("--withdraw", "soon")]
)
def test_only_an_approval_of_a_plan_is_taken_back(cli: Cli, options: tuple[str, ...]) -> None:
    assert cli("approve", *options, "--yes").status == 1


def test_a_prefix_that_fits_two_plans_says_so(
    clone: Clone, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("sync", "--once")
    remove_tasks(clone)
    digest = cli("sync", "--once", "--json").json["plan_digest"]
    other = digest[:40] + "0" * 24
    rows.execute(
        "insert into ordinaut.source_status select (jsonb_populate_record(s, jsonb_build_object("
        "'project', 'other', 'plan_digest', %s::text))).* from ordinaut.source_status s",
        [other],
    )

    both = cli("approve", digest[:12], "--yes")

    assert both.status == 1
    assert f"{digest[:12]} fits 2 plans that wait" in both.stderr
    assert digest in both.stderr
    assert other in both.stderr
    assert cli("approve", other, "--yes").status == 0


def test_an_approval_names_a_plan_that_waits(
    clone: Clone, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("sync", "--once")
    none = cli("approve", "0123456789ab", "--yes")
    remove_tasks(clone)
    digest = cli("sync", "--once", "--json").json["plan_digest"]
    other = cli("approve", "0123456789ab", "--yes")
    short = cli("approve", digest[:4], "--yes")

    assert (none.status, other.status, short.status) == (1, 1, 1)
    assert cli("approve", digest[:12], "--yes", "-v").status == 0
    assert "no plan of digest 0123456789ab waits for approval" in none.stderr
    assert f"there are {digest[:12]}" in other.stderr
    assert "at least 8 letters" in short.stderr
    assert rows.execute("select approved_digest from ordinaut.source_status").fetchone() == (
        digest,
    )


def test_a_plan_that_two_branches_wait_with_is_approved_for_the_one_in_force_first(
    clone: Clone, cli: Cli
) -> None:
    cli("sync", "--once")
    remove_tasks(clone)
    digest = cli("sync", "--once", "--json").json["plan_digest"]
    spelled = ("sync", "--once", "--repo", f"file://{clone.folder}", "--branch", "main", "--json")
    assert cli(*spelled).json["plan_digest"] == digest

    assert cli("approve", digest, "--yes").status == 0

    [left] = cli("approve", "--json").json["plans"]
    assert left["repository"] == f"file://{clone.folder}"
    assert cli("sync", "--once").status == 0


def test_a_plan_that_takes_the_place_of_an_approved_one_can_be_approved(
    clone: Clone, cli: Cli
) -> None:
    cli("sync", "--once")
    remove_tasks(clone)
    first = cli("sync", "--once", "--json").json["plan_digest"]
    cli("approve", first, "--yes")
    clone.write(
        {"specs/fs.yaml": (clone.folder / "specs/fs.yaml").read_text() + "description: x\n"}
    )
    clone.commit()
    second = cli("sync", "--once", "--json").json["plan_digest"]

    assert second not in {None, first}
    assert "approved by" not in cli("status").stdout
    assert cli("approve", first, "--yes").status == 1
    assert cli("approve", second, "--yes").status == 0
    assert cli("sync", "--once").status == 0


def test_a_conflict_ends_with_four_and_a_hold_with_three(
    clone: Clone, cli: Cli, rows: psycopg.Connection
) -> None:
    cli("sync", "--once")
    rows.execute("update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'")
    clone.write({"specs/one.yaml": TASK.replace("NAME", "one") + "priority: 3\n"})
    clone.commit()
    conflict = cli("sync", "--once")
    digest = cli("approve", "--json").json["plans"][0]["plan_digest"]
    assert cli("approve", digest, "--yes", "--json").json == {"approved": digest}
    cli("sync", "--once")
    cli("rollback", "--to", "r1", "--yes")
    held = cli("sync", "--once")

    assert (conflict.status, "NeedsApproval  " in conflict.lines[-1]) == (4, True)
    assert (held.status, "Held  " in held.lines[-1]) == (3, True)
    assert "Held  home/default" in cli("status").stdout


def test_an_unsigned_head_is_refused_with_three(
    clone: Clone, cli: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    signers = tmp_path_factory.mktemp("keys") / "signers"
    signers.write_text("ada ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVzdA\n")

    sync = cli("sync", "--once", "--verify", "ssh", "--allowed-signers", str(signers))

    assert sync.status == 3
    assert "is not signed with ssh" in sync.stdout


def test_a_repository_that_cannot_be_read_ends_with_five(folder: Path, cli: Cli) -> None:
    sync = cli("sync", "--once", "--repo", "gone", "--branch", "main")
    unnamed = cli("sync", "--once", "--repo", "gone")

    assert (sync.status, unnamed.status) == (5, 5)
    assert sync.stdout.startswith(f"ORD313 {folder / 'gone'} cannot be read: ")
    assert "error ORD313: " in unnamed.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--specs", "/srv/specs"), "is no folder of the repository"),
        (("--specs", "../specs"), "is no folder of the repository"),
        (("--interval", "0s"), "1s is the least"),
        (("--interval", "soon"), "Invalid value for '--interval'"),
        (("--verify", "ssh"), "do not go together"),
        (("--repo", "ext::sh"), "is no repository"),
        (("--listen", "8090"), "--listen needs a secret"),
        (("--listen", "8090", "--webhook-secret-file", "gone"), "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused(
    clone: Clone, cli: Cli, options: tuple[str, ...], why: str
) -> None:
    sync = cli("sync", *options)

    assert (sync.status, why in sync.stderr) == (1, True)


def test_what_goes_on_needs_a_database_that_does(clone: Clone, alone: Cli) -> None:
    sync = alone("sync")

    assert (sync.status, "no embedded server runs in .ordinaut" in sync.stderr) == (1, True)


def test_whom_to_trust_is_not_read_from_a_file_that_the_repository_may_hold(
    clone: Clone, cli: Cli
) -> None:
    for name in ("verify", "allowed_signers", "keyring"):
        clone.write({"ordinaut.toml": f'{name} = "none"\n'})
        sync = cli("sync", "--once")
        assert (sync.status, f"unknown setting {name}" in sync.stderr) == (1, True)


def test_a_repository_of_nothing_but_specs_has_them_at_its_top(
    folder: Path, cli: Cli, specs: Path
) -> None:
    new_repository(specs).commit()

    sync = cli("sync", "--once", "--repo", "specs", "--specs", ".")

    assert (sync.status, "Applied as r1: 4 created." in sync.stdout) == (0, True)
    assert "specs/one.yaml:1" in cli("show", "r1").stdout


def test_what_is_told_without_end_is_told_in_both_forms(
    clone: Clone, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service itself is tested elsewhere: here it is over at once."""

    async def over(_services: object) -> None:
        return

    monkeypatch.setattr("runtime.service.run_until_stopped", over)

    lines, as_json = cli("sync"), cli("sync", "--json")

    assert lines.lines[0] == f"pulling main of {clone.folder} for default"
    assert (lines.stderr, as_json.stdout) == ("stopped\n", "")
