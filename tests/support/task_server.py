"""A tool server that makes tasks of its calls (SEP-2663), and knows them again after a restart: `python task_server.py FOLDER`.

A task is a file of the FOLDER. The file `done` lets all of them be done; `diary` tells what was asked for.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
TASKS = "io.modelcontextprotocol/tasks"
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "pause": {"type": "integer"}},
}
FORM = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
CACHED = {"ttlMs": 0, "cacheScope": "private"}


class Refused(Exception):
    """A JSON-RPC error."""


def note(text: str) -> None:
    """A line in the diary."""
    with (FOLDER / "diary").open("a") as diary:
        diary.write(text + "\n")


def discover(_: dict[str, Any]) -> dict[str, Any]:
    """What is spoken here."""
    capabilities = {"tools": {}, "extensions": {TASKS: {}}}
    return {"supportedVersions": ["2026-07-28"], "capabilities": capabilities, **CACHED}


def list_tools(_: dict[str, Any]) -> dict[str, Any]:
    """Work that asks nothing, asks for a colour, fails, or is cancelled here."""
    names = ("work", "paint", "crash", "give_up")
    return {"tools": [{"name": name, "inputSchema": SCHEMA} for name in names], **CACHED}


def call(params: dict[str, Any]) -> dict[str, Any]:
    """Begins a task."""
    capabilities = params["_meta"]["io.modelcontextprotocol/clientCapabilities"]
    if TASKS not in capabilities.get("extensions", {}):
        raise Refused("tasks are not declared")
    arguments = params["arguments"]
    task = f"{params['name']} {arguments['name']}"
    note(f"began {task}")
    kept = {"kind": params["name"], "pause": arguments.get("pause", 100)}
    (FOLDER / task).write_text(json.dumps(kept))
    return {"resultType": "task", "status": "working", **stamp(task, kept)}


def stamp(task: str, kept: dict[str, Any]) -> dict[str, Any]:
    """What every answer about a task says."""
    instant = "2026-03-01T12:00:00Z"
    times = {"createdAt": instant, "lastUpdatedAt": instant, "ttlMs": None}
    return {"taskId": task, "pollIntervalMs": kept["pause"], **times}


def get(params: dict[str, Any]) -> dict[str, Any]:
    """Where a task stands."""
    task, kept = find(params)
    note(f"asked for {task}")
    answer = {"status": "working", **stamp(task, kept)}
    form = {"message": "Which colour?", "requestedSchema": FORM}
    if kept["kind"] == "paint" and not (FOLDER / "seen").exists():
        if "colour" in kept:
            # An answer is seen a while after it was taken.
            (FOLDER / "seen").touch()
        asked = {"colour": {"method": "elicitation/create", "params": form}}
        return answer | {"status": "input_required", "inputRequests": asked}
    if not (FOLDER / "done").exists():
        return answer
    if kept["kind"] == "crash":
        return answer | {"status": "failed", "error": {"code": -32602, "message": "it broke"}}
    if kept["kind"] == "give_up":
        return answer | {"status": "cancelled", "statusMessage": "too dear"}
    text = f"{task} is done{' in ' + kept['colour'] if 'colour' in kept else ''}"
    return answer | {
        "status": "completed",
        "result": {"content": [{"type": "text", "text": text}]},
    }


def update(params: dict[str, Any]) -> dict[str, Any]:
    """Takes answers."""
    task, kept = find(params)
    note(f"told {task}")
    colour = params["inputResponses"]["colour"]["content"]["colour"]
    (FOLDER / task).write_text(json.dumps(kept | {"colour": colour}))
    return {}


def cancel(params: dict[str, Any]) -> dict[str, Any]:
    """Forgets a task."""
    task, _ = find(params)
    note(f"cancelled {task}")
    (FOLDER / task).unlink()
    return {}


def find(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A task that is known."""
    task = params["taskId"]
    if not (FOLDER / task).exists():
        raise Refused("Task not found")
    kept: dict[str, Any] = json.loads((FOLDER / task).read_text())
    return task, kept


METHODS = {
    "server/discover": discover,
    "tools/list": list_tools,
    "tools/call": call,
    "tasks/get": get,
    "tasks/update": update,
    "tasks/cancel": cancel,
}


def main() -> None:
    """Answer one request a line."""
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            continue
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            result = METHODS[request["method"]](request["params"])
            answer["result"] = {"resultType": "complete", **result}
        except Refused as refused:
            answer["error"] = {"code": -32602, "message": str(refused)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
