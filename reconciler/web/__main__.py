"""The web side in a process beside `ordinaut up`: `python -m reconciler.web FD`, with settings as a line of JSON on standard input.

FD is a socket that listens. It ends when standard input does, which is when whoever started it is gone.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

import orjson

from reconciler.web.app import whole_app
from runtime.config import Config
from runtime.logs import configure_logs
from runtime.loop import run_loop
from runtime.web.server import serve_until_asked


def main() -> None:
    """Serve until asked to stop, or alone."""
    config = Config.load(orjson.loads(sys.stdin.buffer.readline()), environ={})
    configure_logs(config.log_level, as_json=config.logs_as_json)
    threading.Thread(target=_end_when_alone, name="lifeline", daemon=True).start()
    assert config.database_url is not None  # noqa: S101 - whoever starts it has one
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        run_loop(serve_until_asked(whole_app(config, config.database_url), listener, quiet=True))


def _end_when_alone() -> None:
    # Past the buffer: its lock, held by a thread that waits, breaks the end of the interpreter.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
