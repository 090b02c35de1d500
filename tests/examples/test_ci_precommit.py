"""`.pre-commit-hooks.yaml`: what it says is run by pre-commit itself, at a real commit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.examples.ci import HELLO, KIT, edit, environment, new_origin
from tests.support.git import Clone, new_repository
from tests.support.processes import ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A repository of specs that asks for the hooks as the example does, with our own `ordinaut` for them.

    For a user pre-commit makes an environment and installs Ordinaut into it: that needs a package index, and minutes.
    """
    ours = new_repository(tmp_path / "ordinaut")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", ours.folder)
    revision = ours.commit()
    config = yaml.safe_load((KIT / "pre-commit" / "pre-commit-config.yaml").read_bytes())
    (asked,) = config["repos"]
    asked |= {"repo": str(ours.folder), "rev": revision}
    for hook in asked["hooks"]:
        hook["language"] = "unsupported"
    clone = new_origin(tmp_path / "specs")
    clone.write({".pre-commit-config.yaml": yaml.safe_dump(config), "notes.txt": "notes\n"})
    clone.commit()
    return clone


def pre_commit(clone: Clone) -> dict[str, str]:
    """What becomes of each hook for what is staged, by its name."""
    clone.git("add", "--all", ".")
    ended = subprocess.run(
        ["pre-commit", "run", "--color", "never"],
        cwd=clone.folder,
        env=environment(clone.folder.parent),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = [line for line in ended.stdout.splitlines() if line.startswith("ordinaut ")]
    assert (ended.returncode == 0) == all("Failed" not in line for line in told), ended
    return {line.partition(".")[0]: line.rpartition(".")[2] for line in told}


@pytest.mark.slow
def test_a_commit_of_specs_is_formatted_and_looked_at_and_any_other_only_checked(
    clone: Clone,
) -> None:
    clone.write({"notes.txt": "more notes\n"})
    skipped = "(no files to check)Skipped"
    looked = {
        "ordinaut fmt": skipped,
        "ordinaut validate": "Passed",
        "ordinaut lint": skipped,
    }
    assert pre_commit(clone) == looked

    clone.git("rm", "--quiet", "specs/agent.yaml")
    assert pre_commit(clone) == {**looked, "ordinaut validate": "Failed"}
    clone.git("reset", "--hard", "--quiet")

    edit(clone, "timeout: 1m", "timeout:   2m")
    assert pre_commit(clone) == {
        "ordinaut fmt": "Failed",
        "ordinaut validate": "Passed",
        "ordinaut lint": "Passed",
    }
    # What failed is that a file was not in its one form; now it is.
    assert "timeout: 2m\n" in (clone.folder / HELLO).read_text()


def test_every_hook_looks_at_the_whole_folder_and_needs_nothing_but_ordinaut() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_bytes())

    assert [hook["id"] for hook in hooks] == ["ordinaut-fmt", "ordinaut-validate", "ordinaut-lint"]
    assert {hook["files"] for hook in hooks} == {r"^specs/.*\.ya?ml$"}
    assert [hook["pass_filenames"] for hook in hooks] == [False] * 3
    assert [hook["entry"] for hook in hooks] == [hook["name"] for hook in hooks]
