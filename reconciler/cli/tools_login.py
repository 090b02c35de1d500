"""`ordinaut tools login` and `logout`: what a person allows Ordinaut at a tool server, in a browser."""

from __future__ import annotations

import asyncio
import signal
import sys
import webbrowser
from typing import Final

import click

from reconciler.cli.trying import on_trial
from reconciler.trial import Trial
from runtime.cli.options import configured, json_option
from runtime.cli.output import bold, echo, echo_json
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.tools.definition import ServerDefinition
from runtime.tools.logins import Login, LoginFile, browser_login, logins_in
from schemas.tools import LoginReport, LogoutReport

_MINUTES: Final = 10
# Nobody listens there: whoever pastes the address has it from the browser that found nobody.
_NOWHERE: Final = "http://127.0.0.1:8976/callback"


@click.command(
    epilog="""\b
Examples:
  ordinaut tools login crm
  ordinaut tools login crm --paste
"""
)
@click.argument("server")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@click.option(
    "--paste",
    is_flag=True,
    help="Read where the browser was sent to from standard input, for a browser on another machine.",
)
@json_option
@configured("specs", "environment", "state_dir")
def login(*, config: Config, server: str, no_browser: bool, paste: bool, as_json: bool) -> None:
    """Let a person allow in a browser what SERVER wants, and keep that for the runtime.

    Asks SERVER first, and then opens the page of its authorization server. What is allowed is kept in a private file of the
    state folder, which the runtime reads and renews.
    """
    trial = on_trial(config)
    definition = trial.server(server)
    file = _file(config, definition)
    # It says what it wants by refusing us.
    trial.reports([server])
    allowed = asyncio.run(
        _by_hand(trial, definition, file)
        if paste
        else _by_browser(trial, definition, file, opens=not no_browser)
    )
    report = LoginReport(
        server=server,
        issuer=allowed.issuer,
        scope=allowed.scope,
        expires_at=allowed.expires_at,
        renews=bool(allowed.refresh_token),
    )
    if as_json:
        echo_json(report.model_dump(mode="json"))
    else:
        echo(_told(report))


@click.command(
    epilog="""\b
Examples:
  ordinaut tools logout crm
"""
)
@click.argument("server")
@json_option
@configured("specs", "environment", "state_dir")
def logout(*, config: Config, server: str, as_json: bool) -> None:
    """Forget what somebody allowed at SERVER, and have its authorization server take it back where it can."""
    definition = on_trial(config).server(server)
    file = _file(config, definition)
    found = file.login

    async def leave() -> bool:
        from runtime.tools.allowed import revoked  # noqa: PLC0415 - costs more than all other commands

        async with file.locked(SYSTEM_CLOCK):
            file.remove()
        return found is not None and await revoked(found)

    report = LogoutReport(server=server, removed=found is not None, revoked=asyncio.run(leave()))
    if as_json:
        echo_json(report.model_dump(mode="json"))
    elif found is None:
        echo(f"nobody was logged in at {server}")
    else:
        taken = "took it back" if report.revoked else "was not asked, or did not take it back"
        echo(f"{bold(server)}  logged out; {found.issuer} {taken}")


def _file(config: Config, definition: ServerDefinition) -> LoginFile:
    url, auth = browser_login(definition)
    return LoginFile(logins_in(config.state_dir), definition.key, url, auth.issuer)


async def _by_browser(
    trial: Trial, definition: ServerDefinition, file: LoginFile, *, opens: bool
) -> Login:
    from runtime.tools.consenting import log_in  # noqa: PLC0415 - costs more than all other commands
    from runtime.tools.loopback import Loopback  # noqa: PLC0415 - as above

    async with Loopback() as loopback:

        async def allow(address: str) -> str:
            _show(definition, address)
            if opens:
                webbrowser.open(address)
            try:
                async with asyncio.timeout(60 * _MINUTES):
                    return await loopback.came_back(address)
            except TimeoutError:
                raise TimeoutError(f"nobody came back in {_MINUTES} minutes") from None

        return await log_in(
            definition,
            file,
            redirect_to=loopback.address,
            allow=allow,
            redact=trial.redact,
            clock=SYSTEM_CLOCK,
        )


async def _by_hand(trial: Trial, definition: ServerDefinition, file: LoginFile) -> Login:
    from runtime.tools.consenting import log_in  # noqa: PLC0415 - costs more than all other commands

    async def allow(address: str) -> str:
        # Nothing else goes on here, and the loop's own way of ending would wait for the line.
        former = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            _show(definition, address)
            click.echo(
                "The browser will be sent to a page that it cannot open. Paste its address here:",
                err=True,
            )
            return sys.stdin.readline()
        finally:
            signal.signal(signal.SIGINT, former)

    return await log_in(
        definition,
        file,
        redirect_to=_NOWHERE,
        allow=allow,
        redact=trial.redact,
        clock=SYSTEM_CLOCK,
    )


def _show(definition: ServerDefinition, address: str) -> None:
    click.echo(f"Log in for {definition.key} at\n  {address}", err=True)


def _told(report: LoginReport) -> str:
    lines = [f"{bold(report.server)}  logged in at {report.issuer}"]
    if report.scope:
        lines.append(f"  for {report.scope}")
    if report.expires_at is not None:
        until = report.expires_at.astimezone().strftime("%Y-%m-%d %H:%M %Z")
        lines.append(f"  until {until}{', and renewed then' if report.renews else ''}")
    return "\n".join(lines)
