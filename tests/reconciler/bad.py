"""The bad specs beside this file, and what is said about each: `NAME.yaml` compiled gives `NAME.expected`."""

from __future__ import annotations

from pathlib import Path

from reconciler.core.compile import SourceFile, compile_specs

FOLDER = Path(__file__).parent / "bad_specs"
PRELUDE = FOLDER / "prelude.yaml"


def names() -> list[str]:
    """Every bad file without its suffix."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml") if path != PRELUDE)


def said_about(name: str) -> str:
    """Every problem of a file: a line with place, severity, code and message, and the hint below it."""
    bad = FOLDER / f"{name}.yaml"
    own_project = b"kind: Project" in bad.read_bytes() or name == "no_project"
    files = [bad] if own_project else [PRELUDE, bad]
    specs = compile_specs([SourceFile(file.name, file.read_bytes()) for file in files])
    lines = []
    for problem in specs.problems:
        place = problem.place.removeprefix(f"{bad.name}:")
        lines.append(f"{place} {problem.severity} {problem.code} {problem.message}")
        lines += [f"    {line}" for line in problem.hint.splitlines()]
    return "\n".join(lines) + "\n"
