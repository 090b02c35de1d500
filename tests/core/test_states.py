from __future__ import annotations

from typing import get_args

from runtime.core.states import (
    ACTIVE_STATES,
    FINAL_STATES,
    TRANSITIONS,
    RunEvent,
    RunState,
)


def test_every_state_can_be_reached() -> None:
    reached = {"queued"} | set(TRANSITIONS.values())

    assert reached == set(get_args(RunState))


def test_final_states_have_no_way_out() -> None:
    leaving = {state for state, _ in TRANSITIONS}

    assert leaving.isdisjoint(FINAL_STATES)
    assert leaving == ACTIVE_STATES


def test_every_active_state_leads_to_an_end() -> None:
    ends = {state for state in ACTIVE_STATES if _leads_to_an_end(state, set())}

    assert ends == ACTIVE_STATES


def test_every_event_is_used() -> None:
    assert {event for _, event in TRANSITIONS} == set(get_args(RunEvent))


def _leads_to_an_end(state: str, seen: set[str]) -> bool:
    if state in FINAL_STATES:
        return True
    targets = {to for (source, _), to in TRANSITIONS.items() if source == state} - seen
    return any(_leads_to_an_end(target, seen | {state}) for target in targets)
