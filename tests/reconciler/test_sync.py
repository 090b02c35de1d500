"""`ordinaut sync` brings the head of a branch into force, or says why not and leaves what is good alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.apply import Request, apply_plan
from reconciler.past import resolve_revision
from reconciler.rollback import plan_rollback
from runtime.actor import Actor
from runtime.errors import ApplyLocked, DatabaseUnavailable, SourceUnavailable
from runtime.store.holds import clear_hold
from runtime.store.revisions import lock_project
from runtime.store.sources import approve_plan, list_sources
from tests.support.syncing import PROJECT, SERVER, Origin, origin, stands

__all__ = ["origin"]


async def test_the_head_comes_into_force_with_its_commit_and_author(origin: Origin) -> None:
    head = origin.clone.git("rev-parse", "HEAD")

    look = await origin.look()

    assert stands(look) == ("Synced", "applied")
    assert origin.names == ["one", "two"]
    assert origin.bench.row(
        "select git_commit, git_branch, git_dirty, author, actor from ordinaut.revision"
    ) == (head, "main", False, "Ada <ada@example.com>", "sync@desk")
    assert origin.events == ["source.synced"]


async def test_a_head_that_has_been_judged_costs_one_statement_and_no_write(
    origin: Origin,
) -> None:
    sync = origin.sync()
    await sync.look()
    before = origin.bench.everything()

    for _ in range(3):
        assert stands(await sync.look())[0] == "Synced"

    assert origin.bench.everything() == before


async def test_that_somebody_looks_is_noted_every_few_minutes(origin: Origin) -> None:
    origin.bench.stop_the_clock(datetime(2026, 1, 5, 8, tzinfo=UTC))
    sync = origin.sync()
    await sync.look()
    looked = "select looked_at from ordinaut.source_status"
    for minute, noted in ((4, 0), (6, 6), (8, 6), (12, 12)):
        origin.bench.stop_the_clock(datetime(2026, 1, 5, 8, minute, tzinfo=UTC))
        await sync.look()
        assert origin.bench.row(looked) == (datetime(2026, 1, 5, 8, noted, tzinfo=UTC),)


async def test_whoever_holds_the_lock_is_waited_for_and_then_told(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await origin.look()
    monkeypatch.setattr("reconciler.sync.LOCK_TIMEOUT", timedelta(seconds=0.1))
    origin.clone.write({"README.md": "hello"})
    origin.clone.commit()
    with origin.bench.other() as other, other.transaction():
        lock_project(other, "home", "default", timeout=timedelta(seconds=1))
        without_changes = await origin.look()
        origin.push(three="")
        with_changes = await origin.look()

    for look in (without_changes, with_changes):
        assert stands(look) == ("OutOfSync", "moving")
        assert isinstance(look.error, ApplyLocked)
    assert stands(await origin.look()) == ("Synced", "applied")


async def test_a_commit_on_top_is_applied_and_one_that_changes_no_specs_only_moves_the_floor(
    origin: Origin,
) -> None:
    await origin.look()
    origin.push(three="")
    assert stands(await origin.look()) == ("Synced", "applied")
    origin.clone.write({"README.md": "hello"})
    head = origin.clone.commit()

    assert stands(await origin.look()) == ("Synced", "current")

    assert origin.names == ["one", "three", "two"]
    assert origin.bench.row(
        "select seen_commit, applied_commit, applied_revision, count(*) over () from ordinaut.source_status"
    ) == (head, head, 2, 1)
    assert origin.events == ["source.synced"]


async def test_edits_that_are_not_committed_and_other_branches_mean_nothing(
    origin: Origin,
) -> None:
    await origin.look()
    origin.clone.git("checkout", "--quiet", "-b", "other")
    origin.push(three="")
    origin.clone.write({"specs/one.yaml": "["})

    assert stands(await origin.look()) == ("Synced", "current")
    assert origin.names == ["one", "two"]


async def test_a_broken_head_leaves_what_is_good_until_it_is_mended(origin: Origin) -> None:
    await origin.look()
    origin.push(three="")
    origin.clone.write({"specs/one.yaml": "["})
    head = origin.clone.commit()

    broken = await origin.look()
    again = await origin.look()

    assert stands(broken) == stands(again) == ("InvalidSource", "broken")
    assert f"{head[:12]} holds errors, so what was applied before stays in force" in (
        broken.report.message
    )
    assert "specs/one.yaml:2:1 ORD002" in broken.report.message
    assert origin.names == ["one", "two"]
    origin.push(one="priority: 3\n")
    assert stands(await origin.look()) == ("Synced", "applied")
    assert origin.names == ["one", "three", "two"]
    assert origin.events == ["source.synced", "source.invalid", "source.synced"]


async def test_a_head_without_the_folder_retires_nothing(origin: Origin) -> None:
    await origin.look()
    origin.clone.git("mv", "specs", "tasks")
    origin.clone.commit()

    look = await origin.look()

    assert stands(look) == ("InvalidSource", "missing")
    assert "has no folder specs: bring it back, or name the folder" in look.report.message
    assert origin.names == ["one", "two"]


async def test_a_first_head_that_is_broken_is_only_told(origin: Origin) -> None:
    origin.clone.write({"specs/ordinaut.yaml": "["})
    origin.clone.commit()

    assert stands(await origin.look()) == ("InvalidSource", "broken")
    assert origin.bench.rows("select from ordinaut.source_status") == []


async def test_a_first_head_that_names_its_project_is_noted_as_broken(origin: Origin) -> None:
    origin.clone.write({"specs/one.yaml": "["})
    origin.clone.commit()

    assert stands(await origin.look()) == ("InvalidSource", "broken")
    assert origin.bench.row("select project, condition from ordinaut.source_status") == (
        "home",
        "InvalidSource",
    )


async def test_a_name_of_another_project_makes_it_invalid(origin: Origin) -> None:
    origin.bench.apply(
        "kind: ToolServer\nname: fs\nstdio: {command: mcp-fs}", "kind: Project\nname: shop"
    )

    look = await origin.look()

    assert stands(look) == ("InvalidSource", "foreign")
    assert "ToolServer fs belongs to project shop" in look.report.message


async def test_what_a_guard_refuses_waits_for_exactly_the_plan_that_is_approved(
    origin: Origin,
) -> None:
    await origin.look()
    origin.push(one=None, two=None)
    waiting = await origin.look()
    digest = waiting.report.plan_digest
    assert stands(waiting) == ("NeedsApproval", "guard")
    assert digest is not None
    assert f"`ordinaut approve {digest[:12]}`" in waiting.report.message
    assert origin.names == ["one", "two"]

    approve(origin, digest, "they are done")
    look = await origin.look()

    assert stands(look) == ("Synced", "applied")
    assert origin.names == []
    approval = origin.bench.row(
        "select summary -> 'approval' from ordinaut.revision where revision_id = 2"
    )[0]
    assert (approval["actor"], approval["reason"], approval["digest"]) == (
        "bob@desk",
        "they are done",
        digest,
    )
    assert origin.bench.row("select approved_digest, plan_digest from ordinaut.source_status") == (
        None,
        None,
    )
    assert origin.events == [
        "source.synced",
        "source.needs_approval",
        "source.approved",
        "source.synced",
    ]


async def test_an_approval_is_worth_nothing_for_another_plan(origin: Origin) -> None:
    await origin.look()
    origin.push(one=None, two=None)
    first = (await origin.look()).report.plan_digest
    approve(origin, first, "")
    origin.clone.write({"specs/fs.yaml": SERVER.replace("mcp-fs", "other")})
    origin.clone.commit()

    look = await origin.look()

    assert stands(look) == ("NeedsApproval", "guard")
    assert look.report.plan_digest != first
    assert origin.names == ["one", "two"]
    assert not is_approved(origin, first)


async def test_waiting_writes_nothing_at_the_second_look(origin: Origin) -> None:
    await origin.look()
    origin.push(one=None, two=None)
    sync = origin.sync()
    await sync.look()
    before = origin.bench.everything()

    assert stands(await sync.look()) == ("NeedsApproval", "guard")
    assert stands(await origin.look()) == ("NeedsApproval", "guard")

    assert origin.bench.everything() == before


async def test_what_is_protected_cannot_be_approved(origin: Origin) -> None:
    origin.push(one="protect: true\n")
    await origin.look()
    origin.push(one=None)

    look = await origin.look()

    assert stands(look) == ("OutOfSync", "protected")
    assert "apply it once without `protect`" in look.report.message
    assert look.report.plan_digest is None
    origin.push(one="")
    assert stands(await origin.look()) == ("Synced", "applied")


async def test_a_conflict_is_never_forced_silently(origin: Origin) -> None:
    await origin.look()
    origin.bench.run(
        "update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'"
    )
    origin.push(one="priority: 3\n")

    look = await origin.look()

    assert stands(look) == ("NeedsApproval", "conflict")
    priority = "select body ->> 'priority' from ordinaut.spec where name = 'one'"
    assert origin.bench.row(priority) == ("9",)
    approve(origin, look.report.plan_digest, "")
    assert stands(await origin.look()) == ("Synced", "applied")
    assert origin.bench.row(priority) == ("3",)


async def test_a_freeze_is_waited_for_and_told_with_its_end(origin: Origin) -> None:
    origin.clone.write(
        {
            "specs/ordinaut.yaml": PROJECT
            + "guards: {freeze: [{rrule: FREQ=DAILY;BYHOUR=18, timezone: UTC, duration: 2h, reason: audit}]}\n"
        }
    )
    origin.clone.commit()
    origin.bench.stop_the_clock(datetime(2026, 1, 5, 12, tzinfo=UTC))
    await origin.look()
    origin.push(three="")
    origin.bench.stop_the_clock(datetime(2026, 1, 5, 19, tzinfo=UTC))

    frozen = await origin.look()

    assert stands(frozen) == ("OutOfSync", "frozen")
    assert "(audit), until Mon 5 Jan 20:00 UTC" in frozen.report.message
    origin.bench.stop_the_clock(datetime(2026, 1, 5, 20, tzinfo=UTC))
    assert stands(await origin.look()) == ("Synced", "applied")


async def test_a_rolled_back_commit_is_held_until_a_commit_on_top_of_it(origin: Origin) -> None:
    await origin.look()
    bad = origin.push(three="")
    await origin.look()
    roll_back(origin, "r1")

    held = await origin.look()
    again = await origin.look()

    assert stands(held) == stands(again) == ("Held", "rolled_back")
    assert f"rolled back and holds {bad[:12]}" in held.report.message
    assert origin.names == ["one", "two"]
    origin.clone.git("revert", "--no-edit", "HEAD")
    assert stands(await origin.look()) == ("Synced", "current")
    assert origin.bench.rows("select from ordinaut.source_status where held_by is not null") == []
    origin.push(four="")
    assert stands(await origin.look()) == ("Synced", "applied")
    assert origin.names == ["four", "one", "two"]


@pytest.mark.parametrize("mended", [{"two": "priority: 4\n"}, {"three": None}, {"one": ""}])
async def test_a_commit_that_mends_nothing_of_what_was_rolled_back_brings_it_not_back(
    origin: Origin, mended: dict[str, str | None]
) -> None:
    await origin.look()
    origin.push(one=None, two="priority: 9\n", three="")
    look = await origin.look()
    approve(origin, look.report.plan_digest, "") if look.report.plan_digest else None
    assert stands(await origin.look())[0] == "Synced"
    roll_back(origin, "r1")
    top = origin.push(four="")

    held = await origin.look()

    assert stands(held) == ("Held", "rolled_back")
    assert (
        f"{top[:12]} is not applied: it changes nothing of what r3 (ada@desk, "
        in held.report.message
    )
    assert origin.names == ["one", "two"]
    origin.push(**mended)
    assert stands(await origin.look()) == ("Synced", "applied")
    assert "four" in origin.names
    assert origin.bench.rows("select from ordinaut.source_status where held_by is not null") == []


async def test_a_cleared_hold_lets_the_commit_in_again(origin: Origin) -> None:
    await origin.look()
    origin.push(three="")
    sync = origin.sync()
    await sync.look()
    roll_back(origin, "r1")
    assert stands(await sync.look()) == ("Held", "rolled_back")

    clear_hold(origin.bench.connection, "home", "default", "OutOfSync")

    assert stands(await sync.look()) == ("Synced", "applied")
    assert origin.names == ["one", "three", "two"]


async def test_a_rewritten_branch_is_refused_until_it_is_approved(origin: Origin) -> None:
    await origin.look()
    applied = origin.push(three="")
    await origin.look()
    origin.clone.git("reset", "--quiet", "--hard", "HEAD~1")
    origin.push(four="")

    refused = await origin.look()

    assert stands(refused) == ("NeedsApproval", "rewritten")
    assert f"does not descend from {applied[:12]}, which is in force" in refused.report.message
    assert origin.names == ["one", "three", "two"]
    approve(origin, refused.report.plan_digest, "an accident")
    assert stands(await origin.look()) == ("Synced", "applied")
    assert origin.names == ["four", "one", "two"]
    origin.push(five="")
    assert stands(await origin.look()) == ("Synced", "applied")


async def test_a_project_under_another_name_is_refused_until_it_is_approved(
    origin: Origin,
) -> None:
    strict = f"{PROJECT}policies: {{calm: {{when: 'changes[?body.priority]', message: ask}}}}\n"
    origin.clone.write({"specs/ordinaut.yaml": strict})
    origin.clone.commit()
    waiting = await origin.look()
    assert stands(waiting) == ("NeedsApproval", "guard")
    approve(origin, waiting.report.plan_digest, "")
    assert stands(await origin.look()) == ("Synced", "applied")
    # Under other keys nothing is in its way, and no policy of its own is either.
    renamed = PROJECT.replace("home", "away") + "defaults: {namespace: away}\n"
    origin.clone.write({"specs/ordinaut.yaml": renamed})
    origin.clone.commit()

    refused = await origin.look()
    again = await origin.look()

    assert stands(refused) == stands(again) == ("NeedsApproval", "renamed")
    assert "holds the project away, and home is in force" in refused.report.message
    assert origin.names == ["one", "two"]
    approve(origin, refused.report.plan_digest, "we moved")
    assert stands(await origin.look()) == ("Synced", "applied")
    origin.push(three="")
    assert stands(await origin.look()) == ("Synced", "applied")
    assert origin.names == ["one", "one", "three", "two", "two"]


async def test_an_old_commit_is_not_replayed_even_where_nothing_was_applied_since(
    origin: Origin,
) -> None:
    await origin.look()
    origin.clone.write({"README.md": "hello"})
    origin.clone.commit()
    await origin.look()
    origin.clone.git("reset", "--quiet", "--hard", "HEAD~1")

    look = await origin.look()

    assert stands(look) == ("NeedsApproval", "rewritten")
    approve(origin, look.report.plan_digest, "the text was wrong")
    assert stands(await origin.look()) == ("Synced", "current")
    assert origin.names == ["one", "two"]


async def test_a_manual_apply_of_a_commit_raises_the_floor(origin: Origin) -> None:
    await origin.look()
    old = origin.clone.git("rev-parse", "HEAD")
    applied = origin.push(three="")
    await origin.sync().look()
    origin.bench.run("delete from ordinaut.source_status")
    origin.clone.git("reset", "--quiet", "--hard", old)

    look = await origin.look()

    assert stands(look) == ("NeedsApproval", "rewritten")
    assert f"does not descend from {applied[:12]}" in look.report.message


async def test_what_was_applied_outside_git_is_no_floor(origin: Origin) -> None:
    await origin.look()
    origin.bench.run("update ordinaut.revision set git_commit = null")
    origin.bench.run("delete from ordinaut.source_status")
    origin.clone.git("checkout", "--quiet", "--orphan", "fresh")
    origin.clone.commit()
    origin.clone.git("branch", "--force", "main")

    assert stands(await origin.look()) == ("Synced", "current")


async def test_a_repository_that_is_away_is_told_once_and_found_again(origin: Origin) -> None:
    sync = origin.sync()
    await sync.look()
    away = origin.clone.folder.with_name("away")
    origin.clone.folder.rename(away)

    looks = [await sync.look() for _ in range(2)]

    for look in looks:
        assert look.report.condition is None
        assert isinstance(look.error, SourceUnavailable)
    fetch_error, failing = origin.bench.row(
        "select fetch_error, failing_since is not null from ordinaut.source_status"
    )
    assert f"{origin.clone.folder} cannot be read: " in fetch_error
    assert failing
    assert origin.names == ["one", "two"]
    away.rename(origin.clone.folder)
    assert stands(await sync.look()) == ("Synced", "current")
    assert origin.bench.row("select fetch_error from ordinaut.source_status") == (None,)
    assert origin.events == ["source.synced", "source.unreachable", "source.reachable"]


async def test_a_branch_that_is_gone_is_not_an_empty_one(origin: Origin) -> None:
    await origin.look()
    origin.clone.git("checkout", "--quiet", "-b", "other")
    origin.clone.git("branch", "--quiet", "-D", "main")

    look = await origin.look()

    assert look.report.condition is None
    assert "it has no branch main" in look.report.message
    assert origin.names == ["one", "two"]


async def test_a_database_that_is_away_is_an_answer(origin: Origin) -> None:
    look = await origin.sync(conninfo="postgresql://127.0.0.1:1/nothing").look()

    assert isinstance(look.error, DatabaseUnavailable)
    assert look.report.condition is None


async def test_an_older_head_that_comes_late_does_not_undo_a_newer_one(origin: Origin) -> None:
    """One process fetched, and was slow; another applied what came after."""
    await origin.look()
    old = origin.push(three="")
    slow = origin.sync()
    await slow._mirror.fetch()
    origin.push(three=None)
    origin.push(four="")
    await origin.look()

    look = slow._judge.look(old)

    assert stands(look) == ("NeedsApproval", "rewritten")
    assert origin.names == ["four", "one", "two"]
    assert stands(await origin.look())[0] == "Synced"


async def test_a_commit_that_came_into_force_during_a_look_begins_it_anew(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await origin.look()
    old = origin.push(three="")
    slow = origin.sync()
    await slow._mirror.fetch()
    origin.push(three=None)
    head = origin.clone.git("rev-parse", "HEAD")
    fast = origin.sync()
    await fast._mirror.fetch()
    planned = slow._judge._examiner._plan

    def overtaken(*arguments: object) -> object:
        monkeypatch.undo()
        made = planned(*arguments)
        assert stands(fast._judge.look(head)) == ("Synced", "current")
        return made

    monkeypatch.setattr(slow._judge._examiner, "_plan", overtaken)

    look = slow._judge.look(old)

    assert stands(look) == ("NeedsApproval", "rewritten")
    assert origin.names == ["one", "two"]


async def test_two_that_look_at_once_apply_once(origin: Origin) -> None:
    first, second = origin.sync(), origin.sync()

    looks = await asyncio.gather(first.look(), second.look())

    assert {stands(look)[0] for look in looks} == {"Synced"}
    assert origin.bench.row("select count(*) from ordinaut.revision") == (1,)


async def test_drift_is_left_to_those_who_heal_it(origin: Origin) -> None:
    sync = origin.sync()
    await sync.look()
    origin.bench.run(
        "update ordinaut.spec set body = body || '{\"priority\": 9}' where name = 'one'"
    )

    assert stands(await sync.look()) == ("Synced", "applied")

    assert origin.bench.row("select count(*) from ordinaut.revision") == (1,)


def approve(origin: Origin, digest: str | None, reason: str) -> None:
    sources = list_sources(origin.bench.connection)
    [source] = [one for one in sources if one.plan_digest == digest]
    assert approve_plan(origin.bench.connection, source, actor=Actor("bob@desk"), reason=reason)


def is_approved(origin: Origin, digest: str | None) -> bool:
    [source] = list_sources(origin.bench.connection)
    return source.approval is not None and source.plan_digest == source.approval.digest


def roll_back(origin: Origin, revision: str) -> None:
    connection = origin.bench.connection
    to = resolve_revision(connection, revision)
    plan = plan_rollback(connection, to)
    apply_plan(connection, plan, Request(actor=Actor("ada@desk"), restores=to))
