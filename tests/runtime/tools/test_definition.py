"""Where a server's program is looked for, and which tools are offered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import ToolServerError
from runtime.tools.definition import ServerDefinition, StdioTransport, resolve_command
from tests.support.processes import ROOT


def program(folder: Path, name: str, mode: int = 0o755) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_a_bare_name_is_looked_up_beside_the_interpreter_before_path(tmp_path: Path) -> None:
    decoy = program(tmp_path, "mcp-server-time")
    other = program(tmp_path, "other")

    def resolved(name: str) -> str:
        return resolve_command(name, project=tmp_path, search_path=str(tmp_path))

    assert resolved("mcp-server-time") == str(Path(sys.executable).parent / "mcp-server-time")
    assert resolved("mcp-server-time") != str(decoy)
    assert resolved("other") == str(other)
    assert resolved("python") == sys.executable


def test_a_name_with_a_slash_is_relative_to_the_project(tmp_path: Path) -> None:
    path = program(tmp_path / "tools", "weather")

    assert resolve_command("./tools/weather", project=tmp_path, search_path="") == str(path)
    assert resolve_command(str(path), project=Path("/nowhere"), search_path="") == str(path)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such", r"'no-such' was not found beside the interpreter \(.*/bin\) or on PATH"),
        ("./no-such", r"'\./no-such' was not found at /.*/no-such"),
        ("./plain", r"'\./plain' was not found at"),
    ],
)
def test_a_missing_program_is_told_with_every_place_that_was_tried(
    tmp_path: Path, command: str, message: str
) -> None:
    program(tmp_path, "plain", mode=0o644)

    with pytest.raises(ToolServerError, match=message) as missing:
        resolve_command(command, project=tmp_path, search_path="/usr/bin")

    assert missing.value.code == "ORD401"
    assert missing.value.hint


@pytest.mark.parametrize(
    ("tool", "offered"),
    [("list_events", True), ("list_secrets", False), ("delete", False), ("LIST_x", False)],
)
def test_a_tool_is_offered_if_allowed_and_not_denied(tool: str, offered: bool) -> None:
    definition = ServerDefinition(
        key="calendar",
        transport=StdioTransport("x"),
        allow=("list_*", "get_*"),
        deny=("*_secrets",),
    )

    assert definition.offers(tool) is offered


def test_a_definition_shows_no_secret() -> None:
    secret = "hunter2hunter2"
    transport = StdioTransport("x", env={"TOKEN": secret})

    assert secret not in repr(ServerDefinition(key="x", transport=transport))


@pytest.mark.parametrize("module", ["definition", "catalogue", "normalise", "builtin", "orphans"])
def test_what_the_rest_of_the_program_needs_does_not_import_the_sdk(module: str) -> None:
    code = f"import sys, runtime.tools.{module}; print(sorted({{'mcp', 'mcp_types', 'httpx2'}} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout == "[]\n"
