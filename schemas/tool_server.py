"""The ToolServer document: an MCP server that steps may call."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from schemas import patterns
from schemas.agent import RateLimit
from schemas.base import Document, Flag, Integer, Model, PositiveDuration, ShortText, Text


class Stdio(Model):
    """A server that runs as a child process."""

    command: Text = Field(examples=["mcp-server-time", "./servers/weather.py"])
    """The program: a bare name is looked up beside the running interpreter, then on PATH; a name with a slash is relative to the project folder."""
    args: tuple[str, ...] = ()
    """Its arguments."""
    cwd: Text | None = None
    """The folder it runs in, relative to the project folder; the project folder when left out."""
    env: dict[ShortText, str] = Field(default_factory=dict)
    """Its environment, beside HOME, LANG, LOGNAME, PATH, SHELL, TERM and USER; secrets as `${secrets.name}`."""


class ClientCredentials(Model):
    """How access tokens are got from an OAuth 2.1 authorization server, by a program and without anybody's browser."""

    issuer: Text = Field(pattern=patterns.HTTP_URL, examples=["https://auth.example.com"])
    """The authorization server. The credentials go there and nowhere else, whatever the tool server says."""
    client_id: Text
    """Who Ordinaut is there."""
    client_secret: Text | None = Field(default=None, examples=["${secrets.crm}"])
    """What it proves that with, as `${secrets.name}`."""
    private_key: Text | None = Field(default=None, examples=["${secrets.crm_key}"])
    """Or the key that signs what it proves that with: PEM, as `${secrets.name}`."""
    algorithm: Literal["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"] = "RS256"
    """How the key signs."""
    credentials_in: Literal["header", "body"] = "header"
    """Where the secret stands in a request for a token."""
    scope: Text | None = None
    """What is asked for, separated by blanks; what the tool server says it needs when left out."""

    @model_validator(mode="after")
    def _exactly_one_proof(self) -> ClientCredentials:
        if (self.client_secret is None) == (self.private_key is None):
            raise ValueError("credentials have exactly one of client_secret and private_key")
        return self


class BrowserLogin(Model):
    """How access tokens are got where a person has to allow it in a browser: by `ordinaut tools login`."""

    login: Literal["browser"]
    """Always `browser`."""
    issuer: Text | None = Field(
        default=None, pattern=patterns.HTTP_URL, examples=["https://auth.example.com"]
    )
    """The authorization server, and no other, whatever the tool server says; the one that it names at a login when left out."""
    client_id: Text | None = Field(
        default=None, examples=["ordinaut", "https://example.com/ordinaut.json"]
    )
    """Who Ordinaut is there, or the address of a document that says it; when left out, or where such documents are not read, it registers itself."""
    client_secret: Text | None = Field(default=None, examples=["${secrets.crm}"])
    """What it proves that with, where it needs to, as `${secrets.name}`."""
    scope: Text | None = None
    """What is asked for, separated by blanks; what the tool server says it needs when left out."""

    @model_validator(mode="after")
    def _no_secret_for_anybody(self) -> BrowserLogin:
        if self.client_secret is not None and (self.client_id is None or self.issuer is None):
            raise ValueError("a client_secret needs the client_id and the issuer that it is for")
        return self


def _by_whom(value: Any) -> str:
    """The tag of `http.auth`: a program, or a person."""
    named = isinstance(value, BrowserLogin) or (isinstance(value, dict) and "login" in value)
    return "<browser>" if named else "<program>"


Authorization = Annotated[
    Annotated[ClientCredentials, Tag("<program>")] | Annotated[BrowserLogin, Tag("<browser>")],
    Discriminator(_by_whom),
]


class Tls(Model):
    """How a server is known, and how Ordinaut is. Each is PEM, or the path of a file that holds it, relative to the project folder."""

    ca: Text | None = Field(default=None, examples=["certificates/company.pem"])
    """Whose certificates are believed, in the place of those whom the system believes."""
    certificate: Text | None = None
    """What Ordinaut shows of itself, with its chain."""
    key: Text | None = Field(default=None, examples=["${secrets.crm_key}"])
    """The key of that certificate, not encrypted; when left out, it stands beside the certificate."""

    @model_validator(mode="after")
    def _no_key_alone(self) -> Tls:
        if self.key is not None and self.certificate is None:
            raise ValueError("tls.key belongs to a tls.certificate")
        return self


