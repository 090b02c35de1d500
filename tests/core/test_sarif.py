"""Remarks as SARIF."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.core.entry import Finding
from reconciler.core.remarks import Remarks
from reconciler.core.sarif import as_sarif
from tests.core.test_annotations import problem


def run_of(remarks: Remarks) -> dict[str, Any]:
    """The one run of a log."""
    log = json.loads(as_sarif(remarks, "plan/prod", "1.2.3"))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    run: dict[str, Any] = log["runs"][0]
    return run


def prints(*texts: str) -> list[str]:
    """The fingerprint of a problem with the last line of each of these texts."""
    found = []
    for text in texts:
        remarks = Remarks((problem(line=text.count("\n") + 1),), texts={"specs/a.yaml": text})
        [result] = run_of(remarks)["results"]
        found += result["partialFingerprints"].values()
    return found


def test_a_log_has_a_rule_for_each_code_and_a_place_for_each_problem() -> None:
    run = run_of(
        Remarks(
            (
                problem(hint="mend it"),
                problem(code="ORD818", severity="warning", file="specs/ä b.yaml"),
                problem(line=9, severity="note"),
            )
        )
    )

    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("ordinaut", "1.2.3")
    assert [rule["id"] for rule in driver["rules"]] == ["ORD005", "ORD818"]
    assert "docs/errors.md" in driver["rules"][0]["help"]["text"]
    assert run["automationDetails"] == {"id": "ordinaut/plan/prod/"}
    assert [(r["ruleId"], r["ruleIndex"], r["level"]) for r in run["results"]] == [
        ("ORD005", 0, "error"), ("ORD818", 1, "warning"), ("ORD005", 0, "note"),
    ]  # fmt: skip
    assert run["results"][0]["message"] == {"text": "no\nmend it"}
    place = run["results"][1]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "specs/%C3%A4%20b.yaml"
    assert place["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
    assert place["region"] == {"startLine": 2, "startColumn": 3}


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("specs/a\nb.yaml", "specs/a%0Ab.yaml"),
        ("specs/50%.yaml", "specs/50%25.yaml"),
        ("specs/a?b#c.yaml", "specs/a%3Fb%23c.yaml"),
        ("javascript:x.yaml", "javascript%3Ax.yaml"),
    ],
)
def test_a_hostile_name_of_a_file_is_a_relative_address(name: str, uri: str) -> None:
    [result] = run_of(Remarks((problem(file=name),)))["results"]

    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_what_has_no_place_is_a_notification_and_no_result() -> None:
    run = run_of(Remarks((), (Finding("ORD203", "the plan retires 8 of 9", "say so"),)))

    assert run["results"] == []
    assert run["invocations"] == [
        {
            "executionSuccessful": False,
            "toolExecutionNotifications": [
                {
                    "descriptor": {"id": "ORD203"},
                    "level": "error",
                    "message": {"text": "the plan retires 8 of 9\nsay so"},
                }
            ],
        }
    ]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["ORD203"]


def test_a_fingerprint_stays_when_lines_move_and_not_when_they_change() -> None:
    first, moved, indented, other = prints("a: 1\nb: 2", "# more\n\na: 1\nb: 2", "  b: 2", "b: 3")

    assert first == moved == indented
    assert other != first


def test_fingerprints_of_equal_lines_are_told_apart() -> None:
    remarks = Remarks((problem(line=1), problem(line=2)), texts={"specs/a.yaml": "a: 1\na: 1"})

    marks = [result["partialFingerprints"] for result in run_of(remarks)["results"]]

    assert marks[0] != marks[1]


def test_fingerprints_of_equal_lines_of_two_files_do_not_depend_on_each_other() -> None:
    texts = {"specs/a.yaml": "a: 1", "specs/b.yaml": "a: 1"}
    both = tuple(problem(file=name, line=1) for name in texts)

    [_, second] = run_of(Remarks(both, texts=texts))["results"]
    [alone] = run_of(Remarks(both[1:], texts=texts))["results"]

    assert second["partialFingerprints"] == alone["partialFingerprints"]


def test_a_line_or_a_file_that_is_not_there_has_a_fingerprint_too() -> None:
    short = Remarks((problem(line=7),), texts={"specs/a.yaml": "a: 1"})

    assert run_of(short)["results"] == run_of(Remarks((problem(line=7),)))["results"]
