"""A policy that could never say anything is refused where it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.plan_shape import fields, plan_type
from reconciler.core.policies import VERDICTS
from reconciler.core.policy_checks import query_findings
from reconciler.load import compile_source
from reconciler.source import read_source
from schemas.plan import Plan

_ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ("default", "prod")
HEAD = "apiVersion: ordinaut/v1\nkind: Project\nname: home\nowner: us\n"

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
    # What is false may still be a part of what is true.
    "changes[?(owner || '') == '']",
    "(summary.owners && '') == ''",
    "!''",
    "`true`",
    "changes[?!contains(['Task', 'Agent'], kind)]",
    "changes[?contains(['Pipeline', 'Taks'], kind)]",
    "changes[?lower(kind) == 'task' || starts_with(kind, 'Tool') || ends_with(kind, 'er')]",
    "changes[?contains(kind, 'Serv') || kind > 'P']",
    "contains(['prod', 'staging'], environment.name)",
    "starts_with(environment.name, 'pr') && environment.name != 'default'",
    "upper(format_time(as_of, '%A', 'Europe/Chisinau')) == 'FRIDAY'",
    "format_time(as_of, '%H', source.branch) > '14' && `false` || changes",
    "changes[?ops[?starts_with(path, '/pol') || starts_with(path, '/guards/max')]]",
    "changes[?ops[?path == '/policies/calm/when' || contains(path, 'timout')]]",
    "changes[?ops[?path != '/timeout' && path > '/p' && starts_with(path, '/')]]",
    "changes[?ops[?split(path, '/')[1] == 'timout']]",
    "changes[?sensitive_paths[?starts_with(@, '/pipeline/0/with/key')]]",
    "changes[?body.schedule[?cron == '@daily' || timezone == 'UTC' || dst_gap == 'skip']]",
    "changes[?body.schedule[?condition.uses == 'mail.count' && event]]",
    "changes[?body.pipeline.with.anything.at.all && body.pipeline.steps[?effect == 'once']]",
    "changes[?body.pipeline[?with.deep[0].x > `1` || on_error.goto || on_error == 'continue']]",
    "changes[?body.params.deep.er[0] || body.retry.attempts > `3`]",
    "changes[?body.calendars.holidays.days || body.events[?start]]",
    "changes[?body.protect == `true` && body.labels.tier]",
    "changes[?body.environments.prod.variables.region == 'eu']",
    "changes[?body.policies.calm.severity == 'warning' || values(body.secrets || `{}`)[?env]]",
    "changes[?body.defaults.namespaces.ops.timezone == 'UTC']",
    "changes[?body.stdio.env.API_KEY || body.http.headers.\"X-Key\" || body.tools.allow[?@ == '*']]",
]


@pytest.mark.parametrize("text", SOUND)
def test_what_can_be_true_of_a_plan_is_fine(text: str) -> None:
    assert query_findings(text, ENVIRONMENTS) == []


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
        ("changes[?kind == 'Taks']", "nothing is ever `Taks` there", "did you mean `Task`?"),
        ("changes[?lower(kind) == 'Task']", "nothing is ever `Task` there", "`task`"),
        ("changes[?upper(kind) == 'Task']", "nothing is ever `Task` there", "`TASK`"),
        ("changes[?starts_with(kind, 'Serv')]", "nothing is ever `Serv` there", "`ToolServer`"),
        (
            "changes[?ends_with(kind, 'Server ')]",
            "nothing is ever `Server ` there",
            "`ToolServer`",
        ),
        ("changes[?contains(kind, 'server')]", "nothing is ever `server` there", "`ToolServer`"),
        ("changes[?contains(['Taks'], kind)]", "nothing is ever `Taks` there", "`Task`"),
        ("environment.name == 'prdo'", "nothing is ever `prdo` there", "did you mean `prod`?"),
        ("starts_with(environment.name, 'stag')", "nothing is ever `stag` there", "`prod`"),
        ("format_time(as_of, '%a', 'UTC') == 'Friday'", "ever `Friday` there", "`Fri`"),
        (
            "format_time(as_of, '%a', 'Europe/Kishinev2')=='Fri'",
            "'Europe/Kishinev2' is not a time",
            "",
        ),
        ("format_time(as_of, '%q', 'UTC') == 'x'", "%q is not a time directive", ""),
        ("changes[?ops[?path == 'timeout']]", "nothing is ever `timeout` there", "`/timeout`"),
        ("changes[?ops[?path == '/timout']]", "nothing is ever `/timout` there", "`/timeout`"),
        ("changes[?ops[?path == '/timout/x']]", "nothing is ever `/timout/x` there", "`/timeout`"),
        ("changes[?ops[?starts_with(path, '/polcies')]]", "ever `/polcies` there", "`/policies`"),
        (
            "changes[?sensitive_paths[?@ == '/parms']]",
            "nothing is ever `/parms` there",
            "`/params`",
        ),
        ("diagnostics[?code == 'ORD8O1']", "nothing is ever `ORD8O1` there", "did you mean"),
        ("changes[?body.schedule.crn]", "a plan has no `crn` here", ""),
        ("changes[?body.schedule[?crn]]", "a plan has no `crn` here", "did you mean `cron`?"),
        ("changes[?body.pipeline[?us == 'x']]", "a plan has no `us` here", "did you mean `uses`?"),
        ("changes[?body.protect == 'true']", "true or false and a text cannot be compared", ""),
        ("changes[?body.overlap == 'skipp']", "nothing is ever `skipp` there", "`skip`"),
        ("changes[?body.retry.attempt]", "a plan has no `attempt` here", "`attempts`"),
        ("changes[?body.renamed_from]", "a plan has no `renamed_from` here", ""),
        ("changes[?body.policies.calm.wen]", "a plan has no `wen` here", "did you mean `when`?"),
        ("summary[0]", "`[` needs a list, and finds a mapping", ""),
        ("''", "nothing in any plan makes this true", "summary.retire"),
        ("`[]`", "nothing in any plan makes this true", "summary.retire"),
        ("`null`", "nothing in any plan makes this true", "summary.retire"),
        ("`false` || ''", "nothing in any plan makes this true", "summary.retire"),
        ("changes && ''", "nothing in any plan makes this true", "summary.retire"),
        ("`{}` && changes", "nothing in any plan makes this true", "summary.retire"),
        ("!`true`", "nothing in any plan makes this true", "summary.retire"),
        ("!!''", "nothing in any plan makes this true", "summary.retire"),
        ("changes[?'']", "nothing in any plan makes this true", "summary.retire"),
    ],
)
def test_what_can_never_be_true_is_told(text: str, message: str, hint: str) -> None:
    found = query_findings(text, ENVIRONMENTS)

    assert bool(found) is bool(message)
    for _, one in found[:1]:
        assert message in one.message
        assert hint in one.hint
        assert bool(one.hint) is bool(hint)


def test_a_mistake_that_is_made_twice_is_told_once() -> None:
    assert len(query_findings("changes[?nme=='a' || nme=='b']", ENVIRONMENTS)) == 1


def test_policies_see_all_of_a_plan_but_its_verdicts() -> None:
    assert fields(plan_type(ENVIRONMENTS)) == set(Plan.model_fields) - VERDICTS


def _bodies() -> Iterator[Any]:
    for folder in (_ROOT / "specs", *sorted((_ROOT / "examples").glob("*/specs"))):
        for one in compile_source(read_source(folder), "default").documents.values():
            yield one.body


def paths(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every place in a value, as JMESPath says it, with what stands there."""
    yield path, value
    match value:
        case dict():
            for name, one in value.items():
                yield from paths(one, f"{path}.{json.dumps(name)}")
        case list():
            for number, one in enumerate(value):
                yield from paths(one, f"{path}[{number}]")
        case _:
            pass


