"""A tool server by hand over stdio, as bad as a test wants it: no SDK, so it starts in milliseconds.

Run as `python raw_server.py [FAULT...]`. The faults are those of the start and the end:

    die       writes a reason to stderr and exits at once
    mute      reads and never answers
    noise     prints a banner on stdout, before and between the messages
    deaf      goes on after the end of its input
    stubborn  ignores SIGTERM
    litter    leaves a background process behind and says its number on stderr
    crash     exits right after it has listed its tools
    page      lists its tools on many pages
    ponder    takes its time to list its tools
    toolless  does not know what tools are

Every other misbehaviour is a tool of this server; see `TOOLS`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAULTS = set(sys.argv[1:])
ENVIRONMENT = os.environ  # noqa: TID251 - a program of its own
_lock = threading.Lock()
KEPT: list[Any] = []
_sleeper = (sys.executable, "-c", "import time; time.sleep(600)")


def write(text: str) -> None:
    """One line on stdout."""
    with _lock:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def answer(request: int, result: object) -> None:
    """A JSON-RPC answer."""
    write(json.dumps({"jsonrpc": "2.0", "id": request, "result": result}))


def refuse(request: int, code: int, message: str, data: object = None) -> None:
    """A JSON-RPC error."""
    error = {"code": code, "message": message, "data": data}
    write(json.dumps({"jsonrpc": "2.0", "id": request, "error": error}))


def text(value: str, **more: Any) -> dict[str, Any]:
    """A result of one text."""
    return {"content": [{"type": "text", "text": value}], **more}


def result(request: int, arguments: dict[str, Any]) -> None:
    """Answers exactly what it is told to."""
    answer(request, arguments["result"])


def echo(request: int, arguments: dict[str, Any]) -> None:
    """Answers what it is given, as JSON text."""
    answer(request, text(json.dumps(arguments)))


def note(request: int, arguments: dict[str, Any]) -> None:
    """Appends a line to a file: the side effect that can be counted."""
    with Path(arguments["file"]).open("a") as file:
        file.write("called\n")
    if "then" in arguments:
        TOOLS[arguments["then"]](request, arguments)
    else:
        answer(request, text("noted"))


def slow(request: int, arguments: dict[str, Any]) -> None:
    """Answers after some seconds, without keeping others waiting."""

    def later() -> None:
        threading.Event().wait(arguments["seconds"])
        answer(request, text("late"))

    threading.Thread(target=later, daemon=True).start()


def held(request: int, arguments: dict[str, Any]) -> None:
    """Answers when a file is there, without keeping others waiting."""

    def later() -> None:
        while not Path(arguments["until"]).exists():
            threading.Event().wait(0.01)
        answer(request, text(str(os.getpid())))

    threading.Thread(target=later, daemon=True).start()


def bloat(request: int, arguments: dict[str, Any]) -> None:
    """Starts a process of its own that takes so many bytes, and answers once it has them."""
    code = f"x = b'x' * {arguments['bytes']}; print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    child = subprocess.Popen([sys.executable, "-c", code], **pipes)
    KEPT.append(child)
    child.stdout.readline()
    answer(request, text(str(os.getpid())))


def rejected(request: int, arguments: dict[str, Any]) -> None:
    """Answers a JSON-RPC error."""
    refuse(request, arguments["code"], arguments["message"], arguments.get("data"))


def die(request: int, arguments: dict[str, Any]) -> None:
    """Exits in the middle of the call."""
    sys.stderr.write("out of paper\n")
    sys.stderr.flush()
    os._exit(3)


def last_words(request: int, arguments: dict[str, Any]) -> None:
    """Answers, and exits at once."""
    answer(request, text("farewell"))
    os._exit(0)


def silent(request: int, arguments: dict[str, Any]) -> None:
    """Never answers, but goes on serving."""


def hang(request: int, arguments: dict[str, Any]) -> None:
    """Never answers again, and does not even read any more."""
    threading.Event().wait()


def flood(request: int, arguments: dict[str, Any]) -> None:
    """Writes a lot of noise around its answer."""
    for _ in range(2000):
        write("x" * 2000)
    answer(request, text("found it"))
    for _ in range(2000):
        write("x" * 2000)


def torrent(request: int, arguments: dict[str, Any]) -> None:
    """Writes noise without end, and never answers."""

    def pour() -> None:
        while True:
            write("x" * 100_000)

    threading.Thread(target=pour, daemon=True).start()


def half(request: int, arguments: dict[str, Any]) -> None:
    """Exits in the middle of its answer."""
    sys.stdout.write(f'{{"jsonrpc": "2.0", "id": {request}, "result": {{"content": [')
    sys.stdout.flush()
    os._exit(0)


def literal(request: int, arguments: dict[str, Any]) -> None:
    """Answers with this result as it is written."""
    write(f'{{"jsonrpc": "2.0", "id": {request}, "result": {arguments["result"]}}}')


def garble(request: int, arguments: dict[str, Any]) -> None:
    """Answers something that is not JSON."""
    write(f'{{"jsonrpc": "2.0", "id": {request}, "result": {{"content": [oops]}}}}')


def anonymous(request: int, arguments: dict[str, Any]) -> None:
    """Answers something that is not JSON and does not say to what."""
    write('{"result": oops')


def twice(request: int, arguments: dict[str, Any]) -> None:
    """Answers two times."""
    answer(request, text("first"))
    answer(request, text("second"))


def huge(request: int, arguments: dict[str, Any]) -> None:
    """Answers with many bytes; the request's number comes last with `id_last`."""
    value = text("x" * arguments["bytes"])
    message = {"jsonrpc": "2.0", "id": request, "result": value}
    if arguments.get("id_last"):
        message = {"result": value, "jsonrpc": "2.0", "id": request}
    write(json.dumps(message))


