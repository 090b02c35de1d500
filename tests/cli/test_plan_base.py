"""`ordinaut plan --base`: git against git, as a pull request of a stranger is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import EXIT_BLOCKED
from tests.cli.test_plan import PROJECT, SERVER
from tests.support.cli import Cli, Invoked
from tests.support.git import Clone, new_repository

TASK = """\
apiVersion: ordinaut/v1
kind: Task
name: NAME
schedule: {cron: "0 6 * * *", timezone: UTC}
pipeline: [{id: look, uses: fs.list}]
"""


def task(name: str, more: str = "") -> str:
    """A task in YAML."""
    return TASK.replace("NAME", name) + more


PIPELINE = """\
apiVersion: ordinaut/v1
kind: Pipeline
name: looking
steps: [{id: look, uses: fs.list}]
"""
USING = task("one").replace("[{id: look, uses: fs.list}]", "{use: looking}")


@pytest.fixture
def clone(folder: Path) -> Clone:
    """A repository on a branch `feature` of `main`, which went on without it."""
    clone = new_repository(folder)
    clone.write({"specs/ordinaut.yaml": PROJECT, "specs/fs.yaml": SERVER})
    clone.write({f"specs/{name}.yaml": task(name) for name in ("one", "two")})
    clone.commit("First")
    clone.git("branch", "feature")
    clone.write({"specs/main.yaml": task("main")})
    clone.commit("Main goes on")
    clone.git("checkout", "--quiet", "feature")
    return clone


def changes(plan: Invoked) -> dict[str, tuple[str, str]]:
    """The action and the reason of every change, by key."""
    assert plan.status == 0, plan.stderr
    return {one["key"]: (one["action"], one["reason"]) for one in plan.json["changes"]}


def test_a_branch_is_compared_with_where_it_parted_from_its_base(clone: Clone, alone: Cli) -> None:
    clone.write(
        {"specs/one.yaml": task("one", "priority: 9\n"), "specs/three.yaml": task("three")}
    )
    clone.write({"specs/two.yaml": None})
    clone.commit("Feature")

    assert changes(alone("plan", "--base", "main", "--json")) == {
        "one": ("update", "git"),
        "two": ("retire", "git"),
        "three": ("create", "git"),
    }


def test_the_working_tree_is_planned_for_with_its_edits(clone: Clone, alone: Cli) -> None:
    clone.write({"specs/one.yaml": task("one", "priority: 9\n")})

    plan = alone("plan", "--base", "main", "--json")

    assert changes(plan) == {"one": ("update", "git")}
    assert plan.json["source"]["dirty"] is True


def test_another_revision_is_planned_for_without_looking_at_the_working_tree(
    clone: Clone, alone: Cli
) -> None:
    clone.write({"specs/one.yaml": "["})

    plan = alone("plan", "--base", "feature", "--head", "main", "--json")

    assert changes(plan) == {"main": ("create", "git")}
    assert plan.json["source"] == {
        "project": "home",
        "commit": clone.git("rev-parse", "main"),
        "tree": clone.git("rev-parse", "main:specs"),
        "branch": None,
        "dirty": False,
        "author": "Ada <ada@example.com>",
        "pull_request": None,
    }


def test_the_text_says_that_it_is_git_against_git(clone: Clone, alone: Cli) -> None:
    clone.write({"specs/one.yaml": task("one", "priority: 9\n")})
    fork = clone.git("rev-parse", "HEAD")

    plan = alone("plan", "--base", "main")

    assert f"base main at {fork[:7]}" in plan.stdout
    assert (
        "i git against git  no database was asked"
        "  drift, pauses and queued runs are not known" in plan.lines
    )
    assert "Plan: 1 to update, 3 unchanged." in plan.lines


def test_where_nothing_differs_one_line_says_so(clone: Clone, alone: Cli) -> None:
    fork = clone.git("rev-parse", "HEAD")

    assert (
        alone("plan", "--base", fork[:10]).lines[0] == f"No changes: 4 documents match {fork[:7]}."
    )
    assert alone("plan", "--base", "main").lines[0] == (
        f"No changes: 4 documents match main at {fork[:7]}."
    )


def test_it_holds_neither_numbers_nor_a_database(clone: Clone, alone: Cli) -> None:
    clone.write({"specs/one.yaml": task("one", "priority: 9\n")})

    plan = alone("plan", "--base", "main", "--json").json

    assert [one["uid"] for one in plan["changes"]] == [None]
    assert (plan["base"], plan["environment"]["installation_id"]) == (None, None)
    assert plan["git_base"] == {
        "named": "main",
        "commit": clone.git("rev-parse", "HEAD"),
        "broken": [],
    }


def test_it_has_the_digest_of_the_plan_over_a_database_that_holds_the_base(
    clone: Clone, cli: Cli
) -> None:
    cli("apply", "--yes")
    clone.write(
        {"specs/one.yaml": task("one", "priority: 9\n"), "specs/three.yaml": task("three")}
    )
    clone.write({"specs/two.yaml": None})

    by_git, by_database = cli("plan", "--base", "main", "--json"), cli("plan", "--json")

    assert by_git.json["digest"] == by_database.json["digest"]


def test_a_database_that_cannot_be_reached_and_secrets_do_not_matter(
    clone: Clone, alone: Cli
) -> None:
    plan = alone(
        "plan",
        "--base",
        "main",
        "--database-url",
        "postgresql://127.0.0.1:1/none",
        TOKEN="hunter2",
    )

    assert (plan.status, "hunter2" in plan.stdout) == (0, False)
    assert not Path(".ordinaut").exists()


def test_guards_of_the_base_refuse_and_not_those_of_the_head(clone: Clone, alone: Cli) -> None:
    loose = PROJECT + "guards: {max_retire: 100, max_retire_percent: 100}\n"
    clone.write(
        {"specs/ordinaut.yaml": PROJECT + "guards: {max_retire: 0, max_retire_percent: 0}\n"}
    )
    clone.git("checkout", "--quiet", "-b", "strict")
    clone.commit("Strict")
    clone.write({"specs/ordinaut.yaml": loose, "specs/one.yaml": None})

    plan = alone("plan", "--base", "strict")

    assert plan.status == EXIT_BLOCKED
    assert "Refused: retires 1 of 4 (25.0 %)" in plan.lines


def test_detailed_exit_codes_tell_changes_from_none(clone: Clone, alone: Cli) -> None:
    assert alone("plan", "--base", "main", "--detailed-exitcode").status == 0
    clone.write({"specs/one.yaml": task("one", "priority: 9\n")})
    assert alone("plan", "--base", "main", "--detailed-exitcode").status == 2


class TestBrokenBase:
    """What is broken in the base is unknown, and said to be so."""

    def test_a_broken_document_is_unknown_and_the_others_are_compared(
        self, clone: Clone, alone: Cli
    ) -> None:
        clone.write({"specs/two.yaml": task("two", "timout: 5m\n")})
        clone.commit("Break it")
        base = clone.git("rev-parse", "HEAD")
        clone.write({"specs/two.yaml": task("two"), "specs/three.yaml": task("three")})
        clone.write({"specs/one.yaml": task("one", "priority: 9\n")})

        plan = alone("plan", "--base", base, "--json")

        assert changes(plan) == {
            "one": ("update", "git"),
            "three": ("create", "git"),
            "two": ("create", "unknown"),
        }
        assert plan.json["git_base"]["broken"] == ["specs/two.yaml"]
        assert (plan.json["summary"]["create"], plan.json["summary"]["unknown"]) == (1, 1)
        text = alone("plan", "--base", base)
        assert f"i broken at {base[:7]}  specs/two.yaml  what they held is unknown" in text.lines
        assert "? two  " in text.stdout
        assert (
            "    what it was is unknown: it is broken in the commit it is compared with"
            in text.lines
        )
        assert "1 unknown before" in text.stdout

    @pytest.mark.parametrize(
        "broken", ["[", "a: &a [*a, *a]\nname: two\n", "\x00", '\ufeff- "\\', "name: two\n: :\n"]
    )
    def test_no_broken_file_makes_it_fail(self, clone: Clone, alone: Cli, broken: str) -> None:
        clone.write({"specs/two.yaml": broken})
        clone.commit("Break it")
        clone.write({"specs/two.yaml": task("two")})

        plan = alone("plan", "--base", "HEAD", "--json")

        known = "two" not in broken
        assert changes(plan) == {"two": ("create", "git" if known else "unknown")}

    @pytest.mark.parametrize("broken", ["[", PROJECT.replace("home", "Not A Name")])
    def test_without_a_sound_project_nothing_is_known(
        self, clone: Clone, alone: Cli, broken: str
    ) -> None:
        clone.write({"specs/ordinaut.yaml": broken})
        clone.commit("Break it")
        clone.write({"specs/ordinaut.yaml": PROJECT})

        plan = alone("plan", "--base", "HEAD", "--json")

        assert set(changes(plan).values()) == {("create", "unknown")}
        assert len(changes(plan)) == 4

    def test_a_task_whose_pipeline_is_broken_is_unknown_too(
        self, clone: Clone, alone: Cli
    ) -> None:
        clone.write({"specs/looking.yaml": PIPELINE + "nonsense: 1\n", "specs/one.yaml": USING})
        clone.commit("Break it")
        clone.write({"specs/looking.yaml": PIPELINE})

        assert changes(alone("plan", "--base", "HEAD", "--json")) == {
            "looking": ("create", "unknown"),
            "one": ("create", "unknown"),
        }

    def test_a_task_whose_pipeline_calls_a_missing_server_is_unknown(
        self, clone: Clone, alone: Cli
    ) -> None:
        clone.write({"specs/looking.yaml": PIPELINE, "specs/one.yaml": USING})
        clone.write({"specs/two.yaml": None, "specs/fs.yaml": "["})
        clone.commit("Break it")
        clone.write({"specs/fs.yaml": SERVER})

        assert changes(alone("plan", "--base", "HEAD", "--json")) == {
            "fs": ("create", "git"),
            "looking": ("create", "unknown"),
            "one": ("create", "unknown"),
        }

    def test_a_file_that_cannot_be_read_may_have_held_anything(
        self, clone: Clone, alone: Cli
    ) -> None:
        (clone.folder / "specs/far.yaml").symlink_to("/etc/hostname")
        clone.commit("Break it")
        clone.write({"specs/far.yaml": None, "specs/three.yaml": task("three")})

        assert changes(alone("plan", "--base", "HEAD", "--json")) == {
            "three": ("create", "unknown")
        }

    def test_a_rename_of_what_is_broken_is_unknown(self, clone: Clone, alone: Cli) -> None:
        clone.write({"specs/two.yaml": task("two", "timout: 5m\n")})
        clone.commit("Break it")
        clone.write({"specs/two.yaml": task("second", "renamed_from: two\n")})

        assert changes(alone("plan", "--base", "HEAD", "--json")) == {
            "second": ("create", "unknown")
        }

    def test_many_broken_files_are_counted(self, clone: Clone, alone: Cli) -> None:
        clone.write({f"specs/bad-{number}.yaml": "[" for number in range(7)})
        clone.commit("Break it")
        base = clone.git("rev-parse", "HEAD")
        clone.write({f"specs/bad-{number}.yaml": None for number in range(7)})

        assert "specs/bad-4.yaml and 2 more files" in alone("plan", "--base", base).stdout


def test_where_the_base_has_no_specs_everything_is_new(clone: Clone, alone: Cli) -> None:
    clone.git("checkout", "--quiet", "-b", "moved")
    clone.git("mv", "specs", "tasks")
    clone.commit("Move it")

    plan = alone("plan", "--base", "main", "--specs", "tasks", "--json")

    assert set(changes(plan).values()) == {("create", "git")}


def test_in_an_environment_that_the_base_does_not_have_everything_is_new(
    clone: Clone, alone: Cli
) -> None:
    clone.write({"specs/ordinaut.yaml": PROJECT + "environments: {staging: {}}\n"})

    plan = alone("plan", "--base", "main", "--env", "staging", "--json")

    assert set(changes(plan).values()) == {("create", "git")}


def test_a_project_under_another_name_is_refused_as_apply_would(clone: Clone, alone: Cli) -> None:
    clone.write({"specs/ordinaut.yaml": PROJECT.replace("home", "office")})

    plan = alone("plan", "--base", "main")

    assert plan.status == 1
    assert "specs/one.yaml:1:1: error ORD204:" in plan.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--base", "nowhere"), "git knows no commit nowhere in this clone"),
        (("--base", "main", "--head", "nowhere"), "git knows no commit nowhere"),
        (("--head", "main"), "--head needs --base"),
        (("--base", "main", "--out", "plan.json"), "a plan of git against git cannot be applied"),
        (("--base", "main", "--head", "main", "--specs", "other"), "main has no folder other"),
    ],
)
def test_what_makes_no_sense_is_refused(
    clone: Clone, alone: Cli, words: tuple[str, ...], message: str
) -> None:
    plan = alone("plan", *words)

    assert (plan.status, message in plan.stderr, plan.stdout) == (1, True, "")


def test_outside_of_a_repository_there_is_no_base(
    folder: Path, alone: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "specs").mkdir()
    (folder / "specs/ordinaut.yaml").write_text(PROJECT)

    plan = alone("plan", "--base", "main")

    assert (plan.status, "is in no git repository" in plan.stderr) == (1, True)


def test_nothing_of_the_repository_is_run(clone: Clone, alone: Cli, folder: Path) -> None:
    trap = folder / ".git/trap"
    trap.write_text(f"#!/bin/sh\ntouch {folder}/sprung\ncat\n")
    trap.chmod(0o755)
    clone.write({".gitattributes": "*.yaml filter=x diff=x merge=x\n"})
    clone.commit()
    settings = (
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass", "core.alternateRefsCommand",
        "diff.external", "diff.x.textconv", "diff.x.command", "merge.x.driver", "filter.x.smudge", "filter.x.clean",
        "filter.x.process", "gpg.program", "credential.helper", "uploadpack.packObjectsHook",
    )  # fmt: skip
    for name in settings:
        clone.git("config", name, str(trap))
    for command in ("rev-parse", "status", "cat-file", "ls-tree", "merge-base", "plan"):
        clone.git("config", f"alias.{command}", f"!{trap}")
    clone.git("config", "core.hooksPath", str(trap.parent))
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "pre-commit"):
        (trap.parent / hook).symlink_to(trap)
    # Of the size that git remembers, so that only a filter could tell whether it differs.
    edited = folder / "specs/one.yaml"
    edited.write_text(edited.read_text().replace("0 6", "0 7"))

    for words in (("--base", "main", "--head", "feature"), ("--base", "main"), ()):
        plan = alone("plan", *words)
        assert plan.status == 0, plan.stderr
        assert not (folder / "sprung").exists(), words
    clone.git("-c", "filter.x.process=", "status")
    assert (folder / "sprung").exists(), "the trap works where git is asked without care"