class Http(Model):
    """A server reached over HTTP."""

    url: Text = Field(pattern=patterns.HTTP_URL, examples=["https://tools.example.com/mcp"])
    """The endpoint."""
    transport: Literal["streamable", "sse"] = "streamable"
    """How it answers: `sse` is HTTP+SSE as the protocol had it before 2025-03-26, and as some servers still have it."""
    headers: dict[ShortText, str] = Field(default_factory=dict)
    """Headers sent with every request; secrets as `${secrets.name}`."""
    auth: Authorization | None = None
    """How to get the access tokens that the server wants."""
    tls: Tls | None = None
    """How the server is known, and Ordinaut is, where the system's trust will not do."""

    @model_validator(mode="after")
    def _encrypted(self) -> Http:
        if self.tls is not None and not self.url.lower().startswith("https:"):
            raise ValueError("tls is for an address with https")
        return self


class ToolFilter(Model):
    """Which of the server's tools may be used; patterns such as `list_*`."""

    allow: tuple[Text, ...] = ("*",)
    """Tools that may be called."""
    deny: tuple[Text, ...] = ()
    """Tools that may not, even if allowed above."""


class ServerRateLimit(RateLimit):
    """So many calls may follow at once on one another, whoever makes them, and on average no more are made in that time."""

    tools: Text = "*"
    """The tools of the server that share the limit; a pattern such as `list_*`."""


class ServerLimits(Model):
    """What a server may use."""

    result_bytes: Integer = Field(default=1_048_576, ge=1024, le=268_435_456)
    """The largest answer that is accepted."""
    memory_bytes: Integer | None = Field(default=None, ge=16_777_216)
    """Replace a child process that has more memory than this, together with all it started. It is looked at every ten seconds."""
    max_age: PositiveDuration | None = None
    """Replace a child process that is older than this. Calls under way end on the old one, and new ones go to a fresh one."""


class Sandbox(Model):
    """What a child process may do. Where the system cannot keep it to that, the server is not started."""

    user: ShortText | None = Field(default=None, examples=["nobody"])
    """The system user it runs as; only a runtime of root's can choose another than its own."""
    network: Flag = True
    """Whether it may use the network. Without it, it has a loopback of its own and nothing else; Linux alone can do that."""
    open_files: Integer | None = Field(default=None, ge=16)
    """How many files it may have open."""


class ToolServer(Document):
    """An MCP server that steps may call as `name.tool`."""

    kind: Literal["ToolServer"]
    """Always `ToolServer`."""
    stdio: Stdio | None = None
    """Run the server as a child process."""
    http: Http | None = None
    """Reach the server over HTTP."""
    protocol: Literal["auto", "legacy", "2026-07-28"] = "auto"
    """The protocol revision to speak; `auto` finds out."""
    lifecycle: Literal["always", "lazy", "per_run"] = "lazy"
    """Keep it running, start it when needed, or start it anew for every run."""
    idle_stop: PositiveDuration = timedelta(minutes=5)
    """Stop a `lazy` server that was not used for so long."""
    max_concurrency: Integer = Field(default=4, ge=1, le=1000)
    """How many calls may be under way at once."""
    connect_timeout: PositiveDuration = timedelta(seconds=30)
    """The longest time to start and connect."""
    call_timeout: PositiveDuration = timedelta(seconds=30)
    """The longest time a call may take, unless its step says otherwise."""
    tools: ToolFilter = ToolFilter()
    """Which of its tools may be used."""
    on_contract_change: Literal["refuse", "warn"] = "refuse"
    """What to do when a tool no longer matches the tool lock."""
    rate_limits: tuple[ServerRateLimit, ...] = ()
    """How often its tools may be called, by all tasks and agents together."""
    limits: ServerLimits = ServerLimits()
    """What the server may use."""
    sandbox: Sandbox | None = None
    """What a child process may do."""

    @model_validator(mode="after")
    def _exactly_one_transport(self) -> ToolServer:
        if (self.stdio is None) == (self.http is None):
            raise ValueError("a tool server has exactly one of stdio and http")
        return self

    @model_validator(mode="after")
    def _an_older_transport_speaks_no_newer_revision(self) -> ToolServer:
        is_older = self.http is not None and self.http.transport == "sse"
        if is_older and self.protocol == "2026-07-28":
            raise ValueError("transport: sse is older than the protocol 2026-07-28")
        return self

    @model_validator(mode="after")
    def _only_children_are_ours(self) -> ToolServer:
        limits = self.limits
        for name, value in (
            ("limits.memory_bytes", limits.memory_bytes),
            ("limits.max_age", limits.max_age),
            ("sandbox", self.sandbox),
        ):
            if self.stdio is None and value is not None:
                raise ValueError(f"{name} is for a child process, so for a server with stdio")
        return self