def test_everything_in_a_body_can_be_asked_for() -> None:
    asked = {
        f"changes[?body{path} == `{json.dumps(value)}`]"
        for body in _bodies()
        for path, value in paths(body)
        # What no expression of 4,096 characters can hold is asked for by a part of it.
        if "`" not in json.dumps(value) and len(json.dumps(value)) < 4000
    }

    assert len(asked) > 200
    for text in asked:
        assert query_findings(text, ENVIRONMENTS) == [], text


def problems(policies: str) -> list[tuple[int, int, str, str]]:
    text = f"{HEAD}environments: {{prod: {{}}}}\npolicies:\n{policies}"
    specs = compile_specs([SourceFile("specs/ordinaut.yaml", text.encode())])
    return [(one.line, one.column, one.code, one.message) for one in specs.problems]


def test_a_mistake_is_told_at_its_character() -> None:
    assert problems("  calm: {when: 'changes[?ownr]', message: m}\n") == [
        (7, 26, "ORD502", "a plan has no `ownr` here")
    ]


def test_an_environment_that_does_not_exist_is_told() -> None:
    calm = "  calm: {when: changes, message: m, environments: [prod, default, prd]}\n"

    assert problems(calm) == [(7, 67, "ORD009", "the Project has no environment `prd`")]


def test_environments_that_cannot_be_read_are_not_missed() -> None:
    calm = "  calm: {when: environment.name == 'prod', message: m, environments: [prod]}\n"
    assert problems(calm) == []

    text = f"{HEAD}environments: {{prod: {{overlays: x}}, 1x: {{}}}}\npolicies:\n{calm}"
    specs = compile_specs([SourceFile("specs/ordinaut.yaml", text.encode())])

    assert {one.line for one in specs.problems} == {5}


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


def test_a_project_has_a_hundred_policies_at_most() -> None:
    many = [f"  calm-{number}: {{when: changes, message: m}}\n" for number in range(101)]

    assert problems("".join(many[:100])) == []
    assert problems("".join(many)) == [
        (7, 3, "ORD007", "`policies` is a mapping of more than 100 items")
    ]
