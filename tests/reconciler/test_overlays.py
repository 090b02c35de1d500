"""Overlays: what an environment lays over documents, what it may not, and where whatever is wrong is said to be."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.changes import Owner
from reconciler.core.compile import compile_specs
from reconciler.core.desired import Key, Place, Specs
from reconciler.core.diff import diff
from reconciler.core.files import SourceFile
from reconciler.core.ground import Ground
from reconciler.core.lint.rules import lint
from reconciler.core.lint.world import world_of
from reconciler.core.plan import make_plan
from reconciler.core.remembering import Memory, recalled, remembered
from schemas.plan import PlanSource
from schemas.problem import Problem
from tests.support.specs import Database

_HEAD = "apiVersion: ordinaut/v1\n"
_PROJECT = """\
kind: Project
name: home
variables: {city: Chisinau, hour: 8}
environments:
  prod: {overlay: overlays/prod, variables: {city: Rome}}
  laptop: {}
"""
_SERVER = "kind: ToolServer\nname: weather\nstdio: {command: weather}"
_TASK = """\
kind: Task
name: brief
owner: team-home
schedule: {cron: "0 8 * * *", timezone: UTC}
params: {place: {city: Chisinau, days: [1, 2]}, unit: C}
retry: {attempts: 2}
pipeline: [{id: look, uses: weather.forecast, with: {city: "${params.place.city}"}}]"""
_BRIEF = Key("Task", "default", "brief")


def _file(name: str, *documents: str) -> SourceFile:
    text = "---\n".join(f"{_HEAD}{dedent(one).strip()}\n" for one in documents)
    return SourceFile(f"specs/{name}", text.encode())


def _files(
    *overlays: str, project: str = _PROJECT, base: tuple[str, ...] = ()
) -> list[SourceFile]:
    return [
        _file("ordinaut.yaml", project),
        _file("base.yaml", _SERVER, *(base or (_TASK,))),
        *(_file(f"overlays/prod/{number}.yaml", one) for number, one in enumerate(overlays)),
    ]


def _prod(*overlays: str, environment: str = "prod", **other: Any) -> Specs:
    return compile_specs(_files(*overlays, **other), environment=environment)


def _told(specs: Specs) -> list[tuple[str, str, str]]:
    return [(problem.place, problem.code, problem.message) for problem in specs.problems]


def _over_brief(*lines: str) -> str:
    return "\n".join(("kind: Task", "name: brief", *lines))


def test_an_overlay_changes_the_fields_it_holds_and_no_others_and_only_in_its_environment() -> (
    None
):
    overlay = _over_brief(
        "priority: 9", "params: {place: {city: '${vars.city}'}}", "retry: {initial: 2s}"
    )

    prod, laptop = _prod(overlay), _prod(overlay, environment="laptop")

    assert not prod.problems
    body, base = prod.documents[_BRIEF].body, laptop.documents[_BRIEF].body
    assert body["priority"] == 9
    assert body["params"] == {"place": {"city": "Rome", "days": [1, 2]}, "unit": "C"}
    assert (body["retry"]["attempts"], body["retry"]["initial"]) == (2, "2s")
    assert {name for name in body if body[name] != base.get(name)} == {
        "priority", "params", "retry",
    }  # fmt: skip
    assert prod.documents[_BRIEF].place == Place("specs/base.yaml", 6, 1)


def test_variables_are_filled_in_in_what_is_laid_over_a_document_without_any() -> None:
    task = _TASK.replace("${params.place.city}", "here")

    specs = _prod(_over_brief("params: {unit: '${vars.city}'}"), base=(task,))

    assert specs.documents[_BRIEF].body["params"]["unit"] == "Rome"


def test_lists_are_replaced_as_a_whole_and_null_takes_a_field_away() -> None:
    overlay = _over_brief(
        "owner: null",
        "params: {place: {days: [3, null]}, unit: null}",
        "schedule: {cron: null, timezone: null, manual: true}",
    )

    specs = _prod(overlay)

    assert not specs.problems
    body = specs.documents[_BRIEF].body
    assert body["params"] == {"place": {"city": "Chisinau", "days": [3, None]}}
    assert body["schedule"] == [{"manual": True}]
    assert "owner" not in body


def test_a_default_of_the_project_is_taken_where_an_overlay_took_the_field_away() -> None:
    project = _PROJECT + "defaults: {owner: team-ops}"

    specs = _prod(_over_brief("owner: null"), project=project)

    assert specs.documents[_BRIEF].body["owner"] == "team-ops"


def test_a_mapping_over_a_list_or_a_text_takes_its_place() -> None:
    task = _TASK.replace("schedule: {", "schedule: [{").replace("UTC}", "UTC}]")

    specs = _prod(_over_brief("schedule: {manual: true}"), base=(task,))

    assert specs.documents[_BRIEF].body["schedule"] == [{"manual": True}]


def test_a_document_may_be_left_out_of_an_environment() -> None:
    specs = _prod(_over_brief("enabled: false"))

    assert not specs.problems
    assert _BRIEF not in specs.documents
    assert _BRIEF in _prod(_over_brief("enabled: false"), environment="laptop").documents


def test_an_environment_may_ask_other_models() -> None:
    models = "\nmodels: {default: {url: 'https://%s/v1', model: %s}}"
    fast = _TASK.replace("weather.forecast, with: {", "llm.plan, with: {model: fast, ")
    overlay = "kind: Project\nname: home" + models % ("llm.example.com", "large, max_tokens: 9}, fast: {url: 'https://x', model: y")  # fmt: skip

    prod = _prod(overlay, project=_PROJECT + models % ("localhost", "small"), base=(fast,))
    laptop = _prod(overlay, environment="laptop", base=(fast,))

    assert not prod.errors
    body = prod.documents[Key("Project", "default", "home")].body
    assert {name: (one["url"], one["model"]) for name, one in body["models"].items()} == {
        "default": ("https://llm.example.com/v1", "large"),
        "fast": ("https://x", "y"),
    }
    assert [problem.message for problem in laptop.errors] == ["the Project has no model `fast`"]


def test_the_project_itself_may_be_laid_over() -> None:
    overlay = "kind: Project\nname: home\nvariables: {hour: 9}\ndefaults: {priority: 7}\nguards: {max_retire: 0}"
    task = _TASK.replace("0 8", "0 ${vars.hour}")

    specs = _prod(overlay, base=(task,))

    assert not specs.problems
    body = specs.documents[_BRIEF].body
    assert (body["schedule"][0]["cron"], body["priority"]) == ("0 9 * * *", 7)
    assert specs.documents[Key("Project", "default", "home")].body["guards"]["max_retire"] == 0


def test_a_document_is_found_by_its_namespace_and_the_default_one_may_be_left_out() -> None:
    project = _PROJECT + "defaults: {namespace: ops}"
    other = _TASK.replace("name: brief", "name: brief\nnamespace: default").replace(
        "weather.", "ops/weather."
    )
    overlays = (
        _over_brief("priority: 1"),
        _over_brief("namespace: default", "priority: 9"),
        "kind: Project\nnamespace: default\nname: home\nowner: me",
    )

    specs = _prod(*overlays, project=project, base=(_TASK, other))

    assert not specs.problems
    assert specs.documents[Key("Task", "ops", "brief")].body["priority"] == 1
    assert specs.documents[_BRIEF].body["priority"] == 9


_WRONG: dict[str, tuple[tuple[str, ...], tuple[str, str, str | None]]] = {
    "a value that does not fit": (
        (_over_brief("retry:", "  attempts: many"),),
        ("0.yaml:5:13", "ORD007", "`retry.attempts` is a whole number; this is the text `many`"),
    ),
    "an unknown field": (
        (_over_brief("priority: 3", "prioritty: 3"),),
        ("0.yaml:5:1", "ORD005", "unknown field `prioritty` in this Task"),
    ),
    "an unknown variable": (
        (_over_brief("params:", "  place: {city: 'in ${vars.town}'}"),),
        ("0.yaml:5:23", "ORD012", "the variable vars.town is not defined; vars has: city, hour"),
    ),
    "an unknown tool server": (
        (_over_brief("pipeline: [{id: look, uses: wether.forecast}]"),),
        ("0.yaml:4:29", "ORD009", "there is no ToolServer `wether`"),
    ),
    "what does not go together": (
        (_over_brief("schedule: {manual: true}"),),
        ("0.yaml:4:11", "ORD007", None),
    ),
    "a document that is not there": (
        ("kind: Task\nname: breif\npriority: 3",),
        ("0.yaml:3:7", "ORD009", "there is no Task breif to lay this over"),
    ),
    "no name": (
        ("kind: Task\npriority: 3",),
        ("0.yaml:1:1", "ORD006", "this overlay does not say which document it is laid over"),
    ),
    "a kind that is none": (
        ("kind: Tsk\nname: brief",),
        ("0.yaml:2:7", "ORD004", "unknown kind: the text `Tsk`"),
    ),
    "null for what is not there": (
        (_over_brief("params: {units: null}"),),
        ("0.yaml:4:10", "ORD009", "`params.units` is not in the document, so it cannot be taken away"),
    ),
    "null for what must be there": (
        (_over_brief("schedule: null"),),
        ("0.yaml:4:1", "ORD016", "`schedule` is required: it cannot be taken away"),
    ),
    "a former name": (
        (_over_brief("renamed_from: old"),),
        ("0.yaml:4:1", "ORD016", "`renamed_from` cannot be laid over: a document has one history, whatever the environment"),
    ),
    "environments": (
        ("kind: Project\nname: home\nenvironments: {prod: {overlay: elsewhere}}",),
        ("0.yaml:4:1", "ORD016", "`environments` cannot be laid over: an environment cannot say which environments there are"),
    ),
    "the default namespace": (
        ("kind: Project\nname: home\ndefaults: {namespace: ops}",),
        ("0.yaml:4:12", "ORD016", "`defaults.namespace` cannot be laid over: the namespace is part of what documents are called"),
    ),
    "one field twice": (
        (_over_brief("retry: {attempts: 3}"), _over_brief("retry: {initial: 5s, attempts: 3}")),
        ("1.yaml:4:22", "ORD016", "two overlays of one environment say what becomes of `retry.attempts`; first at specs/overlays/prod/0.yaml:4:9"),
    ),
    "one field taken away twice": (
        (_over_brief("owner: null"), _over_brief("owner: null")),
        ("1.yaml:4:1", "ORD016", "two overlays of one environment say what becomes of `owner`; first at specs/overlays/prod/0.yaml:4:1"),
    ),
    "a name that is none": (
        ("kind: Task\nname: [brief]",),
        ("0.yaml:3:7", "ORD006", "this overlay does not say which document it is laid over"),
    ),
    "a kind that is no text": (
        ("kind: [Task]\nname: brief",),
        ("0.yaml:2:7", "ORD004", "unknown kind: a list"),
    ),
    "a field and a part of it": (
        (_over_brief("params: {place: null}"), _over_brief("params: {place: {city: Rome}}")),
        ("1.yaml:4:18", "ORD016", "two overlays of one environment say what becomes of `params.place.city`; first at specs/overlays/prod/0.yaml:4:10"),
    ),
    "a part of a field and the field": (
        (_over_brief("params: {place: {city: Rome}}"), _over_brief("params: {place: home}")),
        ("1.yaml:4:10", "ORD016", "two overlays of one environment say what becomes of `params.place`; first at specs/overlays/prod/0.yaml:4:18"),
    ),
    "a document left out and changed": (
        (_over_brief("enabled: false"), _over_brief("priority: 3")),
        ("1.yaml:4:1", "ORD016", "two overlays of one environment say what becomes of `priority`; first at specs/overlays/prod/0.yaml:4:10"),
    ),
    "a document changed and left out": (
        (_over_brief("priority: 3"), _over_brief("enabled: false")),
        ("1.yaml:4:10", "ORD016", "two overlays of one environment say what becomes of the document; first at specs/overlays/prod/0.yaml:4:1"),
    ),
    "a field beside leaving out": (
        (_over_brief("enabled: false", "priority: 3"),),
        ("0.yaml:5:1", "ORD016", "`priority` is set where the document is left out"),
    ),
    "enabled but not false": (
        (_over_brief("enabled: true"),),
        ("0.yaml:4:10", "ORD007", "`enabled` is `false` in an overlay; this is `true`, a truth value"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", _WRONG)
def test_what_is_wrong_in_an_overlay_is_told_once_at_its_place_in_it(wrong: str) -> None:
    overlays, (place, code, message) = _WRONG[wrong]

    (told,) = _told(_prod(*overlays))

    assert told[:2] == (f"specs/overlays/prod/{place}", code)
    assert message is None or told[2] == message


def test_what_is_wrong_in_the_document_is_still_told_at_its_place_there() -> None:
    task = _TASK.replace("attempts: 2", "attempts: two")

    (told,) = _told(_prod(_over_brief("retry: {initial: 2s}"), base=(task,)))

    assert told[:2] == ("specs/base.yaml:12:19", "ORD007")


def test_a_line_of_a_long_text_in_an_overlay_is_found() -> None:
    overlay = _over_brief("params:", "  place: |", "    one", "    two ${vars.town}")

    assert _told(_prod(overlay))[0][0] == "specs/overlays/prod/0.yaml:7:11"


def test_a_suggestion_is_made_for_a_document_that_is_not_there() -> None:
    (problem,) = _prod("kind: Task\nname: breif").problems

    assert problem.hint == "did you mean `brief`?"


@pytest.mark.parametrize("environment", ["default", "laptop", "prod"])
def test_an_overlay_without_its_document_is_told_whichever_environment_is_asked_for(
    environment: str,
) -> None:
    specs = _prod("kind: Agent\nname: nobody", environment=environment)

    assert [code for _, code, _ in _told(specs)] == ["ORD009"]


@pytest.mark.parametrize("folder", ["./overlays/prod/", "overlays"])
def test_what_two_environments_share_is_told_once(folder: str) -> None:
    project = _PROJECT.replace("laptop: {}", f"laptop: {{overlay: {folder}}}")

    assert len(_told(_prod("kind: Agent\nname: nobody", project=project))) == 1


@pytest.mark.parametrize(
    ("folder", "code"),
    [(".", "ORD007"), ("../specs", "ORD007"), ("overlays/prd", "ORD009"), ("../..", "ORD009")],
)
def test_a_folder_that_cannot_be_one_of_overlays_is_told(folder: str, code: str) -> None:
    project = _PROJECT.replace("overlays/prod", folder)

    specs = compile_specs(
        [_file("ordinaut.yaml", project), _file("base.yaml", _SERVER, _TASK)], environment="prod"
    )

    assert [told[:2] for told in _told(specs)] == [("specs/ordinaut.yaml:6:19", code)]


def test_where_a_folder_could_not_be_read_nothing_is_missed_in_it() -> None:
    files = _files()
    unread = Problem(
        code="ORD001", message="cannot be listed", file="specs/overlays", line=1, column=1
    )

    assert compile_specs(files, environment="prod", unread=[unread]).problems == (unread,)
    broken = SourceFile("specs/overlays/prod/x.yaml", b"a: [")
    assert [told[1] for told in _told(compile_specs([*files, broken]))] == ["ORD002"]


def test_a_document_that_may_stand_in_what_cannot_be_read_is_not_missed() -> None:
    broken = SourceFile("specs/broken.yaml", b"kind: Agent\nname: nobody\nscopes: [")

    specs = compile_specs([*_files("kind: Agent\nname: nobody\nowner: me"), broken])

    assert [told[1] for told in _told(specs)] == ["ORD002"]


def test_an_overlay_of_which_parts_were_refused_changes_nothing() -> None:
    specs = _prod(_over_brief("schedule: *other"))

    assert [told[1] for told in _told(specs)] == ["ORD011"]


def test_of_two_documents_with_one_identity_only_that_is_told() -> None:
    specs = _prod(_over_brief("params: {unit: null}"), base=(_TASK, _TASK))

    assert [told[1] for told in _told(specs)] == ["ORD008"]


_values = st.one_of(
    st.integers(-5, 5), st.booleans(), st.text("abc", max_size=3), st.lists(st.integers(0, 3), max_size=2)
)  # fmt: skip
_names = st.sampled_from(["a", "b", "c"])
_objects = st.recursive(
    st.dictionaries(_names, _values, max_size=3),
    lambda inner: st.dictionaries(_names, _values | inner, max_size=3),
    max_leaves=8,
)


def _task_with(params: dict[str, Any]) -> str:
    return _TASK.replace(
        "params: {place: {city: Chisinau, days: [1, 2]}, unit: C}", f"params: {yaml.safe_dump(params, default_flow_style=True).strip()}"
    ).replace("${params.place.city}", "x")  # fmt: skip


def _merged(base: Any, over: Any) -> Any:
    """The rule in three lines, for what takes nothing away."""
    if not (isinstance(over, dict) and over):
        return over
    below = base if isinstance(base, dict) else {}
    return {**below, **{name: _merged(below.get(name), item) for name, item in over.items()}}


def _overlay_with(params: dict[str, Any]) -> str:
    return _over_brief(f"params: {yaml.safe_dump(params, default_flow_style=True).strip()}")


@given(base=_objects, over=_objects)
def test_laying_is_merging_mappings_and_replacing_all_else(
    base: dict[str, Any], over: dict[str, Any]
) -> None:
    before = copy.deepcopy(base)

    specs = _prod(_overlay_with(over), base=(_task_with(base),))

    assert not specs.problems
    assert specs.documents[_BRIEF].body["params"] == _merged(before, over)


@given(base=_objects, one=_objects, other=_objects)
def test_the_order_of_overlays_means_nothing(
    base: dict[str, Any], one: dict[str, Any], other: dict[str, Any]
) -> None:
    overlays = _overlay_with(one), _overlay_with(other)

    there, back = (_prod(*order, base=(_task_with(base),)) for order in (overlays, overlays[::-1]))

    # Of two that set one field the later is told, and may set more of them.
    assert {problem.code for problem in there.problems} == {p.code for p in back.problems}
    if not there.problems:
        assert there.documents[_BRIEF].digest == back.documents[_BRIEF].digest


@given(base=_objects)
def test_without_an_overlay_of_its_own_an_environment_has_the_documents_as_they_are(
    base: dict[str, Any],
) -> None:
    task = _task_with(base)
    none = compile_specs([_file("base.yaml", _SERVER, task), _file("ordinaut.yaml", _PROJECT.replace("overlay: overlays/prod, ", ""))])  # fmt: skip

    for environment in ("default", "laptop"):
        specs = _prod(_over_brief("priority: 9"), base=(task,), environment=environment)
        assert not specs.problems
        for key, document in specs.documents.items():
            if key.kind != "Project":
                assert document.digest == none.documents[key].digest
                assert document.place == none.documents[key].place


def _advice(*overlays: SourceFile, environment: str = "prod") -> list[tuple[str, str]]:
    project = (
        _PROJECT.replace("name: home", "name: home\nowner: me")
        .replace("variables: {city: Chisinau, hour: 8}", "")
        .replace("laptop: {}", "stage: {overlay: overlays/stage, variables: {town: Bari}}")
    )
    files = [_file("ordinaut.yaml", project), _file("base.yaml", _SERVER, _TASK), *overlays]
    specs = compile_specs(files, environment=environment)
    assert {problem.code for problem in specs.problems} <= {"ORD807"}
    found = lint(world_of(specs, files, datetime(2026, 1, 5, tzinfo=UTC)), environment)
    return [(problem.code, problem.place.removeprefix("specs/")) for problem in found]


def test_lint_looks_at_what_is_laid_and_points_into_the_overlay() -> None:
    secret = "ghp_" + "a1B2" * 9
    prod = _file("overlays/prod/0.yaml", _over_brief(f"params: {{a: {secret}, b: '${{vars.city}}'}}"))  # fmt: skip
    stage = _file("overlays/stage/0.yaml", _over_brief("params: {unit: '${vars.town}'}"))

    assert _advice(prod, stage) == [("ORD807", "overlays/prod/0.yaml:4:13")]
    assert _advice(prod, stage, environment="stage") == []


def test_a_comment_in_an_overlay_is_needed_only_in_its_environment() -> None:
    ignore = (
        "schedule: {cron: 30 2 * * *, timezone: Europe/Rome} # ordinaut:ignore ORD801 once is fine"
    )
    prod = _file("overlays/prod/0.yaml", _over_brief(ignore, "params: {unit: '${vars.city}'}"))
    stage = _file("overlays/stage/0.yaml", _over_brief("params: {unit: '${vars.town}'}"))

    assert _advice(prod, stage) == []
    assert _advice(prod, stage, environment="stage") == []


@pytest.mark.parametrize(
    ("over", "place"),
    [
        ("timeout: 20m\n", "specs/overlays/prod/0.yaml:4"),
        ("labels: {a: b}\ntimeout: 10m\n", "specs/overlays/prod/0.yaml:4"),
        (
            "schedule: {cron: 30 4 * * *, timezone: Europe/Rome}\ntimeout: 10m\n",
            "specs/overlays/prod/0.yaml:4",
        ),
        ("timeout: 10m\n", "specs/base.yaml:6"),
    ],
)
def test_a_change_made_in_an_overlay_is_told_there(over: str, place: str) -> None:
    def compiled_with(task: str, over: str) -> Specs:
        files = [_file("ordinaut.yaml", _PROJECT), _file("base.yaml", _SERVER, task)]
        specs = compile_specs(
            [*files, _file("overlays/prod/0.yaml", _over_brief(over))], environment="prod"
        )
        assert not specs.errors
        memory = remembered(Memory(specs, {}))
        return recalled(memory[0], lambda: memory[1], lambda _: specs).specs

    before = Database(compiled_with(_TASK, "timeout: 10m\n").documents)
    task = _TASK if place.startswith("specs/over") else _TASK + "\ndescription: Another."
    specs = compiled_with(task, over)
    ground = Ground(source=PlanSource(project="home"), environment="prod", now=datetime(2026, 1, 5, tzinfo=UTC), tool="1", tzdata="1", bodies=before.bodies)  # fmt: skip
    (change,) = make_plan(
        diff(specs.documents, before.rows, Owner("platform", "prod")), ground
    ).changes

    assert f"{change.file}:{change.line}" == place, change.ops
