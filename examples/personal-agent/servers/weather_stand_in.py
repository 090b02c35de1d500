"""A stand-in for Open-Meteo: answers in its words from what was recorded in data/forecast.json, as if that began today."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

RECORDED = Path(__file__).resolve().parent.parent / "data" / "forecast.json"


def answer(days: int) -> dict[str, Any]:
    """The recorded forecast, for so many days from today on."""
    recorded: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    today = datetime.now(ZoneInfo(recorded["timezone"])).date()
    daily = {name: values[:days] for name, values in recorded["daily"].items()}
    daily["time"] = [
        (today + timedelta(days=day)).isoformat() for day in range(len(daily["time"]))
    ]
    return {**recorded, "daily": daily}


class Requests(BaseHTTPRequestHandler):
    """`GET /v1/forecast`; every place has the same weather."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        found = asked.path == "/v1/forecast"
        days = int(parse_qs(asked.query).get("forecast_days", ["7"])[0])
        body = json.dumps(answer(days) if found else {"error": True}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    address = urlsplit(sys.argv[1])
    ThreadingHTTPServer((str(address.hostname), int(address.port or 80)), Requests).serve_forever()
