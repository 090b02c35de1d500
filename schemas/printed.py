"""Models of what commands print with `--json` to JSON Schemas, for the programs that read it.

They are open, since fields are only ever added to what is printed. Kept apart from those of specs, which every plan asks for.
"""

from __future__ import annotations

import json
from typing import Any, Final

from schemas.apply import ApplyResult
from schemas.audit import AuditList, AuditVerification
from schemas.base import Model
from schemas.beginning import Beginning
from schemas.calls import CallList
from schemas.export import DRAFT, REF, file_name, with_wrapped_reference
from schemas.failure import CommandFailure, PlanFailure
from schemas.formatting import Formatting
from schemas.plan import Plan
from schemas.proposal import Proposal
from schemas.revision import Difference, History, RevisionReport
from schemas.simulation import Simulation
from schemas.slo_report import SloReport
from schemas.source import SyncReport
from schemas.status import Status
from schemas.tested import RecordedTestReport, TestReport
from schemas.tool_lock import LockChanges, ToolLock
from schemas.top import Top
from schemas.validation import Validation

# Keywords whose keys are names of ours.
_NAMED: Final = frozenset({"properties", "$defs"})
# What is printed has the name of its schema in its `format`.
_PRINTED: Final[tuple[tuple[str, str, type[Model]], ...]] = (
    ("apply", "apply result", ApplyResult),
    ("audit", "audit log", AuditList),
    ("audit-verification", "check of the audit log", AuditVerification),
    ("beginning", "beginning", Beginning),
    ("calls", "list of calls", CallList),
    ("diff", "difference of two revisions", Difference),
    ("failure", "failure of a command", CommandFailure),
    ("formatting", "formatting", Formatting),
    ("history", "history", History),
    ("plan", "plan", Plan),
    ("plan-failure", "plan failure", PlanFailure),
    ("proposal", "proposal", Proposal),
    ("recorded-test", "test made of a run", RecordedTestReport),
    ("revision", "revision", RevisionReport),
    ("simulation", "simulation", Simulation),
    ("slo", "report of promises", SloReport),
    ("status", "status", Status),
    ("sync", "look at a branch", SyncReport),
    ("test-report", "report of tests", TestReport),
    ("tool-lock", "tool lock", ToolLock),
    ("tool-lock-changes", "changes of the tool lock", LockChanges),
    ("top", "look at what happens now", Top),
    ("validation", "validation", Validation),
)


def published() -> dict[str, str]:
    """The text of every schema of what the program prints, by its file."""
    return {
        file_name(name): _printed(f"Ordinaut {title}", model) for name, title, model in _PRINTED
    }


def _printed(title: str, model: type[Model]) -> str:
    schema = opened(model.model_json_schema(mode="serialization", ref_template=REF))
    definitions = dict(sorted(schema.pop("$defs", {}).items()))
    whole = {"$schema": DRAFT, "title": title, **schema, "definitions": definitions}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def opened(schema: Any) -> Any:
    """A schema that lets through what a later version adds, without the titles that only repeat names."""
    match schema:
        case dict():
            open_ = {
                key: {name: opened(inner) for name, inner in value.items()}
                if key in _NAMED
                else opened(value)
                for key, value in schema.items()
                if key != "title" and (key, value) != ("additionalProperties", False)
            }
            return with_wrapped_reference(open_)
        case list():
            return [opened(inner) for inner in schema]
        case _:
            return schema
