"""Tools that destroy something are called on behalf of an agent only where somebody approved, or the agent is granted them."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.program import compile_program
from runtime.live import Live, Scope
from runtime.tools.toolbox import Toolbox
from schemas.spec import KINDS
from tests.runtime.test_waits import answer
from tests.runtime.tools.test_tool_lock import Site, site
from tests.support.clock import FakeClock
from tests.support.contracts import listed
from tests.support.executing import Bench, step
from tests.support.installed import task
from tests.support.scripted_tools import ScriptedTools, ok

__all__ = ["site"]

AGENT = {"agent": "bot"}
ASK = step("ask", "ordinaut.approve", **{"with": {"message": "Delete?", "by": ["ana"]}})
DESTROYS = {"destructiveHint": True}
WRITES = {"readOnlyHint": False}


def agents(*, granted: bool = False) -> Live:
    return Live(agents={"bot": Scope(("*",), may_destroy=granted)})


class TestWhatACallIsAllowed:
    async def test_a_call_that_nobody_approved_may_destroy_nothing(self, bench: Bench) -> None:
        bench.live = agents()
        await bench.queue(**AGENT, pipeline=[step("a")])
        tools = ScriptedTools(tool__do=ok())

        await bench.go(tools)

        assert tools.may_destroy == [False]

    @pytest.mark.parametrize("fields", [AGENT, {}], ids=["granted", "no agent"])
    async def test_without_an_agent_and_where_it_is_granted_anything_goes(
        self, bench: Bench, fields: dict[str, Any]
    ) -> None:
        bench.live = agents(granted=True)
        await bench.queue(**fields, pipeline=[step("a")])
        tools = ScriptedTools(tool__do=ok())

        await bench.go(tools)

        assert tools.may_destroy == [True]

    async def test_an_approval_of_the_step_is_one_for_its_call_alone(
        self, bench: Bench, clock: FakeClock, database: str
    ) -> None:
        bench.live = agents()
        asked = step("b", approval={"by": ["ana"]})
        await bench.queue(**AGENT, pipeline=[step("a"), asked, step("c")])
        tools = ScriptedTools(tool__do=ok())

        await bench.go(tools)
        await answer(bench, database)
        await bench.go(tools)

        assert tools.may_destroy == [False, True, False]

    async def test_an_approval_that_a_step_needs_is_one_for_it(
        self, bench: Bench, clock: FakeClock, database: str
    ) -> None:
        bench.live = agents()
        beside = step("beside", "tool.other", needs=[])
        pipeline = [ASK, step("a"), step("b"), beside]
        await bench.queue(**AGENT, pipeline=pipeline, **{"finally": [step("last", "tool.last")]})
        tools = ScriptedTools(tool__do=ok(), tool__other=ok(), tool__last=ok())

        await bench.go(tools)
        await answer(bench, database)
        await bench.go(tools)

        found = [
            (name, may) for (name, _), may in zip(tools.calls, tools.may_destroy, strict=True)
        ]
        assert found == [
            ("tool.other", False),
            ("tool.do", True),
            ("tool.do", True),
            ("tool.last", False),
        ]

    @pytest.mark.parametrize("fields", [{"if": "`false`"}, {"foreach": "${params.nobody}"}])
    async def test_an_approval_that_was_left_out_is_none(
        self, bench: Bench, fields: dict[str, Any]
    ) -> None:
        bench.live = agents()
        await bench.queue(**AGENT, pipeline=[ASK | fields, step("a")], params={"nobody": []})
        tools = ScriptedTools(tool__do=ok())

        await bench.go(tools)

        assert tools.may_destroy == [False]

    async def test_a_no_is_none_where_the_run_goes_on(
        self, bench: Bench, clock: FakeClock, database: str
    ) -> None:
        bench.live = agents()
        await bench.queue(**AGENT, pipeline=[ASK | {"on_error": "continue"}, step("a")])
        tools = ScriptedTools(tool__do=ok())

        await bench.go(tools)
        await answer(bench, database, approved=False)
        await bench.go(tools)

        assert tools.may_destroy == [False]

    async def test_what_a_call_is_verified_with_needs_a_grant(
        self, bench: Bench, clock: FakeClock, database: str
    ) -> None:
        bench.live = agents()
        verify = {"verify": "tool.look", "with": {}, "when": "result"}
        once = step("a", effect="once", on_unknown=verify, approval={"by": ["ana"]})
        await bench.queue(**AGENT, pipeline=[once])
        tools = ScriptedTools(tool__do=_lost(), tool__look=ok(True))

        await bench.go(tools)
        await answer(bench, database)
        await bench.go(tools)

        assert tools.may_destroy == [True, False]


def _lost() -> CallOutcome:
    return CallOutcome("lost", error=CallError("ORD406", "lost"), sent=True)


class TestWhatDestroys:
    async def call(self, toolbox: Toolbox, *, may_destroy: bool = False) -> tuple[str, bool]:
        outcome = await toolbox.call("mail.wipe", {}, may_destroy=may_destroy)
        if outcome.kind == "denied":
            assert outcome.error is not None
            assert outcome.error.code == "ORD422"
            assert outcome.error.message == "mail.wipe may destroy something, and nobody approved"
        return outcome.kind, outcome.sent

    @pytest.mark.parametrize("hints", [DESTROYS, WRITES], ids=["destroys", "writes"])
    async def test_a_tool_that_says_so_is_not_called(
        self, site: Site, hints: dict[str, Any]
    ) -> None:
        site.offer(listed("wipe", annotations=hints))

        async with site.toolbox() as toolbox:
            assert await self.call(toolbox) == ("denied", False)
            assert await self.call(toolbox, may_destroy=True) == ("ok", True)

    @pytest.mark.parametrize(
        "hints", [{}, WRITES | {"destructiveHint": False}, {"readOnlyHint": True}]
    )
    async def test_a_tool_that_does_not_say_so_is_called(
        self, site: Site, hints: dict[str, Any]
    ) -> None:
        site.offer(listed("wipe", annotations=hints))

        async with site.toolbox() as toolbox:
            assert await self.call(toolbox) == ("ok", True)

    async def test_what_it_said_when_it_was_locked_counts_though_it_says_less_now(
        self, site: Site
    ) -> None:
        site.offer(listed("wipe", annotations={"readOnlyHint": True}))

        async with site.toolbox(listed("wipe", annotations=DESTROYS)) as toolbox:
            assert await self.call(toolbox) == ("denied", False)

    async def test_what_it_says_now_counts_though_nobody_minds_that_it_changed(
        self, site: Site
    ) -> None:
        site.offer(listed("wipe", annotations=DESTROYS))

        async with site.toolbox(listed("wipe"), policy="warn") as toolbox:
            assert await self.call(toolbox) == ("denied", False)


async def test_a_call_that_is_denied_is_on_record_and_not_tried_again(
    bench: Bench, site: Site
) -> None:
    site.offer(listed("wipe", annotations=DESTROYS))
    bench.live = agents()
    again = {"attempts": 3, "initial": "1s"}
    await bench.queue(**AGENT, pipeline=[step("a", "mail.wipe", retry=again)])

    async with site.toolbox() as toolbox:
        await bench.go(toolbox)

    row = await bench.row("select outcome, error ->> 'code' from ordinaut.step_result")
    assert row == ("denied", "ORD422")
    told = await bench.row(
        "select data ->> 'outcome' from ordinaut.event_log where type = 'step.failed'"
    )
    assert told == "denied"


def test_approvals_are_found_through_other_steps() -> None:
    ask = ASK | {"save_as": "yes"}
    other = ASK | {"id": "second", "needs": []}
    both = step("both", needs=["a", "second"])
    body = _body([ask, step("a"), other, both, step("alone", needs=[])])

    found = {one.name: one.approved_by for one in compile_program(body, "demo").steps}

    assert found == {
        "ask": (),
        "a": ("yes",),
        "second": (),
        "both": ("second", "yes"),
        "alone": (),
    }


def _body(pipeline: list[dict[str, Any]]) -> dict[str, Any]:
    model = KINDS["Task"].model_validate(task(pipeline=pipeline))
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
