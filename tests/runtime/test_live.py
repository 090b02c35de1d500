"""From live documents to what runs use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runtime.clock import SYSTEM_CLOCK
from runtime.core.tls import Tls
from runtime.keyring import Keyring
from runtime.live import Scope, assemble
from runtime.store.runtimes import LiveSpec
from runtime.tools.definition import (
    BrowserLogin,
    ClientCredentials,
    HttpTransport,
    Sandbox,
    StdioTransport,
)
from schemas.spec import KINDS

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def document(kind: str, name: str, namespace: str = "default", **fields: Any) -> LiveSpec:
    model = KINDS[kind].model_validate(
        {"apiVersion": "ordinaut/v1", "kind": kind, "name": name, "namespace": namespace, **fields}
    )
    body = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return LiveSpec(kind, namespace, name, "home", body)


def test_a_server_becomes_a_definition_under_the_name_steps_use(tmp_path: Path) -> None:
    local = document(
        "ToolServer",
        "time",
        stdio={"command": "mcp-server-time", "args": ["-v"]},
        call_timeout="5s",
        limits={"memory_bytes": 100_000_000, "max_age": "1h"},
        sandbox={"user": "nobody", "network": False, "open_files": 64},
    )
    remote = document(
        "ToolServer",
        "web",
        "ops",
        http={"url": "https://x/mcp", "headers": {"A": "b"}, "transport": "sse"},
    )

    live = assemble(7, [local, remote], Keyring(tmp_path, SYSTEM_CLOCK), NOW)

    first, second = live.servers
    assert (live.revision_id, first.key, second.key) == (7, "time", "ops/web")
    assert first.transport == StdioTransport(
        "mcp-server-time", ("-v",), sandbox=Sandbox("nobody", False, 64)
    )
    assert first.call_timeout == timedelta(seconds=5)
    assert (first.memory_bytes, first.max_age) == (100_000_000, timedelta(hours=1))
    assert (second.memory_bytes, second.max_age) == (None, None)
    assert second.transport == HttpTransport("https://x/mcp", {"A": "b"}, form="sse")


def test_a_login_by_browser_is_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cr3t")
    project = document("Project", "home", secrets={"token": {"file": "token"}})
    auth = {
        "login": "browser",
        "issuer": "https://i",
        "client_id": "us",
        "client_secret": "${secrets.token}",
    }
    server = document("ToolServer", "x", http={"url": "https://x/mcp", "auth": auth})

    (definition,) = assemble(1, [project, server], Keyring(tmp_path, SYSTEM_CLOCK), NOW).servers

    expected = BrowserLogin("browser", "https://i", "us", "s3cr3t")
    assert definition.transport == HttpTransport("https://x/mcp", {}, expected)
    assert "s3cr3t" not in repr(definition)


def test_the_credentials_of_a_server_are_filled_in_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cr3t")
    project = document("Project", "home", secrets={"token": {"file": "token"}})
    auth = {
        "issuer": "https://i",
        "client_id": "ordinaut",
        "client_secret": "${secrets.token}",
        "scope": "a b",
    }
    tls = {"ca": "ca.pem", "certificate": "our.pem", "key": "${secrets.token}"}
    http = {"url": "https://x/mcp", "auth": auth, "tls": tls}
    server = document("ToolServer", "x", http=http)

    (definition,) = assemble(1, [project, server], Keyring(tmp_path, SYSTEM_CLOCK), NOW).servers

    expected = ClientCredentials("https://i", "ordinaut", "s3cr3t", scope="a b")
    shown = Tls("ca.pem", "our.pem", "s3cr3t")
    assert definition.transport == HttpTransport("https://x/mcp", {}, expected, shown)
    assert "s3cr3t" not in repr(definition)


def test_secrets_are_filled_in_and_told_to_whoever_must_blot_them_out(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cr3t")
    project = document("Project", "home", secrets={"token": {"file": "token"}})
    server = document(
        "ToolServer",
        "x",
        stdio={"command": "x", "env": {"T": "Bearer ${secrets.token}", "U": "plain"}},
    )

    keyring = Keyring(tmp_path, SYSTEM_CLOCK)

    (definition,) = assemble(1, [project, server], keyring, NOW).servers

    assert isinstance(definition.transport, StdioTransport)
    assert definition.transport.env == {"T": "Bearer s3cr3t", "U": "plain"}
    assert keyring.redact("it is s3cr3t") == "it is [redacted]"
    assert "s3cr3t" not in repr(definition)


def test_a_server_whose_secret_is_missing_is_broken_and_the_others_are_not(tmp_path: Path) -> None:
    project = document("Project", "home", secrets={"token": {"file": "nowhere"}})
    broken = document(
        "ToolServer", "broken", stdio={"command": "x", "env": {"T": "${secrets.token}"}}
    )
    sound = document("ToolServer", "sound", stdio={"command": "x"})

    live = assemble(1, [project, broken, sound], Keyring(tmp_path, SYSTEM_CLOCK), NOW)

    assert [definition.key for definition in live.servers] == ["sound"]
    assert live.broken["broken"].code == "ORD410"


def test_agents_bring_their_scopes(tmp_path: Path) -> None:
    agent = document("Agent", "assistant", scopes=["mail.*"], deny=["mail.delete_*"])

    scope = assemble(1, [agent], Keyring(tmp_path, SYSTEM_CLOCK), NOW).agents["assistant"]

    assert scope == Scope(("mail.*",), ("mail.delete_*",))
    assert scope.permits("mail.list")
    assert not scope.permits("mail.delete_all")
    assert not scope.permits("calendar.list")
