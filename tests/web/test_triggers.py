"""From a POST to a run and on: webhook, event task and callback through `ordinaut up`, as people have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.hooks import SECRET, standard
from tests.support.probes import eventually
from tests.support.processes import started

SPECS = """\
apiVersion: ordinaut/v1
kind: Project
name: home
secrets: {hook: {env: SHOP_SECRET}}
webhooks: {shop: {secret: "${secrets.hook}"}}
---
apiVersion: ordinaut/v1
kind: Task
name: pack
overlap: allow
schedule: {event: shop.paid, filter: "data.order > `1`"}
pipeline:
  - {id: tell, uses: ordinaut.emit, with: {event: parcels.packed, data: {order: "${event.data.order}"}}}
---
apiVersion: ordinaut/v1
kind: Task
name: send
schedule: {event: "parcels.*", debounce: 1s}
pipeline:
  - {id: sent, uses: ordinaut.transform, with: {value: "${event.data.order} of ${event.count}"}}
---
apiVersion: ordinaut/v1
kind: Task
name: note
schedule: {event: ordinaut.run.succeeded, filter: "data.task == 'send'"}
pipeline:
  - {id: noted, uses: ordinaut.transform, with: {value: "${event.data.task}"}}
"""


@pytest.mark.slow
async def test_a_webhook_starts_a_chain_of_tasks(
    tmp_path: Path, database: str, redis_url: str
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "all.yaml").write_text(SPECS)
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url, "SHOP_SECRET": SECRET}  # fmt: skip
    async with started("up", "--listen", "127.0.0.1:0", cwd=tmp_path, env=env) as process:
        await process.line("watching the specs")
        url = (await process.line("dashboard and API at ")).split()[-1]
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            for order in (1, 2):
                body = b'{"type": "paid", "order": %d}' % order
                answer = await client.post("/hooks/home/shop", content=body, headers=standard(body, f"m-{order}"))  # fmt: skip
                assert answer.status_code == 202

        async def outputs() -> list[tuple[Any, ...]]:
            async with await psycopg.AsyncConnection.connect(database) as connection:
                cursor = await connection.execute(
                    "select p.name, s.output from ordinaut.step_result s join ordinaut.run r using (run_id)"
                    " join ordinaut.spec p on p.uid = r.task_uid order by s.finished_at"
                )
                return await cursor.fetchall()

        async def have_run() -> bool:
            return len(await outputs()) == 3

        await eventually(have_run, "three runs")
        assert await outputs() == [("pack", {"event": "parcels.packed"}), ("send", "2 of 1"), ("note", "send")]  # fmt: skip
        process.terminate()
        await process.ended()
