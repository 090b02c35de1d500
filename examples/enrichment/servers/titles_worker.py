"""A worker: what a person is, by the name and the job title that stand in a file. `modal_app.py` deploys it."""

from __future__ import annotations

import re
from typing import Any

from mcp.server.mcpserver import MCPServer
from worker import Row, answers, serve

# The first that is found counts.
SENIORITY = (
    ("owner", r"founder|owner|proprietor"),
    ("chief", r"c[efmot]o|chief|president(?! of)"),
    ("director", r"vp|vice president|director|head"),
    ("manager", r"manager|lead|supervisor"),
)
FUNCTION = (
    ("people", r"hr|human resources|recruit\w*|people"),
    ("finance", r"cfo|finance|financial|account(ant|ing)|controller"),
    ("marketing", r"cmo|marketing|brand|content"),
    ("sales", r"sales|account|business development"),
    ("engineering", r"cto|engineer\w*|software|developer|technology"),
    ("operations", r"coo|operations?|supply chain|logistics|planner"),
)
GENERAL = {"owner", "chief"}

server = MCPServer("titles-worker")


@server.tool()
def classify_title(chunk: str, rows: list[Row]) -> dict[str, Any]:
    """The seniority and the function of a job `title`."""
    return answers(chunk, rows, rank_of)


@server.tool()
def tidy_name(chunk: str, rows: list[Row]) -> dict[str, Any]:
    """A person's `name` with capitals where they belong."""
    return answers(chunk, rows, name_of)


def rank_of(title: str | None) -> Row:
    """Seniority and function; both null where the title says nothing."""
    words = " ".join(re.findall(r"\w+", (title or "").lower()))
    if words in {"", "n a", "none", "unknown"}:
        return {"seniority": None, "function": None}
    seniority = _first(SENIORITY, words) or "staff"
    function = _first(FUNCTION, words) or ("general" if seniority in GENERAL else "other")
    return {"seniority": seniority, "function": function}


def name_of(name: str | None) -> Row:
    """The name, and null where there is none."""
    return {"name": " ".join(part.capitalize() for part in (name or "").split()) or None}


def _first(kinds: tuple[tuple[str, str], ...], words: str) -> str | None:
    return next((kind for kind, pattern in kinds if re.search(rf"\b({pattern})\b", words)), None)


if __name__ == "__main__":
    serve(server)
