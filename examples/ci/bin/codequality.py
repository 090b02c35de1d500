#!/usr/bin/env python3
"""What `ordinaut lint --json` found, as GitLab's code quality report: it shows each problem beside its line.

$ ordinaut lint --json | examples/ci/bin/codequality.py > gl-code-quality-report.json
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

SEVERITIES = {"error": "critical", "warning": "minor", "note": "info"}


def entry(problem: dict[str, Any], same: int) -> dict[str, Any]:
    """One problem; `same` counts those before it that differ in nothing but their place.

    GitLab knows a problem again by its fingerprint, which a line added above should not change.
    """
    text = "\0".join((problem["code"], problem["file"], problem["message"], str(same)))
    return {
        "check_name": problem["code"],
        "description": problem["message"],
        "severity": SEVERITIES[problem["severity"]],
        "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
        "location": {"path": problem["file"], "lines": {"begin": problem["line"]}},
    }


def main() -> None:
    """From stdin to stdout."""
    seen: dict[tuple[str, str, str], int] = {}
    entries = []
    for problem in json.load(sys.stdin)["problems"]:
        alike = (problem["code"], problem["file"], problem["message"])
        entries.append(entry(problem, seen.get(alike, 0)))
        seen[alike] = seen.get(alike, 0) + 1
    json.dump(entries, sys.stdout, indent=1)


main()
