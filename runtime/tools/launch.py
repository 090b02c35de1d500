"""Becomes a tool server: run as a script in the new process, it confines it, ties its life to ours, and executes it.

Usage: python -I -S launch.py PARENT_PID [user=NAME] [network=none] [open_files=COUNT] -- PROGRAM [ARGUMENT...]

What is asked for and cannot be had ends it with a reason: a server never runs with more than it was given. Whoever is
confined gains no rights by executing a program, as of set-user-ID files.

The kernel of Linux kills the server when the runtime dies, even by SIGKILL, where a server that ignores the end of its
input would live on. A script of its own rather than `preexec_fn`, because Python code between fork and exec can deadlock
in a program with threads. Uses nothing but the standard library, so that it starts in milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

_libc: Final = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
# By these, root could go back to the network of others.
_CAP_SYS_PTRACE: Final = 19
_CAP_SYS_ADMIN: Final = 21
_AF_INET: Final = 2
_SOCK_DGRAM: Final = 2
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP_AND_RUNNING: Final = 0x41


def launched(command: Sequence[str], confinement: Iterable[str] = ()) -> list[str]:
    """The command line that starts a program through this script, tied to us."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *confinement, "--", *command]


def main(arguments: list[str]) -> NoReturn:
    """Never returns."""
    parent, *rest = arguments
    end = rest.index("--")
    command = rest[end + 1 :]
    _confine(dict(each.split("=", 1) for each in rest[:end]))
    if sys.platform == "linux":
        # After all the rest: the kernel forgets it when rights change.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before the line above took effect.
        if os.getppid() != int(parent):
            sys.exit(1)
    try:
        os.execv(command[0], command)  # noqa: S606 - this is the purpose
    except OSError as error:
        sys.exit(f"{command[0]} cannot be executed: {error.strerror}")


def _confine(wanted: Mapping[str, str]) -> None:
    without_network = wanted.get("network") == "none"
    if without_network and sys.platform != "linux":
        sys.exit("sandbox: only Linux can take the network away from a process")
    if "open_files" in wanted:
        _limit_files(int(wanted["open_files"]))
    # With the rights that a change of user would end, if there are any; without them, afterwards.
    is_alone = without_network and _leave_network_by_right()
    if "user" in wanted:
        _become(wanted["user"])
    if without_network and not is_alone:
        _leave_network_without_rights()
    if wanted and sys.platform == "linux":
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _limit_files(count: int) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
    except (OSError, ValueError) as error:
        sys.exit(f"sandbox: {count} open files cannot be the limit here: {error}")


def _become(name: str) -> None:
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        sys.exit(f"sandbox: there is no user {name!r} on this system")
    if user.pw_uid == os.geteuid():
        return
    try:
        os.initgroups(name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except OSError as error:
        sys.exit(f"sandbox: only root can run a server as {name!r}: {error.strerror}")


def _leave_network_by_right() -> bool:
    if _libc.unshare(_CLONE_NEWNET) != 0:
        return False
    _raise_loopback()
    _libc.prctl(_PR_CAPBSET_DROP, _CAP_SYS_ADMIN)
    _libc.prctl(_PR_CAPBSET_DROP, _CAP_SYS_PTRACE)
    return True


def _leave_network_without_rights() -> None:
    """In a user namespace of its own anybody may have a network of their own, where the system lets them."""
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        sys.exit(f"sandbox: this system lets nobody but root take the network away: {reason}")
    _raise_loopback()
    try:
        # A change of user leaves the files below to root.
        _libc.prctl(_PR_SET_DUMPABLE, 1)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    except OSError as error:
        sys.exit(f"sandbox: the network cannot be taken away here: {error.strerror}")


def _raise_loopback() -> None:
    """Some programs talk with themselves by their loopback address; it is nobody else's here."""
    request = struct.pack("16sH14x", b"lo", _IFF_UP_AND_RUNNING)
    opened = _libc.socket(_AF_INET, _SOCK_DGRAM, 0)
    if _libc.ioctl(opened, _SIOCSIFFLAGS, request) != 0:
        reason = os.strerror(ctypes.get_errno())
        sys.exit(f"sandbox: a network of its own cannot be set up here: {reason}")
    os.close(opened)


if __name__ == "__main__":
    main(sys.argv[1:])
