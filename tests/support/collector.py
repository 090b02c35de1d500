"""A collector of traces: takes what OTLP over HTTP brings, or refuses it as a test says."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class ReceivingServer(ThreadingHTTPServer):
    """Where spans arrive.

    Attributes:
        spans: all that were taken, in order.
        status: what requests are answered with.
        asked: how many requests there were.
        service: the name of the service that the last ones were of.
        takes_at: the path that spans are taken at.
        headers: those of the last request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiving)
        self.spans: list[Span] = []
        self.status = 200
        self.asked = 0
        self.service = ""
        self.takes_at = "/v1/traces"
        self.headers: Mapping[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def traces_url(self) -> str:
        return f"{self.url}{self.takes_at}"

    def by_name(self) -> dict[str, Span]:
        return {span.name: span for span in self.spans}


class _Receiving(BaseHTTPRequestHandler):
    server: ReceivingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked += 1
        self.server.headers = dict(self.headers)
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.server.status == 200 and self.path == self.server.takes_at:
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                self.server.service = attributes(resource.resource)["service.name"]
                for scope in resource.scope_spans:
                    self.server.spans += scope.spans
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def attributes(of: Any) -> dict[str, Any]:
    """The attributes of a span or a resource."""
    found = {}
    for one in of.attributes:
        kind = one.value.WhichOneof("value")
        found[one.key] = getattr(one.value, kind)
    return found


@contextmanager
def receiving() -> Iterator[ReceivingServer]:
    """A collector on a free port, for the block."""
    with ReceivingServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
