"""Webhooks: whose requests are taken, and which event each tells of."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.core.webhooks import Hook, NotAuthentic, NotUnderstood, Preset, Request, read_request

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
SECRET = "a secret of enough letters"
OTHER = "whsec_" + base64.b64encode(b"another one of these").decode()
BODY = b'{"type": "order.paid", "order": 17}'


def hook(preset: Preset = "generic", *secrets: str, **fields: Any) -> Hook:
    told = {"topic": None, "tolerance": timedelta(minutes=5), **fields}
    return Hook("home", "shop", preset, secrets or (SECRET,), **told)


def github(body: bytes = BODY, secret: str = SECRET, **headers: str) -> Request:
    digits = hmac.digest(secret.encode(), body, "sha256").hex()
    signed = {"x-hub-signature-256": f"sha256={digits}", "x-github-event": "push", "x-github-delivery": "d-1"}  # fmt: skip
    return Request(signed | headers, body)


def standard(
    body: bytes = BODY, secret: str = SECRET, at: datetime = NOW, event_id: str = "msg-1", **headers: str
) -> Request:  # fmt: skip
    stamp = str(int(at.timestamp()))
    is_coded = secret.startswith("whsec_")
    key = base64.b64decode(secret.removeprefix("whsec_")) if is_coded else secret.encode()
    mac = hmac.digest(key, f"{event_id}.{stamp}.".encode() + body, "sha256")
    named = {"webhook-id": event_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{base64.b64encode(mac).decode()}"}  # fmt: skip
    return Request(
        named | {name.replace("_", "-"): value for name, value in headers.items()}, body
    )


def test_what_github_posts_is_named_by_its_delivery_and_type() -> None:
    told = read_request(hook("github"), github(), NOW)

    assert (told.topic, told.event_id, told.source) == ("shop.push", "d-1", "home/shop")
    assert told.data == json.loads(BODY)


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_a_standard_webhook_is_named_by_its_id_and_type(secret: str) -> None:
    told = read_request(hook("generic", secret), standard(secret=secret), NOW)

    assert (told.topic, told.event_id) == ("shop.order.paid", "msg-1")


@pytest.mark.parametrize(
    "request_",
    [
        Request({"x-gitlab-token": SECRET, "x-gitlab-event-uuid": "u-1", "x-gitlab-event": "Push Hook"}, b"{}"),
        standard(b'{"object_kind": "Push_Hook"}', OTHER, event_id="u-1"),
    ],
)  # fmt: skip
def test_gitlab_may_repeat_the_secret_or_sign(request_: Request) -> None:
    told = read_request(hook("gitlab", SECRET, OTHER), request_, NOW)

    assert (told.topic, told.event_id) == ("shop.Push_Hook", "u-1")


@pytest.mark.parametrize(
    ("preset", "request_"),
    [
        ("github", github(secret="another secret of enough letters")),
        ("github", Request({"x-github-delivery": "d-1"}, BODY)),
        ("github", Request(github().headers, BODY + b" ")),
        ("github", github(**{"x-hub-signature-256": "sha256="})),
        ("github", github(**{"x-hub-signature-256": "sha256=ÿ\udcff"})),
        ("github", standard()),
        ("github", Request({"x-ordinaut-signature": github().headers["x-hub-signature-256"]}, BODY)),
        ("gitlab", Request({"x-gitlab-token": SECRET + "x"}, b"{}")),
        ("gitlab", Request({"x-gitlab-token": ""}, b"{}")),
        ("gitlab", Request({}, b"{}")),
        ("gitlab", github()),
        ("generic", standard(secret=OTHER)),
        ("generic", Request({}, BODY)),
        ("generic", github()),
        ("generic", Request({"x-gitlab-token": SECRET}, BODY)),
        ("generic", standard(webhook_id="msg-2")),
        ("generic", standard(webhook_timestamp=str(int(NOW.timestamp()) + 1))),
        ("generic", standard(webhook_timestamp="now")),
        ("generic", standard(webhook_timestamp="²")),
        ("generic", standard(webhook_timestamp="9" * 400)),
        ("generic", standard(at=NOW - timedelta(seconds=301))),
        ("generic", standard(at=NOW + timedelta(seconds=301))),
    ],
)  # fmt: skip
def test_what_nobody_who_knows_the_secret_sent_now_is_refused(
    preset: Preset, request_: Request
) -> None:
    with pytest.raises(NotAuthentic):
        read_request(hook(preset), request_, NOW)


def test_either_secret_is_right_while_they_are_exchanged() -> None:
    both = hook("github", "a secret that is not used any more", SECRET)

    assert read_request(both, github(), NOW).event_id == "d-1"


def test_a_timestamp_may_be_as_far_from_now_as_the_project_says() -> None:
    old = standard(at=NOW - timedelta(minutes=50))

    assert read_request(hook(tolerance=timedelta(hours=1)), old, NOW).event_id == "msg-1"


@pytest.mark.parametrize(
    "body",
    [b"", b"order=17", b"{", b"NaN", b"[" * 65 + b"]" * 65, b"[" * 100_000 + b"]" * 100_000, b"\xff"],
)  # fmt: skip
def test_what_cannot_be_kept_is_told_to_an_authentic_sender(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        read_request(hook(), standard(body), NOW)


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("orders.paid", "orders.paid"),
        ("shop.${event.type}", "shop.order.paid"),
        ("orders.${event.data.order}", "orders.17"),
    ],
)
def test_a_project_says_the_topic(topic: str, expected: str) -> None:
    assert read_request(hook(topic=topic), standard(), NOW).topic == expected


@pytest.mark.parametrize("topic", ["${event.data.order}", "a b", "ordinaut.run.failed", "a:${event.id}"])  # fmt: skip
def test_what_gives_no_topic_is_refused(topic: str) -> None:
    with pytest.raises(NotUnderstood, match="topic"):
        read_request(hook(topic=topic), standard(), NOW)


@pytest.mark.parametrize(
    ("kind", "topic"),
    [("", "shop"), ("a b:c", "shop.a_b_c"), ("../..", "shop"), (17, "shop"), ("Ünï", "shop.n")],
)
def test_a_type_becomes_what_a_topic_may_have(kind: object, topic: str) -> None:
    body = json.dumps({"type": kind}).encode()

    assert read_request(hook(), standard(body), NOW).topic == topic


def test_an_event_that_nobody_names_is_named_by_what_it_says() -> None:
    request = Request({"x-gitlab-token": SECRET}, b"{}")

    assert read_request(hook("gitlab"), request, NOW).event_id == hashlib.sha256(b"{}").hexdigest()
