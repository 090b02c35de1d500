"""A stand-in for a provider of company data, which would need an account: it takes a request, and answers it later.

What it knows stands in the register. It answers with a signed webhook, as providers do: after `--delay` seconds and a little more.
As providers do too, it loses some answers (`--lose`: of so many requests, one is not answered when it is first made), gives some
twice (`--repeat`), and is too busy for some rows when it is first asked for them (`--busy`). A repeated request is answered again.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import csv
import gzip
import hashlib
import hmac
import json
import os
import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

Row = dict[str, Any]
PRICE, CURRENCY = "0.004", "EUR"
TRIES = 20


class Provider:
    """What it knows, what it was asked, and what it has still to answer."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._chance = random.Random(1)  # noqa: S311 - chance, and no secret
        self._register: dict[str, Row] = {}
        self._read_at = 0.0
        self._requests: dict[str, int] = {}
        self._asked: set[str | None] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, request: Request) -> Response:
        """Take a request, and say that it was taken."""
        asked = await request.json()
        name = asked["request"]
        times = self._requests[name] = self._requests.get(name, 0) + 1
        number = len(self._requests)
        answers = [self._answer(row) for row in asked["rows"]]
        self._asked |= {row["domain"] for row in asked["rows"]}
        if not self._is_nth(number, self._options.lose) or times > 1:
            sends = 2 if self._is_nth(number + 1, self._options.repeat) else 1
            for _ in range(sends):
                answer = {"request": name, "reference": asked["reference"], "answers": answers}
                self._begin(asked["callback"], answer)
        return JSONResponse({"taken": name}, status_code=202)

    def _is_nth(self, number: int, every: int) -> bool:
        return bool(every) and number % every == 0

    def _answer(self, row: Row) -> Row:
        domain = row["domain"]
        if domain is None:
            return {"row": row["row"], "output": {"name": None}}
        every = self._options.busy
        is_busy = every and int(hashlib.sha256(domain.encode()).hexdigest(), 16) % every == 0
        if is_busy and domain not in self._asked:
            return {"row": row["row"], "error": "too many requests for this company"}
        known = self._known().get(domain)
        if known is None:
            problem = f"the register has no company at {domain}"
            return {"row": row["row"], "error": problem, "permanent": True}
        return {"row": row["row"], "output": known}

    def _known(self) -> dict[str, Row]:
        """The register; it grows now and then."""
        files = sorted(Path(self._options.folder).glob("register*.csv*"))
        newest = max(file.stat().st_mtime for file in files)
        if newest > self._read_at:
            self._register = {}
            for file in files:
                content = file.read_bytes()
                text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode()
                for one in csv.DictReader(text.splitlines()):
                    facts: Row = {**one, "employees": int(one["employees"])}
                    self._register[facts.pop("domain")] = facts
            self._read_at = newest
        return self._register

    def _begin(self, callback: str, answer: Row) -> None:
        wait = self._options.delay * (1 + self._chance.random())
        task = asyncio.create_task(self._tell(callback, answer, wait))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, callback: str, answer: Row, wait: float) -> None:
        await asyncio.sleep(wait)
        answer |= {"type": "answered", "price": PRICE, "currency": CURRENCY}
        body = json.dumps(answer).encode()
        # Each sending has an id of its own, as from a provider that forgot that it has told.
        name = f"msg-{self._chance.getrandbits(64):x}"
        async with httpx.AsyncClient() as client:
            for number in range(TRIES):
                try:
                    sent = await client.post(callback, content=body, headers=signed(name, body))
                    if not sent.is_server_error:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(min(5.0, 0.2 * 2**number))


def signed(name: str, body: bytes) -> dict[str, str]:
    """Headers as Standard Webhooks asks for."""
    at = str(int(time.time()))
    secret = os.environ["PROVIDER_SECRET"].encode()
    digest = hmac.new(secret, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": signature}


async def health(_: Request) -> Response:
    """That it is there."""
    return PlainTextResponse("well")


def main() -> None:
    """Serve until somebody ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--delay", type=float, default=60.0)
    for fault in ("--lose", "--repeat", "--busy"):
        parser.add_argument(fault, type=int, default=0, metavar="N")
    options = parser.parse_args()
    provider = Provider(options)
    routes = [Route("/requests", provider.take, methods=["POST"]), Route("/health", health)]
    serve = partial(uvicorn.run, Starlette(routes=routes), host="127.0.0.1")
    serve(port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
