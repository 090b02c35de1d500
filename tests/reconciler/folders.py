"""Whole specs folders that are valid, generated: every kind, every field, and references between them.

Names come from small pools, so that of two folders the second updates, renames, retires and restores what the first holds.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from reconciler.core.compile import SourceFile
from tests.reconciler.specs import written
from tests.reconciler.test_ics import calendar, event

Spec = dict[str, Any]
_NAMES = ("alpha", "beta-2", "gamma", "delta", "e9", "zeta")
_NAMESPACES = ("default", "ops", "team-7")
_SPANS = st.sampled_from(["60s", "90m", "24h", "7d", "1h30m"])
_TEXTS = st.sampled_from(["Übung für 漢字 😀", "two\nlines", " padded ", "yes", "null", "012", "8:30", "a: b", "# no comment", "x", "naïve\u00a0é"])  # fmt: skip
_WORDS = st.sampled_from(["a", "Straße", "日本", "b c", "on"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e12, 1e12) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=5,
)
_OBJECTS = st.dictionaries(_WORDS, _JSON, max_size=3)
_NOTIFY = st.lists(
    st.fixed_dictionaries(
        {
            "on": st.sampled_from(["failure", ["lateness", "pause"], ["approval"]]),
            "uses": st.just("ordinaut.post"),
            "with": st.just({"url": "https://example.com", "body": "${event.data}"}),
        },
        optional={"late": st.just("1h"), "at_most_every": st.sampled_from(["10s", "1d"])},
    ),
    min_size=1,
    max_size=2,
)
_SLO = st.fixed_dictionaries(
    {"success": st.sampled_from(["99.5%", "90.0%"])},
    optional={
        "lateness": st.just({"within": "30s", "target": "99%"}),
        "window": st.sampled_from(["1h", "7d", "90d"]),
    },
)
_RETRY = st.fixed_dictionaries(
    {},
    optional={
        "attempts": st.integers(1, 9), "initial": _SPANS, "max": _SPANS, "jitter": st.sampled_from(["full", "none"]),
        "backoff": st.sampled_from(["exponential", "linear", "fixed"]), "retry_on": st.just(["rejected", "not_sent"]),
    },
)  # fmt: skip
_CATCH_UP = st.fixed_dictionaries(
    {},
    optional={"policy": st.sampled_from(["latest", "all", "skip"]), "window": _SPANS, "max": st.integers(1, 9)},
)  # fmt: skip
_OVERLAP = st.sampled_from(["skip", "queue_one", "queue_all", "cancel_running", "allow"])
_META = {
    "labels": st.dictionaries(_WORDS, _TEXTS, max_size=2),
    "owner": _TEXTS,
    "description": _TEXTS,
}
_ICS = calendar(event("DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261227"))


@dataclass(frozen=True)
class Folder:
    """A specs folder.

    Attributes:
        project: its head, which names an overlay.
        documents: all others.
        overlays: what is laid over some of them.
    """

    project: Spec
    documents: tuple[Spec, ...]
    overlays: tuple[Spec, ...]

    def files(self, chance: random.Random) -> list[SourceFile]:
        """The folder in one of many ways: files, their folders and order, several documents a file, spelling, comments."""
        placed: dict[str, list[Spec]] = {}
        for document in self.documents:
            # A calendar names its .ics from where it stands.
            room = "" if "ics" in document else chance.choice(["", "a/", "b/c/"])
            placed.setdefault(f"specs/{room}{chance.randrange(6)}.yaml", []).append(document)
        for document in self.overlays:
            placed.setdefault(f"specs/overlays/{chance.randrange(3)}.yml", []).append(document)
        placed["specs/ordinaut.yaml"] = [self.project]
        files = [
            SourceFile(name, "---\n".join(written(one, chance) for one in documents).encode())
            for name, documents in placed.items()
        ]
        files.append(SourceFile("specs/days.ics", _ICS))
        chance.shuffle(files)
        return files


@st.composite
def folders(draw: st.DrawFn) -> Folder:
    """A valid folder of up to ten documents beside the Project."""
    keys = draw(st.lists(st.tuples(st.sampled_from(_NAMESPACES), st.sampled_from(_NAMES)), max_size=8, unique=True))  # fmt: skip
    kinds = [draw(st.sampled_from(["Task", "Task", "Pipeline", "Agent", "ToolServer", "Calendar"])) for _ in keys]  # fmt: skip
    by_kind: dict[str, list[str]] = {}
    for (namespace, name), kind in zip(keys, kinds, strict=True):
        by_kind.setdefault(kind, []).append(f"{namespace}/{name}")
    documents = [
        _head(draw, kind, key) | _bodies(by_kind)[kind](draw)
        for key, kind in zip(keys, kinds, strict=True)
    ]
    documents = _renamed(draw, documents)
    overlays = [
        {"apiVersion": "ordinaut/v1", "kind": "Task", "name": one["name"], "namespace": one["namespace"]}
        | draw(st.fixed_dictionaries({"priority": st.integers(1, 9)}, optional={"labels": st.just({"laid": "over"}), "enabled": st.just(False)}))
        for one in documents
        if one["kind"] == "Task" and draw(st.integers(0, 3)) == 0
    ]  # fmt: skip
    # One that is left out holds nothing else.
    overlays = [one if "enabled" not in one else {name: one[name] for name in one if name not in {"priority", "labels"}} for one in overlays]  # fmt: skip
    project = {
        "apiVersion": "ordinaut/v1",
        "kind": "Project",
        "name": "property",
        "description": "Laid over",
    }
    return Folder(draw(_PROJECTS), tuple(documents), (project, *overlays))


_PROJECTS = st.fixed_dictionaries(
    {
        "apiVersion": st.just("ordinaut/v1"),
        "kind": st.just("Project"),
        "name": st.just("property"),
        "variables": st.fixed_dictionaries({"city": _JSON, "n": st.integers(0, 9)}),
        "secrets": st.just({"token": {"env": "TOKEN"}, "key": {"file": "key.txt"}, "own": {"database": "shop", "extensions": ["vector"]}}),
        "environments": st.just({"default": {"overlay": "overlays", "variables": {"n": 4}}, "prod": {}}),
    },
    optional={
        "owner": _TEXTS,
        "defaults": st.fixed_dictionaries({}, optional={"owner": _TEXTS, "timezone": st.just("Europe/Chisinau"), "catch_up": _CATCH_UP, "overlap": _OVERLAP, "priority": st.integers(1, 9), "timeout": _SPANS, "retry": _RETRY, "slo": _SLO}),
        "guards": st.fixed_dictionaries({}, optional={"max_retire": st.integers(0, 9), "max_retire_percent": st.floats(0, 100), "freeze": st.just([{"rrule": "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", "timezone": "Europe/Berlin", "duration": "36h", "reason": "Fête"}])}),
        "policies": st.just({"never": {"when": "summary.retire > `9999`", "message": "is never broken", "severity": "warning"}}),
        "heal": st.sampled_from(["off", "alert", "heal"]),
        "models": st.just({"default": {"url": "https://llm.example.com/v1", "model": "small", "api_key": "${secrets.key}", "headers": {"x-team": "home"}, "tls": {"ca": "ca.pem"}, "parameters": {"temperature": 0.5}, "timeout": "90s"}}),
        "lint": st.just({"ORD801": "off"}),
        "proposals": st.just({"branch": "main"}),
        "processes": st.just({"shop": {"command": "python", "args": ["shop.py", "--port=${vars.n}"], "cwd": "srv", "env": {"URL": "${secrets.own}"}, "ready": "tcp://127.0.0.1:8025"}, "mail": {"command": "mail", "ready": "http://127.0.0.1:1/", "ready_timeout": "5s"}}),
    },
)  # fmt: skip


def _head(draw: st.DrawFn, kind: str, key: tuple[str, str]) -> Spec:
    namespace, name = key
    meta = draw(st.fixed_dictionaries({}, optional=_META))
    return {"apiVersion": "ordinaut/v1", "kind": kind, "name": name, "namespace": namespace} | meta


def _renamed(draw: st.DrawFn, documents: list[Spec]) -> list[Spec]:
    """Some with a former name, which is nobody's now and no other's past."""
    taken = {(one["kind"], one["namespace"], one["name"]) for one in documents}
    for one in documents:
        former = (one["kind"], one["namespace"], draw(st.sampled_from(_NAMES)))
        if draw(st.integers(0, 3)) == 0 and former not in taken:
            taken.add(former)
            one["renamed_from"] = f"{former[1]}/{former[2]}"
    return documents


def _bodies(keys: Mapping[str, list[str]]) -> Mapping[str, Any]:
    """By kind, what draws the fields of a document that may refer to these."""
    return {
        "Task": lambda draw: _task(draw, keys),
        "Pipeline": lambda draw: {
            "params": {"type": "object", "properties": {"city": {"type": "string", "default": draw(_TEXTS)}}},
            "steps": _steps(draw, keys, "${params.city}"),
        },
        "Agent": lambda draw: draw(_AGENTS),
        "ToolServer": lambda draw: draw(_SERVERS),
        "Calendar": lambda draw: draw(_CALENDARS),
    }  # fmt: skip


_AGENTS = st.fixed_dictionaries(
    {"scopes": st.just(["*"])},
    optional={
        "deny": st.just(["nothing.at_all"]), "contact": _TEXTS, "destructive": st.sampled_from(["approval", "granted"]),
        "rate_limits": st.just([{"tools": "llm.*", "calls": 3, "per": "60s"}]),
        "budgets": st.just([{"per": "day", "runs": 9, "cost": "1.50"}]),
    },
)  # fmt: skip
_SERVERS = st.one_of(
    st.fixed_dictionaries({"stdio": st.fixed_dictionaries({"command": st.just("mcp-x")}, optional={"args": st.lists(_TEXTS, max_size=2), "env": st.just({"TOKEN": "${secrets.token}"}), "cwd": st.just("srv")})}),
    st.fixed_dictionaries({"http": st.fixed_dictionaries({"url": st.just("https://tools.example.com/mcp")}, optional={"headers": st.just({"Authorization": "Bearer ${secrets.key}"})})}),
).flatmap(
    lambda transport: st.fixed_dictionaries(
        {name: st.just(value) for name, value in transport.items()},
        optional={"lifecycle": st.sampled_from(["always", "lazy", "per_run"]), "idle_stop": _SPANS, "call_timeout": _SPANS, "protocol": st.sampled_from(["auto", "legacy"]), "tools": st.just({"allow": ["do_*"], "deny": ["do_not"]}), "rate_limits": st.just([{"calls": 3, "per": "60s", "key": "to"}]), "limits": st.just({"result_bytes": 4096})},
    )
)  # fmt: skip
_CALENDARS = st.one_of(
    st.fixed_dictionaries({"timezone": st.just("Europe/Chisinau"), "dates": st.lists(st.dates().map(str), min_size=1, max_size=3)}),
    st.fixed_dictionaries({"timezone": st.just("UTC"), "ranges": st.just([{"from": "2026-12-24", "to": "2027-01-02"}]), "rules": st.just(["FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=1", {"rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "start": "2026-01-02"}])}),
    st.fixed_dictionaries({"timezone": st.just("Europe/Rome"), "windows": st.just([{"from": "22:00", "to": "06:00", "days": ["SA", "SU"]}])}, optional={"defer": st.just("9h")}),
    st.fixed_dictionaries({"timezone": st.just("UTC"), "ics": st.just("days.ics")}),
)  # fmt: skip


def _task(draw: st.DrawFn, keys: Mapping[str, list[str]]) -> Spec:
    found: Spec = draw(
        st.fixed_dictionaries(
            {"params": _OBJECTS.map(lambda some: {"city": "${vars.city}", "n": "${vars.n}"} | some)},
            optional={
                "catch_up": _CATCH_UP, "overlap": _OVERLAP, "priority": st.integers(1, 9), "timeout": _SPANS, "retry": _RETRY,
                "start_deadline": _SPANS, "pause_after_failures": st.integers(1, 9), "slo": _SLO, "notify": _NOTIFY, "concurrency": st.just({"key": "crm", "limit": 2}),
            },
        )
    )  # fmt: skip
    found["schedule"] = [_schedule(draw, keys) for _ in range(draw(st.integers(1, 3)))]
    if "Agent" in keys and draw(st.booleans()):
        found["agent"] = draw(st.sampled_from(keys["Agent"]))
    if "Pipeline" in keys and draw(st.booleans()):
        found["pipeline"] = {"use": draw(st.sampled_from(keys["Pipeline"])), "with": {"city": "Iași"}}  # fmt: skip
    else:
        found["pipeline"] = _steps(draw, keys, "${params.city}")
    return found


def _steps(draw: st.DrawFn, keys: Mapping[str, list[str]], city: str) -> list[Spec]:
    fields = st.fixed_dictionaries(
        {"uses": st.sampled_from(_tools(keys)), "with": _OBJECTS.map(lambda some: some | {"city": city, "at": "${now+24h}"})},
        optional={
            "if": st.booleans() | st.just("run.attempt > `1`"), "timeout": _SPANS, "retry": _RETRY, "effect": st.sampled_from(["pure", "idempotent", "once"]),
            "expect": st.just(["result.ok"]), "fail_when": st.just("result.bad"), "parse": st.sampled_from(["json", "text"]), "on_error": st.just("continue"),
            "cache": st.just({"ttl": "60s"}), "idempotency": st.just({"argument": "key"}), "on_unknown": st.sampled_from(["fail", "ask"]),
            "usage": st.just({"gen_ai.usage.input_tokens": "result.n"}), "approval": st.just({"by": ["ada"], "timeout": "24h"}), "max_parallel": st.integers(1, 9),
        },
    )  # fmt: skip
    steps: list[Spec] = []
    for number in range(draw(st.integers(1, 3))):
        step = {"id": f"s{number}"} | draw(fields)
        if step.get("retry", {}).get("retry_on") and step.get("effect") == "once":
            del step["retry"]
        if step.get("effect") != "once":
            step.pop("on_unknown", None)
        if step["uses"].startswith(("llm.", "ordinaut.")):
            step.pop("idempotency", None)
            step.pop("parse", None)
        if step["uses"].startswith("llm."):
            # What these answer is promised, and none of it is this.
            step.pop("expect", None)
            step.pop("fail_when", None)
            step.pop("usage", None)
        if step.get("effect") == "once" or step["uses"].startswith("ordinaut."):
            step.pop("cache", None)
        if number and draw(st.booleans()):
            step["needs"] = [f"s{draw(st.integers(0, number - 1))}"]
        steps.append(step)
    return steps


def _tools(keys: Mapping[str, list[str]]) -> list[str]:
    return [
        "llm.plan",
        "ordinaut.transform",
        *(f"{one}.do_it" for one in keys.get("ToolServer", ())),
    ]


def _schedule(draw: st.DrawFn, keys: Mapping[str, list[str]]) -> Spec:
    calendars = keys.get("Calendar", [])
    found: Spec = draw(
        st.one_of(
            st.fixed_dictionaries(
                {"rrule": st.sampled_from([["FREQ=DAILY;BYHOUR=8"], ["FREQ=WEEKLY;BYDAY=MO,FR;BYHOUR=9", "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=7"]]), "timezone": st.just("Europe/Chisinau")},
                optional={"start": st.just("2026-01-05T08:30"), "jitter": _SPANS, "until": st.sampled_from(["2036-12-31", "2036-12-31T18:00"]), "exdate": st.just(["2027-01-05T08:30"]), "rdate": st.just(["2027-02-05T08:30"]), "dst_gap": st.sampled_from(["shift", "skip"]), "dst_fold": st.sampled_from(["first", "second", "both"])},
            ),
            st.fixed_dictionaries({"cron": st.sampled_from(["@daily", "*/5 8-9 * * 1-5", "30 2 * * *"]), "timezone": st.just("America/New_York")}, optional={"jitter": _SPANS, "start": st.just("2026-01-05"), "dst_fold": st.just("second")}),
            st.fixed_dictionaries({"every": _SPANS}, optional={"start": st.just("2026-01-05T08:30Z"), "jitter": _SPANS}),
            st.fixed_dictionaries({"at": st.sampled_from([["2026-01-05T08:30Z"], ["2036-01-05T09:30+01:00", "2037-01-05T08:30Z"]])}, optional={"jitter": _SPANS}),
            st.fixed_dictionaries({"event": st.sampled_from(["orders.created", "orders.*"])}, optional={"debounce": _SPANS, "filter": st.just("data.n > `3`")}),
            st.fixed_dictionaries({"event": st.just("ordinaut.run.failed"), "batch": st.fixed_dictionaries({"within": _SPANS}, optional={"max": st.just(9)})}),
            st.fixed_dictionaries({"condition": _polls(keys)}),
            st.just({"manual": True}),
        )
    )  # fmt: skip
    if calendars and "condition" in found and draw(st.booleans()):
        found["exclude"] = [draw(st.sampled_from(calendars))]
    if calendars and found.keys() & {"rrule", "cron", "every"} and draw(st.booleans()):
        found["exclude"] = [draw(st.sampled_from(calendars))]
        # Moving is for what fires now and then.
        moving = ["skip", "next_included"] if "rrule" in found else ["skip"]
        found["on_excluded"] = draw(st.sampled_from(moving))
    return found


def _polls(keys: Mapping[str, list[str]]) -> st.SearchStrategy[Spec]:
    asked = {
        # Whose answer is promised to have a number is none of them.
        "uses": st.sampled_from([tool for tool in _tools(keys) if not tool.startswith("llm.")]),
        "every": _SPANS,
        "when": st.just("result.n > `30`"),
    }
    return st.one_of(
        st.fixed_dictionaries(asked, optional={"with": _OBJECTS, "edge": st.just("rising"), "rearm": st.just("result.n < `9`"), "for": _SPANS}),
        st.fixed_dictionaries(asked | {"edge": st.just("level")}, optional={"for": _SPANS}),
    )  # fmt: skip
