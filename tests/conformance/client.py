"""The client of the conformance suite: lists the tools of a server and calls each, through the toolbox, as steps do.

The suite appends the address of its server, and says in the environment which scenario it plays.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

sys.path.insert(0, str(Path(__file__).parents[2]))

from runtime.clock import SYSTEM_CLOCK
from runtime.core.answering import fields_of, responses_of
from runtime.core.leftopen import GoingOn
from runtime.errors import ToolServerError
from runtime.loop import run_loop
from runtime.tools.consenting import log_in
from runtime.tools.definition import (
    BrowserLogin,
    ClientCredentials,
    HttpTransport,
    ServerDefinition,
)
from runtime.tools.logins import LoginFile, logins_in
from runtime.tools.redact import Redactor
from runtime.tools.toolbox import Toolbox

# What the suite takes for who we are, where an authorization server reads documents that say it.
DOCUMENT: Final = "https://conformance-test.local/client-metadata.json"
# A person who is asked for more than that, by one server, gives up.
MOST_LOGINS: Final = 2
_SAMPLES: Final[dict[str, Any]] = {
    "string": "text",
    "number": 5,
    "integer": 5,
    "boolean": True,
    "array": [],
    "object": {},
}


def sample(schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments that fit a simple schema."""
    fields = schema.get("properties", {})
    return {
        name: fields[name].get("default", _SAMPLES[fields[name].get("type", "string")])
        for name in schema.get("required", ())
    }


def filled(requests: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Values for the fields of forms that have to be filled in."""
    data: dict[str, dict[str, Any]] = {}
    for field in fields_of(requests):
        if field.is_required:
            data.setdefault(field.request, {})[field.name] = _SAMPLES[field.schema["type"]]
    return data


class Agreeing(GoingOn):
    """Answers whatever is asked while a call is under way."""

    def answer(self, key: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """The defaults, and samples where there are none."""
        requests = {key: question}
        answered: Mapping[str, Any] = responses_of(requests, filled(requests))[key]
        return answered


def issuer_of(url: str) -> str:
    """The authorization server of a tool server (RFC 9728), which the suite does not tell."""
    split = urlsplit(url)
    at = f"{split.scheme}://{split.netloc}/.well-known/oauth-protected-resource{split.path}"
    return str(httpx2.get(at).json()["authorization_servers"][0])


def credentials(context: dict[str, Any], url: str) -> ClientCredentials | None:
    """What a scenario of client credentials hands out."""
    if "client_id" not in context:
        return None
    return ClientCredentials(
        issuer=issuer_of(url),
        client_id=context["client_id"],
        client_secret=context.get("client_secret"),
        private_key=context.get("private_key_pem"),
        algorithm=context.get("signing_algorithm", "ES256"),
    )


async def visit(address: str) -> str:
    """A browser whose person allows everything: where it is sent."""
    async with httpx2.AsyncClient() as browser:
        return str((await browser.get(address)).headers["location"])


async def allow(definition: ServerDefinition, state: Path) -> None:
    """Log in, as `ordinaut tools login` does."""
    file = LoginFile(logins_in(state), definition.key, sys.argv[-1])
    await log_in(
        definition,
        file,
        redirect_to="http://127.0.0.1:1/callback",
        allow=visit,
        redact=Redactor(),
        clock=SYSTEM_CLOCK,
    )


async def play(toolbox: Toolbox, asked: Mapping[str, Any]) -> str:
    """List the tools and call each; the code of what keeps us from it, if anything does."""
    for tool in await toolbox.tools("suite"):
        arguments = asked.get(tool.name) or sample(dict(tool.input_schema))
        # Where a schema has no null, an argument that has no value is left out: with it, nothing would be sent.
        given = {name: value for name, value in arguments.items() if value is not None}
        outcome = await toolbox.call(f"suite.{tool.name}", given, going_on=Agreeing(None, {}))
        if (left := outcome.left_open) is not None:
            # Whatever is asked is agreed to with the defaults; between the two, other calls go on as they are.
            going_on = GoingOn(left.state, responses_of(left.requests, filled(left.requests)))
            outcome = await toolbox.call(f"suite.{tool.name}", given, going_on=going_on)
        print(tool.name, outcome.kind, outcome.error or "", file=sys.stderr)
        if outcome.error is not None and outcome.error.code == "ORD425":
            return outcome.error.code
    return ""


async def main() -> None:
    """Play one scenario."""
    url = sys.argv[-1]
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))  # noqa: TID251 - the suite's
    asked = {call["name"]: call["arguments"] for call in context.get("toolCalls", ())}
    auth = credentials(context, url) or BrowserLogin(client_id=context.get("client_id", DOCUMENT))
    definition = ServerDefinition(key="suite", transport=HttpTransport(url, {}, auth))
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        for _ in range(MOST_LOGINS + 1):
            try:
                async with Toolbox([definition], SYSTEM_CLOCK, state) as toolbox:
                    code = await play(toolbox, asked)
            except ToolServerError as error:
                code = error.code
                print(error, file=sys.stderr)
            if code != "ORD425":
                break
            await allow(definition, state)


if __name__ == "__main__":
    run_loop(main())
