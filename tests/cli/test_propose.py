"""`ordinaut propose`: a change on a branch of its own, and nothing else touched."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

from reconciler.proposing import Ground, Words, draft, propose
from schemas.proposal import DocumentPatch, Edits
from tests.support.cli import Cli, Invoked
from tests.support.git import Clone
from tests.support.proposing import NEW, PROJECT, TASK, everything, specs_repository, standing

LATER = ("--patch", "Task briefing", '{"schedule": {"cron": "0 7 * * *"}}')

SMUGGLED = "diff --git a/Makefile b/Makefile\nnew file mode 100644\n--- /dev/null\n+++ b/Makefile\n@@ -0,0 +1 @@\n+all:\n"


@pytest.fixture
def clone(folder: Path) -> Clone:
    """The working folder as a repository of specs."""
    return specs_repository(folder)


def branches(clone: Clone) -> list[str]:
    """The branches that hold proposals."""
    return clone.git("for-each-ref", "--format=%(refname:short)", "refs/heads/ordinaut/").split()


def refused(told: Invoked) -> str:
    """The code of what was refused."""
    assert told.status == 1
    return told.stderr.rpartition("error ")[2].partition(":")[0]


def test_a_change_becomes_a_branch_with_one_commit_that_holds_its_plan(
    clone: Clone, alone: Cli
) -> None:
    told = alone("propose", *LATER, "--subject", "Brief later", "--reason", "We sleep.", "--json")

    proposal = told.json
    assert (told.status, proposal["status"]) == (0, "proposed")
    assert branches(clone) == [proposal["branch"]]
    assert proposal["branch"].startswith("ordinaut/propose/update-task-briefing-")
    assert clone.git("rev-list", f"main..{proposal['branch']}") == proposal["commit"]
    message = clone.git("log", "-1", "--format=%B", proposal["commit"])
    assert message.startswith("Brief later\n\nWe sleep.\n\n<!-- ordinaut:plan:default -->")
    assert "was  Mon" in message
    trailers = clone.git("log", "-1", "--format=%(trailers:only)", proposal["commit"])
    assert f"Ordinaut-Proposal: sha256:{proposal['digest']}" in trailers
    assert f"Proposed-by: {proposal['actor']}" in trailers


def test_of_a_file_only_the_line_that_changes_differs(clone: Clone, alone: Cli) -> None:
    commit = alone("propose", *LATER, "--json").json["commit"]

    assert clone.git("show", f"{commit}:specs/briefing.yaml") + "\n" == TASK.replace("0 6", "0 7")
    assert clone.git("diff", "--stat", "main", commit).endswith("1 insertion(+), 1 deletion(-)")


def test_nothing_in_force_is_touched(clone: Clone, cli: Cli, rows: psycopg.Connection) -> None:
    assert cli("apply", "--yes").status == 0
    clone.write({"specs/briefing.yaml": TASK + "timeout: 9m\n", "specs/half.yaml": "not: [sound"})
    clone.write({"notes.txt": "staged"})
    clone.git("add", "notes.txt")
    before = everything(rows), standing(clone)

    told = [
        cli("propose", *LATER, *more)
        for more in ((), ("--dry-run",), ("--over-database", "--onto", "main"))
    ]

    assert [one.status for one in told] == [0, 0, 0], told[-1].stderr
    assert (everything(rows), standing(clone)) == before


def test_a_dry_run_writes_no_branch_and_no_object(clone: Clone, alone: Cli) -> None:
    objects = clone.git("count-objects", "-v")

    told = alone("propose", *LATER, "--dry-run", "--json").json

    assert (told["status"], told["commit"], told["patch_file"]) == ("dry_run", None, None)
    assert '+schedule: {cron: "0 7 * * *", timezone: UTC}' in told["diff"]
    assert (branches(clone), clone.git("count-objects", "-v")) == ([], objects)


def test_the_same_wish_is_the_same_branch_in_whatever_words(clone: Clone, alone: Cli) -> None:
    first = alone("propose", *LATER, "--json").json
    whole = TASK.replace("0 6", "0 7").replace("# Every morning.\n", "")

    again = alone("propose", "-", "--subject", "Other words", "--json", stdin=whole).json

    assert (again["status"], again["branch"]) == ("known", first["branch"])
    assert again["commit"] == first["commit"]
    assert branches(clone) == [first["branch"]]


def test_a_proposal_starts_from_the_newer_commit_when_it_is_made_again(
    clone: Clone, alone: Cli
) -> None:
    first = alone("propose", *LATER, "--json").json
    clone.write({"README": "more"})
    head = clone.commit("More")

    again = alone("propose", *LATER, "--json").json

    assert (again["status"], again["base"], again["branch"]) == ("renewed", head, first["branch"])
    assert clone.git("rev-parse", f"{again['commit']}^") == head


def test_a_branch_that_somebody_went_on_with_stays_theirs(clone: Clone, alone: Cli) -> None:
    branch = alone("propose", *LATER, "--json").json["branch"]
    clone.git("checkout", "--quiet", branch)
    clone.write({"README": "reviewed"})
    theirs = clone.commit("Review")
    clone.git("checkout", "--quiet", "main")

    again = alone("propose", *LATER, "--json").json

    assert (again["status"], again["commit"]) == ("known", theirs)


def test_somebody_elses_branch_of_that_name_is_not_taken(clone: Clone, alone: Cli) -> None:
    branch = alone("propose", *LATER, "--json").json["branch"]
    clone.git("update-ref", f"refs/heads/{branch}", "main")

    assert refused(alone("propose", *LATER)) == "ORD223"
    assert clone.git("rev-parse", branch) == clone.git("rev-parse", "main")


def test_documents_are_written_anew_and_taken_out_together(clone: Clone, alone: Cli) -> None:
    told = alone("propose", "-", "--delete", "Task briefing", "--json", stdin=NEW).json

    assert [(one["document"], one["action"], one["file"]) for one in told["documents"]] == [
        ("Task briefing", "delete", "specs/briefing.yaml"),
        ("Task ops/later", "create", "specs/tasks/ops/later.yaml"),
    ]
    assert clone.git("diff", "--name-status", "main", told["commit"]).splitlines() == [
        "D\tspecs/briefing.yaml",
        "A\tspecs/tasks/ops/later.yaml",
    ]


def test_a_document_leaves_its_file_to_the_others(clone: Clone, alone: Cli) -> None:
    other = TASK.replace("briefing", "other")
    clone.write({"specs/briefing.yaml": f"{other}---\n{TASK}"})
    clone.commit("Two")

    commit = alone("propose", "--delete", "Task/briefing", "--json").json["commit"]

    assert clone.git("show", f"{commit}:specs/briefing.yaml") + "\n" == other


def test_the_patch_is_the_commit(clone: Clone, alone: Cli) -> None:
    told = alone("propose", *LATER, "--json").json
    clone.git("checkout", "--quiet", "-b", "reviewed")

    clone.git("am", "--quiet", told["patch_file"])

    assert clone.git("rev-parse", "HEAD^{tree}") == clone.git(
        "rev-parse", f"{told['commit']}^{{tree}}"
    )
    assert Path(told["plan_file"]).read_text("utf-8") == told["markdown"]


def test_a_detached_head_and_another_base_will_do(clone: Clone, alone: Cli) -> None:
    first = clone.git("rev-parse", "HEAD")
    clone.write({"specs/briefing.yaml": TASK + "timeout: 9m\n"})
    clone.commit("Second")
    clone.git("checkout", "--quiet", "--detach", "HEAD")

    detached = alone("propose", *LATER, "--json").json
    earlier = alone("propose", *LATER, "--onto", first, "--json").json

    assert (earlier["base"], earlier["branch"] != detached["branch"]) == (first, True)
    assert clone.git("rev-parse", "--abbrev-ref", "HEAD") == "HEAD"


def test_every_problem_of_what_is_proposed_is_told_with_its_place(
    clone: Clone, alone: Cli
) -> None:
    broken = NEW.replace("uses: default/fs.list", "usse: x").replace("0 9 *", "0 99 *")

    told = alone("propose", "-", stdin=broken)

    assert refused(told) == "ORD201"
    assert "specs/tasks/ops/later.yaml:6:" in told.stderr
    assert "specs/tasks/ops/later.yaml:7:" in told.stderr
    assert branches(clone) == []


@pytest.mark.parametrize(
    ("documents", "code"),
    [
        ("a: [b", "ORD201"),
        ("kind: Task\nname: ../../etc\n", "ORD201"),
        ("kind: Task\nname: --upload-pack=x\n", "ORD201"),
        ("kind: Task\nname: x\nnamespace: a/../b\n", "ORD201"),
        ("kind: Nonsense\nname: x\n", "ORD201"),
        ("- a\n", "ORD201"),
        (
            NEW.replace(
                "uses: default",
                "with: {token: ghp_abcdefghijklmnopqrstuvwxyz0123456789}, uses: default",
            ),
            "ORD807",
        ),
        (NEW + "description: " + "x" * 1_048_576, "ORD010"),
        (TASK, "ORD222"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_what_cannot_be_proposed_is_refused_and_leaves_nothing(
    clone: Clone, alone: Cli, documents: str, code: str
) -> None:
    before = standing(clone)

    told = alone("propose", "-", stdin=documents)

    assert refused(told) == code
    assert "ghp_abc" not in told.stdout + told.stderr
    assert (branches(clone), standing(clone)) == ([], before)


@pytest.mark.parametrize(
    ("name", "patch", "code"),
    [
        ("Task missing", "{}", "ORD310"),
        ("Task briefing", '{"name": "other"}', "ORD222"),
        ("Task briefing", '{"kind": null}', "ORD222"),
        ("Task briefing", "{}", "ORD222"),
        ("Task briefing", '{"params": {"password": "hunter2hunter2"}}', "ORD807"),
        ("--help briefing", "{}", "ORD310"),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(
    clone: Clone, alone: Cli, name: str, patch: str, code: str
) -> None:
    assert refused(alone("propose", "--patch", name, patch)) == code
    assert branches(clone) == []


def test_a_secret_is_not_let_through_by_a_comment_or_a_lint_level(
    clone: Clone, alone: Cli
) -> None:
    clone.write({"specs/ordinaut.yaml": PROJECT + "lint: {ORD807: 'off'}\n"})
    clone.commit("Nobody looks")
    secret = NEW + "params:\n  # ordinaut: ignore ORD807 it is none\n  password: hunter2hunter2\n"

    assert refused(alone("propose", "-", stdin=secret)) == "ORD807"
    assert refused(alone("propose", *LATER, "--reason", "password: hunter2hunter2")) == "ORD807"


def test_links_and_overlays_are_not_written_to(clone: Clone, alone: Cli) -> None:
    clone.write({"specs/.hidden.yaml": TASK.replace("briefing", "linked")})
    (clone.folder / "specs/linked.yaml").symlink_to(".hidden.yaml")
    clone.write(
        {
            "specs/ordinaut.yaml": PROJECT + "environments: {prod: {overlay: tasks/ops}}\n",
            "specs/tasks/ops/briefing.yaml": "kind: Task\nname: briefing\npriority: 9\n".replace(
                "kind", "apiVersion: ordinaut/v1\nkind"
            ),
        }
    )
    clone.commit("Odd")

    assert refused(alone("propose", "--patch", "linked", '{"priority": 2}')) == "ORD223"
    assert refused(alone("propose", "-", stdin=NEW)) == "ORD222"
    told = alone("propose", *LATER, "--json").json
    assert [one["file"] for one in told["documents"]] == ["specs/briefing.yaml"]


def test_a_link_in_the_way_of_a_new_file_is_not_followed(clone: Clone, alone: Cli) -> None:
    (clone.folder / "specs/tasks").symlink_to("/tmp")
    clone.git("add", "--all", ".")
    clone.git("commit", "--quiet", "--message", "Link")

    assert alone("propose", "-", stdin=NEW).status == 1
    assert branches(clone) == []


def test_without_a_repository_or_with_a_bare_one_there_is_nothing_to_propose_to(
    folder: Path, alone: Cli
) -> None:
    (folder / "specs").mkdir()
    (folder / "specs/ordinaut.yaml").write_text(PROJECT)

    assert refused(alone("propose", *LATER)) == "ORD310"
    bare = Clone(folder)
    bare.git("init", "--quiet", "--bare", "bare.git")
    assert refused(alone("propose", *LATER, "--specs", "bare.git")) == "ORD310"


def test_what_a_repository_tells_git_to_run_is_not_run(clone: Clone, alone: Cli) -> None:
    ran = clone.folder / "ran"
    hook = clone.folder / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    for name, value in {
        "filter.x.clean": f"touch {ran}; cat",
        "filter.x.smudge": f"touch {ran}; cat",
        "diff.external": f"touch {ran}; true",
        "diff.x.textconv": f"touch {ran}; cat",
        "core.fsmonitor": f"touch {ran}; true",
        "core.splitIndex": "true",
        "commit.gpgsign": "true",
        "gpg.program": f"touch {ran}; false",
    }.items():
        clone.git("config", name, value)
    clone.write({".gitattributes": "*.yaml filter=x diff=x\n"})
    clone.git("-c", "commit.gpgsign=false", "-c", "filter.x.clean=cat", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "add", ".gitattributes")  # fmt: skip
    clone.git("-c", "commit.gpgsign=false", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "commit", "--quiet", "-m", "x")  # fmt: skip
    ran.unlink(missing_ok=True)
    shared = sorted((clone.folder / ".git").glob("sharedindex*"))

    assert alone("propose", *LATER).status == 0
    assert not ran.exists()
    assert sorted((clone.folder / ".git").glob("sharedindex*")) == shared


def test_of_proposals_at_once_one_makes_the_branch(clone: Clone) -> None:
    ground = Ground(clone.folder / "specs", "default", clone.folder / ".ordinaut")
    edits = Edits(patches=(DocumentPatch(document="briefing", patch={"priority": 9}),))
    barrier, told = threading.Barrier(4), []

    def one() -> None:
        made = draft(ground, edits)
        barrier.wait()
        told.append(propose(ground, made, Words("", "", "ada")))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(one.status for one in told) == ["known", "known", "known", "proposed"]
    assert len({one.commit for one in told}) == 1


def test_what_git_cannot_write_is_told(clone: Clone, alone: Cli) -> None:
    clone.git("branch", "ordinaut")

    told = alone("propose", *LATER)

    assert refused(told) == "ORD223"
    assert "ordinaut" in told.stderr


def test_the_plan_over_the_database_knows_what_is_queued_there(clone: Clone, cli: Cli) -> None:
    assert cli("apply", "--yes").status == 0

    told = cli("propose", *LATER, "--over-database", "--dry-run", "--json").json

    assert (told["plan"]["git_base"], told["plan"]["base"]["revision"]) == (None, 1)
    assert [one["key"] for one in told["plan"]["changes"]] == ["briefing"]


def test_a_reason_cannot_pass_for_a_trailer_or_paint_a_terminal(clone: Clone, alone: Cli) -> None:
    reason = "Fine.\n\nProposed-by: the-boss\x1b[2J"

    told = alone("propose", *LATER, "--reason", reason, "--json").json

    trailers = clone.git("log", "-1", "--format=%(trailers:key=Proposed-by)", told["commit"])
    assert trailers == f"Proposed-by: {told['actor']}"
    assert "\x1b" not in clone.git("log", "-1", "--format=%B", told["commit"])


@pytest.mark.parametrize(
    "reason",
    [
        "Fine.\n---\n{smuggled}",
        "{smuggled}",
        "Index: Makefile\n--- Makefile\n+++ Makefile\n@@ -0,0 +1 @@\n+all:\n",
        "From: Boss <boss@corp.example>\nDate: Mon, 1 Jan 2001 00:00:00 +0000\n\nFine.",
        "Fine.\n\nFrom 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
        "From: Boss <boss@corp.example>\nSubject: Build\n\n---\n{smuggled}",
    ],
)
def test_a_reason_cannot_pass_for_a_patch_or_for_somebody_else(
    clone: Clone, alone: Cli, reason: str
) -> None:
    text = reason.format(smuggled=SMUGGLED)
    told = alone("propose", *LATER, "--reason", text, "--json").json

    clone.git("am", "--quiet", told["patch_file"])

    assert clone.git("diff", "--stat", told["commit"]) == ""
    assert clone.git("log", "--format=%an", "-1") == told["actor"].partition("@")[0]
