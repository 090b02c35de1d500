"""Tool servers that others wrote, as they are: started, listed and called, with real content asserted.

Those on an older SDK live in an environment of their own, `.servers`, which `make servers` makes; those for Node need
Node as well.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.core.outcomes import CallOutcome
from runtime.tools.definition import ServerDefinition, StdioTransport
from tests.runtime.tools.conftest import OpenToolbox
from tests.support.post_office import open_post_office
from tests.support.processes import ROOT

BIN = ROOT / ".servers" / "bin"
NODE = ROOT / ".servers" / "node" / "node_modules" / ".bin"

# Node and a cold disk may take their time on a busy machine.
PATIENT: dict[str, Any] = {
    "connect_timeout": timedelta(minutes=1),
    "call_timeout": timedelta(minutes=1),
}


def server(key: str, command: str | Path, *args: str, **fields: Any) -> ServerDefinition:
    env = fields.pop("env", {})
    return ServerDefinition(
        key=key, transport=StdioTransport(str(command), args, env=env), **PATIENT, **fields
    )


def older(key: str, program: str, *args: str, **fields: Any) -> ServerDefinition:
    """A server on the SDK's first version."""
    if not (BIN / program).exists():
        pytest.skip(f"{program} is not installed: make servers")
    return server(key, BIN / program, *args, protocol="legacy", **fields)


def for_node(key: str, program: str, *args: str, **fields: Any) -> ServerDefinition:
    """A server written for Node."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    if not (NODE / program).exists():
        pytest.skip(f"{program} is not installed: make servers")
    return server(key, NODE / program, *args, protocol="legacy", **fields)


def said(outcome: CallOutcome) -> str:
    assert outcome.error is not None
    return outcome.error.message


async def test_time_tells_and_converts_it(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(
        server("time", "mcp-server-time", "--local-timezone", "Europe/Chisinau")
    )

    now = await box.call("time.get_current_time", {"timezone": "Europe/Chisinau"})
    converted = await box.call(
        "time.convert_time",
        {"source_timezone": "Europe/Chisinau", "time": "08:30", "target_timezone": "Asia/Tokyo"},
    )
    wrong = await box.call("time.get_current_time", {"timezone": "Mars/Phobos"})

    assert (now.value["timezone"], now.value["datetime"][-6:]) in {
        ("Europe/Chisinau", "+02:00"),
        ("Europe/Chisinau", "+03:00"),
    }
    assert converted.value["source"]["datetime"][11:16] == "08:30"
    assert converted.value["target"]["datetime"][11:16] in {"14:30", "15:30"}
    assert wrong.kind == "tool_error"
    assert "Mars/Phobos" in said(wrong)
    (get, convert) = await box.tools("time")
    assert "Europe/Chisinau" in str(get.input_schema)
    assert get.output_schema is not None
    assert convert.annotations["readOnlyHint"] is True


async def test_git_reads_a_repository(open_toolbox: OpenToolbox, tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )

    git("init")
    (tmp_path / "notes.txt").write_text("hello")
    git("add", "notes.txt")
    git("commit", "-m", "Begin")
    (tmp_path / "more.txt").touch()
    box = await open_toolbox(server("git", "mcp-server-git", "--repository", "."))

    log = await box.call("git.git_log", {"repo_path": str(tmp_path), "max_count": 1})
    status = await box.call("git.git_status", {"repo_path": str(tmp_path)})

    assert "Ada" in log.value
    assert "Begin" in log.value
    assert "more.txt" in status.value


@asynccontextmanager
async def served(path: str, kind: str, body: str) -> AsyncIterator[str]:
    """The URL of one document, served on this machine."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/{path}"


