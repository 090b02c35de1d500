"""The Weekday Morning Briefing, as its README starts it: real servers, a real calendar, a message at the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.post_office import open_post_office
from tests.support.processes import ROOT, ordinaut, started

EXAMPLE = ROOT / "examples" / "briefing"
BRIEFING = """\
Agenda
- 09:30 Stand-up
- 16:00 Review of schedules

Weather
- cold and clear, wind from the north, -4 to 3 °C

Unread mail
- Ion Munteanu: Late for the stand-up
- City Library: Two books are due on Thursday

[offline: no language model was asked]"""
needs_servers = pytest.mark.skipif(
    not (ROOT / ".servers" / "bin" / "ics-calendar-mcp").exists(),
    reason="the third-party servers are not installed: make servers",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example, at the depth at which it finds the clone's servers."""
    clone = tmp_path / "clone"
    shutil.copytree(
        EXAMPLE,
        clone / "examples" / "briefing",
        ignore=shutil.ignore_patterns(".ordinaut", "*.jsonl"),
    )
    (clone / ".servers").symlink_to(ROOT / ".servers")
    return clone / "examples" / "briefing"


@pytest.mark.slow
@needs_servers
async def test_the_briefing_reads_calendar_weather_and_mail_and_sends_a_message(
    folder: Path,
) -> None:
    async with started("up", cwd=folder) as up:
        await up.line("watching the specs")

        asked = await ordinaut("run", "weekday-morning-briefing", "--wait", cwd=folder)
        shown = await ordinaut("show", "last", "--json", cwd=folder)
        up.terminate()
        ended = await up.ended()

    assert asked.status == 0, asked.stdout + asked.stderr
    message = json.loads((folder / "messages.jsonl").read_text())
    assert (message["chat_id"], message["text"]) == (12345, BRIEFING)
    run = json.loads(shown.stdout)
    assert [(step["step"], step["outcome"]) for step in run["steps"]] == [
        ("calendar", "ok"),
        ("weather", "ok"),
        ("mail", "ok"),
        ("brief", "ok"),
        ("send", "ok"),
    ]
    assert run["state"] == "succeeded"
    assert "run.succeeded" in {event["type"].removeprefix("ordinaut.") for event in run["events"]}
    assert ended.status == 0


@needs_servers
async def test_the_briefing_goes_by_real_mail_when_its_last_step_says_so(
    folder: Path, database: str, redis_url: str
) -> None:
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url}
    with open_post_office() as office:
        by_mail(folder / "specs", office.client_settings(folder, recipient="you@example.com"))
        async with started("up", cwd=folder, env=env) as up:
            await up.line("watching the specs")
            asked = await ordinaut(
                "run", "weekday-morning-briefing", "--wait", cwd=folder, env=env
            )

    assert asked.status == 0, asked.stdout + asked.stderr
    (letter,) = office.letters
    assert (letter.recipients, letter.message["Subject"]) == (["you@example.com"], "Briefing")
    assert letter.text.splitlines() == BRIEFING.splitlines()
    assert not (folder / "messages.jsonl").exists()


def by_mail(specs: Path, env: Mapping[str, str]) -> None:
    """Send by the third-party mcp-email-server instead of the stand-in for a chat."""
    # No spec may hold a password, not even one that nobody asks for.
    (specs.parent / "password").write_text(env["MCP_EMAIL_SERVER_PASSWORD"])
    edit(
        specs / "ordinaut.yaml",
        "owner: team-home\n",
        "owner: team-home\nsecrets: {mail: {file: password}}\n",
    )
    env = {**env, "MCP_EMAIL_SERVER_PASSWORD": "${secrets.mail}"}
    command = {"command": "../../.servers/bin/mcp-email-server", "args": ["stdio"], "env": env}
    head = {"apiVersion": "ordinaut/v1", "kind": "ToolServer", "name": "email"}
    server = {**head, "protocol": "legacy", "stdio": command}
    (specs / "email.yaml").write_text(json.dumps(server))
    edit(specs / "ordinaut.yaml", "chat.send_message", "email.send_email")
    task = specs / "weekday-morning-briefing.yaml"
    edit(task, "chat.send_message", "email.send_email")
    letter = '{account_name: default, subject: Briefing, recipients: [you@example.com], body: "'
    edit(task, '{chat_id: "${params.chat}", text: "', letter)


def edit(file: Path, old: str, new: str) -> None:
    """Replace what must be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
