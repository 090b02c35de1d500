"""Prompts: three questions that people ask again and again, each with the way to its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mcp_types import GetPromptResult, PromptArgument, PromptMessage, TextContent
from mcp_types import Prompt as Listed

from reconciler.mcp.calling import Call
from reconciler.mcp.offering import UnfitArguments
from runtime.errors import NotFound

_MAX_ARGUMENT: Final = 4_000


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt.

    Attributes:
        listed: how it is listed.
        text: what is asked; its arguments stand in braces.
    """

    listed: Listed
    text: str


_DIAGNOSE: Final = """\
Find out what is the matter with the task {task} of Ordinaut, and what is to be done.

1. get_task, for where it stands: is it paused, missing, late, has it drifted?
2. explain_failure, for its newest run that failed; get_run with the step at fault, for what that was given and gave.
3. list_runs of the task: is it the first failure, or one of many? Did it begin with a revision?
4. list_servers, if a tool is at fault: do other calls of that server fail too?

Say in a few sentences what happened, since when, and why, with ids of runs as evidence. Then say what you would do, the least
first, and who has to do it. Do nothing that writes unless you are asked to.
"""
_DRAFT: Final = """\
Draft a task of Ordinaut for this wish:

{wish}

Read ordinaut://guides/change-flow and ordinaut://schema/task.json first, and a task in force that is like it: list_tasks, get_task.
Use only tools of servers that list_servers names. Look at its times with preview_schedule before you show anything: are they
what was meant, also when the clocks change? Ask if the zone, an owner or what is to happen on failure is not clear. If
validate_manifest and plan_change are listed, run both until nothing is wrong. Show the YAML, its next five times, and what the
plan says; propose it only when you are told to.
"""
_REVIEW: Final = """\
Review the last 24 hours of Ordinaut.

1. get_status: the verdict, and everything under it that wants attention.
2. list_runs with the states failed and cancelled; explain_failure for each task once.
3. list_runs with the state skipped: was anything skipped that somebody counts on?
4. list_tasks with standing paused, late and missing: who holds what back, and until when?
5. list_servers: which calls fail more often than they should?

Write no more than fifteen lines: what went wrong and was mended, what is still wrong, what waits for whom, and what comes next.
"""


def _argument(name: str, description: str) -> PromptArgument:
    return PromptArgument(name=name, description=description, required=True)


PROMPTS: Final[tuple[Prompt, ...]] = (
    Prompt(
        Listed(
            name="diagnose_task",
            title="Diagnose a task",
            description="What is the matter with a task, since when, and what to do.",
            arguments=[_argument("task", "The task's name.")],
        ),
        _DIAGNOSE,
    ),
    Prompt(
        Listed(
            name="draft_task",
            title="Draft a task",
            description="A new task from a wish, with its times looked at.",
            arguments=[_argument("wish", "What shall happen, and when, in words.")],
        ),
        _DRAFT,
    ),
    Prompt(
        Listed(
            name="daily_review",
            title="Review the day",
            description="What went wrong in the last 24 hours, what waits, and what comes.",
        ),
        _REVIEW,
    ),
)


def prompts_for(call: Call) -> list[Listed]:
    """What a caller is shown: all of them begin with a look."""
    return [one.listed for one in PROMPTS] if call.caller.may("read") else []


def prompt(call: Call, name: str, given: Mapping[str, str]) -> GetPromptResult:
    """A prompt with its arguments filled in.

    Raises:
        NotFound: ORD310, there is none of this name for this caller.
        UnfitArguments: ORD007, an argument is missing, too long or none of it.
    """
    found = next((one for one in PROMPTS if one.listed.name == name), None)
    if found is None or not call.caller.may("read"):
        raise NotFound(f"there is no prompt {name[:64]!r} for this caller")
    wanted = {one.name for one in found.listed.arguments or ()}
    if given.keys() != wanted or any(len(value) > _MAX_ARGUMENT for value in given.values()):
        takes = ", ".join(sorted(wanted)) or "no arguments"
        raise UnfitArguments(
            f"the prompt {name} takes {takes}, of {_MAX_ARGUMENT:,} characters at most"
        )
    text = found.text
    for argument in wanted:
        text = text.replace(f"{{{argument}}}", given[argument])
    message = PromptMessage(role="user", content=TextContent(type="text", text=text))
    return GetPromptResult(description=found.listed.description, messages=[message])
