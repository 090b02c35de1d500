"""A stand-in for the endpoint of a provider of language models: it speaks OpenAI's chat completions, and knows a few tricks.

Two models, `large-stand-in` and `small-stand-in`, answer by fixed rules, so that what is right is known. Both sort letters,
look up prices and tell opening hours. The small one cannot add up. Both keep back answers about anything *forbidden*, and are
too busy for a letter marked *busy* when they meet it for the first time. A token is four characters, as a rule of thumb has it.
"""

from __future__ import annotations

import argparse
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

KINDS: Final = {"owe": "bill", "broken": "complaint", "thank": "praise"}
PRICE: Final = re.compile(r"^(?P<thing>[a-z ]+): (?P<price>\d+) euro$", re.MULTILINE)


class Answer(Exception):
    """What is answered instead of a text: its finish reason."""


def answered(model: str, told: str, asked: str, seen: set[str]) -> dict[str, Any]:
    """The values that are asked for.

    Args:
        model: which of the two.
        told: the data.
        asked: what is to be done with it, in the words of whoever wrote the step.
        seen: the busy letters that were met before; grows.

    Raises:
        Answer: there is none.
    """
    if "forbidden" in told:
        raise Answer("content_filter")
    if "busy" in told and told not in seen:
        seen.add(told)
        raise Answer("content_filter")
    low = told.lower()
    if "total" in asked:
        amounts = [int(one) for one in re.findall(r"(\d+) euro", low)]
        return {"total": sum(amounts) if model.startswith("large") else amounts[0]}
    if "price" in asked:
        listed = {found["thing"].strip(): int(found["price"]) for found in PRICE.finditer(low)}
        return {"price": next((p for thing, p in listed.items() if f"a {thing}?" in low), 0)}
    return {"kind": next((kind for word, kind in KINDS.items() if word in low), "question")}


class Endpoint(BaseHTTPRequestHandler):
    """Answers requests."""

    seen: Final[set[str]] = set()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Whether it is there."""
        self._send({"status": "ok"})

    def do_POST(self) -> None:
        """A chat completion."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        system, data = (message["content"] for message in asked["messages"][:2])
        text, finish = "", "stop"
        try:
            text = json.dumps(answered(asked["model"], data, system, self.seen))
        except Answer as reason:
            finish = str(reason)
        used = {"prompt_tokens": len(system + data) // 4, "completion_tokens": 20}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": finish, "message": message}
        self._send({"model": asked["model"], "choices": [choice], "usage": used})

    def _send(self, body: dict[str, Any]) -> None:
        sent = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    port = options.parse_args().port
    ThreadingHTTPServer(("127.0.0.1", port), Endpoint).serve_forever()
