"""The plan as a comment on a pull request: compared with texts that were read, small enough, and proof against specs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from reconciler.core.render_markdown import MOST, render_markdown
from schemas.plan import GitBase, Override, Plan
from schemas.problem import Problem
from tests.core.plan_story import AFTER, BEFORE, NOW, plan_of, story
from tests.core.test_plan_folding import documents, large, task
from tests.support.specs import Database, compiled, database_of

GOLDEN = Path(__file__).parent / "plans"
# What GitHub takes; it counts characters.
LIMIT = 65_536

TEXTS: dict[str, Callable[[], Plan]] = {
    "story": story,
    "first": lambda: plan_of(Database({}), compiled(AFTER), base=None),
    "git": lambda: story(git_base=GitBase(named="main", commit="a81d07cbe2"), base=None),
    "part": lambda: story(only=("ops/morning-brief", "team=ops")),
    "nothing": lambda: plan_of(database_of(BEFORE), compiled(BEFORE)),
    "counts": lambda: large(meta=700, pipeline=400, schedule=300, retire=3),
    "refused": lambda: plan_of(database_of(BEFORE), compiled("kind: Agent\nname: a")),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_comment_reads_as_agreed(name: str) -> None:
    assert render_markdown(TEXTS[name]()) == (GOLDEN / f"{name}.md").read_text()


@pytest.mark.parametrize("name", TEXTS)
def test_it_begins_with_the_mark_by_which_the_last_one_is_found(name: str) -> None:
    assert render_markdown(TEXTS[name]()).startswith("<!-- ordinaut:plan:prod -->\n")


@pytest.mark.parametrize(
    ("plan", "told", "missing"),
    [
        (lambda: large(meta=100), "    owner     ", "too many"),
        (lambda: large(meta=800), "* 800 changes of labels", "    owner     "),
        (lambda: large(meta=2000), "2000 changes, too many to show each.", "| task |"),
    ],
    ids=["each", "folded", "counts"],
)
def test_what_does_not_fit_is_told_with_less(
    plan: Callable[[], Plan], told: str, missing: str
) -> None:
    text = render_markdown(plan())

    assert told in text
    assert missing not in text


def _namespaced(count: int) -> Plan:
    tasks = [
        f"kind: Task\nname: t\nnamespace: n{number}\nowner: {'o' * 250}\nschedule: {{manual: true}}\n"
        "pipeline: [{id: look, uses: default/fs.list}]"
        for number in range(count)
    ]
    return plan_of(database_of(documents()), compiled(documents(*tasks)))


def _hostile_sizes() -> dict[str, Callable[[], Plan]]:
    problem = Problem(code="ORD603", message="é" * 4000, file="f" * 4000, line=1, column=1)
    pause = Override(
        key="k", kind="pause", actor="a" * 4000, reason="`" * 4000, until=NOW, since=NOW
    )
    long = "kind: Agent\nname: a\ndescription: " + "日" * 4000
    return {
        "thousands of updates": lambda: large(meta=1500, pipeline=1500),
        "thousands of retirements": lambda: large(retire=3000),
        "thousands of namespaces": lambda: _namespaced(3000),
        "as many rows as may fit": lambda: large(retire=1000),
        "thousands of notes": lambda: story(
            diagnostics=[problem] * 3000, overrides=[pause] * 3000
        ),
        "notes alone": lambda: plan_of(
            database_of(BEFORE), compiled(BEFORE), overrides=[pause] * 3000
        ),
        "wide characters": lambda: plan_of(database_of(long), compiled(long.replace("日", "🙂"))),
        "long words": lambda: story().model_copy(update={"only": ("w" * 4000,) * 99}),
        "many broken files": lambda: story(
            git_base=GitBase(named="n" * 4000, commit="a" * 40, broken=("f" * 4000,) * 3000)
        ),
    }


@pytest.mark.unmeasured
@pytest.mark.slow
@pytest.mark.parametrize("name", _hostile_sizes())
def test_no_comment_is_longer_than_may_be_posted(name: str) -> None:
    text = render_markdown(_hostile_sizes()[name]())

    assert len(text.encode()) < MOST < LIMIT
    assert "### Ordinaut plan: `prod`" in text
    assert "Digest `sha256:" in text


HOSTILE = (
    "`|</details><img src=x>\n\n# x\n@all https://evil.example [a](b) <!-- ```` \x1b[2J \u202e"
)


def _hostile() -> Plan:
    text: dict[str, Any] = {
        "owner": HOSTILE[:200],
        "description": HOSTILE,
        "labels": {HOSTILE: HOSTILE},
    }
    before = task(1)
    database = database_of(documents(before))
    specs = compiled(documents(before, task(2), task(3)))
    plan = plan_of(database, specs, diagnostics=[_problem()], overrides=[_pause()])
    changes = tuple(
        change.model_copy(
            update={
                "owner": text["owner"],
                "file": HOSTILE,
                "body": {**(change.body or {}), **text},
                "key": HOSTILE,
            }
        )
        for change in plan.changes
    )
    return plan.model_copy(update={"changes": changes, "only": (HOSTILE,)})


def _problem() -> Problem:
    return Problem(code="ORD603", message=HOSTILE, file=HOSTILE, line=1, column=1)


def _pause() -> Override:
    return Override(key="n1/t0001", kind="pause", actor=HOSTILE, reason=HOSTILE, since=NOW)


def test_specs_break_out_of_neither_table_nor_block_and_reach_nobody() -> None:
    text = render_markdown(_hostile())

    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    plain = [token for token in tokens if token.type not in {"inline", "fence"}]
    html = [token.content.strip() for token in plain if token.type == "html_block"]
    inline = [child for token in tokens for child in token.children or []]
    assert html == [
        "<!-- ordinaut:plan:prod -->",
        "<details><summary>Details</summary>",
        "</details>",
    ]
    assert {child.type for child in inline} == {
        "text",
        "code_inline",
        "strong_open",
        "strong_close",
    }
    assert not [c.content for c in inline if c.type == "text" and "evil" in c.content]
    assert sum(token.type == "tr_open" for token in tokens) == 3
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h3"]
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_same_plan_is_the_same_comment() -> None:
    assert render_markdown(story()) == render_markdown(story())


def test_a_comment_says_which_commit_and_edits_it_compared_with_which_revision_and_when() -> None:
    plan = story()
    edited = plan.model_copy(update={"source": plan.source.model_copy(update={"dirty": True})})

    assert (
        "`platform@3f9c2e1 and uncommitted edits (PR #212)`, compared with `r41 (a81d07c, 2 days 3 h ago)`, "
        "as of Thu 2026-10-22 14:05 UTC."
    ) in render_markdown(edited)
