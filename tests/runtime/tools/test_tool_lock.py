"""A tool that is not what it was locked to is not called, or only warned about."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.compile import compile_specs
from reconciler.core.files import SourceFile
from reconciler.core.tool_lock import lock_text
from runtime.clock import SYSTEM_CLOCK
from runtime.keyring import Keyring
from runtime.live import assemble
from runtime.store.runtimes import LiveSpec
from runtime.tools.toolbox import Toolbox
from tests.support import listed_server
from tests.support.contracts import listed, locked, taking

SERVER = Path(listed_server.__file__)
SEND = taking("send", "to", to={"type": "string"})
OTHER = taking("send", "to", to={"type": "string"}, cc={"type": "string"})


class Site:
    """A server that lists these tools, and specs that lock it to those."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listing = folder / "mail.json"

    def offer(self, *tools: dict[str, Any]) -> None:
        self.listing.write_text(json.dumps({"version": "1", "tools": tools}))

    @asynccontextmanager
    async def toolbox(
        self, *tools: dict[str, Any], policy: str = "refuse"
    ) -> AsyncIterator[Toolbox]:
        """The runtime's tools, from specs with a tool lock; without one if no tool is given."""
        document = (
            "apiVersion: ordinaut/v1\nkind: ToolServer\nname: mail\nprotocol: legacy\n"
            f"stdio: {{command: python, args: ['{SERVER}', '{self.listing}']}}\n"
            f"on_contract_change: {policy}\n"
        )
        project = "apiVersion: ordinaut/v1\nkind: Project\nname: p\n---\n"
        files = [SourceFile("specs/all.yaml", (project + document).encode())]
        if tools:
            lock = lock_text(locked(mail=list(tools)))
            files.append(SourceFile("specs/tools.lock.json", lock))
        specs = compile_specs(files)
        assert not specs.problems
        documents = [
            LiveSpec(key.kind, key.namespace, key.name, "p", one.body)
            for key, one in specs.documents.items()
        ]
        live = assemble(1, documents, Keyring(self.folder, SYSTEM_CLOCK), SYSTEM_CLOCK.now())
        async with Toolbox(
            live.servers, SYSTEM_CLOCK, self.folder / "state", project=self.folder
        ) as toolbox:
            yield toolbox


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize(
    "offered",
    [
        SEND,
        SEND | {"description": "Sends, in other words."},
        taking("send", "to", to={"type": "string", "description": "Whom.", "default": "you"}),
        SEND | {"annotations": {"readOnlyHint": True}},
    ],
    ids=["the same", "other words", "other words of an argument", "reads only"],
)
async def test_a_tool_that_keeps_to_its_lock_is_called(
    site: Site, offered: dict[str, Any]
) -> None:
    site.offer(offered)

    async with site.toolbox(SEND) as toolbox:
        outcome = await toolbox.call("mail.send", {"to": "a"})

    assert (outcome.kind, outcome.value) == ("ok", {"to": "a"})


@pytest.mark.parametrize(
    "offered",
    [
        OTHER,
        taking("send", to={"type": "string"}),
        SEND | {"outputSchema": {"type": "object"}},
        SEND | {"annotations": {"destructiveHint": True}},
    ],
    ids=["a new argument", "nothing is needed", "a result", "it may destroy"],
)
async def test_a_tool_that_changed_is_not_called(site: Site, offered: dict[str, Any]) -> None:
    site.offer(offered)

    async with site.toolbox(SEND) as toolbox:
        outcome = await toolbox.call("mail.send", {"to": "a"})

    assert (outcome.kind, outcome.sent) == ("contract_error", False)
    assert outcome.error is not None
    assert outcome.error.code == "ORD419"
    assert outcome.error.message == (
        "mail.send no longer keeps to the tool lock, so it was not called; "
        "`ordinaut tools lock --check mail` tells what changed"
    )


async def test_other_tools_of_the_server_and_those_that_nobody_locked_go_on(site: Site) -> None:
    site.offer(OTHER, listed("read"), listed("new"))

    async with site.toolbox(SEND, listed("read")) as toolbox:
        outcomes = [await toolbox.call(f"mail.{name}", {}) for name in ("read", "new")]

    assert [outcome.kind for outcome in outcomes] == ["ok", "ok"]


async def test_a_server_may_be_only_warned_about(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.offer(OTHER)

    with caplog.at_level(logging.WARNING, logger="ordinaut.tools"):
        async with site.toolbox(SEND, policy="warn") as toolbox:
            outcome = await toolbox.call("mail.send", {"to": "a", "cc": "b"})

    assert outcome.kind == "ok"
    assert [record.getMessage() for record in caplog.records] == [
        "tools of mail no longer keep to the tool lock: send; they are called all the same"
    ]


async def test_without_a_tool_lock_nothing_is_compared(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.offer(OTHER)
    monkeypatch.delattr("runtime.tools.catalogue.contract_digest")

    async with site.toolbox() as toolbox:
        outcome = await toolbox.call("mail.send", {"to": "a"})

    assert outcome.kind == "ok"
