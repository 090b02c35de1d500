"""Becomes a tool server: run as a script in the new process, it ties the server's life to ours and then executes it.

Usage: python -I -S launch.py PARENT_PID PROGRAM [ARGUMENT...]

On Linux the kernel then kills the server when the runtime dies, even by SIGKILL, where a server that ignores the end of
its input would live on. A script of its own rather than `preexec_fn`, because Python code between fork and exec can
deadlock in a program with threads. Uses nothing but the standard library, so that it starts in milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str]) -> None:
    """Never returns."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before the line above took effect.
        if os.getppid() != int(parent):
            sys.exit(1)
    try:
        os.execv(command[0], command)  # noqa: S606 - this is the purpose
    except OSError as error:
        sys.exit(f"{command[0]} cannot be executed: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
