"""Tool servers that die, hang, lie or are not there: the run says what happened, and the runtime goes on."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.faults.site import Site
from tests.support import raw_server
from tests.support.cli import Cli
from tests.support.installed import HEAD, install, queue_run, task

_RAW: Final = str(Path(raw_server.__file__))
_NUL: Final = r'{"content": [{"type": "text", "text": "a\u0000b"}]}'


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A fault, and what a run that meets it must say.

    Attributes:
        uses: the tool of the case's own server.
        outcome: what is recorded of the step.
        says: what `ordinaut show` says of it.
    """

    name: str
    uses: str
    outcome: str
    says: str
    arguments: dict[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    server: dict[str, Any] = field(default_factory=dict)
    step: dict[str, Any] = field(default_factory=dict)

    def documents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The server and the task."""
        stdio = {"command": sys.executable, "args": [_RAW, *self.faults]}
        server = {"kind": "ToolServer", "name": self.name, "protocol": "legacy", "stdio": stdio}
        step = {"id": "only", "uses": f"{self.name}.{self.uses}", "with": self.arguments}
        return HEAD | server | self.server, task(self.name, pipeline=[step | self.step])


_NO: Final = {"code": -32000, "message": "no"}
_MANY: Final = {"seconds": "many"}
_NONE: Final = {"stdio": {"command": "no-such-program"}}
_FAST: Final = {"connect_timeout": "500ms"}
# A step's time counts from before its server is started, and here fourteen start at once.
_SOON: Final = {"timeout": "5s"}
CASES: Final = (
    Case("dies", "die", "lost", "ORD406 dies.die: the connection was lost before an answer came"),
    Case("hangs", "silent", "timeout", "ORD405 hangs.silent: no answer came in time", step=_SOON),
    Case("freezes", "hang", "timeout", "ORD405 freezes.hang: no answer came", step=_SOON),
    Case("garbles", "garble", "contract_error", "ORD407 garbles.garble: the answer is not valid"),
    Case("mumbles", "anonymous", "timeout", "ORD405 mumbles.anonymous: no answer", step=_SOON),
    Case(
        "floods", "huge", "contract_error", "ORD506 floods.huge: the result has", {"bytes": 2**21}
    ),
    Case("says-nul", "literal", "ok", "a\N{REPLACEMENT CHARACTER}b", {"result": _NUL}),
    Case("refuses", "rejected", "rejected", "ORD408 refuses.rejected was rejected: no", _NO),
    Case(
        "fails", "mutter", "tool_error", "ORD404 fails.mutter failed: it did not", {"text": "why"}
    ),
    Case("is-asked-wrongly", "slow", "contract_error", "ORD403 is-asked-wrongly.slow", _MANY),
    Case("has-no-such-tool", "fly", "rejected", "ORD402 has-no-such-tool has no tool fly"),
    Case("cannot-start", "echo", "not_sent", "cannot find my configuration", faults=("die",)),
    Case("is-missing", "echo", "not_sent", "the program 'no-such-program' was not", server=_NONE),
    Case(
        "keeps-silent", "echo", "not_sent", "could not be started", faults=("mute",), server=_FAST
    ),
)


async def test_every_fault_of_a_tool_server_is_told_and_stays_its_own(
    site: Site, connection: psycopg.AsyncConnection
) -> None:
    """Asserts, for each fault: the run fails (with a NUL in an answer it succeeds), the step's outcome is right, and
    `ordinaut show` says what was wrong. All of them happen at once in one runtime, which then finishes a sound run.
    """
    runs = {}
    for case in CASES:
        server, failing = case.documents()
        await install(connection, server)
        runs[case.name] = await queue_run(connection, await install(connection, failing))
    sound = await install(connection, task("sound"))

    async with site.runtime():
        await site.ended(*runs.values())
        assert await site.ended(await site.queue(sound)) == ["succeeded"]

    recorded = await site.rows(
        "select p.name, r.state, s.outcome from ordinaut.run r join ordinaut.spec p on p.uid = r.task_uid"
        " join ordinaut.step_result s using (run_id) where p.name <> 'sound'"
    )
    assert sorted(recorded) == sorted(
        (case.name, "succeeded" if case.outcome == "ok" else "failed", case.outcome)
        for case in CASES
    )
    shown = {name: Cli(site.env)("show", str(run_id)).stdout for name, run_id in runs.items()}
    assert [case.name for case in CASES if case.says not in shown[case.name]] == []
