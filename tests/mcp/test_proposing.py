"""An agent has specs changed: what it wishes for is checked, planned, and a branch for people to review."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.agents import over_http, over_stdio
from tests.support.cli import Cli
from tests.support.git import Clone
from tests.support.proposing import NEW, TASK, everything, specs_repository, standing
from tests.support.web import Web, serving

LATER = {"patches": [{"document": "Task briefing", "patch": {"schedule": {"cron": "0 7 * * *"}}}]}


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A repository of specs."""
    return specs_repository(tmp_path)


@pytest.fixture
def site(database: str, clone: Clone) -> Iterator[Web]:
    """The web side, where these specs are."""
    state, specs = clone.folder / ".ordinaut", clone.folder / "specs"
    with serving(database, specs=str(specs), state_dir=str(state)) as web:
        yield web


def branches(clone: Clone) -> list[str]:
    """The branches that hold proposals."""
    return clone.git("for-each-ref", "--format=%(refname:short)", "refs/heads/ordinaut/").split()


async def test_who_may_not_propose_is_not_shown_how(site: Web) -> None:
    async with over_http(site.url, site.token_for("read")) as agent:
        names = await agent.names()

    assert {"validate_manifest", "plan_change"} <= set(names)
    assert "propose_change" not in names


async def test_a_change_is_checked_planned_and_proposed(site: Web, clone: Clone) -> None:
    async with over_http(site.url, site.token_for("read", "propose")) as agent:
        valid = await agent.call("validate_manifest", documents=NEW)
        plan = await agent.call("plan_change", documents=NEW)
        proposal = await agent.call("propose_change", documents=NEW, reason="We forget.")
        again = await agent.call("propose_change", documents=NEW, reason="In other words.")

    assert (valid["valid"], valid["errors"]) == (True, 0)
    assert plan["gains"] == ["ops/later calls fs.list"]
    assert plan["plan"]["changes"][0]["preview"]["after"][0].endswith("T09:00:00Z")
    assert "### Ordinaut plan: `default` · 1 create" in plan["markdown"]
    assert (proposal["status"], again["status"]) == ("proposed", "known")
    assert branches(clone) == [proposal["branch"]] == [again["branch"]]
    message = clone.git("log", "-1", "--format=%B", proposal["branch"])
    assert "We forget." in message
    assert "Proposed-by: read-propose" in message


async def test_a_change_shows_what_fires_differently(site: Web) -> None:
    async with over_http(site.url, site.token_for("read")) as agent:
        plan = await agent.call("plan_change", **LATER)

    (change,) = plan["plan"]["changes"]
    assert change["preview"]["before"][0].endswith("T06:00:00Z")
    assert change["preview"]["after"][0].endswith("T07:00:00Z")
    assert plan["refusals"] == []
    assert '+schedule: {cron: "0 7 * * *", timezone: UTC}' in plan["diff"]


async def test_a_proposal_touches_nothing_in_force_and_is_in_the_audit_log(
    site: Web, clone: Clone, cli: Cli, rows: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.folder)
    assert cli("apply", "--yes").status == 0
    clone.write({"specs/briefing.yaml": TASK + "# edited\n"})
    token = site.token_for("propose")
    before, files = everything(rows), standing(clone)

    async with over_http(site.url, token) as agent:
        dry = await agent.call("propose_change", **LATER, reason="later", dry_run=True)
        unmoved = everything(rows)
        proposal = await agent.call("propose_change", **LATER, reason="later")
        await agent.call("propose_change", **LATER, reason="later")

    after = everything(rows)
    changed = {name.partition(".")[2] for name in after if after[name] != before[name]}
    assert changed <= {"audit", "audit_head", "api_token"}
    assert {n for n in unmoved if unmoved[n] != before[n]} <= {"ordinaut.api_token"}
    assert standing(clone) == files
    assert (dry["status"], dry["branch"]) == ("dry_run", proposal["branch"])
    (entry,) = cli("audit", "--action", "change.propose", "--json").json["entries"]
    assert (entry["subject"], entry["actor"]) == (proposal["branch"], "propose")
    assert (entry["origin"], entry["token"], entry["reason"]) == ("mcp", "propose", "later")
    assert entry["details"]["documents"] == ["Task briefing"]


async def test_every_problem_is_told_with_its_place(site: Web, clone: Clone) -> None:
    broken = NEW.replace("uses: default/fs.list", "usse: x").replace("0 9 *", "0 99 *")

    async with over_http(site.url, site.token_for("read", "propose")) as agent:
        valid = await agent.call("validate_manifest", documents=broken)
        refused = await agent.refused("propose_change", documents=broken, reason="try")
        nothing = await agent.refused("propose_change", documents=TASK, reason="try")

    places = [(one["file"], one["line"]) for one in valid["problems"]]
    assert not valid["valid"]
    assert {("specs/tasks/ops/later.yaml", 6), ("specs/tasks/ops/later.yaml", 7)} <= set(places)
    assert "specs/tasks/ops/later.yaml:6:" in refused
    assert "specs/tasks/ops/later.yaml:7:" in refused
    assert nothing.startswith("ORD222")
    assert branches(clone) == []


async def test_what_the_specs_say_already_is_valid(site: Web) -> None:
    async with over_http(site.url, site.token_for("read")) as agent:
        assert (await agent.call("validate_manifest", documents=TASK))["valid"]
        assert not (await agent.call("validate_manifest", documents="a: [b"))["valid"]


async def test_where_there_are_no_specs_nothing_is_proposed(database: str, tmp_path: Path) -> None:
    with serving(database, specs=str(tmp_path / "none")) as web:
        async with over_http(web.url, web.token_for("propose")) as agent:
            refused = await agent.refused("propose_change", **LATER, reason="later")

    assert refused.startswith("ORD310: there is no folder")


async def test_a_pipeline_step_proposes_over_stdio(clone: Clone, database: str) -> None:
    env = {"ORDINAUT_DATABASE_URL": database}
    words = ("--scope", "read", "--scope", "propose")
    folders = ("--specs", str(clone.folder / "specs"), "--state-dir", str(clone.folder / "state"))

    async with over_stdio(*words, *folders, env=env) as agent:
        proposal = await agent.call("propose_change", **LATER, reason="It costs less.")

    assert branches(clone) == [proposal["branch"]]


async def test_what_is_too_large_to_be_told_is_not_done(site: Web, clone: Clone) -> None:
    params = "".join(f"  name{number}: value\n" for number in range(200))
    one = TASK.rstrip() + f"\nparams:\n{params}"
    many = "---\n".join(one.replace("name: briefing", f"name: t{n}") for n in range(60))

    async with over_http(site.url, site.token_for("propose")) as agent:
        told = await agent.refused("propose_change", documents=many, reason="much")

    assert told.startswith("ORD331: the plan of 60 documents")
    assert branches(clone) == []


@pytest.mark.parametrize("onto", ["--all", "HEAD\0", ":/First", "HEAD:specs", "main..HEAD"])
async def test_what_is_no_commit_is_not_started_from(site: Web, onto: str) -> None:
    async with over_http(site.url, site.token_for("read")) as agent:
        assert (await agent.refused("plan_change", documents=NEW, onto=onto)).startswith("ORD310")
