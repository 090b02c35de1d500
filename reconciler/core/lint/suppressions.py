"""Comments that silence a rule at one place: `# ordinaut:ignore ORD801 reason`, on the line or the line above.

One without a reason has no effect, and one that silences nothing is told, so that none outlives what it was for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from reconciler.core.yaml_tree import Comment, parse_tree
from schemas.problem import Problem

_MARK: Final = "ordinaut:ignore"
_COMMENT: Final = re.compile(rf"#\s*{_MARK}\b[\s:]*((?:ORD\d{{3}}[\s,]*)*)(.*)")


@dataclass(slots=True)
class Suppression:
    """One comment.

    Attributes:
        file: where it stands.
        line: its line, from 1.
        column: its column, from 1.
        target: the line it is about.
        codes: the rules it silences.
        reason: why.
        used: the rules that had something to silence.
    """

    file: str
    line: int
    column: int
    target: int
    codes: tuple[str, ...]
    reason: str
    used: set[str] = field(default_factory=set)

    def silences(self, problem: Problem) -> bool:
        """Whether a problem is one that this comment is about; notes that it was needed."""
        meant = (problem.file, problem.line) == (self.file, self.target)
        if not (meant and self.reason and problem.code in self.codes):
            return False
        self.used.add(problem.code)
        return True


def suppressions_in(texts: Mapping[str, str]) -> list[Suppression]:
    """Every such comment of sound files."""
    return [
        found for file, text in texts.items() if _MARK in text for found in _of_file(file, text)
    ]


def suppression_problems(suppression: Suppression) -> Iterator[Problem]:
    """ORD814: no code or no reason. ORD815: nothing there to silence."""
    if not suppression.codes or not suppression.reason:
        lacking = "reason" if suppression.codes else "code"
        yield _problem(
            suppression,
            "ORD814",
            f"this names no {lacking}, so it has no effect",
            f"write `# {_MARK} {(suppression.codes or ('ORD801',))[0]} why this is as it should be`",
        )
        return
    for code in suppression.codes:
        if code not in suppression.used:
            yield _problem(
                suppression, "ORD815", f"there is no {code} here to ignore", "remove the comment"
            )


def _of_file(file: str, text: str) -> Iterator[Suppression]:
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = unified.split("\n")
    for comment in parse_tree(unified).comments:
        if found := _COMMENT.match(comment.text):
            line = unified.count("\n", 0, comment.start) + 1
            yield Suppression(
                file=file,
                line=line,
                column=comment.column + 1,
                target=_target(comment, line, lines),
                codes=tuple(re.findall(r"ORD\d{3}", found[1])),
                reason=found[2].strip(),
            )


def _target(comment: Comment, line: int, lines: list[str]) -> int:
    """The line itself, or of a comment that stands alone the next one with something on it."""
    if not comment.alone:
        return line
    following = (
        number
        for number, text in enumerate(lines[line:], start=line + 1)
        if text.strip() and not text.lstrip().startswith("#")
    )
    return next(following, line)


def _problem(suppression: Suppression, code: str, message: str, hint: str) -> Problem:
    return Problem(
        code=code,
        message=message,
        hint=hint,
        file=suppression.file,
        line=suppression.line,
        column=suppression.column,
    )
