"""`examples/ci/gitlab`: its jobs, run as GitLab's runner runs them, with a stand-in for where notes go."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from tests.examples.ci import KIT, MARK, cloned, edit, environment, new_origin
from tests.support.forge import BOT, Forge, open_forge
from tests.support.git import Clone, new_repository

TEMPLATE = yaml.safe_load((KIT / "gitlab" / "ordinaut.gitlab-ci.yml").read_bytes())


@pytest.fixture
def kit(tmp_path: Path) -> Clone:
    """A repository with this kit, where the template fetches it from."""
    kit = new_repository(tmp_path / "kit")
    shutil.copytree(KIT / "bin", kit.folder / "examples" / "ci" / "bin")
    kit.commit()
    return kit


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """What the runner has cloned: a branch with a change."""
    origin = new_origin(tmp_path / "origin")
    origin.git("checkout", "--quiet", "-b", "feature")
    edit(origin, "*/5", "*/10")
    origin.commit()
    return cloned(origin, tmp_path / "workspace")


@pytest.fixture
def forge() -> Iterator[Forge]:
    """Where merge requests are discussed."""
    with open_forge() as forge:
        yield forge


def run(clone: Clone, kit: Clone, name: str, **variables: str) -> tuple[int, str]:
    """Run what a job says, and then what it says to do after that; the first one's exit code, and what both print."""
    given = {
        "GITLAB_CI": "true",
        "CI_PROJECT_DIR": str(clone.folder),
        "CI_PROJECT_ID": "42",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_COMMIT_BRANCH": "main",
        "ORDINAUT_REPOSITORY": str(kit.folder),
        "ORDINAUT_COMMIT": kit.git("rev-parse", "HEAD"),
        **variables,
    }
    env = environment(clone.folder.parent, given)
    for variable, text in TEMPLATE["variables"].items():
        env[variable] = Template(text).substitute(env)
    asked = TEMPLATE[name]
    base = TEMPLATE[asked["extends"]]

    def script(lines: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", "\n".join(lines)],
            cwd=clone.folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    first = script([*base["before_script"], *asked["script"]])
    return first.returncode, first.stdout + script(asked.get("after_script", [])).stdout


@pytest.mark.slow
def test_a_merge_request_is_planned_and_its_note_follows_it(
    clone: Clone, kit: Clone, forge: Forge
) -> None:
    api = {"CI_API_V4_URL": forge.url, "ORDINAUT_COMMENT_TOKEN": "writer"}
    forge.say("7", "stranger", f"{MARK}\nLooks good to me.")

    code, printed = run(clone, kit, "ordinaut-plan", **api)

    assert code == 0, printed
    assert "commented on 7" in printed
    assert forge.texts("7")[1].startswith(f"{MARK}\n\n### Ordinaut plan: `default` · 1 update")
    for path in TEMPLATE["ordinaut-plan"]["artifacts"]["paths"]:
        assert (clone.folder / path).is_file()

    edit(clone, "uses", "uzes")
    code, printed = run(clone, kit, "ordinaut-plan", **api)

    assert (code, len(forge.texts("7"))) == (1, 2)
    assert "> **Outdated:** the newest commit cannot be planned" in forge.texts("7")[1]


def test_notes_on_open_merge_requests_are_outdated_by_what_is_merged(
    clone: Clone, kit: Clone, forge: Forge
) -> None:
    forge.pulls = [{"iid": 7}, {"iid": 8}]
    forge.say("7", BOT, f"{MARK}\n\nA plan.")
    forge.say("8", "stranger", f"{MARK}\n\nA plan.")
    # Nothing can be applied here; the note is about what was merged.
    api = {"CI_API_V4_URL": forge.url, "ORDINAUT_COMMENT_TOKEN": "writer"}
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"

    code, printed = run(clone, kit, "ordinaut-apply", ORDINAUT_DATABASE_URL=nowhere, **api)

    assert (code, "marked the comment on 7 as outdated" in printed) == (5, True), printed
    assert "`main` has gone on since" in forge.texts("7")[0]
    assert forge.texts("8") == [f"{MARK}\n\nA plan."]


@pytest.mark.slow
def test_problems_are_shown_beside_their_lines(clone: Clone, kit: Clone) -> None:
    edit(clone, "uses", "uzes")

    code, printed = run(clone, kit, "ordinaut-check")

    assert code == 1
    assert "specs/hello.yaml:11:5: error ORD005" in printed
    report = TEMPLATE["ordinaut-check"]["artifacts"]["reports"]["codequality"]
    problems: list[dict[str, Any]] = json.loads((clone.folder / report).read_bytes())
    shown = [(one["check_name"], one["severity"], one["location"]) for one in problems]
    assert ("ORD005", "critical", {"path": "specs/hello.yaml", "lines": {"begin": 11}}) in shown
    assert len({one["fingerprint"] for one in problems}) == len(problems)


def test_a_test_of_the_specs_that_fails_fails_the_check(clone: Clone, kit: Clone) -> None:
    tests = clone.folder / "specs" / "tests"
    tests.mkdir()
    head = (
        "apiVersion: ordinaut/v1\nkind: Test\nname: says\ntask: hello\nnow: 2026-01-05T08:30:00Z\n"
    )
    (tests / "says.yaml").write_text(head + "expect: {state: succeeded}\n")
    passed, _ = run(clone, kit, "ordinaut-check")
    (tests / "says.yaml").write_text(head + "expect: {state: failed}\n")

    failed, said = run(clone, kit, "ordinaut-check")

    assert (passed, failed) == (0, 1)
    assert "ORD702" in said


def test_no_secret_is_in_a_pipeline_of_a_merge_request_but_the_one_for_notes() -> None:
    for name, asked in TEMPLATE.items():
        if name.startswith("ordinaut-"):
            of_requests = "merge_request_event" in asked["rules"][0]["if"]
            assert of_requests == ("environment" not in asked), name
