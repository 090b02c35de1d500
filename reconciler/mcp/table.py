"""Every tool, in the order in which they are listed."""

from __future__ import annotations

from typing import Final

from reconciler.mcp import operating, proposing, reading, runs
from reconciler.mcp.offering import Tool

TOOLS: Final[tuple[Tool, ...]] = (
    reading.list_tasks,
    reading.get_task,
    runs.list_runs,
    runs.get_run,
    runs.get_run_logs,
    runs.explain_failure,
    reading.preview_schedule,
    reading.list_servers,
    reading.get_status,
    reading.get_spend,
    proposing.validate_manifest,
    proposing.plan_change,
    proposing.propose_change,
    operating.wait_run,
    operating.run_now,
    operating.cancel_run,
    operating.snooze_task,
    operating.decide_approval,
)
