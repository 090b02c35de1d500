"""A screen that is drawn anew in its place, and keys that end it; the terminal is left as it was, however that ends."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import click

from runtime.cli.output import fitted
from runtime.config import environment_variable
from runtime.core.harmless import harmless

_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_TOP: Final = "\x1b[H"
_LINE: Final = "\x1b[K\n"
_REST: Final = "\x1b[J"
_ENDS: Final = b"qQ\x03\x04"


class Screen:
    """The whole of a terminal."""

    def __init__(self, keys: int | None) -> None:
        self._keys = keys

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines from the top, as many and as much of each as there is room for now."""
        size = shutil.get_terminal_size()
        plain = bool(environment_variable("NO_COLOR"))
        shown = [
            fitted(click.unstyle(line) if plain else harmless(line), size.columns)
            for line in lines[: size.lines - 1]
        ]
        text = _TOP + "".join(line + _LINE for line in shown) + _REST
        sys.stdout.write(text)
        sys.stdout.flush()

    def wait(self, seconds: float) -> bool:
        """Wait for so long, or for a key; whether it was one that ends it."""
        if self._keys is None:
            select.select([], [], [], seconds)
            return False
        ready, _, _ = select.select([self._keys], [], [], seconds)
        if not ready:
            return False
        pressed = os.read(self._keys, 64)
        return not pressed or any(key in _ENDS for key in pressed)


@contextmanager
def whole_screen() -> Iterator[Screen]:
    """Take the terminal for as long as the block lasts, but for as long as the process is stopped.

    Signals that end the process end the block.
    """
    keys = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = None if keys is None else termios.tcgetattr(keys)

    def enter() -> None:
        if keys is not None:
            tty.setcbreak(keys)
        _write(_ENTER)

    def leave() -> None:
        _write(_LEAVE)
        if keys is not None and before is not None:
            termios.tcsetattr(keys, termios.TCSADRAIN, before)

    def stand_aside(*_: object) -> None:
        leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        enter()

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    replaced = {
        number: signal.signal(number, act)
        for number, act in (
            (signal.SIGTSTP, stand_aside),
            (signal.SIGTERM, end),
            (signal.SIGHUP, end),
        )
    }
    try:
        enter()
        yield Screen(keys)
    finally:
        leave()
        for number, act in replaced.items():
            signal.signal(number, act)


def _write(text: str) -> None:
    """Past the buffer, which a signal may come in the middle of."""
    sys.stdout.flush()
    os.write(sys.stdout.fileno(), text.encode())