def spawn(request: int, arguments: dict[str, Any]) -> None:
    """Starts a background process that holds its stdout, and answers its number."""
    answer(request, text(json.dumps({"pid": subprocess.Popen(_sleeper).pid})))


def mutter(request: int, arguments: dict[str, Any]) -> None:
    """Writes to stderr and fails."""
    sys.stderr.write(arguments["text"] * arguments.get("times", 1))
    sys.stderr.flush()
    answer(request, text("it did not work", isError=True))


def environment(request: int, arguments: dict[str, Any]) -> None:
    """Answers its environment and folder."""
    answer(
        request,
        text(json.dumps({"env": dict(ENVIRONMENT), "cwd": str(Path.cwd()), "argv0": sys.argv[0]})),
    )


def reaches(port: int) -> bool:
    """Whether somebody answers at this port of the loopback."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


def confinement(request: int, arguments: dict[str, Any]) -> None:
    """Answers what it may do: whom it reaches on a port, whether that is itself, and what the system lets it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        itself = reaches(listener.getsockname()[1])
    try:
        back = os.open(f"/proc/{os.getppid()}/ns/net", os.O_RDONLY)
        rejoined = ctypes.CDLL(None).setns(back, 0) == 0
    except OSError:
        rejoined = False
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = {
        "user": os.geteuid(),
        "groups": os.getgroups(),
        "home": ENVIRONMENT.get("HOME"),
        "files": files,
        "reaches": reaches(arguments["port"]),
        "itself": itself,
        "rejoined": rejoined,
        "status": Path("/proc/self/status").read_text(),
    }
    answer(request, text(json.dumps(found)))


def grow(request: int, arguments: dict[str, Any]) -> None:
    """Has one more tool from now on, and says so."""
    TOOLS[arguments["tool"]] = echo
    write(json.dumps({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}))
    answer(request, text("grown"))


TOOLS: dict[str, Callable[[int, dict[str, Any]], None]] = {
    tool.__name__: tool
    for tool in (
        result, echo, note, slow, held, bloat, rejected, die, last_words, silent, hang, flood, torrent, half, literal, garble, anonymous, twice, huge,
        spawn, mutter, environment, confinement, grow,
    )
}  # fmt: skip

NUMBER = {"type": "number"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "slow": {"type": "object", "properties": {"seconds": NUMBER}, "required": ["seconds"]},
}
OUTPUTS: dict[str, dict[str, Any]] = {
    "result": json.loads(ENVIRONMENT.get("RESULT_SCHEMA", "null")),
}


def describe(name: str) -> dict[str, Any]:
    """A tool as it is listed."""
    tool = {
        "name": name,
        "description": TOOLS[name].__doc__,
        "inputSchema": SCHEMAS.get(name, {"type": "object"}),
    }
    if OUTPUTS.get(name):
        tool["outputSchema"] = OUTPUTS[name]
    return tool


def listing(params: dict[str, Any]) -> dict[str, Any]:
    """The answer to tools/list."""
    names = list(TOOLS)
    if "page" not in FAULTS:
        return {"tools": [describe(name) for name in names]}
    position = int(params.get("cursor", 0))
    page: dict[str, Any] = {"tools": [describe(names[position])]}
    if position + 1 < len(names):
        page["nextCursor"] = str(position + 1)
    return page


def note_listing() -> None:
    """Writes into a file that it was asked, and answers later."""
    with Path(ENVIRONMENT["DIARY"]).open("a") as diary:
        diary.write("listed\n")
    threading.Event().wait(0.3)


def serve(message: dict[str, Any]) -> None:
    """One message."""
    method, params, request = message.get("method"), message.get("params", {}), message.get("id")
    if request is None or "mute" in FAULTS:
        return
    if "noise" in FAULTS:
        write(f"DEBUG {method}")
    if method == "initialize":
        info = {"name": "raw", "version": "1"}
        changes = {"tools": {"listChanged": True}}
        answer(
            request, {"protocolVersion": "2025-11-25", "capabilities": changes, "serverInfo": info}
        )
    elif method == "tools/list" and "toolless" not in FAULTS:
        if "ponder" in FAULTS:
            note_listing()
        answer(request, listing(params))
        if "crash" in FAULTS:
            os._exit(4)
    elif method == "tools/call":
        TOOLS[params["name"]](request, params.get("arguments", {}))
    else:
        refuse(request, -32601, "Method not found")


def main() -> None:
    """Serve until the end of the input."""
    if "die" in FAULTS:
        sys.exit("cannot find my configuration")
    if "stubborn" in FAULTS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "litter" in FAULTS:
        sys.stderr.write(f"litter {subprocess.Popen(_sleeper).pid}\n")
        sys.stderr.flush()
    if "noise" in FAULTS:
        write("=== welcome ===")
    for line in sys.stdin:
        serve(json.loads(line))
    if "deaf" in FAULTS:
        threading.Event().wait()


if __name__ == "__main__":
    main()
