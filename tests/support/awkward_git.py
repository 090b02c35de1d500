"""Programs that fail now and then, in the way of the real ones, while a file is there that says so."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Awkward:
    """A program that stands before a real one.

    Attributes:
        failing: while this file exists, the program fails.
        asked: the program's process id, once it was asked what it fails at.
    """

    failing: Path
    asked: Path


def make_awkward(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    question: str,
    failure: str,
    program: str = "git",
) -> Awkward:
    """Put a program before the real one.

    Args:
        folder: an empty place.
        question: a shell pattern of the words, with a blank around all of them, that it fails at.
        failure: what it does then, in the shell.
    """
    real = shutil.which(program)
    awkward = Awkward(folder / "failing", folder / "asked")
    (folder / "bin").mkdir()
    script = folder / "bin" / program
    script.write_text(
        f'#!/bin/sh\nif [ -e {awkward.failing} ]; then case " $* " in {question})'
        f' echo $$ > {awkward.asked}; {failure};; esac; fi\nexec {real} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=":")
    awkward.failing.touch()
    return awkward
