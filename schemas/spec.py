"""The six kinds of document, and the one union of them."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from schemas.agent import Agent
from schemas.base import Document
from schemas.calendar import Calendar
from schemas.pipeline import Pipeline
from schemas.project import Project
from schemas.task import Task
from schemas.tool_server import ToolServer

Spec = Annotated[
    Project | Task | Pipeline | ToolServer | Agent | Calendar,
    Field(discriminator="kind"),
]
"""Any document."""

KINDS: Final[dict[str, type[Document]]] = {
    "Project": Project,
    "Task": Task,
    "Pipeline": Pipeline,
    "ToolServer": ToolServer,
    "Agent": Agent,
    "Calendar": Calendar,
}
"""Every kind by its name, in the order in which people read them."""

BUILTIN_TOOLS: Final[dict[str, frozenset[str]]] = {
    "llm": frozenset({"extract", "plan", "summarize"}),
    "ordinaut": frozenset(
        {
            "approve",
            "assert",
            "email",
            "emit",
            "post",
            "progress",
            "run",
            "sleep",
            "sql",
            "transform",
            "wait_for",
        }
    ),
}
"""The tools that run in process, by server."""

BUILTIN_SERVERS: Final = frozenset(BUILTIN_TOOLS)
"""Server names whose tools run in process; no ToolServer may take them."""

POWERLESS_TOOLS: Final = frozenset(
    f"ordinaut.{tool}"
    for tool in ("approve", "assert", "progress", "sleep", "transform", "wait_for")
)
"""Built-in tools that only compute or wait: every agent may call them, whatever its scopes, and no plan calls them a gain."""
