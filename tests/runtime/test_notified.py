"""A failed run is told: from `notify` in a spec, through a plan and a runtime, to whoever listens at an address."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg

from runtime.app import Place, running
from runtime.config import Config
from tests.runtime.tools.test_sending import Sink
from tests.support.probes import eventually
from tests.support.processes import ordinaut, started

SPECS = """\
apiVersion: ordinaut/v1
kind: Project
name: home
---
apiVersion: ordinaut/v1
kind: Task
name: billing
schedule: {{manual: true}}
notify:
  on: failure
  at_most_every: 1s
  uses: ordinaut.post
  with: {{url: "{url}", body: {{task: "${{event.data.task}}", code: "${{event.data.error.code}}"}}}}
pipeline: [{{id: check, uses: ordinaut.assert, with: {{that: false}}}}]
"""


async def test_a_failure_reaches_whoever_is_to_be_told_and_is_a_run_on_record(
    tmp_path: Path, database: str, redis_url: str, connection: psycopg.AsyncConnection
) -> None:
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url}
    async with Sink() as sink:
        (tmp_path / "specs").mkdir()
        (tmp_path / "specs" / "all.yaml").write_text(SPECS.format(url=sink.url))
        applied = await ordinaut("apply", "--yes", cwd=tmp_path, env=env)
        assert applied.status == 0, applied.stderr
        await ordinaut("run", "billing", cwd=tmp_path, env=env)
        async with started("runtime", cwd=tmp_path, env=env):
            await eventually(lambda: sink.got, "somebody is told", seconds=20)

    [(_, headers, body)] = sink.got
    assert json.loads(body) == {"task": "billing", "code": "ORD404"}
    assert headers["idempotency-key"]
    cursor = await connection.execute(
        "select s.name, r.trigger from ordinaut.run r join ordinaut.spec s on s.uid = r.task_uid order by 1"
    )
    assert await cursor.fetchall() == [("billing", "manual"), ("billing-notify", "event")]


LATE = """\
apiVersion: ordinaut/v1
kind: Project
name: home
---
apiVersion: ordinaut/v1
kind: Task
name: billing
schedule: {manual: true}
notify: {on: lateness, late: 1s, uses: ordinaut.transform, with: {value: 1}}
pipeline: [{id: check, uses: ordinaut.transform, with: {value: 1}}]
"""


async def test_a_late_run_is_told_of_while_no_worker_is_alive(
    tmp_path: Path, database: str, redis_url: str, connection: psycopg.AsyncConnection
) -> None:
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url}

    async def told() -> list[tuple[str, float]]:
        cursor = await connection.execute(
            "select data ->> 'task', (data ->> 'after_seconds')::float8 from ordinaut.event where topic = 'ordinaut.run.late'"
        )
        return await cursor.fetchall()

    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "all.yaml").write_text(LATE)
    applied = await ordinaut("apply", "--yes", cwd=tmp_path, env=env)
    assert applied.status == 0, applied.stderr
    await ordinaut("run", "billing", cwd=tmp_path, env=env)
    config = Config(state_dir=tmp_path / "state")
    place = Place(database, redis_url, tmp_path)
    async with running(config, place, duties=frozenset({"scheduler"})):
        await eventually(told, "it is told", seconds=20)

    assert await told() == [("billing", 1.0)]
