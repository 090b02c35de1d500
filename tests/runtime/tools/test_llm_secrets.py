"""Calls of `llm.*` whose model has secrets that take their time to be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from runtime.core.llm.definition import ModelDefinition
from runtime.core.outcomes import CallOutcome
from tests.runtime.tools.conftest import OpenToolbox
from tests.support.clock import FakeClock
from tests.support.model_server import ModelServer
from tests.support.probes import eventually, within


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


@pytest.mark.parametrize("is_of_step", [True, False])
async def test_the_time_of_a_call_is_that_of_reading_its_secrets_too(
    open_toolbox: OpenToolbox, server: ModelServer, clock: FakeClock, is_of_step: bool
) -> None:
    box = await open_toolbox(clock=clock)

    async def find(name: str) -> ModelDefinition:
        await clock.sleep(4)
        return ModelDefinition(url=server.url, model="small")

    async def call(seconds: int) -> asyncio.Task[CallOutcome]:
        limit = timedelta(seconds=seconds)
        limits = (limit, None) if is_of_step else (None, limit)
        waiting = box.call(
            "llm.plan", {"goal": "x"}, limits[0], at_most=limits[1], find_model=find
        )
        task = asyncio.create_task(waiting)
        await eventually(lambda: clock.sleepers >= 2, "it waits for its secrets")
        return task

    hasty = await call(3)
    await clock.advance(3.1)
    outcome = await within(hasty, "the outcome")
    assert (outcome.kind, outcome.error and outcome.error.code) == ("not_sent", "ORD401")
    assert not outcome.sent

    server.answers = [None]
    patient = await call(6)
    await clock.advance(4.1)
    await within(server.came.wait(), "the request")
    await clock.advance(1.5)
    assert not patient.done()
    await clock.advance(0.5)
    assert (await within(patient, "the outcome")).kind == "timeout"
