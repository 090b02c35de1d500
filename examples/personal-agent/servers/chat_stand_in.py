"""A stand-in for a chat with incoming webhooks: keeps what is posted to it, and shows it at the same address.

A message that comes again with the same `Idempotency-Key` is the same message.
"""

from __future__ import annotations

import argparse
import html
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import ClassVar
from urllib.parse import urlsplit

MOST = 1_000_000
PAGE = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Chat (stand-in)</title>
<style>body{{font:16px/1.5 system-ui;max-width:42rem;margin:2rem auto;background:#f4f4f2}}
pre{{background:#fff;border-radius:.6rem;padding:1rem;white-space:pre-wrap;font:inherit}}</style>
<h1>Chat <small>(a stand-in)</small></h1>{messages}"""


class Requests(BaseHTTPRequestHandler):
    """`POST` takes a message, `GET` shows all of them, newest first."""

    kept: ClassVar[Path]
    lock: ClassVar[Lock] = Lock()

    def do_POST(self) -> None:
        try:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length)) if 0 <= length <= MOST else {}
            message = {"key": self.headers["Idempotency-Key"], "text": str(body["text"])}
        except (KeyError, TypeError, ValueError):
            return self.reply(
                400, b"a message is a JSON object with a text, of a megabyte at most"
            )
        with self.lock:
            if message["key"] is None or message["key"] not in {one["key"] for one in self.messages()}:  # fmt: skip
                with self.kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(message, ensure_ascii=False) + "\n")
        return self.reply(204, b"")

    def do_GET(self) -> None:
        texts = [f"<pre>{html.escape(one['text'])}</pre>" for one in reversed(self.messages())]
        self.reply(200, PAGE.format(messages="".join(texts)).encode())

    def messages(self) -> list[dict[str, str]]:
        """What came so far."""
        if not self.kept.exists():
            return []
        return [json.loads(line) for line in self.kept.read_text(encoding="utf-8").splitlines()]

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Take messages until the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, required=True)
    asked = parser.parse_args()
    asked.keep.parent.mkdir(parents=True, exist_ok=True)
    Requests.kept = asked.keep
    address = urlsplit(os.environ["CHAT_ADDRESS"])
    server = (str(address.hostname), int(address.port or 80))
    ThreadingHTTPServer(server, Requests).serve_forever()


if __name__ == "__main__":
    main()
