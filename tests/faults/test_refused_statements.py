"""Any statement may fail for a reason that passes: a deadlock, a serialization failure, a timeout. It is said again."""

from __future__ import annotations

import itertools
from datetime import timedelta

from tests.faults.site import Site, step
from tests.support.factories import NOON
from tests.support.installed import install, schedule, task
from tests.support.probes import eventually

_TABLES = ("run", "due_work", "step_result", "step_intent", "step_attempt", "outbox", "event_log", "schedule")  # fmt: skip
_CODES = ("40P01", "40001", "57014")
_REFUSE = """
create sequence public.refused_{table};
create function public.refuse_{table}() returns trigger language plpgsql as $$
begin
    if nextval('public.refused_{table}') <= {times} then
        raise exception 'not now' using errcode = '{code}';
    end if;
    return coalesce(new, old);
end $$;
create trigger refuse before insert or update or delete on ordinaut.{table}
    for each row execute function public.refuse_{table}();
"""


async def refuse(site: Site, table: str, code: str, times: int) -> None:
    """Let the next writes to a table fail."""
    script = _REFUSE.format(table=table, code=code, times=times)
    await site.connection.execute(script.encode())


async def test_what_was_refused_for_a_moment_is_said_again(site: Site) -> None:
    """Asserts: the first write to each table is refused, whoever makes it: as a deadlock, a serialization failure or a timeout,
    in turn. A scheduled run and one with a retry and a call that must not be repeated succeed all the same, and each call is
    made once.
    """
    retried = step("a", retry={"attempts": 2, "initial": "1ms"})
    retried["with"] = {"name": "a"}
    flaky = {
        "id": "flaky",
        "uses": "ordinaut.assert",
        "with": {"that": "${run.attempt > `1`}"},
        "retry": {"attempts": 2, "initial": "1ms"},
        "on_error": "continue",
    }
    installed = await site.install(retried, flaky, step("b", effect="once"))
    ticking = await install(site.connection, task("ticking", schedule={"every": "1h"}))
    run_id = await site.queue(installed)
    await schedule(site.connection, ticking, NOON, NOON + timedelta(hours=1))
    for table, code in zip(_TABLES, itertools.cycle(_CODES), strict=False):
        await refuse(site, table, code, 1)

    async with site.runtime(lease="15s"):
        await site.connection.execute("notify ordinaut_wake")
        assert await site.ended(run_id) == ["succeeded"]
        scheduled = "select count(*) = 1 from ordinaut.run where trigger = 'schedule' and state = 'succeeded'"
        await eventually(lambda: site.value(scheduled), "the scheduled run", seconds=20)
        published = "select count(*) = 0 from ordinaut.outbox"
        await eventually(lambda: site.value(published), "publication", seconds=20)

    assert site.diary == ["a", "b"]
    for table in _TABLES:
        assert await site.value(f"select last_value > 1 from public.refused_{table}"), table


async def test_a_database_that_goes_on_refusing_is_asked_in_measure(site: Site) -> None:
    """Asserts: while every claim is refused, a runtime asks a few times a second and no more; when it is taken, the run
    succeeds.
    """
    run_id = await site.queue(await site.install(step("only")))
    await refuse(site, "due_work", "40001", 1_000_000)
    asked = "select last_value from public.refused_due_work"

    async with site.runtime(lease="15s"):
        await eventually(lambda: site.value(f"select ({asked}) >= 2"), "it asks", seconds=20)
        first, began = await site.value(asked), await site.value("select clock_timestamp()")
        await eventually(lambda: site.value(f"select ({asked}) >= {first + 4}"), "it asks on", seconds=30)  # fmt: skip
        seconds = await site.value("select extract(epoch from clock_timestamp() - %s)::float8", began)  # fmt: skip
        await site.connection.execute("drop trigger refuse on ordinaut.due_work")
        assert await site.ended(run_id) == ["succeeded"]

    assert 4 / seconds < 10
