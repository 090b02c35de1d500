"""Steps of runs that ask the language models of their Project."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.core.expressions import EVERY_SECRET
from runtime.core.llm.definition import ModelDefinition
from runtime.core.tls import Tls
from runtime.errors import NotFound, SecretUnreadable, Unreadable
from runtime.keyring import Keyring
from runtime.live import Live
from runtime.models import finding
from runtime.secrets import Secrets
from runtime.tools.toolbox import Toolbox
from schemas.language_model import LanguageModel
from tests.support.executing import Bench, step
from tests.support.installed import install, queue_run, task
from tests.support.model_server import ModelServer, refuses, says

KEY = "s3cr3t-token"


def model(**fields: Any) -> dict[str, Any]:
    """A model as the normalised body of a Project has it."""
    given = {"url": "http://127.0.0.1:1/v1", "model": "small", **fields}
    return LanguageModel.model_validate(given).model_dump(mode="json", exclude_none=True)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


@pytest.fixture
async def box(bench: Bench, server: ModelServer, tmp_path: Path) -> AsyncIterator[Toolbox]:
    """The tools of a runtime whose project has the model of a server."""
    default = model(url=server.url, api_key="${secrets.token}")
    bench.live = replace(bench.live, models={"demo": {"default": default}})
    async with Toolbox((), bench.clock, tmp_path / "state") as box:
        yield box


async def everything_written(bench: Bench) -> str:
    """All rows of all tables, as text."""
    cursor = await bench.connection.execute(
        "select tablename from pg_tables where schemaname = 'ordinaut'"
    )
    told = []
    for (table,) in await cursor.fetchall():
        rows = await bench.connection.execute(f'select t::text from ordinaut."{table}" t'.encode())
        told += [str(row) for row in await rows.fetchall()]
    return "\n".join(told)


async def test_a_step_asks_the_model_and_its_key_is_written_nowhere(
    bench: Bench, server: ModelServer, box: Toolbox
) -> None:
    server.answers = [says(f"Good morning. {KEY}")]
    await bench.queue(pipeline=[step("brief", "llm.plan", **{"with": {"goal": "Greet"}})])

    await bench.go(box)

    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert await bench.row("select output, outcome from ordinaut.step_result") == (
        {"text": "Good morning. [redacted]", "model": "small-2026-01-07", "provider": "127.0.0.1"},
        "ok",
    )
    assert await bench.row(
        "select model, input_tokens, output_tokens from ordinaut.call_usage"
    ) == (
        "small-2026-01-07",
        100,
        20,
    )
    assert KEY not in await everything_written(bench)


async def test_a_step_without_a_model_says_that_it_is_offline(bench: Bench, box: Toolbox) -> None:
    bench.live = Live()
    await bench.queue(pipeline=[step("brief", "llm.plan", **{"with": {"goal": "Greet"}})])

    await bench.go(box)

    output = await bench.row("select output from ordinaut.step_result")
    assert output["provider"] == output["model"] == "offline"


async def test_an_answer_is_reused_of_the_model_that_gave_it_alone(
    bench: Bench, server: ModelServer, box: Toolbox
) -> None:
    online = bench.live
    server.answers = [says("One."), says("Two.")]
    other = model(url=server.url, model="other")
    told = []
    for models in ({}, online.models, online.models, {"demo": {"default": other}}):
        bench.live = replace(online, models=models)
        ask = step("brief", "llm.plan", cache={"ttl": "1h"}, **{"with": {"goal": "Greet"}})
        installed = await install(bench.connection, task(pipeline=[ask]))
        await queue_run(bench.connection, installed, str(len(told)))
        claim = await bench.go(box)
        cursor = await bench.connection.execute(
            "select output ->> 'text' from ordinaut.step_result where run_id = %s", [claim.run_id]
        )
        told += await cursor.fetchall()

    assert [text for (text,) in told[1:]] == ["One.", "One.", "Two."]
    assert [asked.body["model"] for asked in server.asked] == ["small", "other"]


@pytest.mark.parametrize(("attempts", "requests"), [(1, 1), (2, 2)])
async def test_an_endpoint_that_is_busy_is_asked_again_only_as_its_step_says(
    bench: Bench, server: ModelServer, box: Toolbox, attempts: int, requests: int
) -> None:
    server.answers = [refuses("429 Too Many", headers="retry-after: 60\r\n"), says("Now.")]
    retry = {"attempts": attempts, "initial": "1s", "jitter": "none"}
    ask = step("brief", "llm.plan", retry=retry, **{"with": {"goal": "Greet"}})
    await bench.queue(pipeline=[ask])

    await bench.go(box)
    if attempts > 1:
        assert await bench.seconds_until_ready() == 60
        await bench.clock.advance(61)
        await bench.go(box)

    assert len(server.asked) == requests
    assert await bench.row("select state from ordinaut.run") == (
        "succeeded" if attempts > 1 else "failed"
    )


def _finding(folder: Path, models: Any, **sources: Any) -> Any:
    keyring = Keyring(folder, SYSTEM_CLOCK)
    secrets = Secrets({"token": {"file": "token"}, **sources}, keyring)
    return finding(Live(models={"home": models}), "home", secrets, SYSTEM_CLOCK)


async def test_a_new_key_is_in_force_for_the_next_call(tmp_path: Path) -> None:
    find = _finding(tmp_path, {"default": model(api_key="${secrets.token}")})

    for key in ("one-key", "other-key"):
        (tmp_path / "token").write_text(key)
        found = await find("default")

        assert found.headers["authorization"] == f"Bearer {key}"
        assert key in found.secrets
        assert key not in repr(found)


async def test_a_key_that_a_program_prints_is_collected(tmp_path: Path) -> None:
    find = _finding(
        tmp_path,
        {"default": model(headers={"x-key": "a ${secrets.printed}"})},
        printed={"command": ["printf", "from-a-vault"]},
    )

    assert (await find("default")).headers == {"x-key": "a from-a-vault"}


async def test_what_we_show_of_ourselves_is_filled_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the-key")
    tls = {"certificate": "our.pem", "key": "${secrets.token}"}

    found = await _finding(tmp_path, {"default": model(tls=tls)})("default")

    assert found.tls == Tls(None, "our.pem", "the-key")
    assert "the-key" not in repr(found)


async def test_every_secret_can_be_collected(tmp_path: Path) -> None:
    source = {"command": ["printf", "from-a-vault"]}
    secrets = Secrets({"printed": source}, Keyring(tmp_path, SYSTEM_CLOCK))

    await secrets.collect({EVERY_SECRET})

    assert secrets["printed"] == "from-a-vault"


async def test_what_keeps_a_model_from_being_asked_is_told(tmp_path: Path) -> None:
    find = _finding(
        tmp_path,
        {"default": model(api_key="${secrets.token}"), "fast": model(), "broken": {"url": 1}},
    )

    with pytest.raises(NotFound, match="did you mean fast"):
        await find("fats")
    with pytest.raises(NotFound, match="no model 'x': it has broken, default, fast"):
        await find("x")
    with pytest.raises(SecretUnreadable):
        await find("default")
    with pytest.raises(Unreadable):
        await find("broken")


def test_a_project_without_models_has_nothing_to_find(tmp_path: Path) -> None:
    assert _finding(tmp_path, {}) is None


def test_a_definition_shows_no_key() -> None:
    definition = ModelDefinition("u", "m", headers={"authorization": KEY}, secrets=(KEY,))

    assert KEY not in repr(definition)
