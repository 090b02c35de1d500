"""`ordinaut test --ask-models`: the language models of the specs answer, and what comes of it is judged as ever."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.model_server import completion
from tests.support.trials import Shop

SCHEMA = "{type: object, properties: {kind: {type: string}}, required: [kind]}"
READ = f"{{id: read, uses: llm.extract, with: {{text: '${{params.letter}}', output_schema: {SCHEMA}}}}}"
TELL = "{id: tell, uses: bank.tell, with: {kind: '${steps.read.data.kind}'}}"
GIVEN = "{read: {result: {data: {kind: bill}}}, tell: {result: ok}}"
EXPECT = "{calls: [{step: read}, {step: tell, with: {kind: bill}}]}"


class Endpoint(ThreadingHTTPServer):
    """Answers in a process's own threads: played runs ask from a loop of theirs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.kind = "bill"
        self.bodies: list[dict[str, Any]] = []


class _Answering(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        answer = json.dumps(completion(json.dumps({"kind": self.server.kind}))).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its base calls it so
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def shop(folder: Path, endpoint: Endpoint) -> Shop:
    shop = Shop(folder)
    shop.task(READ, TELL, params={"letter": "You owe 5 euro"})
    project = shop.specs / "ordinaut.yaml"
    url = f"http://127.0.0.1:{endpoint.server_port}/v1"
    models = f"name: shop\nmodels: {{default: {{url: '{url}', model: small}}}}\n"
    project.write_text(project.read_text().replace("name: shop\n", models))
    return shop


def test_models_answer_in_the_place_of_what_is_given(
    alone: Cli, shop: Shop, endpoint: Endpoint
) -> None:
    shop.test(given=GIVEN, expect=EXPECT)

    answer = alone("test", "--ask-models", "--json")

    assert answer.status == 0, answer.stdout
    assert len(endpoint.bodies) == 1
    assert "You owe 5 euro" in endpoint.bodies[0]["messages"][-1]["content"]
    assert answer.json["asked"] == [
        {"model": "small-2026-01-07", "calls": 1, "input_tokens": 100, "output_tokens": 20}
    ]


def test_models_answer_where_nothing_is_given(alone: Cli, shop: Shop, endpoint: Endpoint) -> None:
    shop.test(given="{tell: {result: ok}}", expect=EXPECT)

    assert alone("test", "--ask-models").status == 0
    assert len(endpoint.bodies) == 1


def test_an_answer_that_leads_elsewhere_fails_the_test(
    alone: Cli, shop: Shop, endpoint: Endpoint
) -> None:
    shop.test(given=GIVEN, expect=EXPECT)
    endpoint.kind = "poem"

    answer = alone("test", "--ask-models")

    assert answer.status == 1
    assert '"poem"' in answer.stdout
    assert "asked small-2026-01-07 1 time: 100 tokens in, 20 out" in answer.stderr


def test_without_the_option_nobody_is_asked(alone: Cli, shop: Shop, endpoint: Endpoint) -> None:
    shop.test(given=GIVEN, expect=EXPECT)
    endpoint.kind = "poem"

    assert alone("test").status == 0
    assert endpoint.bodies == []


def test_a_failure_that_is_given_stays_one(alone: Cli, shop: Shop, endpoint: Endpoint) -> None:
    shop.test(given="{read: {outcome: tool_error}}", expect="{error: {step: read}}")

    assert alone("test", "--ask-models").status == 0
    assert endpoint.bodies == []


def test_a_project_without_models_is_refused(alone: Cli, shop: Shop) -> None:
    project = shop.specs / "ordinaut.yaml"
    lines = project.read_text().splitlines()
    project.write_text("\n".join(line for line in lines if not line.startswith("models:")))
    shop.test(given=GIVEN, expect=EXPECT)

    answer = alone("test", "--ask-models")

    assert answer.status == 1
    assert "the Project has no language model to ask" in answer.stderr
