"""The tool servers of specs as they are on disk: started, asked, and stopped again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import TypeVar

from reconciler.core.files import is_lock
from reconciler.load import compile_source
from reconciler.source import read_source
from runtime.clock import SYSTEM_CLOCK
from runtime.config import Config
from runtime.core.llm.definition import FindModel
from runtime.errors import NotFound
from runtime.inspection import inspect_servers, unusable
from runtime.keyring import Keyring
from runtime.live import read_live
from runtime.models import finding
from runtime.secrets import Secrets
from runtime.store.runtimes import LiveSpec
from runtime.tools.definition import ServerDefinition
from runtime.tools.redact import Redactor
from runtime.tools.toolbox import Toolbox
from schemas.tools import ServerReport

T = TypeVar("T")


class Trial:
    """The servers as the specs define them, with their secrets.

    Attributes:
        specs: what was compiled; with errors, some of its servers may be missing.
        live: their definitions, and why some have none.
    """

    def __init__(self, config: Config) -> None:
        """Raises:
        NotFound: there is no specs folder.
        """
        source = read_source(config.specs)
        # What servers were locked to must not keep anybody from asking them.
        files = tuple(file for file in source.files if not is_lock(file.name))
        self.specs = compile_source(replace(source, files=files), config.environment)
        documents = [
            LiveSpec(key.kind, key.namespace, key.name, self.specs.project, document.body)
            for key, document in self.specs.documents.items()
            if key.kind in {"ToolServer", "Project"}
        ]
        self._folder = config.project.absolute()
        self._state_dir = config.state_dir
        self._keyring = Keyring(self._folder, SYSTEM_CLOCK, config.databases)
        self.live = asyncio.run(read_live(0, documents, self._keyring, SYSTEM_CLOCK.now()))

    @property
    def find_model(self) -> FindModel | None:
        """Gives the language models of the Project; None if it names none."""
        project = self.specs.project
        secrets = Secrets(self.live.secret_sources.get(project, {}), self._keyring)
        return finding(self.live, project, secrets, SYSTEM_CLOCK)

    @property
    def redact(self) -> Redactor:
        """Blots out the secrets of all servers."""
        return self._keyring.redact

    def ask(self, question: Callable[[Toolbox], Awaitable[T]]) -> T:
        """Put a question to the servers; those that it needs are started, and all are stopped after it."""

        async def work() -> T:
            async with Toolbox(
                self.live.servers,
                SYSTEM_CLOCK,
                self._state_dir,
                project=self._folder,
                redact=self._keyring.redact,
            ) as toolbox:
                return await question(toolbox)

        return asyncio.run(work())

    def server(self, key: str) -> ServerDefinition:
        """The definition of a server.

        Raises:
            NotFound: the specs have no such server.
            OrdinautError: why it has none, for example because a secret is missing.
        """
        if key in self.live.broken:
            raise self.live.broken[key]
        for server in self.live.servers:
            if server.key == key:
                return server
        known = ", ".join(sorted(server.key for server in self.live.servers)) or "none"
        raise NotFound(f"the specs have no tool server {key}", hint=f"they have {known}")

    def reports(
        self, wanted: Collection[str], *, with_builtin: bool = False
    ) -> tuple[ServerReport, ...]:
        """What servers are and offer, by name, or why they cannot be used; all of them when none is named.

        Raises:
            NotFound: the specs have no such server.
        """
        broken = self.live.broken

        async def question(toolbox: Toolbox) -> tuple[ServerReport, ...]:
            own = [server.key for server in self.live.servers]
            known = {*(toolbox.servers() if with_builtin else own), *broken}
            if unknown := sorted(set(wanted) - known - set(toolbox.servers())):
                raise NotFound(
                    f"the specs have no tool server {unknown[0]}",
                    hint=f"they have {', '.join(sorted(known)) or 'none'}",
                )
            chosen = set(wanted) or known
            return await inspect_servers(toolbox, chosen - set(broken), SYSTEM_CLOCK)

        found = self.ask(question)
        unused = [unusable(k, e) for k, e in broken.items() if not wanted or k in wanted]
        told = [self._untelling(report) for report in [*found, *unused]]
        return tuple(sorted(told, key=lambda report: report.server))

    def _untelling(self, report: ServerReport) -> ServerReport:
        """The report without any secret, should a server have put one into what it says of its tools."""
        return ServerReport.model_validate(self._keyring.redact.within(report.model_dump()))
