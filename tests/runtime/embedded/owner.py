"""A stand-in for `ordinaut up`: `python owner.py STATE_DIR` runs the servers until SIGTERM, and leaves SIGINT alone."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from runtime.embedded import EmbeddedServers  # the path above must come first
from runtime.errors import EmbeddedError


async def main(state: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    async with EmbeddedServers(state) as urls:
        print("ready", urls.database, urls.redis, flush=True)
        await asked.wait()
    print("stopped", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except EmbeddedError as error:
        sys.exit(str(error))
