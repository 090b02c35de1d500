"""A worker: domains and e-mail addresses as people type them, as they are. It asks nobody, neither DNS nor mail servers."""

from __future__ import annotations

import re
from typing import Any

from mcp.server.mcpserver import MCPServer
from worker import Row, answers, serve

FREE = {"freemail.example", "postbox.example"}
DISPOSABLE = {"throwaway.example"}
ROLES = {"admin", "contact", "hello", "info", "office", "sales", "support", "team"}
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}")
_USER = re.compile(r"(?=.{1,64}$)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")

server = MCPServer("hygiene-worker")


@server.tool()
def normalise_domain(chunk: str, rows: list[Row]) -> dict[str, Any]:
    """The domain of a company: of its `website`, else of a business `email`."""
    return answers(chunk, rows, domain_of)


@server.tool()
def validate_email(chunk: str, rows: list[Row]) -> dict[str, Any]:
    """Whether `email` is an address, and of which kind: business, role, free, disposable or malformed."""
    return answers(chunk, rows, email_of)


def domain_of(website: str | None, email: str | None = None) -> Row:
    """The domain, and where it was found."""
    host = (website or "").strip().lower()
    host = re.sub(r"^(mailto:[^@]*@|[a-z]+:/{1,2}|//)", "", host)
    host = re.split(r"[/?#:]", host, maxsplit=1)[0].strip(".").removeprefix("www.")
    try:
        host = host.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if _DOMAIN.fullmatch(host):
        return {"domain": host, "found_in": "website"}
    address = email_of(email)
    if address["kind"] in {"business", "role"}:
        return {"domain": address["address"].partition("@")[2], "found_in": "email"}
    return {"domain": None, "found_in": None}


def email_of(email: str | None) -> Row:
    """The address, and what kind it is."""
    text = re.sub(r"\s*\(at\)\s*", "@", (email or "").strip().lower())
    text = text.removeprefix("mailto:").strip("<>").rstrip(".,;")
    user, at, domain = text.partition("@")
    if not (at and _USER.fullmatch(user) and _DOMAIN.fullmatch(domain)):
        return {"address": None, "kind": "malformed"}
    kind = "business"
    if domain in DISPOSABLE:
        kind = "disposable"
    elif domain in FREE:
        kind = "free"
    elif user in ROLES:
        kind = "role"
    return {"address": text, "kind": kind}


if __name__ == "__main__":
    serve(server)
