"""The dashboard without a browser: who gets in, what each page says about itself, and that only our own forms do anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from time import perf_counter
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from runtime.store.connect import connect
from runtime.store.sessions import add_sign_in_link
from tests.support.factories import insert_event
from tests.support.showcase import HOSTILE, Showcase, add_hostile, furnish
from tests.support.web import Web, make_token, running

TASK = "home/morning-briefing"


@pytest.fixture
def show(web: Web) -> Showcase:
    with psycopg.connect(web.database, autocommit=True) as connection:
        return furnish(connection)


@pytest.fixture
def visitor(web: Web) -> Iterator[httpx.Client]:
    """A browser, as far as cookies go."""
    origin = {"Origin": web.url, "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=web.url, headers=origin, timeout=20) as client:
        yield client


@pytest.fixture
def member(web: Web, visitor: httpx.Client) -> httpx.Client:
    """One that is signed in."""
    sign_in(visitor, web.token)
    return visitor


def sign_in(visitor: httpx.Client, token: str) -> httpx.Response:
    return visitor.post("/sign-in", data={"token": token})


def word_of(member: httpx.Client) -> str:
    """What the session's forms show."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', member.get("/").text)
    assert found is not None
    return found[1]


def paths(show: Showcase) -> list[str]:
    run = show.runs["morning"]
    return [
        "/", "/tasks", f"/tasks/{TASK}", "/runs", f"/runs/{run}", "/timeline", "/changes", "/changes/2", "/approvals",
        "/spend", "/health", "/audit", f"/do/pause?task={TASK}", f"/do/run?task={TASK}", f"/do/rerun?run={run}",
    ]  # fmt: skip


def done(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select actor, origin, token, action, subject, reason from ordinaut.audit where origin = 'dashboard' and action not like 'session.%' order by entry"
    ).fetchall()


def test_nobody_sees_anything_without_signing_in(visitor: httpx.Client, show: Showcase) -> None:
    for path in [*paths(show), "/live"]:
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")


def test_a_token_signs_in_and_its_revocation_signs_out(web: Web, visitor: httpx.Client) -> None:
    answer = sign_in(visitor, web.token)

    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert web.token not in cookie
    assert visitor.get("/").status_code == 200
    with connect(web.database) as connection:
        connection.execute("update ordinaut.api_token set revoked_at = now(), revoked_by = 'ada'")
    assert visitor.get("/").status_code == 303


def test_behind_tls_the_cookie_goes_over_tls_alone(database: str) -> None:
    with running(database, public_url="https://ordinaut.example") as (url, _):
        token = make_token(database, "a", ("read",))
        named = {"Origin": "https://ordinaut.example", "Sec-Fetch-Site": "same-origin"}
        answer = httpx.post(f"{url}/sign-in", data={"token": token}, headers=named)

    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_wrong_token_does_not(visitor: httpx.Client) -> None:
    answer = sign_in(visitor, "ord_" + "x" * 43)

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_link_signs_in_once(web: Web, visitor: httpx.Client) -> None:
    with connect(web.database) as connection:
        link = add_sign_in_link(connection, "ada@laptop", ("read",))

    asked = visitor.get("/sign-in", params={"link": link})
    first = visitor.post("/sign-in", data={"link": link})
    seen = visitor.get("/").text
    again = visitor.post("/sign-in", data={"link": link})

    assert "Go on" in asked.text
    assert first.status_code == 303
    assert "ada@laptop" in seen
    assert again.status_code == 401


def test_a_link_that_is_too_old_does_not(web: Web, visitor: httpx.Client) -> None:
    with connect(web.database) as connection:
        link = add_sign_in_link(connection, "ada@laptop", ("read",))
        connection.execute("update ordinaut.sign_in_link set expires_at = now() - interval '1 s'")

    assert visitor.post("/sign-in", data={"link": link}).status_code == 401


