"""`examples/ci/github`: its workflows and its action, run as GitHub runs them, with a stand-in for where comments go."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from reconciler.beginning import begin
from tests.examples.ci import HELLO, KIT, MARK, cloned, edit, environment, new_origin
from tests.house.sources import ROOT
from tests.support.forge import BOT, Forge, open_forge
from tests.support.git import Clone
from tests.support.workflows import OURS, Ran, Runner, commands, scripts

WORKFLOWS = KIT / "github" / "workflows"
DOCUMENTS = [*sorted(WORKFLOWS.glob("*.yml")), KIT / "github" / "action.yml"]
LOOK_ALIKE = f"{MARK}\nLooks good to me, and I may edit this."


@pytest.fixture
def origin(tmp_path: Path) -> Clone:
    """The repository on the server."""
    return new_origin(tmp_path / "origin")


@pytest.fixture
def clone(origin: Clone, tmp_path: Path) -> Clone:
    """The workspace of a job."""
    return cloned(origin, tmp_path / "workspace")


@pytest.fixture
def forge() -> Iterator[Forge]:
    """Where pull requests are discussed."""
    with open_forge() as forge:
        yield forge


def run(clone: Clone, workflow: str, name: str, known: dict[str, str], **env: str) -> Ran:
    """Run a job of a workflow in a workspace."""
    home = clone.folder.parent
    temp = home / f"temp{len(list(home.iterdir()))}"
    return Runner(clone.folder, temp, environment(home, env)).run(
        WORKFLOWS / workflow, name, known
    )


def review(clone: Clone) -> Ran:
    """Review what is checked out, against main."""
    return run(clone, "review.yml", "review", {"github.base_ref": "main"})


@pytest.mark.slow
def test_a_pull_request_is_checked_and_planned_without_a_credential(clone: Clone) -> None:
    clone.git("checkout", "--quiet", "-b", "feature")
    edit(clone, "*/5", "*/10")
    clone.commit()

    ran = review(clone)

    assert ran.succeeded, ran.log
    planned = ran.outputs["plan"]
    assert (planned["exitcode"], planned["changes"], planned["impact"]) == ("2", "1", "medium")
    assert re.fullmatch("sha256:[0-9a-f]{64}", planned["digest"])
    assert ran.summary.startswith(f"{MARK}\n\n### Ordinaut plan: `default` · 1 update")
    assert [Path(file).name for file in ran.uploaded] == ["plan.json", "plan.md"]
    assert json.loads(Path(planned["plan-json"]).read_bytes())["changes"][0]["name"] == "hello"
    assert [action.partition("@")[0] for action in ran.used] == [
        "actions/checkout",
        "actions/upload-artifact",
    ]


@pytest.mark.slow
def test_broken_specs_fail_the_review_beside_their_line_and_in_the_summary(clone: Clone) -> None:
    edit(clone, "uses", "uzes")
    clone.write({"specs/<img src=x>.yaml": "kind: ["})
    clone.commit()

    ran = review(clone)

    assert not ran.succeeded
    assert (
        "::error file=specs/hello.yaml,line=11,col=5,title=ORD005::unknown field `uzes`" in ran.log
    )
    assert "### Ordinaut: these specs need work" in ran.summary
    assert "    specs/hello.yaml:11:5: error ORD005" in ran.summary
    # What a stranger named is code, and nothing else, wherever it is shown.
    assert {line[:4] for line in ran.summary.splitlines() if "<img" in line} == {"    "}
    assert ran.outputs["plan"]["exitcode"] == "1"
    assert ran.uploaded == []


@pytest.mark.slow
def test_what_init_scaffolds_reviews_alike(clone: Clone, tmp_path: Path) -> None:
    begin(tmp_path / "begun", "github")
    scaffolded = tmp_path / "begun" / ".github" / "workflows" / "specs.yml"
    edit(clone, "*/5", "*/10")
    clone.commit()
    runner = Runner(clone.folder, tmp_path / "temp", environment(tmp_path))

    planned = runner.run(scaffolded, "review", {"github.base_ref": "main"})

    assert planned.succeeded, planned.log
    assert planned.summary.startswith(f"{MARK}\n\n### Ordinaut plan: `default` · 1 update")


STRANGE = "##[stop-commands]tok"
STRANGE_FILE = (
    f"specs/{'a' * 60} ::stop-commands::tok {'b' * 60} ::warning::x ##[error]forged.yaml"
)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["kit", "scaffold"])
@pytest.mark.parametrize("broken", [True, False])
def test_nothing_that_a_stranger_writes_is_a_command_to_github(
    clone: Clone, tmp_path: Path, by: str, broken: bool
) -> None:
    edit(clone, "name: hello", f"name: hello\nowner: '{STRANGE}'")
    policies = {"p": {"when": "changes", "message": STRANGE}}
    text = (clone.folder / "specs/ordinaut.yaml").read_text()
    clone.write({"specs/ordinaut.yaml": f"{text}policies: {json.dumps(policies)}\n"})
    subprocess.run(["ordinaut", "fmt"], cwd=clone.folder, env=environment(tmp_path), check=True)
    if broken:
        clone.write({STRANGE_FILE: "kind: ["})
    clone.commit()

    if by == "kit":
        ran = review(clone)
    else:
        begin(tmp_path / "begun", "github")
        workflow = tmp_path / "begun" / ".github" / "workflows" / "specs.yml"
        runner = Runner(clone.folder, tmp_path / "temp", environment(tmp_path))
        ran = runner.run(workflow, "review", {"github.base_ref": "main"})

    assert not ran.succeeded
    assert ("    ::stop-commands::tok" if broken else STRANGE) in ran.log
    taken = commands(ran.log)
    assert {line.partition("=")[0] for line in taken} <= {
        f"::{kind} {what}" for kind in ("error", "warning", "notice") for what in ("file", "title")
    }
    assert not [line for line in taken if "##[" in line]
    assert broken == any("title=ORD002" in line for line in taken)


def pull(origin: Clone, number: int, sha: str) -> dict[str, Any]:
    """An open pull request from a fork, and what the server keeps of it."""
    origin.git("update-ref", f"refs/pull/{number}/head", sha)
    head = {"sha": sha, "ref": "feature"}
    return {"number": number, "head": head, "base": {"ref": "main"}}


def comment(clone: Clone, forge: Forge, sha: str) -> Ran:
    """Comment after the review of a commit has ended."""
    about = {
        "head_repository": {"owner": {"login": "stranger"}},
        "head_branch": "feature",
        "head_sha": sha,
    }
    event = clone.folder.parent / "event.json"
    event.write_text(json.dumps({"workflow_run": about}))
    return run(
        clone, "comment.yml", "comment",
        {"github.event.workflow_run.event": "pull_request", "github.token": "writer"},
        GITHUB_EVENT_PATH=str(event), GITHUB_API_URL=forge.url, GITHUB_REPOSITORY="acme/specs",
        GITHUB_REF="refs/heads/main",
    )  # fmt: skip


def from_fork(origin: Clone, forge: Forge, old: str, new: str) -> str:
    """A stranger's commit on top of main; returns its hash."""
    origin.git("checkout", "--quiet", "-B", "theirs", "main")
    edit(origin, old, new)
    sha = origin.commit("Theirs")
    origin.git("checkout", "--quiet", "main")
    forge.pulls[:] = [pull(origin, 7, sha)]
    return sha


