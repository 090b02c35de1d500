"""`ordinaut tools`: the tool servers of the specs, tried out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from reconciler.load import load_specs
from runtime.cli.options import Span, configured, json_option, named_values
from runtime.cli.output import bold, colour_state, dim, echo, echo_json, shorten, width_left
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.core.spans import exact_span
from runtime.errors import EXIT_ERROR, NotFound
from runtime.inspection import call_tool, inspect_servers, unusable
from runtime.live import Live, assemble
from runtime.store.runtimes import LiveSpec
from runtime.tools.toolbox import Toolbox
from schemas.event import Failure
from schemas.tools import CallReport, ServerList, ServerReport

T = TypeVar("T")


@click.group(
    epilog="""\b
Examples:
  ordinaut tools list
  ordinaut tools test weather
  ordinaut tools call time.get_current_time --arg timezone=Europe/Chisinau
"""
)
def tools() -> None:
    """List, test and call tools of the specs' servers.

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
    reports = _inspected(config, servers, with_builtin=True)
    if as_json:
        echo_json(ServerList(servers=reports).model_dump(mode="json"))
    else:
        widest = max((len(tool.tool) for report in reports for tool in report.tools), default=0)
        for report in reports:
            for tool in report.tools:
                summary = " ".join(tool.description.split())
                shown = shorten(summary, width_left(widest + 2, otherwise=100))
                echo(f"{bold(tool.tool.ljust(widest))}  {shown}".rstrip())
            if report.error is not None:
                click.echo(f"{report.server}: {_told(report.error)}", err=True)
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
    reports = _inspected(config, servers, with_builtin=False)
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
    live = _live(config)
    server = tool.partition(".")[0]
    if server in live.broken:
        raise live.broken[server]

    async def ask(toolbox: Toolbox) -> CallReport:
        return await call_tool(toolbox, tool, arguments, SYSTEM_CLOCK, timeout)

    report = _with_toolbox(config, live, ask)
    if as_json:
        echo_json(report.model_dump(mode="json"))
    else:
        _print_call(report)
    _exit_unless(report.outcome == "ok")


def _inspected(
    config: Config, wanted: Sequence[str], *, with_builtin: bool
) -> tuple[ServerReport, ...]:
    live = _live(config)

    async def ask(toolbox: Toolbox) -> tuple[ServerReport, ...]:
        offered = toolbox.servers() if with_builtin else [s.key for s in live.servers]
        known = {*offered, *live.broken}
        if unknown := sorted(set(wanted) - known - set(toolbox.servers())):
            raise NotFound(
                f"the specs have no tool server {unknown[0]}",
                hint=f"they have {', '.join(sorted(known)) or 'none'}",
            )
        chosen = set(wanted) or known
        return await inspect_servers(toolbox, chosen - set(live.broken), SYSTEM_CLOCK)

    reports = _with_toolbox(config, live, ask)
    broken = [unusable(k, e) for k, e in live.broken.items() if not wanted or k in wanted]
    return tuple(sorted([*reports, *broken], key=lambda report: report.server))


def _live(config: Config) -> Live:
    """The servers as the specs on disk define them."""
    specs = load_specs(config.specs, config.environment)
    if specs.errors:
        click.echo(
            "the specs hold errors, so servers may be missing: `ordinaut validate`", err=True
        )
    documents = [
        LiveSpec(key.kind, key.namespace, key.name, specs.project, document.body)
        for key, document in specs.documents.items()
        if key.kind in {"ToolServer", "Project"}
    ]
    return assemble(0, documents, _project_folder(config), SYSTEM_CLOCK.now())


def _project_folder(config: Config) -> Path:
    return config.specs.absolute().parent


def _with_toolbox(config: Config, live: Live, ask: Callable[[Toolbox], Awaitable[T]]) -> T:
    async def work() -> T:
        folder = _project_folder(config)
        async with Toolbox(
            live.servers, SYSTEM_CLOCK, config.state_dir, project=folder
        ) as toolbox:
            return await ask(toolbox)

    return asyncio.run(work())


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
        return f"{head}\n  {_told(report.error)}"
    count = len(report.tools)
    facts = [report.version, f"MCP {report.protocol}", f"{count} tool{'s' if count != 1 else ''}"]
    return f"{head}  {dim(', '.join(fact for fact in facts if fact))}"


def _print_call(report: CallReport) -> None:
    if report.error is not None:
        click.echo(f"{report.outcome}: {_told(report.error)}", err=True)
    elif isinstance(report.value, str):
        echo(report.value)
    else:
        echo_json(report.value)


def _told(error: Failure) -> str:
    detail = f"\n  {error.detail}" if error.detail else ""
    return f"{error.code} {error.message}{detail}"


def _exit_unless(ok: bool) -> None:
    if not ok:
        raise click.exceptions.Exit(EXIT_ERROR)