def test_a_session_that_is_over_or_signed_out_is_none(web: Web, member: httpx.Client) -> None:
    cookies = dict(member.cookies)
    member.post("/sign-out", data={"csrf": word_of(member)})

    assert httpx.get(web.url + "/", cookies=cookies).status_code == 303
    sign_in(member, web.token)
    with connect(web.database) as connection:
        connection.execute("update ordinaut.web_session set expires_at = now() - interval '1 s'")
    assert member.get("/").status_code == 303


def test_neither_tokens_nor_sessions_can_be_read_from_the_database(
    web: Web, member: httpx.Client
) -> None:
    with connect(web.database) as connection:
        rows = connection.execute("select s::text from ordinaut.web_session s").fetchall()

    secret = member.cookies["ordinaut_session"]
    assert rows
    assert not [row for row in rows if secret in row[0] or secret.encode().hex() in row[0]]


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "/\nx"])  # fmt: skip
def test_signing_in_leads_to_our_own_pages_only(
    web: Web, visitor: httpx.Client, back: str
) -> None:
    answer = visitor.post("/sign-in", data={"token": web.token, "back": back})

    assert answer.headers["location"] == "/"


def test_every_page_says_what_it_may_load_and_where_it_is_told_elsewhere(
    member: httpx.Client, show: Showcase
) -> None:
    for path in paths(show):
        answer = member.get(path)
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<[^>]+ (style|on[a-z]+)=", answer.text), path
        assert "<script>" not in answer.text
        if not path.startswith("/do/"):
            assert "ordinaut " in answer.text
        assert [
            element for element in ("<main", "<nav", "<h1") if element not in answer.text
        ] == []


def test_the_json_twin_of_every_page_is_there(
    web: Web, member: httpx.Client, show: Showcase
) -> None:
    for path in paths(show):
        for twin in re.findall(r'<a href="(/api/v1[^"]*)">JSON', member.get(path).text):
            found = web.client.get(twin.replace("&amp;", "&"))
            assert found.status_code == 200, (path, twin)


def test_an_act_is_done_and_is_in_the_audit_log(
    web: Web, member: httpx.Client, show: Showcase
) -> None:
    word = word_of(member)
    pause = {"csrf": word, "task": [TASK, "ops/oncall-ping"], "until": "2h", "reason": "moving"}

    answer = member.post("/do/pause", data=pause)
    member.post("/do/resume", data={"csrf": word, "task": TASK, "reason": "moved"})
    run = member.post("/do/run", data={"csrf": word, "task": TASK, "key": "k1", "reason": "look"})
    twice = member.post(
        "/do/run", data={"csrf": word, "task": TASK, "key": "k1", "reason": "look"}
    )

    assert answer.headers["location"] == "/tasks?done=pause"
    assert run.headers["location"] == twice.headers["location"]
    run_id = run.headers["location"].removeprefix("/runs/").partition("?")[0]
    member.post("/do/cancel", data={"csrf": word, "run": run_id, "reason": "enough"})
    with connect(web.database) as connection:
        assert done(connection) == [
            ("tester", "dashboard", "tester", "task.pause", TASK, "moving"),
            ("tester", "dashboard", "tester", "task.pause", "ops/oncall-ping", "moving"),
            ("tester", "dashboard", "tester", "task.resume", TASK, "moved"),
            ("tester", "dashboard", "tester", "task.run", TASK, "look"),
            ("tester", "dashboard", "tester", "run.cancel", run_id, "enough"),
        ]


def test_a_rerun_is_made_once_for_a_form(web: Web, member: httpx.Client, show: Showcase) -> None:
    run = str(show.runs["morning"])
    asked = member.get(f"/do/rerun?run={run}").text
    made = re.search(r'name="made" value="(\d+)"', asked)
    assert made is not None
    form = {"csrf": word_of(member), "run": run, "how": "all", "reason": "again", "made": made[1]}

    first, second = member.post("/do/rerun", data=form), member.post("/do/rerun", data=form)

    assert first.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    with connect(web.database) as connection:
        # The entry is about the run that is run again.
        assert [entry[3:] for entry in done(connection)] == [("run.rerun", run, "again")]


