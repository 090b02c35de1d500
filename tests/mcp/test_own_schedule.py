"""An agent of Ordinaut that looks at its own schedule, and has a task run: Ordinaut calls Ordinaut, under `ordinaut up`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import ordinaut, started

_SPECS: Final = """\
apiVersion: ordinaut/v1
kind: Project
name: home
---
apiVersion: ordinaut/v1
kind: ToolServer
name: schedule
stdio: {command: ordinaut, args: [mcp, --agent, planner, --scope, read, --scope, operate]}
---
apiVersion: ordinaut/v1
kind: Agent
name: planner
scopes: [schedule.list_tasks, schedule.run_now]
---
apiVersion: ordinaut/v1
kind: Task
name: look-ahead
agent: planner
schedule: {manual: true}
pipeline:
  - {id: look, uses: schedule.list_tasks, with: {words: tidy}, save_as: found}
  - id: start
    uses: schedule.run_now
    with: {task: "${steps.found.tasks[0].task}", reason: it is time}
  - {id: again, uses: schedule.run_now, with: {task: tidy-up, reason: once more, dry_run: true}}
---
apiVersion: ordinaut/v1
kind: Task
name: tidy-up
schedule: {manual: true}
overlap: queue_one
pipeline:
  - {id: rest, uses: ordinaut.sleep, with: {for: 1ms}}
"""


@pytest.mark.slow
async def test_an_agent_reads_its_schedule_and_starts_a_task(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "all.yaml").write_text(_SPECS)

    async with started("up", cwd=tmp_path) as up:
        await up.line("watching the specs")
        asked = await ordinaut("run", "look-ahead", "--wait", cwd=tmp_path)
        shown = await ordinaut("show", "look-ahead", "--json", cwd=tmp_path)
        tidied = await ordinaut("show", "tidy-up", "--json", cwd=tmp_path)
        audit = await ordinaut("audit", "--json", "--action", "task.run", cwd=tmp_path)
        up.terminate()
        ended = await up.ended()

    assert asked.status == 0, asked.stdout + asked.stderr + ended.stderr
    look, start, again = json.loads(shown.stdout)["steps"]
    assert [one["task"] for one in look["output"]["tasks"]] == ["tidy-up"]
    assert (start["output"]["is_new"], again["output"]["dry_run"]) == (True, True)
    run = json.loads(tidied.stdout)
    assert (run["run_id"], run["requested_by"]) == (start["output"]["run"]["run_id"], "planner")
    [entry, *_] = json.loads(audit.stdout)["entries"]
    assert (entry["actor"], entry["origin"], entry["reason"]) == ("planner", "mcp", "it is time")
    assert ended.status == 0
