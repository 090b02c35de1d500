"""An agent merges its own proposals where the Project lets it, and the reconciler applies them as any other commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.reconciler.test_merging import OTHERS, PROJECT, TASK
from tests.support.agents import over_http, over_stdio
from tests.support.cli import Cli
from tests.support.git import Clone, new_repository
from tests.support.proposing import everything
from tests.support.web import Web, make_token, serving

OVERLAY = "apiVersion: ordinaut/v1\nkind: Agent\nname: admin\ncontact: me\n"
OUTSIDE = TASK.replace("namespace: bot\n", "namespace: hr\n")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A repository in which one agent may merge."""
    clone = new_repository(tmp_path / "repository")
    clone.write({".gitignore": ".ordinaut/\n", "specs/ordinaut.yaml": PROJECT, "specs/others.yaml": OTHERS})  # fmt: skip
    clone.write({"specs/overlays/one.yaml": OVERLAY})
    clone.commit("First")
    return clone


@pytest.fixture
def site(database: str, clone: Clone) -> Iterator[Web]:
    """The web side, where these specs are."""
    folder = clone.folder
    with serving(
        database, specs=str(folder / "specs"), state_dir=str(folder / ".ordinaut")
    ) as web:
        yield web


def entries(cli: Cli, action: str) -> list[dict[str, object]]:
    """What the audit log holds of an action."""
    return list(cli("audit", "--action", action, "--json").json["entries"])


async def test_what_is_within_the_rule_is_merged_and_applied(
    site: Web, clone: Clone, cli: Cli, rows: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone.folder)
    assert cli("apply", "--yes").status == 0
    clone.write({"notes.txt": "of somebody"})
    token, first = (
        make_token(site.database, "assistant", ("propose", "read")),
        clone.git("rev-parse", "HEAD"),
    )
    before = everything(rows)["ordinaut.spec"]

    async with over_http(site.url, token) as agent:
        plan = await agent.call("plan_change", documents=TASK)
        dry = await agent.call(
            "propose_change", documents=TASK, reason="I", merge=True, dry_run=True
        )
        assert clone.git("rev-parse", "HEAD") == first
        told = await agent.call("propose_change", documents=TASK, reason="I forget.", merge=True)

    assert plan["merge"] == dry["merge"] == {"branch": "main", "merged": False, "reasons": []}
    assert told["merge"] == {"branch": "main", "merged": True, "reasons": []}
    assert clone.git("rev-parse", "main") == told["commit"]
    assert clone.git("rev-parse", "main^") == first
    assert clone.git("--no-optional-locks", "status", "--porcelain") == "?? notes.txt"
    assert (clone.folder / "specs/tasks/bot/later.yaml").read_text("utf-8") == TASK
    assert clone.git("for-each-ref", "refs/heads/ordinaut") == ""
    assert everything(rows)["ordinaut.spec"] == before
    (entry,) = entries(cli, "change.merge")
    assert (entry["actor"], entry["subject"], entry["reason"]) == ("assistant", told["branch"], "I forget.")  # fmt: skip
    assert cli("apply", "--yes").status == 0
    assert "bot/later" in cli("next").stdout


async def test_what_is_not_stays_a_proposal_with_the_reasons(
    site: Web, clone: Clone, cli: Cli
) -> None:
    token, first = (
        make_token(site.database, "assistant", ("propose",)),
        clone.git("rev-parse", "HEAD"),
    )

    async with over_http(site.url, token) as agent:
        told = await agent.call("propose_change", documents=OUTSIDE, reason="try", merge=True)

    assert told["merge"]["merged"] is False
    assert told["merge"]["reasons"] == ["Task hr/later is outside of bot"]
    assert clone.git("rev-parse", told["branch"]) == told["commit"]
    assert clone.git("rev-parse", "main") == first
    assert entries(cli, "change.merge") == []
    (entry,) = entries(cli, "change.refuse")
    assert entry["details"]["reasons"] == told["merge"]["reasons"]


