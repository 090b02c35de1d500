"""Webhooks: whether a request was sent by somebody who knows the secret, now, and which event it tells of.

GitHub signs the body, and names the delivery in a header. GitLab repeats the secret in a header, or signs as Standard Webhooks do.
Anybody else signs as Standard Webhooks (https://www.standardwebhooks.com) ask for: id, timestamp and body together, so that
neither can be exchanged, and an old request is refused. Secrets are compared in the same time whatever differs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import orjson

from runtime.core.authenticity import Secret, Signatures, secret_of
from runtime.core.expressions import Context, compile_template
from runtime.core.expressions.syntax import json_depth
from runtime.core.hearing import OWN
from runtime.core.identity import short_key
from schemas.patterns import TOPIC

Preset = Literal["github", "gitlab", "generic"]

DEEPEST: Final = 64
"""How deep lists and objects of a body may stand in each other."""
_GITHUB: Final = ("x-hub-signature-256",)
_STANDARD: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_MOST_DIGITS: Final = 12
_NO_TOPIC: Final = re.compile(r"[^A-Za-z0-9._/-]+")


class NotAuthentic(Exception):
    """A request that nobody who knows the secret sent, or not now; its text may be told to whoever sent it."""


class NotUnderstood(Exception):
    """A request that is authentic, and tells of nothing that can be kept."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came.

    Attributes:
        headers: values by name in small letters.
    """

    headers: Mapping[str, str]
    body: bytes

    def first(self, *names: str) -> str | None:
        """The value of the first of these headers that is there and not empty."""
        return next((value for name in names if (value := self.headers.get(name))), None)


@dataclass(frozen=True, slots=True, repr=False)
class Hook:
    """A webhook as a Project declares it, with its secrets read.

    Attributes:
        name: how it is addressed, behind the name of its project.
        secrets: any of which may be right: the new and the old one while they are exchanged.
        topic: the template of the topic; None for the name of the hook and the type that the request tells.
        tolerance: how far from now a signed timestamp may be.
    """

    project: str
    name: str
    preset: Preset
    secrets: tuple[str, ...]
    topic: str | None
    tolerance: timedelta


@dataclass(frozen=True, slots=True)
class Told:
    """What a request tells of."""

    topic: str
    event_id: str
    source: str
    data: Any


def read_request(hook: Hook, request: Request, now: datetime) -> Told:
    """Check a request, and say which event it tells of.

    Raises:
        NotAuthentic: a signature is missing, wrong, or too old.
        NotUnderstood: the body is no JSON, nested too deeply, or gives no topic.
        ConfigError: a secret is no secret for this purpose.
    """
    require_authentic(hook, request, now)
    data = read_json(request.body)
    kind = _type_of(hook, request, data)
    event_id = _id_of(hook, request)
    return Told(
        _topic(hook, kind, event_id, data, now), event_id, f"{hook.project}/{hook.name}", data
    )


def read_json(body: bytes) -> Any:
    """What a body says.

    Raises:
        NotUnderstood: it is no JSON, or nested too deeply.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotUnderstood("the body is no JSON: have the sender use application/json") from None
    if json_depth(data) > DEEPEST:
        raise NotUnderstood(f"the body is nested deeper than {DEEPEST} levels")
    return data


def require_authentic(hook: Hook, request: Request, now: datetime) -> None:
    """Refuse a request that nobody who knows one of the secrets sent, or not now.

    Raises:
        NotAuthentic: it was.
    """
    secrets = [_signing(text) for text in hook.secrets]
    match hook.preset:
        case "github":
            holds = _hold(request, _GITHUB, secrets)
        case "gitlab" if request.first("webhook-signature") is None:
            holds = _repeats(request.headers.get("x-gitlab-token", ""), hook.secrets)
        case _:
            _require_recent(request, now, hook.tolerance)
            holds = _hold(request, _STANDARD, secrets)
    if not holds:
        raise NotAuthentic("no right signature")


def _signing(text: str) -> Secret:
    """A secret that also signs as Standard Webhooks do if it is not in their form: with its letters."""
    secret = secret_of(text)
    return secret if secret.standard_key is not None else replace(secret, standard_key=secret.key)


def _hold(request: Request, names: Sequence[str], secrets: Sequence[Secret]) -> bool:
    headers = [
        (name.encode(), request.headers[name].encode("utf-8", "surrogateescape"))
        for name in names
        if name in request.headers
    ]
    signatures = Signatures(headers, secrets)
    signatures.update(request.body)
    return signatures.hold()


def _repeats(given: str, secrets: Sequence[str]) -> bool:
    """Whether a header repeats one of the secrets; all are compared, and digests, which are equally long."""
    digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
    same = [hmac.compare_digest(digest, hashlib.sha256(one.encode()).digest()) for one in secrets]
    return any(same)


def _require_recent(request: Request, now: datetime, tolerance: timedelta) -> None:
    given = request.headers.get("webhook-timestamp", "")
    if not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise NotAuthentic("webhook-timestamp is no time in seconds since 1970")
    if abs(now.timestamp() - int(given)) > tolerance.total_seconds():
        raise NotAuthentic("webhook-timestamp is too far from now")


def _id_of(hook: Hook, request: Request) -> str:
    """What the event is called; what a sender does not name is named by what it says."""
    match hook.preset:
        case "github":
            given = request.first("x-github-delivery")
        case "gitlab":
            given = request.first("webhook-id", "idempotency-key", "x-gitlab-event-uuid")
        case _:
            given = request.first("webhook-id")
    return short_key(given) if given else hashlib.sha256(request.body).hexdigest()


def _type_of(hook: Hook, request: Request, data: Any) -> str:
    said = data if isinstance(data, dict) else {}
    match hook.preset:
        case "github":
            found = request.first("x-github-event")
        case "gitlab":
            found = (
                said.get("object_kind")
                or said.get("event_name")
                or request.first("x-gitlab-event")
            )
        case _:
            found = said.get("type")
    return found if isinstance(found, str) else ""


def _topic(hook: Hook, kind: str, event_id: str, data: Any, now: datetime) -> str:
    typed = _NO_TOPIC.sub("_", kind).strip("._/-")
    named = f"{hook.name}.{typed}" if typed else hook.name
    return topic_of(hook.topic or named, kind, event_id, data, now)


def topic_of(template: str, kind: str, event_id: str, data: Any, now: datetime) -> str:
    """The topic that a template makes for an event of this type and id.

    Raises:
        NotUnderstood: what it makes is none.
        ExpressionError: it cannot be filled in.
    """
    event = {"type": kind, "id": event_id, "data": data}
    topic = compile_template(template).render(Context(now=now, event=event))
    if not isinstance(topic, str) or re.search(TOPIC, topic) is None or topic.startswith(OWN):
        raise NotUnderstood("it gives no topic that an event can have")
    return topic
