"""The example ai-spend in dev, staging and prod: the same documents, sound in each, which differ where they may and run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import yaml

from runtime.embedded import Urls
from tests.examples.ai_spend import EXAMPLE, HEALTHY, WASTE, copy_of_example
from tests.support.databases import fresh_database
from tests.support.processes import ordinaut, started

ENVIRONMENTS: Final = ("default", "dev", "staging", "prod")
PROD_MAY_DIFFER: Final = {
    "Project": {"models", "processes", "secrets", "variables"},
    "ToolServer": {"stdio"},
    "Task": {"schedule", "slo", "params"},
}
"""What overlays may say otherwise, by kind. Steps, agents, scopes and budgets are the same everywhere."""


async def rendered(environment: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Every document, as it is in an environment."""
    told = await ordinaut("plan", "--rendered", "--env", environment, cwd=EXAMPLE)
    assert told.status == 0, told.stderr
    documents = yaml.safe_load_all(told.stdout)
    return {
        (one["kind"], f"{one.get('namespace', 'default')}/{one['name']}"): one for one in documents
    }


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """The fields that are not the same."""
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


async def test_overlays_change_only_what_they_may_and_every_document_is_everywhere() -> None:
    base = await rendered("default")
    for environment in ENVIRONMENTS[1:]:
        laid = await rendered(environment)

        assert laid.keys() == base.keys()
        for key, document in laid.items():
            assert differing(base[key], document) <= PROD_MAY_DIFFER.get(key[0], set()), key


@pytest.mark.parametrize("environment", ENVIRONMENTS[1:])
async def test_the_specs_are_sound_their_tests_pass_and_a_plan_creates_every_document(
    database: str, environment: str
) -> None:
    where = {"ORDINAUT_DATABASE_URL": database}
    validated = await ordinaut("validate", "specs", "--env", environment, cwd=EXAMPLE)
    tested = await ordinaut("test", "--env", environment, cwd=EXAMPLE)
    planned = await ordinaut("plan", "--env", environment, "--json", cwd=EXAMPLE, env=where)

    assert (validated.status, "no problems" in validated.stdout + validated.stderr) == (0, True)
    assert (tested.status, " passed\n" in tested.stderr) == (0, True), tested.stdout
    assert planned.status == 0, planned.stderr
    changes = json.loads(planned.stdout)["changes"]
    assert {change["action"] for change in changes} == {"create"}
    tasks = {f"{c['namespace']}/{c['name']}" for c in changes if c["kind"] == "Task"}
    assert tasks >= {*WASTE, *HEALTHY}


@pytest.fixture
def prod(servers: Urls, database: str, redis_url: str) -> Iterator[dict[str, str]]:
    """What the environment prod is given from outside: servers that somebody else runs, and secrets."""
    with fresh_database(servers.database, "template0") as books:
        yield {
            "ORDINAUT_DATABASE_URL": database,
            "ORDINAUT_REDIS_URL": redis_url,
            "AI_SPEND_BOOKS_URL": books,
            "AI_SPEND_ORDINAUT_URL": database,
            "AI_SPEND_LLM_KEY": "not asked for here",
        }


@pytest.mark.slow
async def test_the_books_are_kept_in_prod_as_they_are_in_dev(
    tmp_path: Path, prod: dict[str, str]
) -> None:
    """Of dev, `test_ai_spend.py` tells more."""
    example = copy_of_example(tmp_path).folder / "examples" / "ai-spend"
    async with started("up", "--env", "prod", cwd=example, env=prod) as up:
        await up.line("watching the specs", seconds=60)
        # The second time it enters what the first one did.
        for _ in range(2):
            kept = await ordinaut("run", "keep-books", "--wait", cwd=example, env=prod, seconds=60)
            assert kept.status == 0, kept.stdout
        promises = await ordinaut("slo", "--json", cwd=example, env=prod)

        with psycopg.connect(prod["AI_SPEND_BOOKS_URL"]) as books:
            read = {row[0] for row in books.execute("select distinct task from call")}
    assert "keep-books" in read
    [own] = [one for one in json.loads(promises.stdout)["tasks"] if one["task"] == "keep-books"]
    assert own["window"] == "30d"
    assert all(one["good"] == one["total"] > 0 for one in own["objectives"])
    assert not (example / ".ordinaut" / "postgres").exists()
