"""What an agent or a tool server may do, and what a step is told, can be seen in a plan without asking for more."""

from __future__ import annotations

import pytest

from reconciler.core.look import Look
from reconciler.core.render import render_plan
from reconciler.core.render_markdown import render_markdown
from schemas.plan import Plan, PlannedChange
from tests.core.plan_story import plan_of
from tests.support.specs import Database, compiled, database_of

AGENT = """
kind: Agent
name: root
scopes: ['*', mail.send]
deny: [fs.delete]
destructive: granted
rate_limits: [{tools: llm.*, calls: 3, per: 60s}, {calls: 1, per: 1h, key: to}]
budgets: [{per: day, runs: 9, tokens: 1000, cost: '1.50'}]
"""
STDIO = """
kind: ToolServer
name: shell
stdio: {command: bash, args: [-c, "rm -rf /"], cwd: /srv, env: {TOKEN: '${secrets.token}', HOME: /root}}
tools: {allow: ['*'], deny: [exec_all]}
sandbox: {user: nobody, network: false}
"""
HTTP = """
kind: ToolServer
name: web
http: {url: 'https://tools.example.com/mcp', headers: {Authorization: 'Bearer ${secrets.token}'}}
"""
OAUTH = """
kind: ToolServer
name: web
http:
  url: https://x/mcp
  auth: {issuer: 'https://auth.example.com', client_id: us, client_secret: '${secrets.token}', scope: read}
  tls: {ca: ca.pem, certificate: our.pem, key: '${secrets.token}'}
"""
PROJECT = "kind: Project\nname: platform\nowner: team-ops\nsecrets: {token: {env: TOKEN}}"
FS = "kind: ToolServer\nname: fs\nstdio: {command: mcp-fs}\n---\n"


def steps(*texts: str) -> str:
    listed = ", ".join(texts)
    return f"{FS}kind: Task\nname: t\nschedule: {{manual: true}}\npipeline: [{listed}]\n"


def purge(arguments: str, uses: str = "fs.delete", name: str = "purge") -> str:
    return f"{{id: {name}, uses: {uses}, with: {arguments}}}"


def lines(before: str, after: str, look: Look | None = None) -> str:
    plan = plan_of(database_of(before), compiled(after))
    return render_plan(plan, look or Look(width=80))


def first(text: str) -> tuple[Plan, PlannedChange]:
    plan = plan_of(Database({}), compiled(text, PROJECT))
    return plan, next(one for one in plan.changes if one.kind in {"Agent", "ToolServer"})


def test_a_new_agent_shows_what_it_may_call_and_spend() -> None:
    plan, change = first(AGENT)

    text = render_plan(plan, Look(width=80))
    assert (
        "    may call  *  mail.send\n"
        "              destructive tools without approval\n"
        "    denied    fs.delete\n"
        "    limits    3 calls of llm.* in 1m\n"
        "              1 calls of * in 1h for each to\n"
        "    budgets   9 runs, 1000 tokens, 1.5 USD a day\n"
    ) in text
    assert text.partition("<!--")[0].count("may call") == 1
    assert "may call  *  mail.send" in render_markdown(plan)
    assert change.gains == (
        "may call *",
        "may call mail.send",
        "may call destructive tools without approval",
    )
    assert (change.impact, change.impact_reasons) == ("high", ("powers of an agent",))
    assert "**gains:** `Agent root may call *`" in render_markdown(plan)


def test_a_new_agent_that_may_do_little_is_not_loud() -> None:
    _, change = first("kind: Agent\nname: reader\nscopes: [fs.list]\n")

    assert (change.impact, change.gains) == ("medium", ("may call fs.list",))


def test_an_agent_without_powers_is_said_to_have_none() -> None:
    plan, _ = first("kind: Agent\nname: idle\n")

    assert "    may call  nothing\n" in render_plan(plan, Look())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            STDIO,
            "    runs      bash -c 'rm -rf /'  in /srv  as nobody  without network\n"
            "    env       HOME  TOKEN\n"
            "    tools     *  but not exec_all\n",
        ),
        (HTTP, "    reaches   https://tools.example.com/mcp\n    headers   Authorization\n"),
        (
            OAUTH,
            "    reaches   https://x/mcp\n    tokens    from https://auth.example.com as us  for read\n"
            "    tls       believes authorities of its own  shows a certificate\n",
        ),
        (
            "kind: ToolServer\nname: web\nhttp: {url: 'https://x/mcp', auth: {login: browser}}\n",
            "    reaches   https://x/mcp\n    tokens    that a person allows\n",
        ),
    ],
)
def test_a_new_tool_server_shows_what_it_runs_or_reaches_and_is_given(
    text: str, shown: str
) -> None:
    plan, change = first(text)

    assert shown in render_plan(plan, Look(width=80))
    assert shown.splitlines()[0] in render_markdown(plan)
    assert change.gains == ("is a new tool server",)
    assert plan.model_dump(mode="json")["changes"][1]["gains"] == ["is a new tool server"]


