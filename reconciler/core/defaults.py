"""The Project's defaults, laid under what a document says itself: those of its namespace, then those for all.

Works on plain values, before they are validated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from schemas.project import Project

_EVERY_KIND: Final = ("namespace", "owner")
_TASK: Final = ("agent", "catch_up", "overlap", "priority", "timeout", "retry", "slo", "notify")
_ALWAYS_LOCAL: Final = ("rrule", "cron")
_MOMENTS: Final = ("at", "start", "until")
_OFFSET: Final = re.compile(r"T.*(?:[zZ]|[-+][0-9]{2}:?[0-9]{2})$")


def defaults_of(project: Project) -> dict[str, Any]:
    """The defaults as plain values."""
    return project.defaults.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_unset=True
    )


def defaults_in(namespace: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults that hold for the documents of a namespace."""
    found = {name: value for name, value in defaults.items() if name != "namespaces"}
    return {**found, **defaults.get("namespaces", {}).get(namespace, {})}


def with_defaults(
    value: Mapping[str, Any], kind: str, defaults: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A document with the defaults for what it leaves out; a field that is there, even as `null`, stays."""
    if not defaults or kind == "Project":
        return dict(value)
    namespace = value.get("namespace", defaults.get("namespace", "default"))
    defaults = defaults_in(str(namespace), defaults)
    names = _EVERY_KIND + (_TASK if kind == "Task" else ())
    filled = {**{name: defaults[name] for name in names if name in defaults}, **value}
    if zone := defaults.get("timezone"):
        if kind == "Calendar":
            filled.setdefault("timezone", zone)
        elif kind == "Task" and "schedule" in filled:
            filled["schedule"] = _with_zone(filled["schedule"], zone)
    return filled


def _with_zone(schedule: Any, zone: str) -> Any:
    if isinstance(schedule, list):
        return [_with_zone(one, zone) for one in schedule]
    if isinstance(schedule, dict) and "timezone" not in schedule and _is_local(schedule):
        return {**schedule, "timezone": zone}
    return schedule


def _is_local(schedule: Mapping[str, Any]) -> bool:
    """Whether a schedule says something in wall time."""
    if any(kind in schedule for kind in _ALWAYS_LOCAL):
        return True
    if "every" not in schedule and "at" not in schedule:
        return False
    given = [schedule[name] for name in _MOMENTS if name in schedule]
    moments = [moment for one in given for moment in (one if isinstance(one, list) else [one])]
    return any(isinstance(moment, str) and not _OFFSET.search(moment) for moment in moments)
