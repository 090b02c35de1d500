"""What `ordinaut … --json` prints, for servers that read what Ordinaut recorded: nothing here writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mcp.server.mcpserver.exceptions import ToolError

ORDINAUT: Final = str(Path(sys.executable).with_name("ordinaut"))
SECONDS: Final = 300


class NotTold(ToolError):
    """The command failed; the text says why."""


def told(words: Sequence[str], *, fine: frozenset[int] = frozenset({0})) -> dict[str, Any]:
    """What a command prints.

    Args:
        words: the command, without `--json`.
        fine: exit statuses with which it prints what it is asked for.

    Raises:
        NotTold: it ended with another.
    """
    done = subprocess.run(  # the program of this environment, without a shell
        [ORDINAUT, *words, "--json"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode not in fine:
        raise NotTold(done.stderr.strip() or done.stdout.strip())
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