async def test_fetch_reads_a_page_as_markdown(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(
        server("fetch", "mcp-server-fetch", "--ignore-robots-txt", "--allow-private-ips")
    )
    page = "<html><body><article><h1>Forecast</h1><p>Sunny, <b>21</b> degrees.</p></article></body></html>"

    async with served("weather.html", "text/html", page) as url:
        outcome = await box.call("fetch.fetch", {"url": url})

    assert outcome.kind == "ok"
    assert "Sunny, **21** degrees." in outcome.value


async def test_sqlite_keeps_rows(open_toolbox: OpenToolbox, tmp_path: Path) -> None:
    box = await open_toolbox(
        older("sqlite", "mcp-server-sqlite", "--db-path", str(tmp_path / "x.db"))
    )

    await box.call("sqlite.create_table", {"query": "create table t (n integer, word text)"})
    await box.call("sqlite.write_query", {"query": "insert into t values (1, 'one')"})
    rows = await box.call("sqlite.read_query", {"query": "select * from t"})
    lie = await box.call("sqlite.read_query", {"query": "select * from absent"})

    assert rows.value == "[{'n': 1, 'word': 'one'}]"  # Python's spelling, not JSON: it stays text
    assert (lie.kind, lie.value) == ("ok", "Database error: no such table: absent")


CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//EN
BEGIN:VEVENT
UID:standup@example.com
DTSTART;TZID=Europe/Chisinau:20260105T090000
DTEND;TZID=Europe/Chisinau:20260105T091500
RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR
SUMMARY:Stand-up
LOCATION:Room 4
END:VEVENT
BEGIN:VEVENT
UID:dentist@example.com
DTSTART;TZID=Europe/Chisinau:20260106T160000
DTEND;TZID=Europe/Chisinau:20260106T170000
SUMMARY:Dentist
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


async def test_ics_calendar_expands_a_calendar(open_toolbox: OpenToolbox) -> None:
    async with served("calendar.ics", "text/calendar", CALENDAR) as url:
        settings = {"ICS_CALENDAR_URL": url, "ICS_TIMEZONE": "Europe/Chisinau"}
        box = await open_toolbox(older("calendar", "ics-calendar-mcp", env=settings))

        days = {"start_date": "2026-01-06", "end_date": "2026-01-07"}
        outcome = await box.call("calendar.get_events_range", days)
        found = await box.call(
            "calendar.search_events", {"query": "dentist", "start_date": "2026-01-01"}
        )

    events = [(event["start"][:16], event["summary"]) for event in outcome.value["events"]]
    assert events == [
        ("2026-01-06T09:00", "Stand-up"),
        ("2026-01-06T16:00", "Dentist"),
        ("2026-01-07T09:00", "Stand-up"),
    ]
    assert outcome.value["count"] == 3
    assert [event["uid"] for event in found.value["events"]] == ["dentist@example.com"]


async def test_email_server_delivers_a_real_mail(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    mail = {"account_name": "default", "subject": "Briefing", "body": "Sunny."}

    with open_post_office() as office:
        env = office.client_settings(tmp_path, recipient="you@example.com")
        box = await open_toolbox(older("mail", "mcp-email-server", "stdio", env=env))
        sent = await box.call("mail.send_email", {**mail, "recipients": ["you@example.com"]})
        refused = await box.call("mail.send_email", {**mail, "recipients": ["they@example.com"]})

    assert sent.kind == "ok", sent.error
    assert refused.kind == "tool_error"
    (letter,) = office.letters
    assert letter.recipients == ["you@example.com"]
    assert letter.message["Subject"] == "Briefing"
    assert letter.text == "Sunny."


async def test_filesystem_stays_inside_its_folder(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    box = await open_toolbox(for_node("files", "mcp-server-filesystem", str(folder)))

    await box.call("files.write_file", {"path": str(folder / "a.txt"), "content": "héllo"})
    read = await box.call("files.read_text_file", {"path": str(folder / "a.txt")})
    outside = await box.call("files.read_text_file", {"path": "/etc/hostname"})

    assert (folder / "a.txt").read_text() == "héllo"
    assert read.value == {"content": "héllo"}
    assert outside.kind == "tool_error"
    assert "Access denied" in said(outside)


async def test_memory_remembers_over_a_restart(open_toolbox: OpenToolbox, tmp_path: Path) -> None:
    env = {"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    ada = {"name": "Ada", "entityType": "person", "observations": ["writes programs"]}
    box = await open_toolbox(for_node("memory", "mcp-server-memory", env=env))

    await box.call("memory.create_entities", {"entities": [ada]})
    box.replace([])
    box.replace([for_node("memory", "mcp-server-memory", env=env)])
    graph = await box.call("memory.read_graph", {})
    typo = await box.call("memory.search_nodes", {"query": "Ada", "limti": 1})

    assert graph.value["entities"] == [ada]
    assert (typo.kind, typo.sent) == ("contract_error", False)


async def test_everything_shows_every_kind_of_result(open_toolbox: OpenToolbox) -> None:
    box = await open_toolbox(
        for_node("everything", "mcp-server-everything", env={"GREETING": "hi"})
    )

    echo = await box.call("everything.echo", {"message": "hi"})
    weather = await box.call("everything.get-structured-content", {"location": "Chicago"})
    image = await box.call("everything.get-tiny-image", {})
    env = await box.call("everything.get-env", {})
    wrong = await box.call("everything.get-sum", {"a": "1", "b": 2})

    assert echo.value == "Echo: hi"
    assert set(weather.value) == {"temperature", "conditions", "humidity"}
    assert image.kind == "ok"
    assert env.value["GREETING"] == "hi"
    assert "ORDINAUT" not in str(env.value)
    assert (wrong.kind, wrong.sent) == ("contract_error", False)


def test_the_interpreter_of_the_tests_has_the_servers_of_the_quickstart() -> None:
    for program in ("mcp-server-time", "mcp-server-git", "mcp-server-fetch"):
        assert shutil.which(program, path=str(Path(sys.executable).parent))
