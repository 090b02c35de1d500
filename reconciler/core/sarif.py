"""Remarks as SARIF 2.1.0, for code scanning and for every other tool that reads it (reviewdog, editors).

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. What has no place is a notification of the run, since a
result without one is refused by GitHub.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

import orjson

from reconciler.core.entry import Finding
from reconciler.core.leaking import quotable
from reconciler.core.remarks import Remarks
from schemas.codes import CODES
from schemas.problem import Problem

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"

_FINGERPRINT: Final = "ordinaut/v1"
_ROOT: Final = "%SRCROOT%"


def as_sarif(remarks: Remarks, category: str, version: str) -> bytes:
    """A log with one run.

    Args:
        remarks: what is told; files are named from the top of the repository.
        category: what was run, and where for: a later log of the same category takes the place of this one.
        version: of Ordinaut.
    """
    codes = sorted({one.code for told in (remarks.problems, remarks.general) for one in told})
    prints = _fingerprints(remarks)
    run = {
        "tool": {
            "driver": {"name": "ordinaut", "version": version, "rules": [*map(_rule, codes)]}
        },
        "automationDetails": {"id": f"ordinaut/{category}/"},
        "invocations": [
            {
                "executionSuccessful": not remarks.general,
                "toolExecutionNotifications": [*map(_notification, remarks.general)],
            }
        ],
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "the top of the repository"}}},
        "results": [
            _result(problem, codes.index(problem.code), mark)
            for problem, mark in zip(remarks.problems, prints, strict=True)
        ],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _rule(code: str) -> dict[str, Any]:
    # Without a `helpUri`, which has to be absolute (section 3.49.12): the page is in the repository, and that may be anywhere.
    text = f"{CODES[code]} docs/errors.md says what to do about {code}."
    return {"id": code, "shortDescription": {"text": CODES[code]}, "help": {"text": text}}


def _result(problem: Problem, rule: int, fingerprint: str) -> dict[str, Any]:
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": _message(problem),
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(problem.file), "uriBaseId": _ROOT},
                    "region": {"startLine": problem.line, "startColumn": problem.column},
                }
            }
        ],
        "partialFingerprints": {_FINGERPRINT: fingerprint},
    }


def _notification(finding: Finding) -> dict[str, Any]:
    return {
        "descriptor": {"id": finding.code},
        "level": finding.severity,
        "message": _message(finding),
    }


def _message(one: Problem | Finding) -> dict[str, str]:
    return {"text": one.message + (f"\n{one.hint}" if one.hint else "")}


def _fingerprints(remarks: Remarks) -> Iterable[str]:
    """What stays the same of each problem when lines move: its code, its file, the words of its line, and which of these it is."""
    seen: Counter[str] = Counter()
    for problem in remarks.problems:
        words = _line(remarks.texts, problem)
        same = sha256("\0".join((problem.code, problem.file, words)).encode()).hexdigest()[:32]
        seen[same] += 1
        yield f"{same}:{seen[same]}"


def _line(texts: Mapping[str, str], problem: Problem) -> str:
    found = quotable(texts[problem.file]) if problem.file in texts else ()
    return found[problem.line - 1].strip() if problem.line <= len(found) else ""
