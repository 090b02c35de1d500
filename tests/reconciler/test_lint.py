"""The rules of lint: each finds what it is for, at its place, and is silent about what is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.desired import Key
from reconciler.core.lint.rules import RULES, lint
from reconciler.core.lint.world import World, world_of
from reconciler.core.tool_lock import lock_text
from schemas.codes import CODES
from schemas.problem import Problem
from tests.support.contracts import listed, locked

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)
PROJECT = "apiVersion: ordinaut/v1\nkind: Project\nname: home\nowner: me\n"
AGENT = "apiVersion: ordinaut/v1\nkind: Agent\nname: worker\n"
SERVER = "apiVersion: ordinaut/v1\nkind: ToolServer\nname: files\nstdio: {command: serve}\n"
TASK = """\
apiVersion: ordinaut/v1
kind: Task
name: one
timeout: 1m
schedule: {}
pipeline: [{{id: a, uses: llm.plan}}]
"""
DECLARED = PROJECT + "secrets: {x: {env: X}, login: {env: Y}}\n"
SECRET = "ghp_" + "a1B2" * 9


def task(schedule: str = "{manual: true}", **fields: str) -> str:
    """A Task with this schedule; fields replace those of the same name."""
    text = TASK.format(schedule)
    for name, value in fields.items():
        lines = [line for line in text.splitlines() if not line.startswith(f"{name}:")]
        text = "\n".join([*lines, f"{name}: {value}", ""])
    return text


def world(*documents: str, project: str = PROJECT, environment: str = "default") -> World:
    files = [
        SourceFile("specs/ordinaut.yaml", project.encode()),
        *(SourceFile(f"specs/{n}.yaml", text.encode()) for n, text in enumerate(documents)),
    ]
    specs = compile_specs(files, environment=environment)
    # A secret refuses a plan, and is advised about.
    assert {problem.code for problem in specs.errors} <= {"ORD807"}
    return world_of(specs, files, NOW)


def found(
    *documents: str, project: str = PROJECT, environment: str = "default"
) -> list[tuple[str, str]]:
    """What is found, as code and place."""
    problems = lint(world(*documents, project=project, environment=environment), environment)
    return [(problem.code, problem.place.removeprefix("specs/")) for problem in problems]


def of(code: str, *documents: str, project: str = PROJECT) -> list[Problem]:
    return [
        problem
        for problem in lint(world(*documents, project=project), "default")
        if problem.code == code
    ]


def test_every_rule_has_a_code_of_its_own_and_every_code_a_rule() -> None:
    assert list(RULES) == [code for code in CODES if code.startswith("ORD8")]


def test_sound_specs_get_no_advice() -> None:
    assert found(task('{cron: "0 9 * * *", timezone: Europe/Berlin}')) == []


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (
            '{cron: "30 2 * * *", timezone: Europe/Berlin}',
            ["02:30 happens twice on Sun 25 Oct", "02:30 does not exist on Sun 28 Mar 2027"],
        ),
        (
            '{cron: "30 2 * * *", timezone: Europe/Berlin, dst_fold: both}',
            ["02:30 does not exist on Sun 28 Mar 2027"],
        ),
        ('{cron: "30 2 * * *", timezone: Europe/Berlin, dst_fold: first, dst_gap: skip}', []),
        ('{cron: "30 4 * * *", timezone: Europe/Berlin}', []),
        ('{cron: "30 2 * * *", timezone: UTC}', []),
        ('{cron: "*/5 * * * *", timezone: Europe/Berlin}', []),
    ],
)
def test_times_that_clocks_skip_or_repeat_are_told_unless_a_policy_is_written(
    schedule: str, words: list[str]
) -> None:
    problems = of("ORD801", task(schedule))

    told = [part for problem in problems for part in problem.message.split("; ")]
    assert [part.partition(":")[0] + ":" + part.split(":")[1] for part in told] == words
    assert {problem.column for problem in problems} <= {18}


def test_a_herd_is_told_once_with_its_time_and_some_names() -> None:
    tasks = [
        task("{cron: '0 9 * * *', timezone: Europe/Berlin}", name=f"t{number:02}")
        for number in range(12)
    ]

    (herd,) = of("ORD802", *tasks)

    assert herd.message == (
        "12 runs begin in one minute, Wed 07:00 UTC, 4 times in 7 days: t00, t01, t02 and 9 more"
    )
    assert herd.file == "specs/0.yaml"
    spread = [
        text.replace("timezone: Europe/Berlin", "timezone: Europe/Berlin, jitter: 1s")
        for text in tasks
    ]
    assert of("ORD802", *spread) == []
    assert of("ORD802", *tasks[:9]) == []


def test_a_schedule_that_is_over_is_told() -> None:
    assert found(task('[{at: "2026-01-01T00:00Z"}, {at: "2027-01-01T00:00Z"}]')) == [
        ("ORD803", "0.yaml:5:17")
    ]


def test_a_timeout_longer_than_the_interval_is_told_unless_overlap_is_wanted() -> None:
    often = "{every: 5m}"

    assert [p.message for p in of("ORD804", task(often, timeout="10m"))] == [
        "fires 5m apart, and a run may last 10m, its timeout; a run that hangs holds up the next ones"
    ]
    assert found(task(often, timeout="5m")) == []
    assert found(task(often, timeout="10m", overlap="allow")) == []
    assert found(task(often, timeout="10m", overlap="cancel_running")) == []


def test_the_default_timeout_is_called_what_it_is() -> None:
    (problem,) = of("ORD804", task("{every: 5m}").replace("timeout: 1m\n", ""))

    assert "1h, the timeout that it takes" in problem.message


def test_a_task_needs_an_owner_of_its_own_or_of_the_project() -> None:
    nobody = PROJECT.replace("owner: me\n", "")

    assert found(task(), project=nobody) == [("ORD805", "0.yaml:3:7")]
    assert found(task(owner="you"), project=nobody) == []
    assert found(task(), project=nobody + "defaults: {owner: we}\n") == []


def test_documents_that_no_other_names_are_told() -> None:
    calendar = (
        "apiVersion: ordinaut/v1\nkind: Calendar\nname: days\ntimezone: UTC\ndates: [2026-12-25]\n"
    )
    pipeline = "apiVersion: ordinaut/v1\nkind: Pipeline\nname: steps\nsteps: [{id: a, uses: files.read}]\n"
    agent = AGENT + "scopes: ['*']\n"
    user = task("{every: 1d, exclude: [days]}", agent="worker", pipeline="{use: steps}")

    assert found(calendar, pipeline, agent, SERVER) == [
        ("ORD806", "0.yaml:3:7"),
        ("ORD806", "1.yaml:3:7"),
        ("ORD806", "2.yaml:3:7"),
    ]
    assert found(calendar, pipeline, agent, SERVER, user) == []
    assert found(SERVER) == [("ORD806", "0.yaml:3:7")]


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        (f"{{note: '{SECRET}'}}", "by its form"),
        (f"{{deep: [{{note: 'Bearer {SECRET}'}}]}}", "by its form"),
        ("{url: 'postgres://me:hunter2@db/x'}", "by its form"),
        ("{password: hunter2}", "by its name"),
        ("{password: 12345678}", "by its name"),
        ("{PGPASSWORD: hunter2}", "by its name"),
        ("{args: [--password, hunter2]}", "by the option before it"),
        ("{args: ['--token=hunter2']}", "by its name"),
        ("{url: 'https://example.com/?api_key=hunter2'}", "by its name"),
        ("{url: 'redis://:hunter2@cache/0'}", "by its form"),
        ("{X-Api-Key: hunter2hunter2}", "by its name"),
        ("{accessToken: hunter2hunter2}", "by its name"),
        ("{note: Zm9vYmFyQmF6UXV4MTIzNDU2Nzg5MA}", "since it looks random"),
        ("{note: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY}", "since it looks random"),
        ("{h: Bearer abcdefghijklmnop123456}", "by its form"),
        ("{h: bearer hunter2hunter}", "by its form"),
        ("{h: 'Authorization: Bearer abcdefghijklmnop123456'}", "by its form"),
        (
            "{h: [Accept: text/html, 'Authorization: Bearer abcdefghijklmnop123456']}",
            "by its form",
        ),
        ("{list: ['Authorization: Bearer abcdefghijklmnop123456']}", "by its form"),
        ("{list: ['Authorization: token hunter2x']}", "by its name"),
        ("{list: ['X-Api-Key: hunter2hunter2']}", "by its name"),
        ("{h: Basic dXNlcjpodW50ZXIyaHVudGVyMg==}", "by its form"),
        ("{text: 'ask with Basic dXNlcjpodW50ZXIyaHVudGVyMg== or not'}", "by its form"),
        ("{text: 'set password=Tr0ub4dor&3xyz first'}", "by its name"),
        ("{text: 'PGPASSWORD=hunter2 psql'}", "by its name"),
        ("{text: 'say DB_PASSWORD=\"hunter2\" psql'}", "by its name"),
        ('{body: \'{"user": "me", "password": "hunter2"}\'}', "by its name"),
        ("{run: 'curl -sS -u admin:Sup3rS3cret! https://x.org'}", "by its form"),
        ("{run: 'curl https://x.org --user=admin:Sup3rS3cret!'}", "by its form"),
        ("{args: [curl, -u, 'admin:Sup3rS3cret!', 'https://x.org']}", "by its form"),
        ("{run: 'mysql -h db -u root -pSup3rS3cret! desk'}", "by its form"),
        ("{run: 'mysqldump -pSup3rS3cret! desk'}", "by its form"),
        ("{run: 'mysql --password Sup3rS3cret! desk'}", "by its form"),
        ("{args: [mysql, --password, 'Sup3rS3cret!']}", "by the option before it"),
        ("{args: [mysql, '--password=Sup3rS3cret!']}", "by its name"),
        ("{run: \"curl https://x.org -H 'X-Api-Key: hunter2hunter2'\"}", "by its form"),
        ("{run: 'curl --header \"Authorization: token hunter2x\" https://x.org'}", "by its form"),
        ("{run: \"curl https://x.org \\\\\\n  -H 'X-Api-Key: hunter2hunter2'\"}", "by its form"),
        ("{text: '//registry.org/:_authToken=hunter2xyz'}", "by its name"),
        ("{text: '//registry.org/:_password=hunter2xyz'}", "by its name"),
        ("{url: 'https://x.org/?_token=hunter2xyz9'}", "by its name"),
        (
            "{text: 'aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'}",
            "by its name",
        ),
        ("{text: 'password = \"hunter2xyz\"'}", "by its name"),
    ],
)
def test_what_looks_like_a_secret_is_an_error_that_does_not_repeat_it(
    argument: str, why: str
) -> None:
    step = f"[{{id: a, uses: llm.plan, with: {argument}}}]"

    (problem,) = lint(world(task(pipeline=step)), "default")

    assert (problem.code, problem.severity) == ("ORD807", "error")
    assert problem.message == f"this looks like a secret, {why}"
    assert SECRET not in problem.model_dump_json()


@pytest.mark.parametrize(
    "argument",
    [
        "{password: '${run.id}/password'}",
        "{password: /run/secrets/password}",
        "{password: abc}",
        "{password: <password>}",
        "{max_tokens: 12345678}",
        "{token_limit: 500, secret_santa: true, token: 12345678, secret: false}",
        "{authorization: required, credentials: include, next_page_token: abcdef}",
        "{token: 'https://example.com/token'}",
        "{args: [--password-file, passwords.txt, --token, --verbose]}",
        "{sha: 'da39a3ee5e6b4b0d3255bfef95601890afd80709'}",
        "{id: '7f3b4c2e-0d5a-4a57-9c5e-0f7a4f4b8a11'}",
        "{text: the quick brown fox jumps over the lazy dog}",
        "{url: 'https://example.com/path?x=1'}",
        "{word: AAAAAAAAAAAAAAAAAAAAAAAAaaaaaaaaaaa111}",
        "{spreadsheet_id: 1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms}",
        "{documentId: 1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms}",
        "{topic: weekdayMorningBriefing2026ForTeamHome}",
        "{image: sha256-9b1cE0AAbbccDDeeff0a12b3445c6d77}",
        "{page_token: first-page}",
        "{nextToken: first-page}",
        "{text: Bearer tokens are rotated}",
        "{text: 'Bearer authentication, Basic authentication and basic understanding2'}",
        "{text: 'Write Authorization: Bearer <token> or Bearer YOUR_TOKEN_GOES_HERE'}",
        "{text: write Bearer your-oauth2-token-goes-here}",
        "{h: 'Bearer ${secrets.x}'}",
        "{h: 'Basic ${secrets.login}'}",
        "{list: ['Authorization: Bearer ${secrets.x}', 'Authorization: required']}",
        "{text: 'Basic Oracle12 and Basic Operations'}",
        "{text: 'the password: see the vault'}",
        "{text: 'Token: OAuth2'}",
        "{text: 'password=<yours>, token=$TOKEN, secret=${secrets.x}, api_key={{key}}'}",
        "{text: 'where token=active and password=optional'}",
        "{query: \"token=='one' && password != 'two22'\"}",
        "{text: 'follow https://x.org/list?page_token=abc123 next'}",
        '{body: \'{"password": "${secrets.x}", "token": "string"}\'}',
        "{run: 'curl -u user:password https://x.org'}",
        "{run: 'curl -u user:$PASSWORD https://x.org'}",
        "{run: 'curl -u ${secrets.login} https://x.org:8080'}",
        "{run: 'docker run -u 1000:1000 x'}",
        "{args: [curl, -u, '${secrets.login}']}",
        "{run: 'mysql -p desk'}",
        "{run: 'mysql -u root -p${secrets.x} desk'}",
        "{run: 'mysql desk && mkdir -p2024files'}",
        "{run: 'mysql --password desk'}",
        "{run: 'mysql --password --host db2'}",
        "{run: \"curl -H 'X-Api-Key: $KEY' -H 'Accept: text/html2' https://x.org\"}",
        "{run: \"curl -H 'Authorization: token ${secrets.x}' https://x.org\"}",
        "{run: \"curl -H 'X-Api-Key: <your-key-1>' https://x.org\"}",
        "{text: 'const token = accessToken; let secret = load2(x); password = words[12345678]'}",
        "{query: 'select 1 where token = :token_12 and password = @password1 and secret = $1'}",
        "{text: 'the token = whatever the vault says'}",
        "{text: 'page_token = abc12345 and password = ${secrets.x}'}",
    ],
)
def test_what_is_no_secret_is_left_in_peace(argument: str) -> None:
    step = f"[{{id: a, uses: llm.plan, with: {argument}}}]"

    assert of("ORD807", task(pipeline=step), project=DECLARED) == []


@pytest.mark.parametrize(
    "field",
    [
        {"labels": "{api_key: hunter}"},
        {"labels": "{password: hunter}"},
        {"description": "the desk, password=Tr0ub4dor&3xyz"},
        {"description": "ask with Bearer abcdefghijklmnop123456"},
        {"description": "'Authorization: Basic dXNlcjpodW50ZXIyaHVudGVyMg=='"},
        {"description": "run curl -u admin:Sup3rS3cret! https://x.org"},
    ],
)
def test_secrets_are_looked_for_in_what_describes_a_document(field: dict[str, str]) -> None:
    assert [code for code, _ in found(task(**field))] == ["ORD807"]


@pytest.mark.parametrize(
    "field",
    [
        {"labels": "{team: home, commit: wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY, token: none}"},
        {"description": "Bearer tokens are rotated, basic authentication is not"},
        {"description": "'the password: see the vault; token=yours, secret=${secrets.x}'"},
        {"description": "uses ?token=<token> and password=..."},
        {"description": "rotates the password of mysql -p and of curl -u user:password"},
        {"description": "'sends curl -H X-Api-Key: <key>, and asks where _token=yours'"},
    ],
)
def test_what_describes_a_document_may_speak_of_secrets(field: dict[str, str]) -> None:
    assert of("ORD807", task(**field), project=DECLARED) == []


def test_secrets_are_looked_for_wherever_values_go_to_others() -> None:
    server = SERVER.replace(
        "{command: serve}", f"{{command: serve, args: [{SECRET}], env: {{A: {SECRET}}}}}"
    )
    http = (
        "apiVersion: ordinaut/v1\nkind: ToolServer\nname: web\n"
        f"http: {{url: 'https://me:hunter2@x.org/', headers: {{A: 'Bearer {SECRET}'}}}}\n"
    )
    described = task(description=SECRET)
    named = task(params="{password: '${vars.a}', token: '${vars.b}'}").replace("one", "two")
    project = PROJECT + f"variables: {{a: {SECRET}, b: hunter2}}\n"

    found = of("ORD807", server, http, described, named, project=project)

    assert [(p.file, p.line) for p in found] == [
        ("specs/0.yaml", 4),
        ("specs/0.yaml", 4),
        ("specs/1.yaml", 4),
        ("specs/1.yaml", 4),
        ("specs/2.yaml", 7),
        ("specs/3.yaml", 7),
        ("specs/3.yaml", 7),
        ("specs/ordinaut.yaml", 5),
    ]


def test_a_server_that_only_a_condition_asks_is_used() -> None:
    schedule = "{condition: {uses: files.count, when: 'result > `3`', every: 5m}}"

    assert found(SERVER, task(schedule)) == []


@pytest.mark.parametrize("zone", ["EST", "Etc/GMT-2", "CET", "EST5EDT", "GMT"])
def test_a_zone_without_a_place_is_told(zone: str) -> None:
    assert found(task(f'{{cron: "0 9 * * *", timezone: {zone}}}')) == [("ORD808", "0.yaml:5:41")]


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "Europe/Chisinau"])
def test_a_zone_with_a_place_and_utc_are_fine(zone: str) -> None:
    assert found(task(f'{{cron: "0 9 * * *", timezone: {zone}}}')) == []


def test_a_zone_that_the_project_gives_is_told_there_alone() -> None:
    project = PROJECT + "defaults: {timezone: CET}\n"

    assert found(task('{cron: "0 9 * * *"}'), project=project) == []


@pytest.mark.parametrize(
    ("schedule", "skips"),
    [
        ("{rrule: FREQ=MONTHLY;BYMONTHDAY=31, timezone: UTC}", True),
        ('{rrule: "RRULE:FREQ=MONTHLY;BYMONTHDAY=29,30", timezone: UTC}', True),
        ('{rrule: "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1", timezone: UTC}', False),
        ("{rrule: FREQ=MONTHLY;BYMONTHDAY=-1, timezone: UTC}", False),
        ('{rrule: "FREQ=YEARLY;BYMONTH=1,3;BYMONTHDAY=31", timezone: UTC}', False),
        ('{rrule: "FREQ=YEARLY;BYMONTH=1,4;BYMONTHDAY=31", timezone: UTC}', True),
        ("{rrule: FREQ=MONTHLY, start: 2026-01-31T08:00, timezone: UTC}", True),
        ("{rrule: FREQ=MONTHLY, start: 2026-01-28T08:00, timezone: UTC}", False),
        ("{rrule: FREQ=MONTHLY;BYDAY=1MO, start: 2026-01-31T08:00, timezone: UTC}", False),
        ('{cron: "0 9 31 * *", timezone: UTC}', True),
        ('{cron: "0 0 9 30,31 * *", timezone: UTC}', True),
        ('{cron: "0 9 31 1 *", timezone: UTC}', False),
        ('{cron: "0 9 31 * 1", timezone: UTC}', False),
        ('{cron: "0 9 * * *", timezone: UTC}', False),
        ('{cron: "@monthly", timezone: UTC}', False),
    ],
)
def test_days_that_not_every_month_has_are_told(schedule: str, skips: bool) -> None:
    assert [code for code, _ in found(task(schedule))] == (["ORD809"] if skips else [])


def test_more_runs_or_calls_than_an_agent_is_allowed_are_told() -> None:
    agent = AGENT + (
        "scopes: ['*']\n"
        "budgets: [{per: run, runs: 1}, {per: day, tokens: 5}, {per: day, runs: 5}]\n"
        "rate_limits: [{calls: 1, per: 1d, key: prompt}, {calls: 2, per: 1d, tools: llm.*}]\n"
    )
    problems = of("ORD810", agent, task("{every: 4h}", agent="worker"))

    assert [(p.line, p.column) for p in problems] == [(5, 72), (6, 57)]
    assert [p.message for p in problems] == [
        "6 runs are due on Wed 21 Oct, and the budget allows 5 a day: the others are refused",
        "6 calls of `llm.*` are due within 1d, and the limit allows 2",
    ]
    assert of("ORD810", agent, task("{every: 12h}", agent="worker")) == []


def test_a_shared_key_with_different_limits_is_told() -> None:
    one, two, three = (
        task(name=name, concurrency=f"{{key: {key}, limit: {limit}}}")
        for name, key, limit in (("a", "crm", 1), ("b", "crm", 2), ("c", "crm", 1))
    )
    template = "'crm-${params.x}'"
    each = [
        task(name=name, params="{x: 1}", concurrency=f"{{key: {template}, limit: {limit}}}")
        for name, limit in (("d", 1), ("e", 2))
    ]

    problems = of("ORD816", one, two, three, *each, task(name="f"))

    assert [p.message for p in problems] == [
        "the key `crm` has 2 slots here, and 1 in a: the limit of the run that has waited longest counts"
    ]


@pytest.mark.parametrize("tool", ["files.delete_file", "files.bulkDelete", "files.purge"])
def test_a_destructive_tool_without_approval_is_told(tool: str) -> None:
    assert found(SERVER, task(pipeline=f"[{{id: a, uses: {tool}}}]")) == [
        ("ORD811", "1.yaml:6:26")
    ]


def test_an_approval_or_a_grant_makes_a_destructive_tool_fine() -> None:
    step = "[{id: a, uses: files.delete_file}]"
    agent = AGENT + "scopes: ['*']\ndestructive: granted\n"
    pipeline = f"apiVersion: ordinaut/v1\nkind: Pipeline\nname: steps\nsteps: {step}\n"
    uses = task(agent="worker", pipeline="{use: steps}")

    assert found(SERVER, agent, task(agent="worker", pipeline=step)) == []
    assert found(SERVER, task(pipeline=step.replace("}]", ", approval: {by: [me]}}]"))) == []
    assert (
        found(SERVER, task(pipeline=step.replace("[{", "[{id: ask, uses: ordinaut.approve}, {")))
        == []
    )
    assert found(SERVER, agent, pipeline, uses) == []
    assert [code for code, _ in found(SERVER, pipeline, task(pipeline="{use: steps}"))] == [
        "ORD811"
    ]
    assert found(SERVER, task(pipeline=step.replace("delete_file", "undeleted"))) == []


def test_a_tool_that_destroys_by_the_tool_lock_is_told_of_whatever_it_is_called() -> None:
    tools = [
        listed(name, annotations={"destructiveHint": name == "tidy"}) for name in ("tidy", "look")
    ]
    lock = SourceFile("specs/tools.lock.json", lock_text(locked(files=tools)))
    steps = "[{id: a, uses: files.tidy}, {id: b, uses: files.look}]"
    files = [
        SourceFile("specs/ordinaut.yaml", PROJECT.encode()),
        SourceFile("specs/all.yaml", f"{SERVER}---\n{task(pipeline=steps)}".encode()),
        lock,
    ]

    problems = lint(world_of(compile_specs(files), files, NOW), "default", {"ORD811"})

    assert [problem.message for problem in problems] == [
        "`files.tidy` destroys something, by what the tool lock says of it, and nobody is asked before"
    ]


@pytest.mark.parametrize("tool", ["list_purged", "get_drop_rate", "searchKillList", "unsubscribe"])
def test_a_tool_that_only_tells_of_what_is_destroyed_is_fine(tool: str) -> None:
    assert found(SERVER, task(pipeline=f"[{{id: a, uses: files.{tool}}}]")) == []


@pytest.mark.parametrize(("days", "codes"), [(31, ["ORD812"]), (29, [])])
def test_a_former_name_is_told_when_it_has_been_there_for_long(
    days: int, codes: list[str]
) -> None:
    renamed = world(task(renamed_from="zero"))
    since: Mapping[Key, datetime] = {Key("Task", "default", "one"): NOW - timedelta(days=days)}

    problems = lint(replace(renamed, renamed_at=since), "default")

    assert [(problem.code, problem.severity) for problem in problems] == [
        (code, "note") for code in codes
    ]


def test_variables_and_secrets_that_nothing_reads_are_told() -> None:
    project = PROJECT + (
        "variables: {read: 1, idle: 2, quoted: 3}\n"
        "secrets: {key: {env: A}, spare: {env: B}}\n"
        "environments: {prod: {variables: {read: 5, extra: 6}}}\n"
    )
    step = "[{id: a, uses: llm.plan, with: {x: '${vars.read}', y: '${vars.\"quoted\"}', z: '${secrets.key}'}}]"

    assert [p.message for p in of("ORD813", task(pipeline=step), project=project)] == [
        "nothing reads `${vars.idle}`",
        "nothing reads `${secrets.spare}`",
        "nothing reads `${vars.extra}`",
    ]


def test_defaults_that_no_document_takes_are_told() -> None:
    project = PROJECT + "defaults: {timezone: Europe/Berlin, timeout: 5m, priority: 3}\n"

    assert [p.message for p in of("ORD813", task("{cron: '0 9 * * *'}"), project=project)] == [
        "no document takes the default `timeout`"
    ]
    assert len(of("ORD813", project=project)) == 3


def test_defaults_of_a_namespace_that_no_document_takes_are_told() -> None:
    project = (
        PROJECT + "defaults: {namespaces: {ops: {priority: 3, owner: a}, opps: {owner: b}}}\n"
    )
    one = task("{every: 1h}") + "namespace: ops\nowner: me\n"

    assert [(p.message, p.line) for p in of("ORD813", one, project=project)] == [
        ("no document takes the default `namespaces.ops.owner`", 5),
        ("no document takes the default `namespaces.opps.owner`", 5),
    ]


def test_a_comment_with_a_reason_silences_a_rule_on_its_line_or_the_next() -> None:
    ended = "{at: '2026-01-01T00:00Z'}"
    above = task("x").replace(
        "schedule: x", f"schedule:\n  # ordinaut:ignore ORD803 history\n  # more\n\n  - {ended}"
    )

    assert found(task(f"{ended}  # ordinaut:ignore ORD803 history")) == []
    assert found(above) == []
    assert found(task(f"{ended}  # ordinaut:ignore ORD804, ORD803: history")) == [
        ("ORD815", "0.yaml:5:38")
    ]


def test_a_comment_without_code_or_reason_has_no_effect_and_is_told() -> None:
    ended = "{at: '2026-01-01T00:00Z'}"

    assert found(task(f"{ended}  # ordinaut:ignore ORD803")) == [
        ("ORD803", "0.yaml:5:16"),
        ("ORD814", "0.yaml:5:38"),
    ]
    assert found(task() + "# ordinaut:ignore this\n") == [("ORD814", "0.yaml:7:1")]
    assert found(task() + "# ordinaut:ignored is another word\n") == []


def test_a_comment_that_silences_nothing_is_told() -> None:
    assert found(task().replace("name: one", "name: one  # ordinaut:ignore ORD805 ours")) == [
        ("ORD815", "0.yaml:3:12")
    ]


def test_the_project_weighs_rules_and_an_environment_weighs_them_anew() -> None:
    project = PROJECT + (
        "lint: {ORD803: error, ORD809: 'off'}\n"
        "environments: {prod: {lint: {ORD803: note}}, quiet: {lint: {ORD803: 'off'}}}\n"
    )
    specs = task("[{at: '2026-01-01T00:00Z'}, {cron: '0 9 31 * *', timezone: UTC}]")

    def severities(environment: str) -> list[str]:
        seen = world(specs, project=project, environment=environment)
        return [problem.severity for problem in lint(seen, environment)]

    assert severities("default") == ["error"]
    assert severities("prod") == ["note"]
    assert severities("quiet") == []


def test_a_rule_that_does_not_exist_cannot_be_weighed() -> None:
    files = [SourceFile("specs/ordinaut.yaml", f"{PROJECT}lint: {{ORD899: error}}\n".encode())]

    (problem,) = compile_specs(files).problems

    assert (problem.code, problem.line) == ("ORD007", 5)
    assert "there is no lint rule ORD899" in problem.message
