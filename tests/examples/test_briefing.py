"""The Weekday Morning Briefing, as its README starts it: real servers, a real calendar, a message at the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.processes import ROOT, ordinaut, started

EXAMPLE = ROOT / "examples" / "briefing"
CALENDAR = ROOT / ".servers" / "bin" / "ics-calendar-mcp"


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


async def test_the_example_is_without_problems() -> None:
    validated = await ordinaut("validate", "specs", cwd=EXAMPLE)

    assert (validated.status, "no problems" in validated.stderr + validated.stdout) == (0, True)


@pytest.mark.slow
@pytest.mark.skipif(
    not CALENDAR.exists(), reason="ics-calendar-mcp is not installed: make servers"
)
async def test_the_briefing_reads_the_calendar_and_the_weather_and_sends_a_message(
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
    assert message["chat_id"] == 12345
    assert "09:30 Stand-up" in message["text"]
    assert "16:00 Review of schedules" in message["text"]
    assert "cold and clear, wind from the north, -4 to 3 °C" in message["text"]
    run = json.loads(shown.stdout)
    assert [(step["step"], step["outcome"]) for step in run["steps"]] == [
        ("calendar", "ok"),
        ("weather", "ok"),
        ("brief", "ok"),
        ("send", "ok"),
    ]
    assert run["state"] == "succeeded"
    assert "run.succeeded" in {event["type"].removeprefix("ordinaut.") for event in run["events"]}
    assert ended.status == 0
