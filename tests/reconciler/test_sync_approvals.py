"""What an approval lets pass: what was shown to whoever gave it, until it is taken back, used, or not needed any more."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from reconciler.apply import Request, apply_plan
from reconciler.core.changes import Owner
from reconciler.settling import Settlement
from runtime.actor import Actor
from runtime.store.rows import Connection
from runtime.store.sources import approve_plan, list_sources, withdraw_approval
from schemas.source import SourceStatus
from tests.support.locks import somebody_is_blocked
from tests.support.syncing import PROJECT, Origin, origin, stands

__all__ = ["origin"]

AFTERNOON = f"""{PROJECT}policies:
  mornings: {{when: "format_time(as_of, '%H', 'UTC') >= '12'", message: nothing changes after noon}}
"""


def noon(origin: Origin, hour: int) -> None:
    origin.bench.stop_the_clock(datetime(2026, 1, 5, hour, tzinfo=UTC))


def waiting(origin: Origin) -> SourceStatus:
    (found,) = list_sources(origin.bench.connection)
    return found


def approve(origin: Origin) -> None:
    assert approve_plan(
        origin.bench.connection, waiting(origin), actor=Actor("bob@desk"), reason=""
    )


def withdraw(origin: Origin, found: SourceStatus) -> bool:
    return withdraw_approval(
        origin.bench.connection, found, actor=Actor("eve@desk"), reason="too early"
    )


async def approved(origin: Origin) -> SourceStatus:
    """A plan that removes everything, which waited and was let pass."""
    await origin.look()
    origin.push(one=None, two=None)
    await origin.look()
    approve(origin)
    return waiting(origin)


async def test_what_refuses_only_since_an_approval_is_not_passed_by_it(origin: Origin) -> None:
    origin.clone.write({"specs/ordinaut.yaml": AFTERNOON})
    origin.clone.commit()
    noon(origin, 9)
    await origin.look()
    origin.push(one=None, two=None)
    await origin.look()
    assert waiting(origin).refusals == ("empty",)
    approve(origin)
    noon(origin, 13)

    look = await origin.look()

    assert stands(look) == ("NeedsApproval", "guard")
    assert "bob@desk approved it before it was refused so (policy mornings)" in look.report.message
    assert waiting(origin).approval is None
    assert waiting(origin).refusals == ("empty", "policy mornings")
    assert origin.names == ["one", "two"]
    assert origin.events[-2:] == ["source.approved", "source.needs_approval"]

    approve(origin)
    assert stands(await origin.look()) == ("Synced", "applied")
    assert origin.bench.row("select summary -> 'approval' ->> 'refusals' from ordinaut.revision order by revision_id desc limit 1") == ('["empty", "policy mornings"]',)  # fmt: skip


async def test_what_refuses_no_more_is_passed_by_an_approval_of_more(origin: Origin) -> None:
    origin.clone.write({"specs/ordinaut.yaml": AFTERNOON})
    origin.clone.commit()
    noon(origin, 9)
    await origin.look()
    noon(origin, 13)
    origin.push(one=None, two=None)
    await origin.look()
    approve(origin)
    noon(origin, 9)

    assert stands(await origin.look()) == ("Synced", "applied")


async def test_what_is_shown_is_what_is_approved(origin: Origin) -> None:
    origin.clone.write({"specs/ordinaut.yaml": AFTERNOON})
    origin.clone.commit()
    noon(origin, 9)
    await origin.look()
    origin.push(one=None, two=None)
    await origin.look()
    shown = waiting(origin)
    noon(origin, 13)
    await origin.look()

    assert not approve_plan(origin.bench.connection, shown, actor=Actor("bob@desk"), reason="")
    assert waiting(origin).approval is None


@pytest.mark.parametrize("goes_on", [True, False])
async def test_an_approval_ends_when_the_branch_does_not_ask_for_it_any_more(
    origin: Origin, goes_on: bool
) -> None:
    await origin.look()
    origin.push(one=None, two=None)
    await origin.look()
    approve(origin)
    if not goes_on:
        origin.clone.write({"specs/bad.yaml": "["})
        origin.clone.commit()
        assert stands(await origin.look()) == ("InvalidSource", "broken")
        assert waiting(origin).approval is None
        origin.clone.write({"specs/bad.yaml": None})
        origin.clone.commit()

    look = await origin.look()

    assert stands(look)[0] == ("Synced" if goes_on else "NeedsApproval")


async def test_an_approval_is_taken_back_until_it_is_used(origin: Origin) -> None:
    await origin.look()
    origin.push(one=None, two=None)
    await origin.look()
    approve(origin)

    assert withdraw(origin, waiting(origin))

    assert not withdraw(origin, waiting(origin))
    assert stands(await origin.look()) == ("NeedsApproval", "guard")
    assert origin.events[-2:] == ["source.approved", "source.approval_withdrawn"]
    approve(origin)
    given = waiting(origin)
    assert stands(await origin.look()) == ("Synced", "applied")
    assert not withdraw(origin, given)


async def test_an_approval_that_is_taken_back_during_a_look_passes_nothing(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = await approved(origin)
    taken_back: list[bool] = []

    def applied_late(connection: object, plan: object, request: Request) -> object:
        taken_back.append(withdraw(origin, given))
        return apply_plan(connection, plan, request)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr("reconciler.sync.apply_plan", applied_late)

    look = await origin.look()

    assert taken_back == [True]
    assert stands(look) == ("NeedsApproval", "guard")
    assert origin.names == ["one", "two"]


async def test_an_approval_that_is_being_used_cannot_be_taken_back(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = await approved(origin)
    answers: list[Future[bool]] = []
    write = Settlement.write

    def withdrawn() -> bool:
        with origin.bench.other() as other:
            return withdraw_approval(other, given, actor=Actor("eve@desk"), reason="")

    def slow(settlement: Settlement, connection: Connection, owner: Owner) -> None:
        answers.append(threads.submit(withdrawn))
        asyncio.run(somebody_is_blocked(origin.bench.url))
        write(settlement, connection, owner)

    monkeypatch.setattr(Settlement, "write", slow)

    with ThreadPoolExecutor(1) as threads:
        look = await origin.look()

    assert stands(look) == ("Synced", "applied")
    assert [one.result() for one in answers] == [False]
