"""What a repository of specs begins with: a Project, an agent, a task that runs as it is, and what editors and git need.

A file that exists is never written; of `.gitignore` alone a line may be added. A folder that holds specs of its own gets
none of ours, since two Projects or two agents of one name would be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final, Literal

from runtime.errors import ConfigError
from schemas import patterns
from schemas.beginning import Beginning

Service = Literal["github", "gitlab"]

_PROJECT: Final = "ordinaut.yaml"
_SPECS: Final = (_PROJECT, "agent.yaml", "hello.yaml", "servers.yaml")
_STEPS: Final = {"github": ".github/workflows/specs.yml", "gitlab": ".gitlab-ci.yml"}
_NAME_TO_REPLACE: Final = "my-project"
_STATE: Final = ".ordinaut/"


def begin(folder: Path, service: Service | None) -> Beginning:
    """Write what is missing, and tell what is not.

    Args:
        folder: the repository; it is made if there is none.
        service: whose steps for a pull request are written too.

    Raises:
        ConfigError: something cannot be written.
    """
    name = _project_name(folder.resolve().name)
    files = dict(_files(folder, name, service))
    try:
        written = [path for path, text in files.items() if _write(folder / path, text)]
        ignoring = _ignore_state(folder / ".gitignore")
    except OSError as error:
        raise ConfigError(
            f"{error.filename} cannot be written: {error.strerror}",
            hint="name a folder that you may write into",
        ) from error
    kept = [path for path in files if path not in written]
    (written if ignoring else kept).append(".gitignore")
    return Beginning(
        project=name if f"specs/{_PROJECT}" in written else "",
        written=tuple(written),
        kept=tuple(kept),
    )


def _files(folder: Path, name: str, service: Service | None) -> Iterator[tuple[str, str]]:
    """Every file by its path, with its text."""
    if not any((folder / "specs").glob("**/[!.]*.y*ml")):
        for file in _SPECS:
            yield (
                f"specs/{file}",
                _text("reconciler", f"scaffold/{file}").replace(_NAME_TO_REPLACE, name),
            )
    # Beside the specs and not under .ordinaut/, so that a clone has it too.
    yield "specs/.schema.json", _text("schemas", "ordinaut.schema.json")
    if service is not None:
        yield _STEPS[service], _text("reconciler", f"scaffold/{service}.yaml")


def _text(package: str, path: str) -> str:
    return resources.files(package).joinpath(path).read_text(encoding="utf-8")


def _project_name(folder: str) -> str:
    """The folder's name in the form of a name, if it can have one."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.lower())[:63].strip("-")
    return name if re.fullmatch(patterns.NAME, name) else _NAME_TO_REPLACE


def _write(path: Path, text: str) -> bool:
    """Write a file that does not exist yet; whether it did not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _ignore_state(path: Path) -> bool:
    """Keep the data of embedded servers out of git; whether a line was missing."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if any(line.strip().strip("/") == _STATE.strip("/") for line in before.splitlines()):
        return False
    gap = "" if before.endswith("\n") or not before else "\n"
    path.write_text(f"{before}{gap}{_STATE}\n", encoding="utf-8")
    return True
