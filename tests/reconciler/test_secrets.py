"""A secret that stands in specs refuses the plan, and whatever is written about it does not repeat it."""

from __future__ import annotations

import copy
import stat
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import pytest
import yaml

from reconciler.core.annotations import as_github
from reconciler.core.compile import compile_specs
from reconciler.core.desired import Specs
from reconciler.core.fail_on import REFUSABLE, refusal_of
from reconciler.core.files import SourceFile
from reconciler.core.ground import Ground
from reconciler.core.lint.rules import lint
from reconciler.core.lint.world import world_of
from reconciler.core.look import Look
from reconciler.core.plan import make_plan
from reconciler.core.remarks import Remarks, remarks_on
from reconciler.core.render import render_plan
from reconciler.core.render_markdown import render_markdown
from reconciler.core.rules import Rules
from reconciler.core.sarif import as_sarif
from reconciler.diagnostics import as_text
from reconciler.planfile import read_plan, write_plan
from reconciler.planning import ground_of
from runtime.core.leaks.secrets import blotted, blotted_line, leaks_in
from runtime.errors import PlanError
from schemas.plan import HIDDEN, Plan, PlanSource
from tests.core.plan_story import NOW
from tests.support.specs import Database

Spec = dict[str, Any]

# One of each form, then what is known by how random it looks.
FORMS = {
    "github": "ghp_" + "a1B2" * 9,
    "github fine": "github_pat_" + "a1B2_" * 6,
    "gitlab": "glpat-" + "a1B2" * 5,
    "slack": "xoxb-1234567890-abcDEF",
    "aws": "AKIA" + "Q3EXAMPLE7KEY4ZZ",
    "google": "AIza" + "Sy_a1B2" * 6,
    "openai": "sk-" + "a1B2" * 8,
    "stripe": "sk_live_" + "a1B2" * 5,
    "npm": "npm_" + "a1B2" * 9,
    "pypi": "pypi-" + "a1B2" * 9,
    "sendgrid": "SG." + "a1B2" * 5 + "." + "a1B2" * 5,
    "telegram": "123456789:AA" + "a1B2" * 8,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM." + "a1B2" * 4,
    "address": "postgres://me:hunter2@db/x",
    "key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAxyzzy\n-----END RSA PRIVATE KEY-----\n",
}
# What comes before a secret that is known by it.
SAID = {
    "bearer": ("Bearer ", "abcdefghijklmnop123456"),
    "header": ("Authorization: Bearer ", "abcdefghijklmnop123456"),
    "basic": ("Basic ", "dXNlcjpodW50ZXIyaHVudGVyMg=="),
    "pair": ("set password=", "Tr0ub4dor&3xyz"),
    "curl": ("curl -u admin:", "Sup3rS3cret!"),
    "mysql": ("mysql -p", "Sup3rS3cret!"),
    "mysql apart": ("mysql --password ", "Sup3rS3cret!"),
    "curl's header": ("curl -H 'X-Api-Key: ", "Sup3rS3cret!"),
    "spaced pair": ("aws_secret_access_key = ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    "hidden name": ("//x.org/:_authToken=", "Sup3rS3cret!"),
}
RANDOM = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PASSWORD = "hunter2"

DOCUMENTS: list[Spec] = [
    {
        "kind": "Project", "name": "home", "owner": "me", "description": "x", "labels": {"a": "x"},
        "lint": {"ORD807": "warning"}, "variables": {"city": "Rome", "deep": {"list": ["x"]}},
        "environments": {"prod": {"variables": {"city": "x"}}},
        "policies": {"never": {"when": "length(changes) > `0`", "message": "x", "severity": "warning"}},
        "guards": {"freeze": [{"rrule": "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", "timezone": "UTC", "duration": "36h", "reason": "x"}]},
    },
    {"kind": "Agent", "name": "root", "owner": "x", "scopes": ["*"], "contact": "x", "description": "x"},
    {
        "kind": "ToolServer", "name": "fs", "description": "x",
        "stdio": {"command": "x", "args": ["--verbose", "x"], "env": {"A": "x", "PASSWORD": "x"}, "cwd": "x"},
    },
    {"kind": "ToolServer", "name": "web", "http": {"url": "https://x.example/mcp", "headers": {"Authorization": "x", "X-A": "x"}}},
    {
        "kind": "Pipeline", "name": "look", "description": "x",
        "params": {"type": "object", "properties": {"password": {"type": "string", "default": "x", "description": "x"}}},
        "steps": [{"id": "a", "uses": "fs.list", "with": {"path": "x", "deep": [{"token": "x"}]}}],
    },
    {
        "kind": "Task", "name": "t", "owner": "x", "agent": "root", "labels": {"a": "x"}, "description": "x",
        "params": {"note": "x", "api_key": "x"}, "concurrency": {"key": "x", "limit": 2},
        "schedule": [{"condition": {"uses": "fs.count", "every": "5m", "when": "result != 'x'", "with": {"secret": "x"}}}],
        "pipeline": [
            {"id": "a", "uses": "fs.list", "with": {"note": "x", "accessToken": "x"}, "if": "run.id != 'x'"},
            {"id": "b", "uses": "web.get", "with": {"args": ["--password", "x"]}, "expect": ["result != 'x'"]},
        ],
    },
    {"kind": "Task", "name": "u", "schedule": {"manual": True}, "pipeline": {"use": "look", "with": {"password": "x"}}},
    {
        "kind": "ToolServer", "name": "crm",
        "http": {"url": "https://y.example/mcp", "auth": {"issuer": "https://z.example", "client_id": "x", "client_secret": "x", "scope": "x"}},
    },
]  # fmt: skip

Leaf = tuple[int, tuple[str | int, ...]]


def leaves() -> Iterator[Leaf]:
    """Every place in which a text may be put."""
    for number, document in enumerate(DOCUMENTS):
        yield from ((number, path) for path in texts_of(document, ()))


def texts_of(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from texts_of(inner, (*path, key))
        case list():
            for number, inner in enumerate(value):
                yield from texts_of(inner, (*path, number))
        case str() if value == "x" or "'x'" in value or "x." in value:
            yield path
        case _:
            pass


def planted(secret: str, *places: Leaf) -> list[Spec]:
    """The documents with a secret at these places."""
    documents = copy.deepcopy(DOCUMENTS)
    for number, (*way, last) in places:
        inner: Any = documents[number]
        for part in way:
            inner = inner[part]
        inner[last] = secret if inner[last] == "x" else inner[last].replace("x", secret, 1)
    return documents


def compiled(documents: list[Spec]) -> tuple[Specs, list[SourceFile]]:
    files = [
        SourceFile(f"specs/{number}.yaml", yaml.safe_dump({"apiVersion": "ordinaut/v1"} | one, sort_keys=False).encode())
        for number, one in enumerate(documents)
    ]  # fmt: skip
    return compile_specs(files), files


def plan_of(specs: Specs, database: Database) -> Plan:
    ground = ground_of(specs, PlanSource(project=specs.project), NOW)
    parts = {name: getattr(ground, name) for name in ("source", "environment", "now", "tool", "tzdata", "diagnostics", "excused")}  # fmt: skip
    project = next(one.body for key, one in specs.documents.items() if key.kind == "Project")
    made = Ground(bodies=database.bodies, rules=Rules.of_body(project), **parts)
    return make_plan(database.changes_to(specs), made)


def faces(plan: Plan, folder: Path, texts: dict[str, str]) -> Iterator[str]:
    """Everything that is written of a plan."""
    for verbose in range(3):
        yield render_plan(plan, Look(verbose=verbose))
    yield render_markdown(plan)
    yield str(plan.model_dump(mode="json"))
    write_plan(plan, folder / "plan.json")
    yield (folder / "plan.json").read_text()
    remarks = remarks_on(plan, texts)
    yield as_github(remarks)
    yield as_sarif(remarks, "plan", "1").decode()
    yield str(refusal_of(plan, REFUSABLE))


def told(specs: Specs, texts: dict[str, str]) -> Iterator[str]:
    """Everything that is written of problems."""
    yield as_text(specs.problems, texts)
    remarks = Remarks(specs.problems, texts=texts)
    yield as_github(remarks)
    yield as_sarif(remarks, "validate", "1").decode()
    yield str([problem.model_dump() for problem in specs.problems])


def check(documents: list[Spec], secret: str, folder: Path) -> None:
    """A secret is found, and stays hidden in whatever is written: when it comes, when it goes, when it is quoted."""
    specs, files = compiled(documents)
    texts = {file.name: file.data.decode() for file in files}
    assert "ORD807" in {problem.code for problem in specs.problems}
    parts = [part for part in secret.splitlines() if not part.startswith("-----")]
    written = list(told(specs, texts))
    if not specs.errors:
        clean, _ = compiled(DOCUMENTS)
        database, emptied = Database(clean.documents), Database(specs.documents)
        for plan in (
            plan_of(specs, Database({})),
            plan_of(specs, database),
            plan_of(clean, emptied),
        ):
            written += faces(plan, folder, texts)
        found = lint(world_of(specs, files, NOW), "default")
        written += [as_text(found, texts), str(found)]
    for text in written:
        assert not [part for part in parts if part in text]


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_known_by_its_form_is_shown_nowhere(form: str, tmp_path: Path) -> None:
    check(planted(FORMS[form], *leaves()), FORMS[form], tmp_path)


@pytest.mark.parametrize("form", SAID)
def test_a_secret_among_other_words_is_shown_nowhere(form: str, tmp_path: Path) -> None:
    before, secret = SAID[form]
    check(planted(before + secret, *leaves()), secret, tmp_path)


@pytest.mark.parametrize("form", SAID)
def test_what_is_blotted_out_already_stays_as_it_is(form: str) -> None:
    once = blotted("".join(SAID[form]))

    assert HIDDEN in once
    assert blotted(once) == once


@pytest.mark.parametrize(
    "text",
    [
        unit * (200_000 // len(unit))
        for unit in ("curl -u ", "curl ", "mysql ", "curl -H x: ", "-eyJ", "token = ", "curl -u a:${")
    ]
    + ["token=" + " " * 100_000 + "#"],
)  # fmt: skip
def test_a_text_made_to_be_slow_is_looked_through_as_fast_as_any(text: str) -> None:
    started = process_time()

    blotted_line(text)
    leaks_in({"with": {"note": text}})

    # Taking the rest of the text for each of its words, it took many times as long.
    assert process_time() - started < 1.0


def test_a_telling_name_of_a_label_is_heeded(tmp_path: Path) -> None:
    documents = copy.deepcopy(DOCUMENTS)
    documents[5]["labels"] = {"api_key": PASSWORD}

    check(documents, PASSWORD, tmp_path)


def test_a_secret_is_shown_nowhere_whatever_field_it_stands_in(tmp_path: Path) -> None:
    for leaf in leaves():
        check(planted(FORMS["github"], leaf), FORMS["github"], tmp_path)


def test_a_secret_known_by_its_name_or_its_letters_is_shown_nowhere(tmp_path: Path) -> None:
    data = {"params", "with", "env", "headers", "args", "variables"}
    telling = (
        "PASSWORD",
        "Authorization",
        "token",
        "api_key",
        "secret",
        "accessToken",
        "client_secret",
        "password",
    )
    count = 0
    for leaf in leaves():
        path = leaf[1]
        if path[-1] in telling or (path[-2:] == ("args", 1) and "with" in path):
            check(planted(PASSWORD, leaf), PASSWORD, tmp_path)
            count += 1
        if data & set(path) and path[-1] != "description":
            check(planted(RANDOM, leaf), RANDOM, tmp_path)
    assert count == len(telling) + 1


def test_a_file_that_cannot_be_compiled_or_read_is_quoted_without_its_secrets() -> None:
    documents = planted(PASSWORD, (2, ("stdio", "env", "PASSWORD")))
    documents[2]["stdio"]["nonsense"] = FORMS["github"]
    specs, files = compiled(documents)
    broken = [
        SourceFile(one.name, b"  - [{password: hunter2\n" + one.data) if "2.yaml" in one.name else one
        for one in files
    ]  # fmt: skip

    for given, found in ((files, specs), (broken, compile_specs(broken))):
        assert len(found.errors) >= 1
        texts = {file.name: file.data.decode() for file in given}
        for text in told(found, texts):
            assert PASSWORD not in text
            assert FORMS["github"] not in text


def test_a_secret_refuses_unless_the_project_or_a_comment_says_otherwise() -> None:
    head = "apiVersion: ordinaut/v1\n"
    task = f"{head}kind: Task\nname: t\nschedule: {{manual: true}}\nparams:\n  password: hunter2COMMENT\npipeline: [{{id: a, uses: llm.plan}}]\n"
    project = f"{head}kind: Project\nname: home\nlint: {{ORD807: LEVEL}}\nenvironments: {{prod: {{lint: {{ORD807: error}}}}}}\n"

    def found(level: str, comment: str = "", environment: str = "default") -> list[str]:
        files = [
            SourceFile("specs/p.yaml", project.replace("LEVEL", level).encode()),
            SourceFile("specs/t.yaml", task.replace("COMMENT", comment).encode()),
        ]
        problems = compile_specs(files, environment=environment).problems
        return [f"{one.severity} {one.code} {one.place}" for one in problems]

    assert found("error") == ["error ORD807 specs/t.yaml:6:13"]
    assert found("warning") == ["warning ORD807 specs/t.yaml:6:13"]
    assert found("off") == []
    assert found("off", environment="prod") == ["error ORD807 specs/t.yaml:6:13"]
    assert found("error", " # ordinaut:ignore ORD807 the password of the demo") == []
    assert found("error", " # ordinaut:ignore ORD807") == ["error ORD807 specs/t.yaml:6:13"]


def test_a_plan_file_is_private_and_one_without_its_secret_is_not_applied(tmp_path: Path) -> None:
    specs, _ = compiled(planted(PASSWORD, (5, ("params", "api_key"))))
    plan = plan_of(specs, Database({}))
    path = tmp_path / "plan.json"
    path.touch(0o644)
    write_plan(plan, path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert HIDDEN in path.read_text()
    (change,) = (one for one in plan.changes if one.sensitive_paths)
    assert change.sensitive_paths == ("/params/api_key",)
    assert change.body is not None
    assert change.body["params"]["api_key"] == PASSWORD
    with pytest.raises(PlanError, match=r"leaves out what looks like a secret \(Task t, /params"):
        read_plan(path)


def test_what_a_comment_excuses_is_shown_and_applied_from_a_file(tmp_path: Path) -> None:
    files = [
        SourceFile("specs/p.yaml", b"apiVersion: ordinaut/v1\nkind: Project\nname: home\n"),
        SourceFile("specs/t.yaml", b"apiVersion: ordinaut/v1\nkind: Task\nname: t\nschedule: {manual: true}\nparams:\n  token: demo # ordinaut:ignore ORD807 of no use to anybody\npipeline: [{id: a, uses: llm.plan}]\n"),
    ]  # fmt: skip
    plan = plan_of(compile_specs(files), Database({}))
    write_plan(plan, tmp_path / "plan.json")

    assert read_plan(tmp_path / "plan.json") == plan
    assert '{"token":"demo"}' in render_plan(plan, Look(verbose=1))
