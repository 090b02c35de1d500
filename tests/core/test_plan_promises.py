"""A change of what is promised is told, and changes nothing of when or how a task runs."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.specs import compiled

TASK = """
kind: Task
name: brief
schedule: {manual: true}
pipeline: [{id: a, uses: llm.plan}]
"""
PROMISED = TASK + "slo: {success: 99.50%, lateness: {within: 60s, target: 99%}}\n"


def facets(text: str) -> Mapping[str, str]:
    [task] = [one for key, one in compiled(text).documents.items() if key.kind == "Task"]
    return task.facets


def test_only_the_facet_meta_changes() -> None:
    before, after = facets(TASK), facets(PROMISED)

    assert [name for name in before if before[name] != after[name]] == ["meta"]


def test_equal_promises_are_equal_however_they_are_written() -> None:
    other = TASK + "slo: {window: 30d, success: 99.5%, lateness: {target: 99.0%, within: 1m}}\n"

    assert facets(PROMISED) == facets(other)