def test_a_changed_argument_is_seen() -> None:
    before, after = steps(purge("{path: /tmp/old}")), steps(purge("{path: /}"))

    assert (
        "    steps     ~ purge\n              purge.with.path: /tmp/old -> /\n"
    ) in lines(before, after)  # fmt: skip


def test_arguments_of_what_destroys_are_all_shown_and_others_fold() -> None:
    many = "{" + ", ".join(f"a{n}: OLD" for n in range(7)) + "}"
    both = steps(purge(many, "fs.list", "look"), purge(many))
    text = lines(both, both.replace("OLD", "new"))

    assert text.count("purge.with.a") == 7
    assert text.count("look.with.a") == 4
    assert "and 3 more arguments (-v)" in text
    assert "look.with.a6: OLD -> new" in lines(both, both.replace("OLD", "new"), Look(verbose=1))


def test_what_a_new_step_that_destroys_is_told_is_seen() -> None:
    text = lines(
        steps(purge("{path: a}", "fs.list", "look")),
        steps(purge("{path: a}", "fs.list", "look"), purge("{path: /}")),
    )

    assert "    tools     + fs.delete (destructive)\n" in text
    assert "    steps     + purge\n              + purge.with.path: /\n" in text
    assert "Impact: HIGH (destructive tool)" in text


def test_arguments_are_seen_although_steps_come_in_another_order() -> None:
    look, wipe = purge("{path: a}", "fs.list", "look"), purge("{path: /tmp}")
    text = lines(steps(f"{look}", wipe), steps(wipe.replace("/tmp", "/"), look))

    assert "purge.with.path: /tmp -> /" in text


def test_arguments_of_a_pipeline_and_of_the_task_that_uses_it_are_seen() -> None:
    pipeline = f"{FS}kind: Pipeline\nname: clean\nsteps: [{purge('{path: /tmp}')}]\n---\n"
    user = "kind: Task\nname: t\nschedule: {manual: true}\npipeline: {use: clean}\n"

    text = lines(pipeline + user, (pipeline + user).replace("/tmp", "/"))

    assert text.count("              purge.with.path: /tmp -> /\n") == 2


def test_a_new_owner_is_seen_beside_the_old_one() -> None:
    task = steps(purge("{path: a}")) + "owner: me\n"

    assert "    owner     me -> team-x\n" in lines(
        task, task.replace("owner: me", "owner: team-x")
    )
    assert "    owner     nobody -> me\n" in lines(task.replace("owner: me\n", ""), task)


def test_a_task_whose_steps_change_keeps_its_times_and_its_queue_and_says_so() -> None:
    text = lines(steps(purge("{path: /tmp}")), steps(purge("{path: /}")))

    assert "    runs      schedule unchanged, queue untouched\n" in text
    task = steps(purge("{path: /tmp}"))
    other = lines(task, task.replace("manual: true", "every: 5m"))
    assert "queue untouched" not in other


NOTHING = "kind: Agent\nname: none"
OP = "\nsecrets: {token: {env: TOKEN}, key: {command: [op, read, 'op://mail/my key'], cache: 1h}}"


def test_a_program_that_prints_a_secret_is_shown_and_weighs_high() -> None:
    plain = "kind: Project\nname: platform\nowner: team-ops"
    anew = plan_of(Database({}), compiled(NOTHING, plain + OP))
    change = next(one for one in anew.changes if one.kind == "Project")
    assert "    runs      op read 'op://mail/my key' for key\n" in render_plan(
        anew, Look(width=80)
    )
    assert change.gains == ("runs a program for the secret key",)

    for before, after in [
        ("", OP),
        ("\nsecrets: {token: {env: TOKEN}}", OP),
        (OP, OP.replace("read", "inject")),
    ]:
        (change,) = plan_of(
            Database(compiled(NOTHING, plain + before).documents), compiled(NOTHING, plain + after)
        ).changes
        assert change.gains == ("runs a program for the secret key",), before
        assert (change.impact, change.impact_reasons) == ("high", ("what a secret runs",))


@pytest.mark.parametrize("after", [OP.replace("1h", "2h"), OP.replace("TOKEN", "OTHER"), ""])
def test_what_runs_no_other_program_for_a_secret_gains_nothing(after: str) -> None:
    plain = "kind: Project\nname: platform\nowner: team-ops"

    (change,) = plan_of(
        Database(compiled(NOTHING, plain + OP).documents), compiled(NOTHING, plain + after)
    ).changes

    assert change.gains == ()
    assert "what a secret runs" not in change.impact_reasons


MODEL = "\nmodels: {default: {url: 'https://llm.example.com/v1', model: small}}"
ASKS = "kind: Task\nname: t\nschedule: {manual: true}\npipeline: [{id: a, uses: llm.plan, with: {goal: x}}]"


