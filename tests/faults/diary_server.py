"""The tool server that misbehaves, and three tools more: one that takes notes, one that waits, one that kills its runtime.

Run as `python diary_server.py DIARY GATE`. Every call appends its `name` to the file DIARY before anything else, so a
test can count what was really called; `wait` answers once the file GATE exists.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import raw_server

_DIARY, _GATE = (Path(argument) for argument in sys.argv[1:3])
_LOOK_AGAIN_SECONDS: Final = 0.01


def enter(request: int, arguments: dict[str, Any]) -> None:
    """Makes its entry and answers."""
    _note(arguments)
    raw_server.answer(request, raw_server.text(arguments["name"]))


def wait(request: int, arguments: dict[str, Any]) -> None:
    """Makes its entry, and answers when the gate opens, without keeping others waiting."""
    _note(arguments)

    def later() -> None:
        clock = threading.Event()
        while not _GATE.exists():
            clock.wait(_LOOK_AGAIN_SECONDS)
        is_error = arguments.get("fail", False)
        raw_server.answer(request, raw_server.text(arguments["name"], isError=is_error))

    threading.Thread(target=later, daemon=True).start()


def kill_runtime(request: int, arguments: dict[str, Any]) -> None:
    """Makes its entry, and kills the process that called."""
    _note(arguments)
    os.kill(os.getppid(), signal.SIGKILL)


def _note(arguments: dict[str, Any]) -> None:
    with _DIARY.open("a") as diary:
        diary.write(arguments["name"] + "\n")


if __name__ == "__main__":
    raw_server.TOOLS |= {tool.__name__: tool for tool in (enter, wait, kill_runtime)}
    raw_server.main()
