"""The shell of `examples/ci`: what ShellCheck says of it, and that YAML holds none that is worth a file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.examples.ci import KIT, environment
from tests.house.sources import ROOT, relative
from tests.support.workflows import scripts

SHELL = sorted([*KIT.glob("**/*.sh"), KIT / "server" / "pre-receive"])


@pytest.mark.parametrize("path", SHELL, ids=relative)
def test_shellcheck_has_nothing_to_say(path: Path, tmp_path: Path) -> None:
    said = subprocess.run(
        ["shellcheck", str(path)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stdout) == (0, "")
    assert path.stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_what_init_scaffolds_asks_what_the_kit_asks(service: str) -> None:
    kit = "".join((KIT / "bin" / name).read_text() for name in ("check.sh", "plan.sh"))
    scaffold = (ROOT / "reconciler" / "scaffold" / f"{service}.yaml").read_text(encoding="utf-8")

    def asked(text: str) -> set[str]:
        return set(re.findall(r"\bordinaut (fmt --check|validate|lint|test|plan)", text))

    assert asked(scaffold) == asked(kit)


def test_yaml_calls_scripts_instead_of_being_one() -> None:
    found = {
        script
        for path in KIT.glob("**/*.yml")
        for script in scripts(yaml.safe_load(path.read_text(encoding="utf-8")))
    }

    assert found
    assert {script for script in found if len(script.strip().splitlines()) > 2} == set()