async def test_a_token_of_another_name_merges_nothing(site: Web, clone: Clone) -> None:
    first = clone.git("rev-parse", "HEAD")

    async with over_http(site.url, site.token_for("propose", "read")) as agent:
        assert (await agent.call("plan_change", documents=TASK))["merge"] is None
        told = await agent.call("propose_change", documents=TASK, reason="try", merge=True)

    assert told["merge"]["reasons"] == [
        "no rule of `proposals.merge` lets propose-read merge anything"
    ]
    assert clone.git("rev-parse", "main") == first


async def test_edits_of_people_are_not_written_over(site: Web, clone: Clone) -> None:
    token, first = (
        make_token(site.database, "assistant", ("propose",)),
        clone.git("rev-parse", "HEAD"),
    )
    theirs = clone.folder / "specs/others.yaml"
    theirs.write_text(OTHERS + "# mine\n", "utf-8")
    patch = [{"document": "bot/own", "patch": {"timeout": "5m"}}]

    async with over_http(site.url, token) as agent:
        told = await agent.call("propose_change", patches=patch, reason="try", merge=True)

    assert told["merge"]["reasons"] == [
        "what is checked out of main has edits where the proposal has"
    ]
    assert theirs.read_text("utf-8").endswith("# mine\n")
    assert clone.git("rev-parse", "main") == first


async def test_a_branch_that_is_checked_out_nowhere_is_moved_alone(
    site: Web, clone: Clone
) -> None:
    clone.git("checkout", "--quiet", "-b", "work")
    token = make_token(site.database, "assistant", ("propose",))

    async with over_http(site.url, token) as agent:
        told = await agent.call(
            "propose_change", documents=TASK, reason="I", merge=True, onto="main"
        )

    assert told["merge"]["merged"] is True
    assert clone.git("rev-parse", "main") == told["commit"]
    assert not (clone.folder / "specs/tasks").exists()


async def test_a_branch_that_is_checked_out_elsewhere_is_left_alone(
    site: Web, clone: Clone, tmp_path: Path
) -> None:
    clone.git("checkout", "--quiet", "-b", "work")
    clone.git("worktree", "add", "--quiet", str(tmp_path / "other"), "main")
    token = make_token(site.database, "assistant", ("propose",))

    async with over_http(site.url, token) as agent:
        told = await agent.call(
            "propose_change", documents=TASK, reason="I", merge=True, onto="main"
        )

    assert told["merge"]["reasons"] == ["main is checked out in another working tree"]


async def test_what_somebody_added_to_the_branch_is_not_merged_with_it(
    site: Web, clone: Clone
) -> None:
    token = make_token(site.database, "assistant", ("propose",))
    async with over_http(site.url, token) as agent:
        proposed = await agent.call("propose_change", documents=TASK, reason="I")
        clone.git("checkout", "--quiet", proposed["branch"])
        clone.write({"specs/ordinaut.yaml": PROJECT.replace("max_documents: 4", "max_documents: 99")})  # fmt: skip
        clone.git("commit", "--quiet", "--all", "--amend", "--no-edit")
        clone.git("checkout", "--quiet", "main")

        told = await agent.call("propose_change", documents=TASK, reason="I", merge=True)

    assert (told["status"], told["merge"]["merged"]) == ("known", False)
    assert told["merge"]["reasons"] == [f"{proposed['branch']} holds something else too"]


async def test_an_agent_whose_server_is_started_for_it_needs_no_token(
    clone: Clone, database: str, tmp_path: Path
) -> None:
    words = ("--scope", "propose", "--agent", "assistant", "--specs", str(clone.folder / "specs"))
    env = {"ORDINAUT_DATABASE_URL": database}

    async with over_stdio(*words, "--state-dir", str(tmp_path / "state"), env=env) as agent:
        told = await agent.call("propose_change", documents=TASK, reason="I", merge=True)

    assert told["merge"]["merged"] is True
    assert clone.git("log", "-1", "--format=%an", "main") == "assistant"