@pytest.mark.slow
def test_one_comment_follows_the_pull_request_of_a_stranger(
    origin: Clone, clone: Clone, forge: Forge
) -> None:
    for number in range(150):
        forge.say("7", "someone", f"{number}")
    forge.say("7", "stranger", LOOK_ALIKE)
    first = from_fork(origin, forge, "*/5", "*/10")

    ran = comment(clone, forge, first)

    assert ran.succeeded, ran.log
    assert "writer" not in ran.log
    assert forge.texts("7")[150] == LOOK_ALIKE
    (said,) = forge.texts("7")[151:]
    assert said.startswith(f"{MARK}\n\n### Ordinaut plan: `default` · 1 update")
    assert said.endswith(f"Planned for {first[:12]}.\n")
    # Nothing of theirs was checked out.
    assert "*/5" in (clone.folder / HELLO).read_text()

    second = from_fork(origin, forge, "Say hello", "Say good-bye")
    assert comment(clone, forge, first).succeeded
    assert forge.texts("7")[151:] == [said]
    assert comment(clone, forge, second).succeeded
    (edited,) = forge.texts("7")[151:]
    assert edited.endswith(f"Planned for {second[:12]}.\n")


def outdate(clone: Clone, forge: Forge, token: str) -> Ran:
    """Mark comments after a push to main."""
    known = {"github.event_name": "push", "github.ref_name": "main", "github.token": token}
    where = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "acme/specs"}
    return run(clone, "apply.yml", "outdate", known, **where)


def test_comments_on_others_are_outdated_by_a_merge_once(
    origin: Clone, clone: Clone, forge: Forge
) -> None:
    forge.pulls = [pull(origin, 7, clone.git("rev-parse", "HEAD"))]
    forge.say("7", BOT, f"{MARK}\n\nA plan.\n")

    for _ in range(2):
        assert outdate(clone, forge, "writer").succeeded

    assert forge.texts("7") == [
        f"{MARK}\n\n> **Outdated:** `main` has gone on since; push, or run the checks again.\n\nA plan.\n"
    ]


def test_a_token_that_may_not_comment_is_no_failure(
    origin: Clone, clone: Clone, forge: Forge
) -> None:
    forge.pulls = [pull(origin, 7, clone.git("rev-parse", "HEAD"))]
    forge.say("7", BOT, f"{MARK}\n\nA plan.\n")

    ran = outdate(clone, forge, "reader")

    assert ran.succeeded
    assert "The token may not comment here (403)." in ran.log
    assert forge.texts("7") == [f"{MARK}\n\nA plan.\n"]


