"""The one normaliser: a document to canonical JSON, its digest, and the digests of its facets.

Two documents that mean the same give the same digest however they were written: formatting, order of keys, comments,
`60s` for `1m`, a value for a list of one, a default spelled out, the file they stand in. What a document is called
before a rename, and the version of the language, are no part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson

from schemas.base import Document

NORMALISER_VERSION: Final = 2
"""Grows whenever the same document would give another digest; it is stored beside every digest."""

FACETS: Final[dict[str, frozenset[str]]] = {
    "schedule": frozenset({"schedule", "calendars"}),
    "pipeline": frozenset({"pipeline", "finally", "params", "agent"}),
    "policy": frozenset(
        {
            "catch_up",
            "concurrency",
            "on_retire",
            "overlap",
            "pause_after_failures",
            "priority",
            "protect",
            "retry",
            "start_deadline",
            "timeout",
        }
    ),
    "meta": frozenset({"labels", "owner", "description", "slo", "notify"}),
}
"""The fields of a task by what changing them does."""

IDENTITY: Final = frozenset({"kind", "namespace", "name"})
"""The fields that say which document it is, and so belong to no facet."""

NORMAL_FORM: Final[Any] = {"mode": "json", "by_alias": True, "exclude_none": True}
"""How a model is written out: JSON types, the names of the language, absent fields left out."""

_META: Final = FACETS["meta"]
_DEFINED: Final = ("pipeline", "meta")
LEFT_OUT: Final = {"api_version", "renamed_from"}
"""The fields of models that are no part of the normal form."""


def normalised(document: Document) -> dict[str, Any]:
    """A document as plain JSON values: defaults materialised, spans and dates in one form, absent fields left out."""
    return document.model_dump(**NORMAL_FORM, exclude=LEFT_OUT)


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest_of(value: Any) -> str:
    """sha256 (hex) of the canonical JSON of a value."""
    return hashlib.sha256(canonical(value)).hexdigest()


def facet_names(kind: str) -> Collection[str]:
    """The facets that documents of a kind have."""
    return FACETS.keys() if kind == "Task" else _DEFINED


def facet_digests(body: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each facet of a normalised document: a task has four, any other kind `pipeline` and `meta`."""
    if body["kind"] == "Task":
        return {
            facet: digest_of({name: value for name, value in body.items() if name in fields})
            for facet, fields in FACETS.items()
        }
    definition = {k: v for k, v in body.items() if k not in _META and k not in IDENTITY}
    return {
        "pipeline": digest_of(definition),
        "meta": digest_of({k: v for k, v in body.items() if k in _META}),
    }
