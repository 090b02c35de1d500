"""Orchestration, and no logic: which rows are to be worked on next, and what became of them. All of it is one statement each."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

from database import row, rows
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

# How long a worker may take before its rows are given to another, and how long a row waits that failed for the first time.
LEASE, PAUSE = timedelta(seconds=float(os.environ["LEASE_SECONDS"])), timedelta(seconds=1)

server = MCPServer("batches")


@server.tool()
def launch(client: str, workflows: list[dict[str, Any]], run: str) -> dict[str, Any]:
    """Make a batch of a client's newest upload: a state for each row and workflow. A run launches one."""
    named = [one["name"] for one in workflows]
    if twice := {name for name in named if named.count(name) > 1}:
        raise ToolError(f"{', '.join(sorted(twice))} is named twice in the blueprint")
    made = rows("launch_batch", client=client, workflows=json.dumps(workflows), run=run)
    if not made:
        raise ToolError(f"no upload of {client} is staged")
    return {"batch": made[0]["batch_id"], "file": made[0]["file"], "rows": made[0]["rows"]}


@server.tool()
def look() -> dict[str, Any]:
    """Whether there is anything to do: `is_work`, `is_overdue`, `is_open`."""
    return row("look")


@server.tool()
def claim(run: str, workflows: list[str], most: int, chunk_rows: int) -> dict[str, Any]:
    """Claim rows that are ready, at most so many of each workflow, and give them in chunks by workflow."""
    for workflow in workflows:
        given = {"run": run, "workflow": workflow, "most": most, "chunk_rows": chunk_rows}
        rows("claim_rows", lease=LEASE, **given)
    found: dict[str, list[Any]] = {workflow: [] for workflow in workflows}
    for one in rows("list_chunks", run=run):
        found[one.pop("workflow")].append(one)
    return found


@server.tool()
def keep(chunk: str, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Keep what a worker answered, and move its rows on."""
    return row("record_answers", chunk=chunk, answers=json.dumps(answers), cost=0, pause=PAUSE)


@server.tool()
def sweep() -> dict[str, Any]:
    """Have asked again what nobody answered in time."""
    return row("sweep")


@server.tool()
def report() -> dict[str, Any]:
    """How far the batches are that are not finished."""
    return {"batches": rows("report")}


@server.tool()
def close(batch: int, finishes: int) -> dict[str, Any]:
    """Note that a batch is finished."""
    rows("close_batch", batch=batch, finishes=finishes)
    return {"batch": batch}


@server.tool()
def pause(batch: int) -> dict[str, Any]:
    """Claim no more rows of a batch; what is under way ends."""
    return row("pause_batch", batch=batch)


@server.tool()
def resume(batch: int) -> dict[str, Any]:
    """Go on with a batch where it was."""
    return row("resume_batch", batch=batch)


@server.tool()
def redrive(batch: int) -> dict[str, Any]:
    """Try the dead rows of a batch again, each from where it died."""
    return row("redrive", batch=batch)


@server.tool()
def list_dead(most: int = 100) -> dict[str, Any]:
    """Dead rows, and why."""
    return {"rows": rows("list_dead", most=most)}


if __name__ == "__main__":
    server.run()