def test_where_there_are_no_forks_a_plan_may_comment_by_itself(
    tmp_path: Path, forge: Forge
) -> None:
    (tmp_path / "plan.md").write_text(f"{MARK}\n\nA plan.\n")
    (tmp_path / "plan.json").write_text('{"source": {"commit": null}, "changes": [{}]}')
    given = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "acme/specs"}
    program = ["python3", str(KIT / "bin" / "comment.py"), "post", str(tmp_path)]

    def told(**env: str) -> str:
        whole = environment(tmp_path, {**given, **env})
        return subprocess.check_output(program, env=whole, text=True, stderr=subprocess.STDOUT)

    pull_request = "refs/pull/7/merge"
    assert told(GITHUB_REF=pull_request) == "There is no COMMENT_TOKEN to comment with.\n"
    assert told(GITHUB_REF="refs/heads/main", COMMENT_TOKEN="writer") == (
        "this is no pull request\n"
    )
    assert told(GITHUB_REF=pull_request, COMMENT_TOKEN="writer") == "commented on 7\n"
    assert forge.texts("7") == [f"{MARK}\n\nA plan.\n"]


@pytest.mark.slow
def test_where_the_plan_became_empty_or_impossible_the_comment_says_so(
    origin: Clone, clone: Clone, forge: Forge
) -> None:
    nothing = from_fork(origin, forge, "# The first task.", "# One task.")
    assert comment(clone, forge, nothing).succeeded
    assert forge.texts("7") == []

    forge.say("7", BOT, f"{MARK}\n\nsomething")
    assert comment(clone, forge, nothing).succeeded
    assert "`default` · no changes" in forge.texts("7")[0]

    broken = from_fork(origin, forge, "uses", "uzes")
    assert comment(clone, forge, broken).succeeded
    assert "> **Outdated:** the newest commit cannot be planned" in forge.texts("7")[0]


@pytest.mark.slow
def test_what_was_merged_is_applied_if_the_database_went_the_same_way(
    origin: Clone, clone: Clone, database: str
) -> None:
    secret = {"secrets.ORDINAUT_DATABASE_URL": database}

    first = run(clone, "apply.yml", "apply", secret)
    assert first.succeeded, first.log
    for before, after in (("*/5", "*/10"), ("*/10", "*/15")):
        edit(clone, before, after)
        clone.commit(f"Every {after}")
    both = run(clone, "apply.yml", "apply", secret)

    # Whoever approves sees one push, and is told that it may not be all.
    asked = run(clone, "apply.yml", "plan", {})
    assert asked.succeeded, asked.log
    assert "every 10 minutes" in asked.summary
    assert "This is what the last push changes. What is applied is" in asked.summary

    assert both.succeeded, both.log
    assert "Applied as r2: 1 updated." in both.log
    assert "every 5 minutes" in both.summary
    assert "### Ordinaut plan: `default` · 1 update" in both.summary

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "update ordinaut.spec set body = jsonb_set(body, '{owner}', '\"eve\"') where name = 'assistant'"
        )
    edit(clone, "1m", "2m")
    clone.commit("Longer")
    stopped = run(clone, "apply.yml", "apply", secret)
    nightly = run(clone, "drift.yml", "drift", secret)

    assert not stopped.succeeded
    assert "review the plan as it is now, then expect its digest" in stopped.log
    assert "Applied" not in stopped.log
    assert not nightly.succeeded
    assert nightly.outputs[""]["exitcode"] == "3", nightly.log
    assert "1 drift" in nightly.summary


def documents() -> Iterator[tuple[str, Any]]:
    """Every workflow and the action, parsed."""
    for path in DOCUMENTS:
        yield path.name, yaml.safe_load(path.read_text(encoding="utf-8"))


def test_nothing_is_put_into_the_text_of_a_script() -> None:
    found = [script for _, document in documents() for script in scripts(document)]

    assert found
    assert [script for script in found if "${{" in script] == []


def test_actions_of_others_are_pinned_by_a_hash() -> None:
    scaffold = ROOT / "reconciler" / "scaffold" / "github.yaml"
    texts = [path.read_text(encoding="utf-8") for path in [*DOCUMENTS, scaffold]]
    used = {one for text in texts for one in re.findall(r"uses: (\S+)", text) if one != OURS}

    assert {re.sub("@[0-9a-f]{40}$", "", action) for action in used} == {
        "actions/checkout",
        "actions/setup-python",
        "actions/upload-artifact",
    }


def test_every_workflow_says_what_its_token_may_and_none_runs_a_strangers_code_with_it() -> None:
    for name, document in documents():
        if name == "action.yml":
            continue
        # YAML 1.1 reads the key `on` as a truth.
        assert "pull_request_target" not in document[True], name
        assert set(document["permissions"].items()) <= {("contents", "read")}, name
    texts = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
    writing = {name for name, text in texts.items() if re.search(r": write\b", text)}
    assert writing == {"comment.yml", "apply.yml"}
    assert {name for name, text in texts.items() if "secrets." in text} == {
        "apply.yml",
        "drift.yml",
    }
