"""A policy that could never say anything is refused where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.plan_shape import field as field_of
from reconciler.core.plan_shape import fields, plan_type
from reconciler.core.policies import VERDICTS
from reconciler.core.policy_checks import query_findings
from reconciler.load import compile_source
from reconciler.source import read_source
from schemas.plan import Plan

_ROOT = Path(__file__).parents[2]

SOUND = [
    "changes[?contains(tools.added, 'mail.send') && !owner]",
    "changes[?action=='retire'] && changes[?action=='create']",
    "sum(changes[?preview].preview.runs_30d_after) > `3000`",
    "format_time(as_of, '%a', 'Europe/Chisinau') == 'Fri' && changes",
    "changes[?namespace=='prod' && owner != 'team-ops']",
    "summary.retire > `3`",
    "summary.owners[?!starts_with(@, 'team-')]",
    "changes[].tools.added[] | [?starts_with(@, 'mail.')]",
    "changes[?ops[?path=='/priority' && after > `7`]]",
    "changes[?body.labels.tier == 'gold' && body.schedule[0].cron]",
    "changes[?body.pipeline[?approval]]",
    "map(&key, changes)",
    "sort_by(changes, &namespace)[-1].key",
    "max_by(changes, &queue.in_flight).queue.in_flight > `10`",
    "changes[0:3].{key: key, who: owner} | [*].who",
    "values(summary)[?type(@)=='number' && @ > `100`]",
    "keys(tzdata_applied)[?@ != '2026a']",
    "*.commit",
    "not_null(base.actor, source.author) == 'bob'",
    "contains(['prod', 'staging'], environment.name) && !source.commit",
    "diagnostics[?severity=='warning' && code != 'ORD813'].file",
    "reverse(split(source.branch || '', '/'))[0] == 'hotfix' && source.dirty == `true`",
    "[source.dirty, source.commit == `null`][?@]",
    "to_array(changes)[?impact=='high']",
    "changes[?stray_write && reason=='conflict']",
    "{a: changes[?action=='adopt']}.a",
]


@pytest.mark.parametrize("text", SOUND)
def test_what_can_be_true_of_a_plan_is_fine(text: str) -> None:
    assert query_findings(text) == []


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("change[?impact]", "a plan has no `change` here", "did you mean `changes`?"),
        ("changes[?actoin=='x']", "a plan has no `actoin` here", "did you mean `action`?"),
        ("changes[*].tools.add[]", "a plan has no `add` here", "did you mean `added`?"),
        ("changes[?body.ownr]", "a plan has no `ownr` here", "did you mean `owner`?"),
        ("sort_by(changes, &nme)", "a plan has no `nme` here", "did you mean `name`?"),
        ("map(&ky, changes)", "a plan has no `ky` here", "did you mean `key`?"),
        ("changes[0].{a: key}.b", "a plan has no `b` here", "known here: `a`"),
        ("guards[?!ok]", "`guards` is a verdict itself", ""),
        ("changes[?owner==null]", "a plan has no `null` here", "write `null` between backticks"),
        ('changes[?action=="retire"]', "a plan has no `retire`", "in single quotes: 'retire'"),
        ("changes.action", "`action` is looked for in a list", "its elements have: [*].action"),
        ("changes[?action=='delete']", "nothing is ever `delete` there", "`retire`"),
        ("changes[?'delete'==action]", "nothing is ever `delete` there", "`retire`"),
        ("changes[?contains(facets, 'schedul')]", "ever `schedul`", "did you mean `schedule`?"),
        ("changes[?tools.added=='m.send']", "a list and a text cannot be", "contains(list, part)"),
        ("summary.retire == '3'", "a number and a text cannot be compared", ""),
        ("source.dirty > `true`", "true or false and true or false cannot be compared", ""),
        ("changes > `3`", "a list and a number cannot be compared", "length(list) counts it"),
        ("length(changes)", "this gives a number", "compare it, as in > `0`"),
        ("length(summary.retire) > `1`", "length() takes a list or a mapping or a text", ""),
        ("source[?commit]", "`[` needs a list, and finds a mapping", ""),
        ("changes.*", "`*` needs a mapping, and finds a list", ""),
        ("changes[0:3].{who: owner}.who", "`who` is looked for in a list", "[*].who"),
        ("changes[*].owner[]", "", ""),
        ("summary[]", "`[]` needs a list, and finds a mapping", ""),
        ("changes[?", "it ends too early", ""),
    ],
)
def test_what_can_never_be_true_is_told(text: str, message: str, hint: str) -> None:
    found = query_findings(text)

    assert bool(found) is bool(message)
    for _, one in found[:1]:
        assert message in one.message
        assert hint in one.hint
        assert bool(one.hint) is bool(hint)


def test_a_mistake_that_is_made_twice_is_told_once() -> None:
    assert len(query_findings("changes[?nme=='a' || nme=='b']")) == 1


def test_policies_see_all_of_a_plan_but_its_verdicts() -> None:
    assert fields(plan_type()) == set(Plan.model_fields) - VERDICTS


def _bodies() -> Iterator[Any]:
    for folder in (_ROOT / "specs", *sorted((_ROOT / "examples").glob("*/specs"))):
        for one in compile_source(read_source(folder), "default").documents.values():
            yield one.body


def test_every_field_of_a_body_is_known() -> None:
    (body,) = field_of(field_of(plan_type(), "changes")[0]["items"], "body") or ()  # type: ignore[index] # it is there
    used = {name for one in _bodies() for name in one}

    assert len(used) > 20
    assert used - fields((body,)) == set()


def problems(policies: str) -> list[tuple[int, int, str, str]]:
    text = f"apiVersion: ordinaut/v1\nkind: Project\nname: home\nowner: us\nenvironments: {{prod: {{}}}}\npolicies:\n{policies}"
    specs = compile_specs([SourceFile("specs/ordinaut.yaml", text.encode())])
    return [(one.line, one.column, one.code, one.message) for one in specs.problems]


def test_a_mistake_is_told_at_its_character() -> None:
    assert problems("  calm: {when: 'changes[?ownr]', message: m}\n") == [
        (7, 26, "ORD502", "a plan has no `ownr` here")
    ]


def test_an_environment_that_does_not_exist_is_told() -> None:
    calm = "  calm: {when: changes, message: m, environments: [prod, default, prd]}\n"

    assert problems(calm) == [(7, 67, "ORD009", "the Project has no environment `prd`")]


@pytest.mark.parametrize(
    "wrong",
    [
        "Calm: {when: changes, message: m}",
        "calm: {when: changes}",
        "calm: {message: m}",
        "calm: {when: changes, message: m, severity: fatal}",
        "calm: {when: changes, message: m, environments: []}",
    ],
)
def test_a_policy_has_a_name_a_question_and_a_message(wrong: str) -> None:
    assert problems(f"  {wrong}\n")
