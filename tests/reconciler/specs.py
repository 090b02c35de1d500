"""Valid documents of every kind, generated, and the many ways of writing one down."""

from __future__ import annotations

import random
from typing import Any

import yaml
from hypothesis import strategies as st

# A letter first: PyYAML writes by YAML 1.1 and leaves `0e0`, a number to us, without quotes.
_NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
_IDS = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True)
_WORDS = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,7}", fullmatch=True)
_SPANS = st.sampled_from(["1s", "60s", "1m", "90m", "1h30m", "24h", "1d", "7d", "1w"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e6, 1e6) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=6,
)
_META = {
    "namespace": st.just("default"),
    "labels": st.dictionaries(_WORDS, _WORDS, max_size=3),
    "owner": _WORDS,
    "description": _WORDS,
    "protect": st.booleans(),
}
_TIMES = st.sampled_from(["2026-01-05T08:30", "2026-01-05", "2026-01-05T08:30:00"])
_SCHEDULES = st.one_of(
    st.fixed_dictionaries(
        {"rrule": st.sampled_from(["FREQ=DAILY;BYHOUR=8", "FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9"]), "timezone": st.just("Europe/Chisinau")},
        optional={"start": _TIMES, "jitter": _SPANS, "exdate": st.lists(_TIMES, max_size=2), "dst_gap": st.sampled_from(["shift", "skip"])},
    ),
    st.fixed_dictionaries({"cron": st.sampled_from(["@daily", "*/5 * * * *"]), "timezone": st.just("UTC")}, optional={"jitter": _SPANS}),
    st.fixed_dictionaries({"every": _SPANS}),
    st.fixed_dictionaries({"at": st.sampled_from(["2026-01-05T08:30Z", "2026-01-05T09:30+01:00"])}),
    st.fixed_dictionaries({"manual": st.just(True)}),
)  # fmt: skip
_RETRY = st.fixed_dictionaries(
    {},
    optional={"attempts": st.integers(1, 9), "initial": _SPANS, "max": _SPANS, "jitter": st.sampled_from(["full", "none"])},
)  # fmt: skip


def _steps(prefix: str = "") -> st.SearchStrategy[list[dict[str, Any]]]:
    step = st.fixed_dictionaries(
        {
            "id": _IDS.map(lambda word: prefix + word),
            "uses": st.sampled_from(["llm.plan", "ordinaut.transform"]),
        },
        optional={
            "with": st.dictionaries(_WORDS, _JSON | st.just("${now+24h}"), max_size=3),
            "if": st.booleans() | st.just("run.attempt > `1`"),
            "timeout": _SPANS,
            "retry": _RETRY,
            "effect": st.sampled_from(["pure", "idempotent", "once"]),
        },
    )
    return st.lists(step, min_size=1, max_size=3, unique_by=lambda one: one["id"])


def tasks() -> st.SearchStrategy[dict[str, Any]]:
    """Valid Task documents that stand by themselves."""
    return st.fixed_dictionaries(
        {
            "apiVersion": st.just("ordinaut/v1"),
            "kind": st.just("Task"),
            "name": _NAMES,
            "schedule": _SCHEDULES | st.lists(_SCHEDULES, min_size=1, max_size=3),
            "pipeline": _steps(),
        },
        optional={
            **_META,
            "overlap": st.sampled_from(["skip", "allow", "queue_one"]),
            "priority": st.integers(1, 9),
            "timeout": _SPANS,
            "retry": _RETRY,
            "catch_up": st.fixed_dictionaries({}, optional={"window": _SPANS, "max": st.integers(1, 9)}),
            "params": st.dictionaries(_WORDS, _JSON, max_size=3),
            "finally": _steps("last_"),
        },
    )  # fmt: skip


def others() -> st.SearchStrategy[dict[str, Any]]:
    """Valid documents of the other kinds that stand by themselves."""

    def document(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
        head = {
            "apiVersion": st.just("ordinaut/v1"),
            "kind": st.just(kind),
            "name": _NAMES.filter(lambda n: n not in ("llm", "ordinaut")),
        }
        return st.fixed_dictionaries({**head, **fields}, optional=_META)  # fmt: skip

    return st.one_of(
        document("Pipeline", steps=_steps()),
        document("Agent", scopes=st.lists(st.sampled_from(["llm.*", "weather.forecast"]), max_size=2)),
        document("ToolServer", http=st.just({"url": "https://tools.example.com/mcp"}), call_timeout=_SPANS),
        document("Calendar", timezone=st.just("UTC"), dates=st.lists(st.dates().map(str), min_size=1, max_size=3)),
    )  # fmt: skip


def written(document: dict[str, Any], chance: random.Random) -> str:
    """The document as YAML in one of many ways: order of keys, block or flow, comments, equal spans, lists of one."""
    respelt = _respelt(document, chance)
    text: str = yaml.safe_dump(
        respelt,
        sort_keys=False,
        default_flow_style=chance.choice([True, False, None]),
        indent=chance.choice([2, 4]),
        width=chance.choice([20, 80, 1000]),
        default_style=chance.choice([None, None, '"']) if _is_text_alone(respelt) else None,
        allow_unicode=True,
    )
    return f"# {chance.random()}\n{text}"


_EQUAL = {
    "60s": "1m",
    "1m": "60s",
    "90m": "1h30m",
    "1h30m": "90m",
    "24h": "1d",
    "1d": "24h",
    "7d": "1w",
    "1w": "7d",
}
_EQUAL_TIMES = {
    "2026-01-05T08:30": "2026-01-05T08:30:00",
    "2026-01-05T08:30:00": "2026-01-05 08:30",
    "2026-01-05T08:30Z": "2026-01-05T09:30+01:00",
    "2026-01-05T09:30+01:00": "2026-01-05T08:30Z",
}
_SPAN_FIELDS = {"timeout", "initial", "max", "window", "every", "jitter", "call_timeout"}
_TIME_FIELDS = {"start", "at", "exdate"}
_ALONE_OR_LISTED = {"schedule", "rrule", "at", "expect"}
_DATA = {"with", "params", "labels"}


def _respelt(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: _respelt_field(key, value[key], chance, _is_schedule(value)) for key in keys}
    return [_respelt(one, chance) for one in value] if isinstance(value, list) else value


def _is_schedule(value: dict[str, Any]) -> bool:
    """Whether a mapping is none of those whose rule is one text: the days of calendars, and freeze windows."""
    return "rrule" not in value or ("timezone" in value and "duration" not in value)


def _respelt_field(key: str, value: Any, chance: random.Random, listing: bool) -> Any:
    if key in _DATA:
        return _shuffled(value, chance)
    if chance.random() < 0.5 and isinstance(value, str):
        if key in _SPAN_FIELDS:
            value = _EQUAL.get(value, value)
        if key in _TIME_FIELDS:
            value = _EQUAL_TIMES.get(value, value)
    if listing and key in _ALONE_OR_LISTED and chance.random() < 0.5:
        value = [value] if not isinstance(value, list) else value[0] if len(value) == 1 else value
    return _respelt(value, chance)


def _shuffled(value: Any, chance: random.Random) -> Any:
    """Data in another order of keys, and otherwise untouched."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: _shuffled(value[key], chance) for key in keys}
    if isinstance(value, list):
        return [_shuffled(one, chance) for one in value]
    return value


def _is_text_alone(value: Any) -> bool:
    """Whether quoting every scalar would change no type."""
    if isinstance(value, dict):
        return all(_is_text_alone(one) for one in value.values())
    if isinstance(value, list):
        return all(_is_text_alone(one) for one in value)
    return isinstance(value, str)
