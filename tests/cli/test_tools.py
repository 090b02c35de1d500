"""`ordinaut tools` starts the specs' servers, shows what they offer, and calls them."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from schemas.tools import CallReport, ServerList, ServerReport
from tests.support.cli import Cli
from tests.support.model_server import ModelServer, says

GOOD = Path(__file__).parents[1] / "support" / "mcp_server.py"


def server(name: str, *lines: str) -> str:
    return "\n".join(
        ["apiVersion: ordinaut/v1", "kind: ToolServer", f"name: {name}", *lines, "---", ""]
    )


@pytest.fixture
def specs(folder: Path) -> Path:
    """One server that works, one whose program is missing, and one whose secret is."""
    specs = folder / "specs"
    specs.mkdir()
    (specs / "ordinaut.yaml").write_text(
        dedent(
            """\
            apiVersion: ordinaut/v1
            kind: Project
            name: demo
            secrets: {token: {env: DEMO_TOKEN}}
            """
        )
    )
    (specs / "good.yaml").write_text(
        server("good", "stdio:", "  command: python", f"  args: ['{GOOD}', stdio]")
    )
    return specs


@pytest.fixture
def troubled(specs: Path) -> Path:
    (specs / "bad.yaml").write_text(
        server("absent", "stdio: {command: no-such-program}")
        + server("secretive", "stdio: {command: python, env: {TOKEN: '${secrets.token}'}}")
    )
    return specs


def reports(found: object) -> dict[str, ServerReport]:
    return {report.server: report for report in ServerList.model_validate(found).servers}


def test_list_prints_every_tool_with_its_address_and_description(alone: Cli, specs: Path) -> None:
    answer = alone("tools", "list")

    assert (answer.status, answer.stderr) == (0, "")
    lines = {line.split()[0]: line.partition("  ")[2].strip() for line in answer.lines}
    assert lines["good.add"] == "The sum."
    assert "llm.plan" in lines


def test_list_of_named_servers_starts_no_other(alone: Cli, troubled: Path) -> None:
    answer = alone("tools", "list", "good", "llm", "--json")

    assert answer.status == 0
    found = reports(answer.json)
    assert sorted(found) == ["good", "llm"]
    add = next(tool for tool in found["good"].tools if tool.tool == "good.add")
    assert add.input_schema["required"] == ["a", "b"]
    assert add.annotations["readOnlyHint"] is True
    assert len(add.digest) == 64


def test_list_names_servers_that_cannot_be_used_and_shows_the_others(
    alone: Cli, troubled: Path
) -> None:
    answer = alone("tools", "list")

    assert answer.status == 1
    assert "good.add" in answer.stdout
    assert "absent: ORD401 " in answer.stderr
    assert (
        "secretive: ORD410 secret token is read from the environment variable DEMO_TOKEN"
        in answer.stderr
    )


def test_test_says_how_each_server_is(alone: Cli, troubled: Path) -> None:
    answer = alone("tools", "test")

    assert answer.status == 1
    assert "good  ok  " in answer.stdout
    assert re.search(r"good 7, MCP 20\S+, \d tools, \d\d+ MB\n", answer.stdout)
    assert "absent  failed  " in answer.stdout
    assert "secretive  failed  0 ms\n  ORD410" in answer.stdout
    assert "\nllm" not in answer.stdout


def test_test_of_a_good_server_exits_with_0(alone: Cli, troubled: Path) -> None:
    answer = alone("tools", "test", "good", "--json")

    assert answer.status == 0
    [report] = reports(answer.json).values()
    assert (report.server, report.ok, report.version) == ("good", True, "good 7")
    assert report.protocol.startswith("20")
    assert (report.memory_bytes or 0) > 10_000_000
    assert report.error is None


def test_the_stderr_of_a_server_that_dies_is_shown(alone: Cli, specs: Path) -> None:
    code = "import sys; sys.exit('no licence found')"
    (specs / "dies.yaml").write_text(
        server("dies", "stdio:", "  command: python", f'  args: [-c, "{code}"]')
    )

    answer = alone("tools", "test", "dies")

    assert answer.status == 1
    assert "no licence found" in answer.stdout


def test_a_secret_is_read_and_never_shown(alone: Cli, specs: Path) -> None:
    code = "import os, sys; sys.exit('token is ' + os.environ['TOKEN'])"
    (specs / "leaky.yaml").write_text(
        server(
            "leaky",
            "stdio:",
            "  command: python",
            f'  args: [-c, "{code}"]',
            "  env: {TOKEN: '${secrets.token}'}",
        )
    )

    answer = alone("tools", "test", "leaky", DEMO_TOKEN="hunter2-hunter2")

    assert "token is " in answer.stdout
    assert "hunter2" not in answer.stdout + answer.stderr


def test_a_call_prints_the_result(alone: Cli, specs: Path) -> None:
    assert alone("tools", "call", "good.add", "--arg", "a=2", "--arg", "b=3").json == {"result": 5}
    called = alone("tools", "call", "good.add", "--json-args", '{"a": 2, "b": 3}', "--json")
    report = CallReport.model_validate(called.json)
    assert (report.outcome, report.value, report.sent, report.error) == (
        "ok",
        {"result": 5},
        True,
        None,
    )


def test_pairs_take_the_place_of_what_the_json_says(alone: Cli, specs: Path) -> None:
    called = alone("tools", "call", "good.add", "--json-args", '{"a": 2, "b": 3}', "--arg", "b=40")

    assert called.json == {"result": 42}


def test_a_text_result_is_printed_as_it_is(alone: Cli, specs: Path) -> None:
    assert alone("tools", "call", "good.big", "--arg", "size=3").stdout == "xxx\n"


def test_a_built_in_tool_can_be_called(alone: Cli, specs: Path) -> None:
    called = alone("tools", "call", "llm.plan", "--arg", "greeting=hello")

    assert called.status == 0
    assert "hello" in called.json["text"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("good.add", "--arg", "a=1"), "contract_error: ORD403 good.add"),
        (("good.ad",), "rejected: ORD402 good has no tool ad: did you mean add?"),
        (("god.add",), "rejected: ORD310 there is no tool server 'god'"),
        (("good.fail", "--arg", "reason=because"), "tool_error: ORD404"),
        (("secretive.any",), "error ORD410: secret token"),
        (("good.add", "--json-args", "[1]"), "must be a JSON object"),
        (("good.add", "--json-args", "{"), "not JSON"),
        (("good.add", "--arg", "a"), "is not of the form NAME=VALUE"),
        (("good.add", "--timeout", "soon"), "is not a span of time"),
        (("good.add", "--arg", "a=1", "--timeout", "1ms"), "not_sent: ORD401 good was not ready"),
    ],
)
def test_a_call_that_fails_says_why_and_exits_with_1(
    alone: Cli, troubled: Path, arguments: tuple[str, ...], message: str
) -> None:
    answer = alone("tools", "call", *arguments)

    assert (answer.status, answer.stdout) == (1, "")
    assert message in answer.stderr


def test_an_unknown_server_names_those_there_are(alone: Cli, troubled: Path) -> None:
    answer = alone("tools", "test", "nope")

    assert (answer.status, answer.stdout) == (1, "")
    assert answer.stderr == (
        "error ORD310: the specs have no tool server nope\n  they have absent, good, secretive\n"
    )


def test_broken_specs_are_mentioned_and_what_compiles_is_used(alone: Cli, specs: Path) -> None:
    (specs / "broken.yaml").write_text("a: [")

    answer = alone("tools", "test")

    assert answer.status == 0
    assert "good  ok" in answer.stdout
    assert "`ordinaut validate`" in answer.stderr


@pytest.fixture
def endpoint() -> Iterator[ModelServer]:
    """A language model, served beside the command."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ModelServer()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_a_call_of_a_language_model_says_whether_one_is_asked(
    alone: Cli, specs: Path, endpoint: ModelServer
) -> None:
    endpoint.answers = [says("Good morning.")]

    before, listed = alone("tools", "call", "llm.plan", "--arg", "goal=Greet"), alone("tools", "list", "llm")  # fmt: skip
    model = f"{{url: '{endpoint.url}', model: small, api_key: '${{secrets.token}}'}}"
    with (specs / "ordinaut.yaml").open("a") as project:
        project.write(f"models: {{default: {model}}}\n")
    key = {"DEMO_TOKEN": "hunter2-hunter2"}
    after = alone("tools", "call", "llm.plan", "--arg", "goal=Greet", **key)

    assert before.json["provider"] == "offline"
    assert before.stderr == "offline: the Project names no models, so none is asked\n"
    assert "llm.plan       (offline) Write what is asked for" in listed.stdout
    assert (after.json["text"], after.stderr) == ("Good morning.", "")
    assert endpoint.asked[0].headers["authorization"] == "Bearer hunter2-hunter2"
    assert "(offline)" not in alone("tools", "list", "llm").stdout
