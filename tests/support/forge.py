"""A stand-in on the loopback for where pull requests are discussed: the calls of GitHub and of GitLab that comments need."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"
BOT_ID = 7


@dataclass(slots=True)
class Forge:
    """What the service knows.

    Attributes:
        url: where it is.
        pulls: open pull requests, as the service shows them.
        comments: by number of the pull request: who wrote them, and what.
        writers: tokens that may write.
        asked: every request: its method and its path.
    """

    url: str = ""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    writers: set[str] = field(default_factory=lambda: {"writer"})
    asked: list[tuple[str, str]] = field(default_factory=list)

    def say(self, number: str, login: str, text: str) -> dict[str, Any]:
        """A comment by somebody."""
        spoken = {
            "id": sum(map(len, self.comments.values())) + 1,
            "user": {"login": login},
            "author": {"id": BOT_ID if login == BOT else 1},
            "body": text,
        }
        self.comments.setdefault(number, []).append(spoken)
        return spoken

    def texts(self, number: str) -> list[str]:
        """What was said about a pull request."""
        return [comment["body"] for comment in self.comments.get(number, [])]

    def answer(self, method: str, path: str, query: dict[str, str], sent: Any) -> Any:
        """The JSON of an answer; None where there is no such thing."""
        if path == "/user":
            return {"id": BOT_ID}
        if re.search(r"/(pulls|merge_requests)$", path):
            return self._page(self.pulls, query)
        changed = re.search(r"/(?:comments|notes)/(\d+)$", path)
        if changed and method in {"PATCH", "PUT"}:
            every = [one for comments in self.comments.values() for one in comments]
            (comment,) = [one for one in every if one["id"] == int(changed[1])]
            comment["body"] = sent["body"]
            return comment
        listed = re.search(r"/(?:issues|merge_requests)/(\d+)/(?:comments|notes)$", path)
        if listed and method == "POST":
            return self.say(listed[1], BOT, sent["body"])
        return self._page(self.comments.get(listed[1], []), query) if listed else None

    @staticmethod
    def _page(entries: list[Any], query: dict[str, str]) -> list[Any]:
        size, page = int(query["per_page"]), int(query["page"])
        return entries[(page - 1) * size : page * size]


@contextmanager
def open_forge() -> Iterator[Forge]:
    """A service for the block."""
    forge = Forge()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            forge.asked.append((self.command, parts.path))
            sent = json.loads(
                self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null"
            )
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            may_write = (self.headers.get("PRIVATE-TOKEN") or bearer) in forge.writers
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            answer = None
            if may_write or self.command == "GET":
                answer = forge.answer(self.command, parts.path, query, sent)
            self.send_response(
                404 if answer is None and may_write else 200 if answer is not None else 403
            )
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_POST = do_PATCH = do_PUT = do_GET  # noqa: N815 - as above

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        forge.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield forge
        finally:
            server.shutdown()
            thread.join()
