"""Pain points 1, 2, 5, 14 and 16: when things fire while specs change, what waits, and what goes on."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest

from runtime.arrivals import Arrivals
from runtime.attention import Attention
from runtime.clock import SYSTEM_CLOCK
from runtime.core.outcomes import CallOutcome
from runtime.core.program import compile_program
from runtime.execution import Execution
from runtime.keyring import Keyring
from runtime.live import Live
from runtime.recorder import Recorder
from runtime.secrets import Secrets
from runtime.store.answers import Answers
from runtime.store.budgets import Budgets
from runtime.store.due_work import claim_due
from runtime.store.rates import Rates
from runtime.store.recorded import load_results
from runtime.store.runtimes import load_task_revisions
from runtime.surroundings import Surroundings
from runtime.turns import Turns
from runtime.wake import Bell
from tests.reconciler.pain.conftest import World, task
from tests.support.scripted_tools import ScriptedTools, ok

EVENING = "cron: '0 23 * * *', timezone: Europe/Berlin"
MORNING = "rrule: 'FREQ=DAILY;BYHOUR=11;BYMINUTE=0', timezone: Europe/Berlin"
HOURLY = "cron: '0 * * * *', timezone: UTC"


def utc(text: str) -> datetime:
    """An instant of October 2026, such as `23 09:00`."""
    return datetime.strptime(f"2026-10-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


async def test_pain_01_editing_a_schedule_fires_nothing_at_the_old_or_the_wrong_time(
    world: World,
) -> None:
    """Half an hour before 23:00 the task moves to 11:00: neither 23:00 nor the 11:00 that has passed today fires."""
    world.change(brief=task("brief", EVENING))
    world.write(brief=task("brief", MORNING))
    plan = world.plan()

    world.apply()
    await world.until(utc("24 12:00"))

    assert "was  Thu 22 Oct 23:00 CEST  Fri 23 Oct 23:00 CEST" in " ".join(
        plan.stdout.split("   ")
    )
    assert "now  Fri 23 Oct 11:00 CEST  Sat 24 Oct 11:00 CEST" in " ".join(
        plan.stdout.split("   ")
    )
    assert [(at, revision) for at, _, revision in world.runs("brief")] == [
        (utc("23 09:00"), 2),
        (utc("24 09:00"), 2),
    ]


async def test_pain_01_an_edit_after_the_old_time_neither_loses_nor_repeats_it(
    world: World,
) -> None:
    """23:00 is due and no runtime was there: it is decided once, by the schedule that owed it."""
    world.change(brief=task("brief", EVENING))
    await world.clock.set(utc("22 21:05"))

    world.change(brief=task("brief", MORNING))
    await world.until(utc("23 08:00"))

    assert [(at, revision) for at, _, revision in world.runs("brief")] == [(utc("22 21:00"), 1)]


async def test_pain_02_redeploying_and_deleting_leave_no_orphan_and_no_duplicate_in_the_queue(
    world: World,
) -> None:
    world.change(brief=task("brief", HOURLY))
    await world.until(utc("22 21:00"))
    before = world.bench.rows("select t::text from ordinaut.due_work t")
    assert len(before) == 1
    uid = world.bench.uid("brief")
    (world.clone.folder / "specs/moved").mkdir()

    world.change(brief=task("brief", HOURLY, uses="ordinaut.transform"))
    world.clone.git("mv", "specs/brief.yaml", "specs/moved/brief.yaml")
    world.apply()
    assert world.bench.rows("select t::text from ordinaut.due_work t") == before

    world.clone.git("rm", "--quiet", "--force", "specs/moved/brief.yaml")
    assert world.cli("apply", "--allow-retire", "1", "--yes").status == 0
    await world.until(utc("23 01:30"))
    assert world.queued() == 0
    assert [state for _, state, _ in world.runs("brief")] == ["cancelled"]

    world.change(brief=task("brief", HOURLY))
    await world.until(utc("23 02:00"))
    assert world.bench.uid("brief") == uid
    assert world.bench.row("select count(*) from ordinaut.schedule") == (1,)
    assert [at for at, _, _ in world.runs("brief")] == [utc("22 21:00"), utc("23 02:00")]
    assert world.queued() == 1


async def test_pain_05_an_emergency_pause_survives_every_deploy_and_is_shown_in_every_plan(
    world: World,
) -> None:
    world.change(brief=task("brief", HOURLY, "catch_up: {policy: latest}\n"))
    paused = world.cli("pause", "brief", "--reason", "vendor outage")
    assert paused.status == 0, paused.stderr

    quiet = world.plan("--detailed-exitcode")
    world.change(brief=task("brief", "cron: '30 * * * *', timezone: UTC"))
    drift = world.plan("--drift-only", "--detailed-exitcode")
    await world.until(utc("23 03:45"))

    assert (quiet.status, drift.status) == (0, 0)
    for shown in (quiet.stdout, world.plan().stdout, drift.stdout):
        assert "brief" in shown
        assert "vendor outage" in shown
    assert world.runs("brief") == []

    assert world.cli("resume", "brief").status == 0
    await world.until(utc("23 03:45"))
    fired = [at for at, state, _ in world.runs("brief") if state == "queued"]
    assert fired == [utc("23 03:30")]


async def test_pain_14_running_work_does_not_switch_its_version_in_mid_run(world: World) -> None:
    """Between the first step and the second of a run, an apply replaces both."""
    plan, shape = "llm.plan", "ordinaut.transform"

    def steps(*uses: str) -> str:
        head = task("brief", HOURLY).partition("pipeline:")[0]
        return head + "pipeline:\n" + "".join(f"- {{id: s{n}, uses: {one}}}\n" for n, one in enumerate(uses))  # fmt: skip

    world.change(brief=steps(plan, shape))
    await world.until(utc("22 21:00"))

    def deploy(_arguments: object) -> CallOutcome:
        world.change(brief=steps(shape, shape, plan))
        return ok({})

    tools = ScriptedTools(llm__plan=[deploy, ok({})], ordinaut__transform=ok({}))
    await _execute(world, tools)
    await world.until(utc("22 22:00"))
    await _execute(world, tools)

    assert [name for name, _ in tools.calls] == [plan, shape, shape, shape, plan]
    assert world.runs("brief") == [
        (utc("22 21:00"), "succeeded", 1),
        (utc("22 22:00"), "succeeded", 2),
    ]


async def _execute(world: World, tools: ScriptedTools) -> None:
    """Claim the one run that is due and execute it to its end, as a worker does."""
    claimed = await claim_due(world.pool, runtime_id=1, limit=1, lease=timedelta(minutes=1))
    (claim,) = claimed.claims
    key = claim.task_uid, claim.revision_id
    revision = (await load_task_revisions(world.pool, [key])).get(key)
    assert revision is not None
    bell = Bell(world.clock)
    recorder = Recorder(world.pool, world.clock, bell, Turns(world.pool, world.clock, bell, bell))
    attention = Attention(world.pool, world.clock, Bell(world.clock), 5.0)
    arrivals = Arrivals(
        world.pool, world.clock, Bell(world.clock), Turns(world.pool, world.clock, bell, bell)
    )
    rates = Rates(world.pool)
    around = Surroundings(
        tools,
        recorder,
        world.pool,
        rates,
        Budgets(world.pool),
        world.clock,
        random.Random(1),
        arrivals,
        attention,
        b"key",
        Answers(world.pool),
    )
    program = compile_program(revision.body, revision.project)
    recorded = await load_results(world.pool, claim.run_id)
    secrets = Secrets({}, Keyring(world.clone.folder, SYSTEM_CLOCK))
    serving = asyncio.create_task(recorder.run())
    await Execution(around, claim, program, Live(), secrets, recorded=recorded).run()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.parametrize(
    ("policy", "flags", "autumn", "spring"),
    [
        ("", {"fold", "gap"}, ["2026-10-25T00:30Z"], ["2027-03-28T01:30Z"]),
        ("dst_fold: second, dst_gap: skip, ", {"fold", "gap"}, ["2026-10-25T01:30Z"], []),
        ("dst_fold: both, ", {"fold", "gap"}, ["2026-10-25T00:30Z", "2026-10-25T01:30Z"], ["2027-03-28T01:30Z"]),
    ],
)  # fmt: skip
async def test_pain_16_plan_next_and_what_really_fires_agree_where_the_clocks_change(
    world: World, policy: str, flags: set[str], autumn: list[str], spring: list[str]
) -> None:
    """02:30 in Berlin happens twice on 25 October 2026 and not at all on 28 March 2027: by the policy of the spec."""
    half_past_two = f"rrule: 'FREQ=DAILY;BYHOUR=2;BYMINUTE=30', {policy}timezone: Europe/Berlin"
    world.write(brief=task("brief", half_past_two))
    planned = world.plan("--json").json
    world.apply()

    def said(day: str) -> list[datetime]:
        found = world.cli("next", "brief", "--from", f"{day}T00:00Z", "-n", "3", "--json").json
        instants = [datetime.fromisoformat(one["at"]) for one in found["occurrences"]]
        return [at for at in instants if at.astimezone(UTC).date().isoformat() == day]

    (change,) = [one for one in planned["changes"] if one["key"] == "brief"]
    odd = {one["kind"] for one in change["preview"]["flags"]} - {"utc_offset_change"}
    assert odd == flags
    assert said("2026-10-25") == [datetime.fromisoformat(one) for one in autumn]
    assert said("2027-03-28") == [datetime.fromisoformat(one) for one in spring]
    await world.until(utc("25 12:00"))
    fired = [at for at, _, _ in world.runs("brief")]
    assert [at for at in fired if at.day == 25] == said("2026-10-25")


async def test_pain_16_no_local_time_goes_without_a_zone(world: World) -> None:
    world.write(brief=task("brief", "cron: '30 2 * * *'"))

    plan = world.plan()

    assert plan.status == 1
    assert "specs/brief.yaml:4:11: error ORD006: `schedule` lacks `timezone`" in plan.stderr
