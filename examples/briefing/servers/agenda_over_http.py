"""The third-party server ics-calendar-mcp over a local calendar.

It reads calendars over HTTP only, so this serves the folder `data` on a free port of the loopback interface for as long as
the server runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parents[2] / ".servers" / "bin" / "ics-calendar-mcp"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word: stdout belongs to the protocol."""

    def log_message(self, *_: object) -> None:
        pass


def main() -> int:
    """Serve the calendar, and be the server until it ends."""
    if not PROGRAM.is_file():
        print(f"{PROGRAM} is not there: run `make servers` in the clone", file=sys.stderr)
        return 1
    files = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(HERE.parent / "data"))
    )
    threading.Thread(target=files.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{files.server_port}/agenda.ics"
    environment = {**os.environ, "ICS_CALENDAR_URL": address, "ICS_TIMEZONE": "Europe/Chisinau"}
    return subprocess.run([PROGRAM], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
