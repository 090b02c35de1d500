"""Becomes a server process: leaves root, ties itself to its parent, waits for the word, and then is the server.

Run by path as `python -I -S launch.py OPTIONS PROGRAM ARGUMENT...`, so only the standard library is there. OPTIONS is
JSON: `uid` and `gid` (null: stay who we are), `needs` (paths that the server must reach) and `death_signal`.

The word is one byte on standard input. It comes once the parent has recorded this process in the state folder, so a
server that nobody recorded cannot exist; if the parent dies first, standard input ends and nothing was started.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Sequence

GO = b"g"

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2

# The first set that suffices is kept: none where every folder on the way is open; the right to pass closed folders for
# a clone or an environment under /root; the right to execute closed files for one installed with umask 077.
_CAPABILITY_SETS = ((), (_CAP_DAC_READ_SEARCH,), (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE))


def main(arguments: Sequence[str]) -> None:
    """Replace this process by the program, or exit with a sentence on standard error."""
    options, program = json.loads(arguments[0]), list(arguments[1:])
    if options["uid"] is not None:
        _leave_root(options["uid"], options["gid"], options["needs"])
    if sys.platform == "linux":
        # After the change of user, which clears it. The word below closes the gap before it is set.
        _prctl(_PR_SET_PDEATHSIG, options["death_signal"])
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if os.read(0, 1) != GO:
        sys.exit("the process that starts the server is gone")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execv(program[0], program)  # noqa: S606 - an argument list of our own, without a shell


def _leave_root(uid: int, gid: int, needs: Sequence[str]) -> None:
    if sys.platform == "linux":
        _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if sys.platform == "linux":
        _keep_capabilities(needs)
    if missing := _unreached(needs):
        sys.exit(f"permission denied: user {uid} does not reach {missing}")


def _keep_capabilities(needs: Sequence[str]) -> None:
    """Keep the smallest set with which every path is reached, and hand it on to the program."""
    for kept in _CAPABILITY_SETS:
        # The permitted set stays whole until the choice is made, else a larger set could not follow a smaller one.
        if _set_capabilities(effective=kept, permitted=None) and not _unreached(needs):
            break
    else:
        kept = ()
    _set_capabilities(effective=kept, permitted=kept)
    for capability in kept:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _unreached(needs: Sequence[str]) -> str:
    """The first path that this process may not enter or execute; empty if it reaches all."""
    for path in needs:
        if not os.access(path, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            return path
    return ""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    """Capabilities 0 to 31; the kernel takes two of these."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _set_capabilities(*, effective: Sequence[int], permitted: Sequence[int] | None) -> bool:
    """Whether the kernel granted it; `permitted` None leaves that set as it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_CAPABILITY_VERSION_3, 0), (_Sets * 2)()
    libc.capget(ctypes.byref(header), sets)
    bits = sum(1 << capability for capability in effective)
    sets[0].effective = sets[0].inheritable = bits
    sets[1].effective = sets[1].inheritable = 0
    if permitted is not None:
        sets[0].permitted, sets[1].permitted = sum(1 << capability for capability in permitted), 0
    return bool(libc.capset(ctypes.byref(header), sets) == 0)


def _prctl(option: int, *arguments: int) -> None:
    values = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if ctypes.CDLL(None, use_errno=True).prctl(option, *values) != 0:
        reason = os.strerror(ctypes.get_errno())
        sys.exit(f"prctl({option}) failed: {reason}")


if __name__ == "__main__":
    main(sys.argv[1:])
