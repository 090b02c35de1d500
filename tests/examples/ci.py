"""What the tests of `examples/ci` share: a repository of specs as `ordinaut init` begins one, and what every step is given."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from reconciler.beginning import begin
from tests.support.git import Clone, new_repository
from tests.support.processes import ROOT

KIT = ROOT / "examples" / "ci"
HELLO = "specs/hello.yaml"
MARK = "<!-- ordinaut:plan:default -->"


def new_origin(folder: Path) -> Clone:
    """A repository with a task on its branch `main`."""
    origin = new_repository(folder)
    begin(folder, None)
    origin.commit("Begin")
    return origin


def cloned(origin: Clone, folder: Path) -> Clone:
    """A clone of it, as a CI system makes one: all of the history."""
    origin.git("clone", "--quiet", str(origin.folder), str(folder))
    return Clone(folder)


def edit(clone: Clone, old: str, new: str, path: str = HELLO) -> None:
    """Replace what must be there."""
    text = (clone.folder / path).read_text(encoding="utf-8")
    assert old in text
    clone.write({path: text.replace(old, new)})


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a step has: our `ordinaut`, the system's programs, and nothing of the developer's settings."""
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.defpath])
    return {"HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT), **(more or {})}
