"""A tool answers far more than anybody wanted: its step fails and says so, and nobody else notices."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.faults.site import Site
from tests.support import raw_server
from tests.support.installed import HEAD, install, queue_run, task

_BYTES = 64 * 2**20


async def test_an_answer_of_64_megabytes_is_refused_and_the_runtime_goes_on(site: Site) -> None:
    """Asserts: the run fails with ORD506, its run and its step are on record, another run succeeds, and the runtime has at no
    time taken many times the answer.
    """
    stdio = {"command": sys.executable, "args": [str(Path(raw_server.__file__))]}
    server = {"kind": "ToolServer", "name": "flood", "protocol": "legacy"}
    await install(site.connection, {**HEAD, **server, "stdio": stdio})
    step = {"id": "only", "uses": "flood.huge", "with": {"bytes": _BYTES}}
    huge = await queue_run(
        site.connection, await install(site.connection, task("huge", pipeline=[step]))
    )
    async with site.runtime(lease="30s") as runtime:
        assert await site.ended(huge) == ["failed"]
        sound = await site.queue(await install(site.connection, task("sound")))
        assert await site.ended(sound) == ["succeeded"]
        status = Path(f"/proc/{runtime.pid}/status").read_text(encoding="utf-8")

    assert await site.value("select error ->> 'code' from ordinaut.run where run_id = %s", huge) == "ORD506"  # fmt: skip
    assert await site.value("select outcome from ordinaut.step_result where run_id = %s", huge) == "contract_error"  # fmt: skip
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    assert int(peak) * 1024 < 4 * _BYTES + 150 * 2**20
