"""What a branch says of a project that it has not in force changes nothing of that project, whoever says it how often."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.sync import Look
from reconciler.syncing import BranchSync
from runtime.actor import Actor
from runtime.store.sources import Branch, approve_plan, list_sources
from tests.support.git import new_repository
from tests.support.syncing import API, PROJECT, SERVER, Origin, origin, stands, task

__all__ = ["origin"]

OWN = "project, repository, branch, folder, condition, seen_commit, plan_digest, approved_digest"


@pytest.fixture
def stranger(origin: Origin, tmp_path: Path) -> Origin:
    """Another repository for the same database, with a project of its own."""
    clone = new_repository(tmp_path / "stranger")
    clone.write({"specs/ordinaut.yaml": project("desk", "desk")})
    clone.commit()
    return Origin(clone, origin.bench, tmp_path / "elsewhere")


def project(name: str, namespace: str) -> str:
    return f"{API}kind: Project\nname: {name}\ndefaults: {{namespace: {namespace}}}\n"


def in_folder(origin: Origin, folder: str) -> BranchSync:
    address = str(origin.clone.folder)
    return origin.sync(branch=Branch(address, "main", folder, "default"))


def approve(origin: Origin, look: Look) -> None:
    sources = list_sources(origin.bench.connection)
    digest, project = look.report.plan_digest, look.report.project
    [source] = [one for one in sources if (one.plan_digest, one.project) == (digest, project)]
    assert approve_plan(origin.bench.connection, source, actor=Actor("bob@desk"), reason="")


async def test_a_folder_that_takes_the_name_of_another_one_waits_at_every_look(
    origin: Origin,
) -> None:
    origin.clone.write({"plat/ordinaut.yaml": project("platform", "plat")})
    origin.clone.commit()
    assert stands(await in_folder(origin, "specs").look()) == ("Synced", "applied")
    assert stands(await in_folder(origin, "plat").look()) == ("Synced", "applied")
    platform = (
        f"select {OWN} from ordinaut.source_status where project = 'platform' and claim = '{{}}'"
    )
    before = origin.bench.rows(platform)
    origin.clone.write({"specs/ordinaut.yaml": project("platform", "specs")})
    origin.clone.commit()
    running = in_folder(origin, "specs")

    looks = [await sync.look() for sync in (running, running, in_folder(origin, "specs"), running)]

    assert {stands(look) for look in looks} == {("NeedsApproval", "renamed")}
    assert origin.bench.rows(platform) == before
    assert origin.bench.row("select count(*) from ordinaut.revision") == (2,)
    assert stands(await in_folder(origin, "plat").look())[0] == "Synced"
    assert stands(await running.look()) == ("NeedsApproval", "renamed")


async def test_a_rename_there_and_back_leaves_no_way_around_the_next_approval(
    origin: Origin,
) -> None:
    await origin.look()
    for name in ("away", "home"):
        origin.clone.write({"specs/ordinaut.yaml": project(name, name)})
        origin.clone.commit()
        renamed = await origin.look()
        assert stands(renamed) == ("NeedsApproval", "renamed")
        approve(origin, renamed)
        assert stands(await origin.look())[0] == "Synced"
    origin.push(three="")
    assert stands(await origin.look()) == ("Synced", "applied")

    origin.clone.write({"specs/ordinaut.yaml": project("away", "away")})
    origin.clone.commit()

    assert stands(await origin.look()) == ("NeedsApproval", "renamed")
    assert stands(await origin.look()) == ("NeedsApproval", "renamed")


async def test_another_repository_changes_nothing_of_what_waits_and_is_approved(
    origin: Origin, stranger: Origin
) -> None:
    assert stands(await stranger.look()) == ("Synced", "applied")
    await origin.look()
    origin.push(one=None, two=None)
    waiting = await origin.look()
    approve(origin, waiting)
    home = f"select {OWN} from ordinaut.source_status where project = 'home' and claim = '{{}}'"
    stranger.clone.write({"specs/ordinaut.yaml": PROJECT})
    stranger.clone.commit()

    before = origin.bench.rows(
        "select project from ordinaut.source_status where approved_by = 'bob@desk'"
    )
    looks = [await stranger.look() for _ in range(2)]
    told = origin.events
    again = [await stranger.look() for _ in range(2)]

    assert {stands(look) for look in looks + again} == {("NeedsApproval", "rewritten")}
    assert origin.events == told
    assert (
        before
        == [("home",)]
        == origin.bench.rows(
            "select project from ordinaut.source_status where approved_by = 'bob@desk'"
        )
    )
    listed = list_sources(origin.bench.connection)
    assert {(one.project, one.repository) for one in listed} >= {
        ("home", str(origin.clone.folder)),
        ("home", str(stranger.clone.folder)),
    }
    assert stands(await origin.look()) == ("Synced", "applied")
    assert origin.names == []
    assert origin.bench.row(home)[1] == str(origin.clone.folder)


async def test_what_was_applied_by_hand_is_not_taken_over_by_its_name_alone(
    origin: Origin,
) -> None:
    origin.clone.write({"plat/ordinaut.yaml": project("platform", "plat")})
    origin.clone.commit()
    await in_folder(origin, "plat").look()
    origin.bench.run(
        "update ordinaut.source_status set repository = null, branch = null, folder = null"
    )
    await origin.look()
    origin.clone.write({"specs/ordinaut.yaml": project("platform", "specs")})
    origin.clone.commit()

    looks = [await origin.look() for _ in range(3)]

    assert {stands(look) for look in looks} == {("NeedsApproval", "renamed")}


async def test_of_two_that_wait_with_one_plan_the_one_in_force_is_first(origin: Origin) -> None:
    await origin.look()
    origin.push(one=None, two=None)
    spelled = origin.sync(
        branch=Branch(f"file://{origin.clone.folder}", "main", "specs", "default")
    )
    digests = {(await sync.look()).report.plan_digest for sync in (spelled, origin.sync())}

    waiting = list_sources(origin.bench.connection)

    assert {one.plan_digest for one in waiting} == digests
    assert len(digests) == 1
    assert [one.repository for one in waiting] == [
        str(origin.clone.folder),
        f"file://{origin.clone.folder}",
    ]


async def test_what_a_branch_claimed_is_forgotten_when_it_says_so_no_more(
    origin: Origin, stranger: Origin
) -> None:
    await stranger.look()
    await origin.look()
    stranger.clone.write({"specs/ordinaut.yaml": PROJECT})
    stranger.clone.commit()
    await stranger.look()
    stranger.clone.write({"specs/ordinaut.yaml": project("desk", "desk")})
    stranger.clone.commit()

    assert stands(await stranger.look()) == ("Synced", "current")

    assert (
        origin.bench.rows("select project from ordinaut.source_status where claim <> '{}'") == []
    )
    assert {stands(await one.look()) for one in (origin, stranger)} == {("Synced", "current")}


async def test_another_spelling_of_the_address_does_not_hide_a_rename(origin: Origin) -> None:
    await origin.look()
    origin.clone.write({"specs/ordinaut.yaml": project("away", "away")})
    origin.clone.commit()
    spelled = Branch(f"file://{origin.clone.folder}", "main", "specs", "default")

    looks = [await origin.sync(branch=spelled).look() for _ in range(2)]

    assert {stands(look) for look in looks} == {("NeedsApproval", "renamed")}
    assert "holds the project away, and home is in force" in looks[0].report.message


async def test_the_first_look_after_an_apply_does_not_hide_a_rename(origin: Origin) -> None:
    await origin.look()
    origin.bench.run("delete from ordinaut.source_status")
    origin.clone.write({"specs/ordinaut.yaml": project("away", "away")})
    origin.clone.commit()

    looks = [await origin.look() for _ in range(2)]

    assert {stands(look) for look in looks} == {("NeedsApproval", "renamed")}
    origin.clone.write({"specs/ordinaut.yaml": PROJECT})
    origin.clone.commit()
    assert stands(await origin.look()) == ("Synced", "current")


async def test_a_second_project_of_a_repository_is_no_other_name_of_the_first(
    origin: Origin,
) -> None:
    await origin.look()
    origin.clone.write(
        {
            "plat/ordinaut.yaml": project("platform", "plat"),
            "plat/fs.yaml": SERVER.replace("name: fs", "name: fs\nnamespace: plat"),
            "plat/go.yaml": task("go"),
        }
    )
    origin.clone.commit()

    assert stands(await in_folder(origin, "plat").look()) == ("Synced", "applied")


async def test_a_new_repository_with_a_new_project_takes_nothing_from_those_in_force(
    origin: Origin, stranger: Origin
) -> None:
    await origin.look()

    assert stands(await stranger.look()) == ("Synced", "applied")

    stranger.clone.write(
        {"specs/ordinaut.yaml": f"{API}kind: Project\nname: desk\n", "specs/fs.yaml": SERVER}
    )
    stranger.push(one="priority: 9\n")
    assert stands(await stranger.look()) == ("InvalidSource", "foreign")
    assert stands(await origin.look()) == ("Synced", "current")
    assert origin.names == ["one", "two"]