def test_an_open_page_is_told_what_changed_until_its_session_ends(
    web: Web, member: httpx.Client, show: Showcase
) -> None:
    with (
        member.stream("GET", "/live") as one,
        httpx.Client(base_url=web.url, cookies=member.cookies, timeout=20) as other,
        other.stream("GET", "/live") as two,
    ):
        lines = [one.iter_lines(), two.iter_lines()]
        assert [next(line for line in each if line.startswith("event")) for each in lines] == ["event: hello"] * 2  # fmt: skip
        with psycopg.connect(web.database, autocommit=True) as connection:
            told: list[str] = []
            while "event: changed" not in told:
                # The follower begins a moment after the stream does.
                insert_event(connection, "run.noted")
                told = [next(lines[0]) for _ in range(3)]
        with httpx.Client(base_url=web.url, cookies=member.cookies, headers=dict(member.headers)) as third:  # fmt: skip
            third.post("/sign-out", data={"csrf": word_of(third)})
        for each in lines:
            assert "event: bye" in list(each)


def test_the_process_ends_soon_though_pages_are_open(database: str) -> None:
    with httpx.Client(timeout=20) as client, ExitStack() as streams:
        with running(database) as (url, _):
            client.headers.update({"Origin": url, "Sec-Fetch-Site": "same-origin"})
            client.post(f"{url}/sign-in", data={"token": make_token(database, "a", ("read",))})
            lines = streams.enter_context(client.stream("GET", f"{url}/live")).iter_lines()
            assert "event: hello" in [next(lines) for _ in range(3)]
            begun = perf_counter()
        took = perf_counter() - begun

        assert "event: bye" in list(lines)
    # Streams that nobody ends are cut off after three seconds.
    assert took < 2.5


def test_an_approval_counts_once(web: Web, member: httpx.Client, show: Showcase) -> None:
    form = {"csrf": word_of(member), "run": str(show.runs["payment"]), "step": "send", "item": "0", "reason": "it is right"}  # fmt: skip

    first, second = member.post("/do/approve", data=form), member.post("/do/deny", data=form)

    assert first.status_code == 303
    assert second.status_code in {404, 409, 422}
    assert "does not wait any more" in second.text
    with connect(web.database) as connection:
        assert [entry[3] for entry in done(connection)] == ["step.approve"]


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({}, "0" * 64),
        ({}, ""),
        ({"Sec-Fetch-Site": "cross-site"}, None),
        ({"Sec-Fetch-Site": "same-site"}, None),
        ({"Origin": "https://evil.example"}, None),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, None),
    ],
)
def test_what_another_site_has_a_browser_send_does_nothing(
    web: Web, member: httpx.Client, show: Showcase, headers: dict[str, str], word: str | None
) -> None:
    shown = word_of(member) if word is None else word

    form = {"csrf": shown, "task": TASK, "reason": "gotcha"}
    answer = member.post("/do/pause", data=form, headers=headers)

    assert answer.status_code == 403
    with connect(web.database) as connection:
        assert done(connection) == []


def test_another_session_s_word_is_none_of_this_one(
    web: Web, member: httpx.Client, show: Showcase
) -> None:
    with httpx.Client(base_url=web.url, headers=dict(member.headers)) as other:
        sign_in(other, web.token)
        word = word_of(other)

    answer = member.post("/do/pause", data={"csrf": word, "task": TASK, "reason": "x"})

    assert answer.status_code == 403


