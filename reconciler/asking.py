"""The language models of specs on disk, asked for good by the tests of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from reconciler.core.desired import Specs
from runtime.clock import SYSTEM_CLOCK
from runtime.core.llm.definition import FindModel
from runtime.core.outcomes import CallOutcome
from runtime.core.usage import Usage
from runtime.errors import NotFound
from runtime.keyring import Keyring
from runtime.live import read_live
from runtime.models import finding
from runtime.rehearsal.tools import AskModel
from runtime.secrets import Secrets
from runtime.store.runtimes import LiveSpec
from runtime.tools.builtin import builtin_tools
from runtime.tools.llm import LlmCalls
from schemas.tested import ModelAsked

T = TypeVar("T")


class Models:
    """Asks the models that specs name, and adds up what that used up.

    Args:
        folder: what relative paths of secrets and certificates start from.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keyring = Keyring(folder, SYSTEM_CLOCK)
        self._asking: dict[int, tuple[Specs, AskModel]] = {}
        self._used: dict[str, tuple[int, Usage]] = {}

    @property
    def asked(self) -> tuple[ModelAsked, ...]:
        """Each model that was asked, with what it used up."""
        return tuple(
            ModelAsked(
                model=name,
                calls=calls,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
            )
            for name, (calls, usage) in sorted(self._used.items())
        )

    def of(self, specs: Specs) -> AskModel:
        """What asks the models of these specs.

        Raises:
            NotFound: ORD310, they name none.
        """
        if id(specs) not in self._asking:
            self._asking[id(specs)] = specs, self._asker(specs)
        return self._asking[id(specs)][1]

    def _asker(self, specs: Specs) -> AskModel:
        rows = [
            LiveSpec(key.kind, key.namespace, key.name, specs.project, document.body)
            for key, document in specs.documents.items()
            if key.kind == "Project"
        ]
        live = _finished(read_live(0, rows, self._keyring, SYSTEM_CLOCK.now()))
        secrets = Secrets(live.secret_sources.get(specs.project, {}), self._keyring)
        find = finding(live, specs.project, secrets, SYSTEM_CLOCK)
        if find is None:
            hint = "name one under `models` of the Project, or leave out --ask-models"
            raise NotFound("the Project has no language model to ask", hint=hint)

        def ask(name: str, arguments: Mapping[str, Any]) -> CallOutcome:
            outcome = _finished(self._answer(find, name, arguments))
            usage = outcome.usage or Usage()
            calls, so_far = self._used.get(usage.model, (0, Usage(usage.model)))
            self._used[usage.model] = calls + 1, so_far + usage
            return outcome

        return ask

    async def _answer(self, find: FindModel, name: str, arguments: Mapping[str, Any]) -> CallOutcome:  # fmt: skip
        server, _, tool = name.partition(".")
        calls = LlmCalls(SYSTEM_CLOCK, self._folder)
        try:
            info = builtin_tools()[server][tool].info
            return await calls.call(info, arguments, find, timeout=None, at_most=None)
        finally:
            await calls.aclose()


def _finished(work: Coroutine[Any, Any, T]) -> T:
    """What comes of it, in a loop of its own: that of a played run leaps over time, and would not wait for a network."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()
