"""`ordinaut tools`: the tool servers of the specs, tried out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import click
import orjson

from reconciler.cli.tools_add import add
from reconciler.cli.tools_lock import lock
from reconciler.cli.tools_login import login, logout
from reconciler.cli.trying import on_trial, told
from runtime.cli.options import Span, configured, json_option, named_values
from runtime.cli.output import bold, colour_state, dim, echo, echo_json, shorten, width_left
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.core.llm.tools import SERVER as LLM
from runtime.core.spans import exact_span
from runtime.errors import EXIT_ERROR
from runtime.inspection import call_tool
from runtime.tools.toolbox import Toolbox
from schemas.tools import CallReport, ServerList, ServerReport


@click.group(
    epilog="""\b
Examples:
  ordinaut tools list
  ordinaut tools test weather
  ordinaut tools call time.get_current_time --arg timezone=Europe/Chisinau
"""
)
def tools() -> None:
    """List, test, call and lock the tools of the specs' servers, add servers, and log in at them.

    Servers are started from the specs as they are on disk, used, and stopped again; no database is needed. Secrets are
    read as a run would read them, and blotted out of what is printed.
    """


@tools.command(
    name="list",
    epilog="""\b
Examples:
  ordinaut tools list
  ordinaut tools list time git --json | jq -r '.servers[].tools[].tool'
""",
)
@click.argument("servers", nargs=-1)
@json_option
@configured("specs", "environment", "state_dir")
def list_tools(*, config: Config, servers: tuple[str, ...], as_json: bool) -> None:
    """Print every tool of SERVERS; all servers and the built-in tools when none is named."""
    trial = on_trial(config)
    reports = trial.reports(servers, with_builtin=True)
    offline = trial.find_model is None
    if as_json:
        echo_json(ServerList(servers=reports).model_dump(mode="json"))
    else:
        widest = max((len(tool.tool) for report in reports for tool in report.tools), default=0)
        for report in reports:
            for tool in report.tools:
                summary = " ".join(tool.description.split())
                if offline and report.server == LLM:
                    summary = f"(offline) {summary}"
                shown = shorten(summary, width_left(widest + 2, otherwise=100))
                echo(f"{bold(tool.tool.ljust(widest))}  {shown}".rstrip())
            if report.error is not None:
                click.echo(f"{report.server}: {told(report.error)}", err=True)
    _exit_unless(all(report.ok for report in reports))


@tools.command(
    epilog="""\b
Examples:
  ordinaut tools test
  ordinaut tools test weather
"""
)
@click.argument("servers", nargs=-1)
@json_option
@configured("specs", "environment", "state_dir")
def test(*, config: Config, servers: tuple[str, ...], as_json: bool) -> None:
    """Start SERVERS, say what they are, and what is wrong with them; all of them when none is named.

    Exits with 1 if one of them cannot be used.
    """
    reports = on_trial(config).reports(servers)
    if as_json:
        echo_json(ServerList(servers=reports).model_dump(mode="json"))
    else:
        for report in reports:
            echo(_tested(report))
    _exit_unless(all(report.ok for report in reports))


@tools.command(
    epilog="""\b
Examples:
  ordinaut tools call time.get_current_time --arg timezone=Europe/Chisinau
  ordinaut tools call git.git_log --json-args '{"repo_path": ".", "max_count": 1}'
"""
)
@click.argument("tool")
@click.option(
    "--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument, as JSON or text."
)
@click.option("--json-args", metavar="JSON", help="All arguments, as one JSON object.")
@click.option("--timeout", type=Span(), help="The longest time it may take, such as 30s.")
@json_option
@configured("specs", "environment", "state_dir")
def call(
    *,
    config: Config,
    tool: str,
    pairs: tuple[str, ...],
    json_args: str | None,
    timeout: timedelta | None,
    as_json: bool,
) -> None:
    """Call TOOL, written as server.tool, once: really, with all it does.

    Prints the normalised result, as templates would see it. Exits with 1 unless the outcome is ok.
    """
    arguments = _arguments(pairs, json_args)
    trial = on_trial(config)
    server = tool.partition(".")[0]
    if server in trial.live.broken:
        raise trial.live.broken[server]

    async def ask(toolbox: Toolbox) -> CallReport:
        find_model = trial.find_model
        return await call_tool(
            toolbox, tool, arguments, SYSTEM_CLOCK, timeout, find_model=find_model
        )

    if server == LLM and trial.find_model is None:
        click.echo("offline: the Project names no models, so none is asked", err=True)
    report = trial.ask(ask)
    if as_json:
        echo_json(report.model_dump(mode="json"))
    else:
        _print_call(report)
    _exit_unless(report.outcome == "ok")


def _arguments(pairs: Sequence[str], json_args: str | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if json_args is not None:
        try:
            arguments = orjson.loads(json_args)
        except orjson.JSONDecodeError as error:
            raise click.BadParameter(f"not JSON: {error}", param_hint="--json-args") from None
        if not isinstance(arguments, dict):
            raise click.BadParameter("must be a JSON object", param_hint="--json-args")
    return arguments | named_values(pairs)


def _tested(report: ServerReport) -> str:
    state = colour_state("ok" if report.ok else "failed")
    head = f"{bold(report.server)}  {state}  {exact_span(report.seconds)}"
    if report.error is not None:
        return f"{head}\n  {told(report.error)}"
    count = len(report.tools)
    facts = [report.version, f"MCP {report.protocol}", f"{count} tool{'s' if count != 1 else ''}"]
    if report.memory_bytes is not None:
        facts.append(f"{report.memory_bytes / 1_000_000:,.0f} MB")
    return f"{head}  {dim(', '.join(fact for fact in facts if fact))}"


def _print_call(report: CallReport) -> None:
    if report.error is not None:
        click.echo(f"{report.outcome}: {told(report.error)}", err=True)
    elif isinstance(report.value, str):
        echo(report.value)
    else:
        echo_json(report.value)


def _exit_unless(ok: bool) -> None:
    if not ok:
        raise click.exceptions.Exit(EXIT_ERROR)


tools.add_command(add)
tools.add_command(lock)
tools.add_command(login)
tools.add_command(logout)
