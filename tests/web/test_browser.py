"""The dashboard in a real browser: every page in both themes and on a telephone, keys, and what happens while somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, expect

from runtime.embedded import Urls
from tests.support.browser import Visit, chromium
from tests.support.factories import insert_event, insert_run
from tests.support.showcase import Showcase, add_hostile, furnish
from tests.support.web import Web

pytestmark = pytest.mark.slow

TASK = "home/morning-briefing"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True},
}


@pytest.fixture(scope="module")
def browser(servers: Urls) -> Iterator[Browser]:
    """One for all tests of this module: while it is there, no event loop can run in this thread, so the servers come first."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def show(web: Web) -> Showcase:
    with psycopg.connect(web.database, autocommit=True) as connection:
        return furnish(connection)


@pytest.fixture
def visit(browser: Browser, web: Web, show: Showcase) -> Iterator[Visit]:
    visit = Visit(browser, web.url, web.token)
    yield visit
    visit.close()


def paths(show: Showcase) -> list[str]:
    run = show.runs["morning"]
    return [
        "/", "/tasks", f"/tasks/{TASK}", "/runs", f"/runs/{run}", f"/runs/{show.runs['hostile']}", "/timeline", "/changes",
        "/changes/2", "/approvals", "/spend", "/health", "/audit", f"/do/pause?task={TASK}", f"/do/rerun?run={run}",
        "/tasks/nothing/here",
    ]  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_sound(browser: Browser, web: Web, show: Showcase, look: str) -> None:
    with psycopg.connect(web.database, autocommit=True) as connection:
        add_hostile(connection, show)
    visit = Visit(browser, web.url, web.token, **LOOKS[look])

    faults = {}
    for path in paths(show):
        visit.see(path)
        if found := visit.faults():
            faults[path] = found
    visit.close()

    assert faults == {}
    assert [one for one in visit.complaints if "404 (Not Found)" not in one] == []


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("<p class='soft' id='x'>a</p><p id='x'>b</p>", "id twice: x"),
        ("<button></button>", "no name"),
        ("<table><tr><th>a</th></tr></table>", "no caption"),
        ("<h1>one</h1>", "not one h1"),
        ("<p><font color='#bbbbbb'>pale</font></p>", "contrast"),
        ("<svg width='3000' height='5'></svg>", "wider than the screen"),
    ],
)
def test_what_is_unsound_is_found(visit: Visit, planted: str, found: str) -> None:
    page = visit.see("/audit")

    page.evaluate("(html) => document.querySelector('main').insertAdjacentHTML('beforeend', html)", planted)  # fmt: skip

    assert any(found in fault for fault in visit.faults())


def test_the_door_is_sound(browser: Browser, web: Web) -> None:
    visit = Visit(browser, web.url, web.token)
    visit.page.click("#sign-out")
    visit.page.wait_for_url(web.url + "/sign-in")

    assert visit.faults() == []
    visit.close()


def test_keys_lead_through_the_dashboard(visit: Visit, web: Web) -> None:
    page = visit.see("/")

    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url(web.url + "/tasks")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("oncall")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks?words=oncall*")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(web.url + "/tasks/ops/oncall-ping")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_an_open_page_shows_what_happens_and_loses_neither_focus_nor_scroll(
    visit: Visit, web: Web, show: Showcase
) -> None:
    page = visit.see("/runs")
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("scrollTo(0, 300)")
    link = page.locator("#list tbody th a").nth(5)
    link.focus()
    target = link.get_attribute("href")
    with psycopg.connect(web.database, autocommit=True) as connection:
        task = show.tasks["ops/oncall-ping"]
        run = insert_run(connection, task, occurrence_for=show.now, state="running")
        insert_event(connection, "run.noted", subject=task.label, run_id=run)

    expect(page.locator(f"#run-{run}")).to_be_attached()
    assert page.evaluate("document.activeElement.getAttribute('href')") == target
    assert page.evaluate("scrollY") > 0
    expect(page.locator("#live")).to_have_text("Live · updated")


def test_a_task_is_paused_with_a_reason_and_that_is_on_record(
    visit: Visit, web: Web, show: Showcase
) -> None:
    page = visit.see(f"/tasks/{TASK}")

    page.click("text=Pause…")
    page.fill("input[name=until]", "2h")
    page.fill("input[name=reason]", "the oven is broken")
    page.click("button[data-once]")

    expect(page.locator("#done")).to_have_text("Paused.")
    expect(page.locator("#pause")).to_contain_text("the oven is broken")
    with psycopg.connect(web.database) as connection:
        paused = connection.execute(
            "select reason, actor from ordinaut.task_override where ended_at is null and task_uid = %s",
            [show.tasks[TASK].uid],
        ).fetchall()
        noted = connection.execute("select origin, action, subject, reason from ordinaut.audit where action like 'task.%'").fetchall()  # fmt: skip
    assert paused == [("the oven is broken", "tester")]
    assert noted == [("dashboard", "task.pause", TASK, "the oven is broken")]


def test_several_tasks_are_paused_at_once_without_a_script(
    browser: Browser, web: Web, show: Showcase
) -> None:
    visit = Visit(browser, web.url, web.token, java_script_enabled=False)
    page = visit.see("/tasks")
    page.check("#pick-1")
    page.check("#pick-2")
    page.click("text=Pause…")
    page.fill("input[name=reason]", "holidays")
    page.click("button[data-once]")

    expect(page.locator("#done")).to_have_text("Paused.")
    visit.close()
    with psycopg.connect(web.database) as connection:
        count = connection.execute("select count(*) from ordinaut.task_override where reason = 'holidays'").fetchone()  # fmt: skip
    assert count == (2,)


def test_a_theme_that_was_chosen_stays(visit: Visit) -> None:
    page = visit.see("/tasks")

    page.click("#theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(visit.see("/runs").locator("html")).to_have_attribute("data-theme", "dark")


def test_a_script_that_somebody_smuggles_in_does_not_run(
    visit: Visit, web: Web, show: Showcase
) -> None:
    page = visit.see("/")

    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.caught = 1'; document.body.append(s); }"
    )

    assert page.evaluate("window.caught") is None
    assert any("Content Security Policy" in one for one in visit.complaints)
