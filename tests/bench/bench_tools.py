"""What a call through the toolbox costs over one with the SDK's client alone, and whether calls leave anything behind.

Run: python tests/bench/bench_tools.py [stdio|http]... [--calls N] [--rounds N]

Both call the same tool of the same kind of server, one call after the other, in turns, in this one process. What counts is
the processor time of this process for each call: waiting for the server, and what else the machine does, are not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from mcp import Client, StdioServerParameters

from runtime.clock import SYSTEM_CLOCK
from runtime.tools.definition import HttpTransport, ServerDefinition, StdioTransport
from runtime.tools.toolbox import Toolbox
from tests.bench.targets import judged
from tests.runtime.tools.servers import free_port
from tests.support.processes import started

SERVER = str(Path(__file__).parents[1] / "support" / "mcp_server.py")
ARGUMENTS = {"a": 1, "b": 2}
WARM_UP = 200
Call = Callable[[], Awaitable[None]]


def spent() -> float:
    """Seconds of processor time that this process has had."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory() -> int:
    """Bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def cost(call: Call, calls: int) -> float:
    """Microseconds of processor time for one call."""
    before = spent()
    for _ in range(calls):
        await call()
    return (spent() - before) / calls * 1e6


@asynccontextmanager
async def servers(kind: str, folder: Path) -> AsyncIterator[tuple[Call, Call]]:
    """A call by the SDK's client, and one through the toolbox, each to a server of its own."""
    async with AsyncExitStack() as stack:
        if kind == "http":
            urls = []
            for _ in range(2):
                port = free_port()
                program = (sys.executable, SERVER, "http", str(port))
                process = await stack.enter_async_context(started(cwd=folder, program=program))
                await process.line("Uvicorn running")
                urls.append(f"http://127.0.0.1:{port}/mcp")
            bare = Client(urls[0])
            transport: StdioTransport | HttpTransport = HttpTransport(urls[1])
        else:
            bare = Client(StdioServerParameters(command=sys.executable, args=[SERVER, "stdio"]))
            transport = StdioTransport("python", (SERVER, "stdio"))
        client = await stack.enter_async_context(bare)
        definition = ServerDefinition(key="good", transport=transport)
        box = await stack.enter_async_context(Toolbox([definition], SYSTEM_CLOCK, folder))

        async def call_bare() -> None:
            result = await client.call_tool("add", ARGUMENTS)
            assert result.structured_content == {"result": 3}

        async def call_pooled() -> None:
            outcome = await box.call("good.add", ARGUMENTS)
            assert outcome.value == {"result": 3}

        yield call_bare, call_pooled


async def measure(kind: str, calls: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with servers(kind, Path(folder)) as (bare, pooled):
            await cost(bare, WARM_UP)
            await cost(pooled, WARM_UP)
            had = memory(), files()
            pairs = [(await cost(bare, calls), await cost(pooled, calls)) for _ in range(rounds)]
            has = memory(), files()
    without, through = (statistics.median(column) for column in zip(*pairs, strict=True))
    share = statistics.median(ours / theirs for theirs, ours in pairs) - 1
    print(
        f"{kind}: {without:,.0f} us for a call by the SDK's client, {through:,.0f} us by the toolbox"
    )
    print(f"  overhead {share:+.1%}  {judged(share * 100, at_most=15)}")
    total = calls * rounds
    print(
        f"  {total:,} calls each way: {(has[0] - had[0]) / 1e6:+.2f} MB, {has[1] - had[1]:+d} files open"
    )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="*", metavar="stdio|http")
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    for kind in options.what or ["stdio", "http"]:
        asyncio.run(measure(kind, options.calls, options.rounds))


if __name__ == "__main__":
    main()
