"""Runs that are over are told to a collector as traces, once, by one process, and from where the last one left off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest

from runtime.core.outcomes import CallOutcome
from runtime.core.traces import Span
from runtime.core.tracing import span_id, trace_id
from runtime.core.usage import Cost, Usage
from runtime.errors import StoreError
from runtime.live import Live, Scope
from runtime.store.lending import Lender
from runtime.web.tracing import Exporter, OtlpCollector, Sent, exporters
from tests.support.clock import FakeClock
from tests.support.collector import ReceivingServer, attributes, receiving
from tests.support.executing import RETRY, Bench, step
from tests.support.probes import eventually
from tests.support.scripted_tools import ScriptedTools, failed, ok


@pytest.fixture
def collector() -> Iterator[ReceivingServer]:
    with receiving() as server:
        yield server


@pytest.fixture
def lender(database: str) -> Iterator[Lender]:
    with Lender(database, silence=timedelta(seconds=5)) as lender:
        yield lender


@pytest.fixture
async def exporter(lender: Lender, clock: FakeClock, collector: ReceivingServer) -> Exporter:
    """An exporter that has its place."""
    exporter = Exporter(lender, clock, OtlpCollector(collector.traces_url))
    exporter.step()
    return exporter


class Away:
    """A collector that takes nothing until it is told to."""

    def __init__(self) -> None:
        self.answer: Sent = "away"
        self.sent: list[Span] = []

    def send(self, spans: list[Span]) -> Sent:
        if self.answer == "sent":
            self.sent += spans
        return self.answer


async def one_run(bench: Bench) -> str:
    # A run is named after its instant.
    await bench.clock.advance(0.001)
    await bench.queue(pipeline=[step("a")])
    return (await bench.go(ScriptedTools(tool__do=ok()))).run


async def test_a_run_is_a_trace_of_steps_and_tries(
    bench: Bench, clock: FakeClock, exporter: Exporter, collector: ReceivingServer
) -> None:
    bench.live = Live(agents={"bot": Scope(("*",))})
    pipeline = [step("a", "mail.send", retry=RETRY), step("b", "mail.read")]
    await bench.queue(agent="bot", pipeline=pipeline)
    usage = Usage("small-1", 1200, 80, 0, 0, 0, Cost(Decimal("0.25"), "EUR", "provider"))
    read = CallOutcome("ok", sent=True, usage=usage)
    tools = ScriptedTools(mail__send=[failed(), ok()], mail__read=read)
    claim = await bench.go(tools)
    await clock.advance(1_000)
    await bench.go(tools)

    exporter.step()

    assert [span.name for span in collector.spans] == [
        "run briefing",
        "step a",
        "tools/call mail.send",
        "tools/call mail.send",
        "step b",
        "tools/call mail.read",
    ]
    run, first, failing, again, second, reading = collector.spans
    assert {span.trace_id.hex() for span in collector.spans} == {trace_id(claim.run_id)}
    assert collector.service == "ordinaut"
    assert run.parent_span_id == b""
    assert first.parent_span_id == second.parent_span_id == run.span_id
    assert failing.parent_span_id == again.parent_span_id == first.span_id
    assert failing.span_id.hex() == span_id(claim.run_id, "a", 0, 1)
    assert again.span_id.hex() == span_id(claim.run_id, "a", 0, 2)
    told = [(meta or {})["traceparent"].split("-")[2] for meta in tools.metas]
    assert told == [span.span_id.hex() for span in (failing, again, reading)]
    assert (failing.status.code, again.status.code) == (2, 0)
    assert attributes(failing)["error.type"] == "ORD404"
    assert run.end_time_unix_nano - run.start_time_unix_nano >= 1_000 * 10**9
    found = attributes(reading)
    assert found["gen_ai.operation.name"] == "execute_tool"
    assert found["gen_ai.tool.name"] == "read"
    assert found["mcp.method.name"] == "tools/call"
    assert found["gen_ai.response.model"] == "small-1"
    assert found["gen_ai.usage.input_tokens"] == 1200
    assert found["gen_ai.usage.cost.amount"] == 0.25
    assert attributes(run)["gen_ai.agent.name"] == "bot"
    assert attributes(run)["ordinaut.run.state"] == "succeeded"


async def test_items_stand_below_their_step(
    bench: Bench, exporter: Exporter, collector: ReceivingServer
) -> None:
    fan = step("all", foreach="${params.list}", max_parallel=2)
    await bench.queue(pipeline=[fan], params={"list": [1, 2]})
    await bench.go(ScriptedTools(tool__do=ok()))

    exporter.step()

    by_id = {span.span_id: span for span in collector.spans}
    parents = sorted(
        (span.name, by_id[span.parent_span_id].name)
        for span in collector.spans
        if span.parent_span_id
    )
    assert parents == [
        ("step all", "run briefing"),
        ("step all[0]", "step all"),
        ("step all[1]", "step all"),
        ("tools/call tool.do", "step all[0]"),
        ("tools/call tool.do", "step all[1]"),
    ]


async def test_a_failed_run_says_why(
    bench: Bench, exporter: Exporter, collector: ReceivingServer
) -> None:
    await bench.queue(pipeline=[step("a")])
    await bench.go(ScriptedTools(tool__do=failed()))

    exporter.step()

    run = collector.by_name()["run briefing"]
    assert run.status.code == 2
    assert attributes(run)["error.type"].startswith("ORD")


async def test_what_was_told_is_not_told_again_and_a_successor_goes_on_from_there(
    bench: Bench,
    clock: FakeClock,
    lender: Lender,
    exporter: Exporter,
    collector: ReceivingServer,
) -> None:
    first = await one_run(bench)
    exporter.step()
    exporter.step()
    exporter.leave()
    second = await one_run(bench)
    successor = Exporter(lender, clock, OtlpCollector(collector.traces_url))
    successor.step()

    traces = [span.trace_id.hex() for span in collector.spans if not span.parent_span_id]
    assert traces == [trace_id(first), trace_id(second)]


async def test_one_exports_at_a_time_and_another_takes_over_from_one_that_is_gone(
    bench: Bench,
    clock: FakeClock,
    lender: Lender,
    exporter: Exporter,
    collector: ReceivingServer,
) -> None:
    other = Exporter(lender, clock, OtlpCollector(collector.traces_url))
    run = await one_run(bench)
    assert other.step() > 1
    assert collector.spans == []

    await clock.advance(60)
    other.step()
    assert collector.spans[0].trace_id.hex() == trace_id(run)

    # Who comes back finds that its place is taken, whatever it has sent.
    await clock.advance(1)
    exporter.step()
    later = await one_run(bench)
    exporter.step()
    other.step()
    roots = [span.trace_id.hex() for span in collector.spans if not span.parent_span_id]
    assert roots.count(trace_id(later)) == 1


async def test_while_the_collector_is_away_nothing_is_lost_and_little_is_kept(
    bench: Bench, clock: FakeClock, lender: Lender
) -> None:
    collector = Away()
    exporter = Exporter(lender, clock, collector)
    exporter.step()
    runs = [await one_run(bench)]
    pauses = [exporter.step() for _ in range(6)]
    runs += [await one_run(bench) for _ in range(3)]
    exporter.step()
    # The process is killed meanwhile: another begins with what was not sent.
    await clock.advance(60)
    successor = Exporter(lender, clock, collector)
    collector.answer = "sent"
    successor.step()

    assert pauses == [1, 2, 4, 8, 15, 15]
    assert [span.trace for span in collector.sent if span.parent is None] == [
        trace_id(run) for run in runs
    ]


async def test_an_exporter_stays_the_one_while_its_collector_is_away(
    bench: Bench, clock: FakeClock, lender: Lender
) -> None:
    collector = Away()
    exporter = Exporter(lender, clock, collector)
    exporter.step()
    await one_run(bench)
    for _ in range(10):
        exporter.step()
        await clock.advance(15)

    assert Exporter(lender, clock, collector).step() > 1


async def test_a_database_that_goes_away_in_the_middle_of_a_read_loses_nothing(
    bench: Bench, clock: FakeClock, lender: Lender, connection: psycopg.AsyncConnection
) -> None:
    collector = Away()
    collector.answer = "sent"
    exporter = Exporter(lender, clock, collector)
    exporter.step()
    run = await one_run(bench)
    # The log can be read, and what it tells of cannot.
    await connection.execute("alter table ordinaut.step_attempt rename to gone")
    with pytest.raises(StoreError):
        exporter.step()
    await connection.execute("alter table ordinaut.gone rename to step_attempt")

    exporter.step()
    exporter.step()

    assert [one.trace for one in collector.sent if one.parent is None] == [trace_id(run)]


async def test_a_run_that_says_what_none_of_ours_does_takes_no_other_along(
    bench: Bench, clock: FakeClock, lender: Lender, connection: psycopg.AsyncConnection
) -> None:
    collector = Away()
    collector.answer = "sent"
    exporter = Exporter(lender, clock, collector)
    exporter.step()
    odd, sound = await one_run(bench), await one_run(bench)
    await connection.execute("update ordinaut.run set error = '[7]' where run_id = %s", [odd])

    exporter.step()

    assert [one.trace for one in collector.sent if one.parent is None] == [trace_id(sound)]


async def test_a_clock_that_was_set_back_makes_no_span_that_ends_before_it_begins(
    bench: Bench,
    exporter: Exporter,
    collector: ReceivingServer,
    connection: psycopg.AsyncConnection,
) -> None:
    await one_run(bench)
    await connection.execute("update ordinaut.run set finished_at = started_at - interval '1 h'")

    exporter.step()

    assert collector.spans
    assert all(one.end_time_unix_nano >= one.start_time_unix_nano for one in collector.spans)


@pytest.mark.parametrize(("status", "is_dropped"), [(400, True), (503, False)])
async def test_only_what_is_refused_for_what_it_is_is_dropped(
    bench: Bench, lender: Lender, status: int, is_dropped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with receiving() as collector:
        exporter = Exporter(lender, bench.clock, OtlpCollector(collector.traces_url))
        exporter.step()
        run = await one_run(bench)
        collector.status = status
        exporter.step()
        collector.status = 200
        exporter.step()

        roots = [span.trace_id.hex() for span in collector.spans if not span.parent_span_id]
        assert roots == ([] if is_dropped else [trace_id(run)])


async def test_the_thread_exports_by_itself(
    bench: Bench, clock: FakeClock, lender: Lender, collector: ReceivingServer
) -> None:
    with Exporter(lender, clock, OtlpCollector(collector.traces_url)):

        async def has_arrived() -> bool:
            await one_run(bench)
            return bool(collector.spans)

        await eventually(has_arrived, "spans arrive")


async def test_without_an_address_nothing_is_exported(lender: Lender, clock: FakeClock) -> None:
    assert exporters(None, lender, clock) == ()


async def test_what_is_not_sent_when_it_ends_is_sent_by_the_next(
    bench: Bench, clock: FakeClock, lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.web.tracing._SPANS_AT_ONCE", 1)
    sent: list[Span] = []

    class Ending:
        def send(self, spans: list[Span]) -> Sent:
            sent.extend(spans)
            exporter.stop()
            return "sent"

    exporter = Exporter(lender, clock, Ending())
    exporter.step()
    await one_run(bench)
    exporter.step()
    assert len(sent) == 1
    exporter.leave()

    collector = Away()
    collector.answer = "sent"
    Exporter(lender, clock, collector).step()

    assert [span.name for span in collector.sent] == [
        "run briefing",
        "step a",
        "tools/call tool.do",
    ]


async def test_a_rerun_is_linked_to_what_it_runs_again(
    bench: Bench, exporter: Exporter, collector: ReceivingServer
) -> None:
    before = uuid4()
    await bench.queue(pipeline=[step("a")])
    await bench.connection.execute(
        "update ordinaut.run set rerun_of = %s, origin_id = %s, replay_no = 0", [before, before]
    )
    await bench.go(ScriptedTools(tool__do=ok()))

    exporter.step()

    [link] = collector.spans[0].links
    assert (link.trace_id.hex(), link.span_id.hex()) == (trace_id(before), span_id(before))


async def test_the_headers_of_the_standard_variables_are_sent(
    bench: Bench,
    clock: FakeClock,
    lender: Lender,
    collector: ReceivingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=home,authorization=Bearer%20abc")
    collector.takes_at = "/otlp/of/home"
    [exporter] = exporters(collector.traces_url, lender, clock)
    exporter.step()
    run = await one_run(bench)
    exporter.step()

    assert {span.trace_id.hex() for span in collector.spans} == {trace_id(run)}
    headers = {name.lower(): value for name, value in collector.headers.items()}
    assert (headers["x-tenant"], headers["authorization"]) == ("home", "Bearer abc")


LINKED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_run_is_linked_to_the_span_elsewhere_that_asked_for_it(
    bench: Bench, exporter: Exporter, collector: ReceivingServer
) -> None:
    await bench.queue(pipeline=[step("a")])
    await bench.connection.execute("update ordinaut.run set trace_link = %s", [LINKED])
    claim = await bench.go(ScriptedTools(tool__do=ok()))

    exporter.step()

    run, *others = collector.spans
    [link] = run.links
    assert f"00-{link.trace_id.hex()}-{link.span_id.hex()}-01" == LINKED
    # Whoever asks names no trace of ours.
    assert (run.trace_id.hex(), run.parent_span_id) == (trace_id(claim.run), b"")
    assert [list(other.links) for other in others] == [[], []]


@pytest.mark.parametrize("is_own", [False, True])
async def test_the_run_of_an_event_is_linked_to_who_told_of_it(
    bench: Bench, exporter: Exporter, collector: ReceivingServer, is_own: bool
) -> None:
    teller = uuid4() if is_own else None
    cursor = await bench.connection.execute(
        "insert into ordinaut.event (source, event_id, topic, data, run_id, trace_link)"
        " values ('a', 'b', 'c', '1', %s, %s) returning event_no::text as number",
        [teller, None if is_own else LINKED],
    )
    row = await cursor.fetchone()
    assert row is not None
    await bench.queue(pipeline=[step("a")])
    number = row["number"] if isinstance(row, dict) else row[0]
    await bench.connection.execute(
        "update ordinaut.run set trigger = 'event', trigger_key = %s", [number]
    )
    await bench.go(ScriptedTools(tool__do=ok()))

    exporter.step()

    [link] = collector.spans[0].links
    found = f"00-{link.trace_id.hex()}-{link.span_id.hex()}-01"
    assert found == (LINKED if teller is None else f"00-{trace_id(teller)}-{span_id(teller)}-01")


async def test_a_step_is_linked_to_who_answered_its_callback(
    bench: Bench, exporter: Exporter, collector: ReceivingServer
) -> None:
    await bench.queue(pipeline=[step("a"), step("b")])
    claim = await bench.go(ScriptedTools(tool__do=[ok(), ok()]))
    await bench.connection.execute(
        "insert into ordinaut.event (source, event_id, topic, data, trace_link)"
        " values ('callback', %s, 'c', '1', %s)",
        [f"{claim.run_id}:b", LINKED],
    )

    exporter.step()

    linked = {span.name: [link.span_id.hex() for link in span.links] for span in collector.spans}
    assert linked.pop("step b") == [LINKED.split("-")[2]]
    assert not any(linked.values())