def test_a_step_that_asks_no_model_is_said_to_be_offline() -> None:
    plain = "kind: Project\nname: platform"

    text, online = (
        render_plan(plan_of(Database({}), compiled(ASKS, project)), Look(width=80))
        for project in (plain, plain + MODEL)
    )

    assert "    tools     + llm.plan (offline)\n" in text
    assert "    tools     + llm.plan\n" in online
    assert "    asks      small at https://llm.example.com/v1 as default\n" in online


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", MODEL),
        (MODEL, MODEL.replace("llm.example", "elsewhere.example")),
        (MODEL, MODEL.replace("small}", "small, api_key: '${secrets.token}'}")),
        (MODEL.replace("small}", "small, headers: {a: b}}"), MODEL),
        (MODEL.replace("{default", "{fast: {url: 'https://x', model: y}, default"), MODEL.replace("small", "large").replace("v1", "v2")),
    ],
)  # fmt: skip
def test_a_model_that_is_asked_elsewhere_weighs_high(before: str, after: str) -> None:
    plain = "kind: Project\nname: platform\nsecrets: {token: {env: TOKEN}}"

    change = _project_change(plain + before, plain + after)

    assert change.gains == ("asks something else for the model default",)
    assert (change.impact, change.impact_reasons) == ("high", ("where models are asked",))


@pytest.mark.parametrize(
    "after", [MODEL.replace("small", "large"), MODEL.replace("small}", "small, repairs: 0}"), ""]
)
def test_another_model_at_the_same_place_gains_nothing(after: str) -> None:
    plain = "kind: Project\nname: platform"

    change = _project_change(plain + MODEL, plain + after)

    assert change.gains == ()
    assert "where models are asked" not in change.impact_reasons


def _project_change(before: str, after: str) -> PlannedChange:
    (change,) = plan_of(
        Database(compiled(NOTHING, before).documents), compiled(NOTHING, after)
    ).changes
    return change


HEARS = """
kind: Project
name: platform
secrets: {token: {env: TOKEN}}
webhooks: {shop: {secret: '${secrets.token}'}}
streams: {orders: {stream: shop:orders, group: ordinaut}}
"""


def test_where_a_new_project_takes_events_is_shown() -> None:
    anew = plan_of(Database({}), compiled(NOTHING, HEARS))

    text = render_plan(anew, Look(width=80))

    assert "    events    /hooks/platform/shop  the stream orders\n" in text


@pytest.mark.parametrize(
    ("old", "words"),
    [("webhooks: {shop: {secret: '${secrets.token}'}}", "webhooks"), ("streams: {orders: {stream: shop:orders, group: ordinaut}}", "streams")],
)  # fmt: skip
def test_where_a_project_comes_to_take_events_is_shown(old: str, words: str) -> None:
    database = Database(compiled(NOTHING, HEARS.replace(old, "")).documents)

    text = render_plan(plan_of(database, compiled(NOTHING, HEARS)), Look(width=80))

    assert words in text
    assert "shop" in text


PROGRAMS = """
kind: Project
name: platform
processes: {shop: {command: python, args: [servers/shop.py, --port, '8025']}}
"""


def test_what_runs_beside_up_is_shown_of_a_new_project() -> None:
    text = render_plan(plan_of(Database({}), compiled(NOTHING, PROGRAMS)), Look(width=80))

    assert "    up        python servers/shop.py --port 8025 as shop\n" in text


@pytest.mark.parametrize(
    ("old", "new", "gained"),
    [
        ("servers/shop.py", "servers/other.py", ("has `ordinaut up` run shop",)),
        ("command: python", "env: {A: b}, command: python", ("has `ordinaut up` run shop",)),
        ("command: python", "ready_timeout: 1m, command: python", ()),
        ("{shop:", "{other: {command: python}, shop:", ("has `ordinaut up` run other",)),
    ],
)
def test_what_comes_to_run_beside_up_is_a_gain_of_high_impact(
    old: str, new: str, gained: tuple[str, ...]
) -> None:
    change = _project_change(PROGRAMS, PROGRAMS.replace(old, new))

    assert change.gains == gained
    assert (change.impact == "high") == bool(gained)


def test_all_processes_at_once_are_gained_one_by_one() -> None:
    change = _project_change("kind: Project\nname: platform\n", PROGRAMS)

    assert change.gains == ("has `ordinaut up` run shop",)


def test_a_topic_that_comes_to_start_a_task_is_shown() -> None:
    listening = ASKS.replace("{manual: true}", "{event: orders.*}")
    database = Database(compiled(ASKS, "kind: Project\nname: platform").documents)

    text = render_plan(plan_of(database, compiled(listening, "kind: Project\nname: platform")), Look(width=80))  # fmt: skip

    assert "on event orders.*" in text
