"""A stand-in for a calendar account: serves data/agenda.ics at the address that it is given, as calendars publish theirs."""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

DATA = Path(__file__).resolve().parent.parent / "data"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    address = urlsplit(sys.argv[1])
    served = partial(Quiet, directory=str(DATA))
    ThreadingHTTPServer((str(address.hostname), int(address.port or 80)), served).serve_forever()
