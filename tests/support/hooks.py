"""Projects with webhooks, and requests as their senders make them."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path
from typing import Any

import psycopg

from reconciler.core.digest import normalised
from runtime.clock import SYSTEM_CLOCK
from schemas.project import Project
from tests.support.factories import insert_revision, insert_spec

SECRET = "a secret of enough letters"
HEAD = {"apiVersion": "ordinaut/v1", "kind": "Project"}


def declare(
    rows: psycopg.Connection, folder: Path, name: str = "home", **webhooks: dict[str, Any]
) -> None:
    """A Project with these webhooks; what they name as `${secrets.hook}` is `SECRET`."""
    (folder / "hook").write_text(f"{SECRET}\n")
    document = {
        **HEAD,
        "name": name,
        "secrets": {"hook": {"file": str(folder / "hook")}},
        "webhooks": {name: {"secret": "${secrets.hook}", **one} for name, one in webhooks.items()},
    }
    body = normalised(Project.model_validate(document))
    insert_spec(rows, body, revision_id=insert_revision(rows))


def github(
    body: bytes, delivery: str, *, event: str = "push", secret: str = SECRET
) -> dict[str, str]:
    """Headers as GitHub sends them."""
    digits = hmac.digest(secret.encode(), body, "sha256").hex()
    return {
        "x-hub-signature-256": f"sha256={digits}",
        "x-github-event": event,
        "x-github-delivery": delivery,
    }


def standard(
    body: bytes, event_id: str, *, secret: str = SECRET, late: float = 0
) -> dict[str, str]:
    """Headers as Standard Webhooks ask for, signed so many seconds ago."""
    stamp = str(int(SYSTEM_CLOCK.now().timestamp() - late))
    mac = hmac.digest(secret.encode(), f"{event_id}.{stamp}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": event_id, "webhook-timestamp": stamp, "webhook-signature": signature}