def test_nothing_is_done_without_a_reason_or_the_scope(
    web: Web, visitor: httpx.Client, show: Showcase
) -> None:
    sign_in(visitor, web.token_for("read"))
    word = word_of(visitor)

    looked = visitor.get(f"/tasks/{TASK}").text
    refused = visitor.post("/do/pause", data={"csrf": word, "task": TASK, "reason": "x"})
    sign_in(visitor, web.token)
    bare = visitor.post("/do/pause", data={"csrf": word_of(visitor), "task": TASK, "reason": " "})

    assert "/do/pause" not in looked
    assert refused.status_code == 403
    assert "a reason is needed" in bare.text
    with connect(web.database) as connection:
        assert done(connection) == []


def test_a_form_that_does_not_fit_comes_back_with_what_was_filled_in(
    member: httpx.Client, show: Showcase
) -> None:
    form = {"csrf": word_of(member), "task": TASK, "until": "yesterdayish", "reason": "a good one"}

    answer = member.post("/do/pause", data=form)

    assert answer.status_code == 422
    assert "is no end of a pause" in answer.text
    assert 'value="a good one"' in answer.text


def test_hostile_texts_are_only_texts(web: Web, member: httpx.Client, show: Showcase) -> None:
    with psycopg.connect(web.database, autocommit=True) as connection:
        add_hostile(connection, show)

    for path in ("/", "/tasks", "/runs", f"/runs/{show.runs['hostile']}", "/tasks?words=<script>", "/health"):  # fmt: skip
        # What a form sends back is what it was given.
        text = re.sub(r' value="[^"]*"', "", member.get(path).text)
        assert HOSTILE not in text, path
        assert "\u202e" not in text, path
    assert "\\u202e" in member.get(f"/runs/{show.runs['hostile']}").text


def test_what_looks_like_a_secret_in_a_spec_is_not_shown(
    web: Web, member: httpx.Client, show: Showcase
) -> None:
    """Plans refuse it, but a Project may let it pass, and a row may be written past git."""
    secret = "sk-live-" + "9f8a7b6c5d4e3f2a1b0c"
    with psycopg.connect(web.database, autocommit=True) as connection:
        connection.execute(
            "with named as (update ordinaut.spec set body = jsonb_set(body, '{params}', %(params)s) where uid = %(uid)s)"
            " update ordinaut.spec_revision set body = jsonb_set(body, '{params}', %(params)s) where uid = %(uid)s and revision_id = 2",
            {"uid": show.tasks[TASK].uid, "params": Jsonb({"api_key": secret, "city": "Rome"})},
        )

    shown = member.get(f"/tasks/{TASK}").text + member.get("/changes/2").text

    assert "api_key" in shown
    assert "Rome" in shown
    assert secret not in shown


def test_what_is_not_there_is_a_page(member: httpx.Client, show: Showcase) -> None:
    for path in ("/tasks/nothing/here", "/changes/99999", "/plans/abc", "/do/everything", f"/runs/{'0' * 8}-0000-0000-0000-{'0' * 12}"):  # fmt: skip
        answer = member.get(path)
        assert answer.status_code == 404, path
        assert "<h1>Not found</h1>" in answer.text
    assert member.get("/runs/nonsense").status_code == 422
    assert member.get("/static/x/../app.py").status_code == 404
    assert member.get("/static/x/nothing.css").status_code == 404


def test_how_far_a_run_is_shows_where_one_looks_for_it(
    web: Web, member: httpx.Client, show: Showcase
) -> None:
    count = Jsonb({"<rows>": {"done": 4900, "total": 10000, "failed": 100}})
    with psycopg.connect(web.database, autocommit=True) as connection:
        connection.execute("update ordinaut.run set progress = %s", [count])
        [run, task] = connection.execute(
            "select r.run_id, p.namespace || '/' || p.name from ordinaut.run r "
            "join ordinaut.spec p on p.uid = r.task_uid where r.finished_at is null limit 1"
        ).fetchone() or ("", "")

    for path in ("/", f"/runs/{run}", f"/tasks/{task}"):
        text = member.get(path).text
        assert "&lt;rows&gt;" in text, path
        assert "50 %, 4,900 of 10,000" in text, path
        assert "100 failed" in text, path
