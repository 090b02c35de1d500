"""A plan tells what lint finds about the documents that it writes, and about no others."""

from __future__ import annotations

from pathlib import Path

import pytest

import reconciler.linting
from reconciler.core.fail_on import refusal_of
from reconciler.core.look import Look
from reconciler.core.render import render_plan
from reconciler.core.render_markdown import render_markdown
from reconciler.linting import advised
from reconciler.load import compile_source
from reconciler.planning import plan_first
from reconciler.source import read_source
from schemas.plan import Plan, PlanSource
from tests.core.plan_story import NOW

HEAD = "apiVersion: ordinaut/v1\n"
PROJECT = (
    f"{HEAD}kind: Project\nname: home\nowner: me\nenvironments: {{prod: {{overlay: over}}}}\n"
)
NIGHTLY = f"{HEAD}kind: Task\nname: nightly\nschedule: {{cron: 30 2 * * *, timezone: Europe/Berlin}}\npipeline: [{{id: a, uses: llm.plan}}]\n"
OVER = f"{HEAD}kind: Task\nname: ended\nschedule: {{at: '2026-01-01T00:00Z'}}\npipeline: [{{id: a, uses: llm.plan}}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "ordinaut.yaml").write_text(PROJECT)
    (specs / "tasks.yaml").write_text(NIGHTLY + "---\n" + OVER)
    (specs / "other.yaml").write_text(NIGHTLY.replace("name: nightly", "name: other"))
    (specs / "over").mkdir()
    (specs / "over" / "home.yaml").write_text(
        f"{HEAD}kind: Project\nname: home\ndescription: Ours\n"
    )
    return specs


def plan(folder: Path, *only: str, environment: str = "default") -> Plan:
    source = read_source(folder)
    specs = compile_source(source, environment)
    made = plan_first(specs, PlanSource(project="home"), NOW, only)
    return advised(made, source, specs, NOW)


def told(made: Plan) -> list[str]:
    return [f"{one.severity} {one.code} {one.file}:{one.line}" for one in made.diagnostics]


def test_lint_is_heard_about_what_is_written(folder: Path) -> None:
    made = plan(folder, "nightly")

    assert told(made) == ["warning ORD801 specs/tasks.yaml:4"]
    assert made.linted
    text = "! ORD801 specs/tasks.yaml:4:18  02:30 happens twice on Sun 25 Oct: fires once"
    assert text in render_plan(made, Look())
    assert text in render_markdown(made)
    refused = refusal_of(made, ["warning"])
    assert refused is not None
    assert "warning: ORD801 specs/tasks.yaml:4:18" in refused.message


def test_each_of_several_documents_of_a_file_has_its_own(folder: Path) -> None:
    assert told(plan(folder, "ended")) == ["warning ORD803 specs/tasks.yaml:10"]
    assert [one.partition(" specs")[0] for one in told(plan(folder))] == [
        "warning ORD801",
        "warning ORD801",
        "warning ORD803",
    ]


def test_what_an_overlay_makes_of_a_document_is_told_of_the_document(folder: Path) -> None:
    (folder / "over" / "one.yaml").write_text(
        f"{HEAD}kind: Task\nname: ended\nschedule: {{at: '2026-02-01T00:00Z'}}\n"
    )

    made = plan(folder, "ended", environment="prod")

    assert told(made) == ["warning ORD803 specs/over/one.yaml:4"]
    assert told(plan(folder, "other", environment="prod")) == ["warning ORD801 specs/other.yaml:4"]


def test_a_comment_and_the_project_are_heeded(folder: Path) -> None:
    (folder / "tasks.yaml").write_text(
        NIGHTLY.replace("}\npipeline", "} # ordinaut:ignore ORD801 twice does no harm\npipeline")
    )
    assert told(plan(folder, "nightly")) == []
    (folder / "ordinaut.yaml").write_text(PROJECT + "lint: {ORD801: 'error'}\n")
    made = plan(folder, "other")
    assert told(made) == ["error ORD801 specs/other.yaml:4"]
    assert refusal_of(made, ["warning"]) is not None


def test_of_a_large_folder_only_what_is_written_is_read_and_of_a_large_plan_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler.linting, "MOST_WRITTEN", 2)

    assert told(plan(folder, "nightly")) == ["warning ORD801 specs/tasks.yaml:4"]
    many = plan(folder)
    assert (told(many), many.linted) == ([], False)
    assert "i lint  too many changes to look at  `ordinaut lint` does" in render_plan(many, Look())


def test_a_plan_without_changes_asks_for_no_advice(folder: Path) -> None:
    made = plan(folder).model_copy(update={"changes": (), "diagnostics": ()})
    source = read_source(folder)

    assert advised(made, source, compile_source(source), NOW) is made
