"""Runs a program against our own server at `/mcp`: the conformance suite, or another client, which knows of no tokens.

    python tests/conformance/server.py PROGRAM ARGUMENT… {url}

Everything is as in production, over a database of its own, but that each request is given a token before it comes in.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.database import ready_database
from runtime.config import Config
from tests.support.web import make_token, running

URL: Final = "{url}"


class Authorized:
    """Stands before the web side, and shows it the token of everybody who comes."""

    def __init__(self, app: ASGIApp, tokens: list[str]) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._tokens:
            shown = (b"authorization", f"Bearer {self._tokens[0]}".encode())
            scope = {**scope, "headers": [*scope["headers"], shown]}
        await self._app(scope, receive, send)


def main(command: list[str]) -> int:
    """Serve, and run the command; its exit code."""
    tokens: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        config = Config.load({"state_dir": f"{folder}/state"}, environ={})
        with (
            ready_database(config) as database,
            running(database, before=partial(Authorized, tokens=tokens)) as (url, _),
        ):
            tokens.append(make_token(database, "conformance", ("admin",)))
            words = [word.replace(URL, f"{url}/mcp") for word in command]
            return subprocess.run(words, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
