"""The Project document: what a repository of specs is called, its variables, secrets, environments and guards."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from schemas.base import (
    Document,
    Identifier,
    Integer,
    Model,
    Name,
    PositiveDuration,
    QualifiedName,
    ShortText,
    Text,
    TimeZone,
)
from schemas.codes import CODES
from schemas.language_model import LanguageModels
from schemas.money import Price
from schemas.notify import Notify
from schemas.pipeline import Retry
from schemas.process import Process
from schemas.rules import Guards, HealPolicy, Policy, Proposals
from schemas.slo import Slo
from schemas.stream import Stream
from schemas.task import CatchUp, Overlap
from schemas.webhook import Webhook

SECRET_CACHE: Final = timedelta(minutes=5)
"""How long what a program printed is used where its secret does not say."""


# What PostgreSQL and Ordinaut have already, as databases or roles.
_TAKEN: Final = frozenset({"ordinaut", "postgres", "template0", "template1", "public"})


class Secret(Model):
    """Where a secret is read from when it is needed; its value is never stored."""

    env: ShortText | None = None
    """An environment variable of the runtime."""
    file: Text | None = None
    """A file that the runtime may read; its content without the last newline."""
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        default=None, examples=[["op", "read", "op://mail/token"]]
    )
    """A program that prints it, with its arguments; it is looked up as that of a tool server, and gets the runtime's environment without Ordinaut's own settings."""
    database: Identifier | None = Field(default=None, examples=["shop"])
    """The URL of a database of this name, which `ordinaut up` makes in the embedded PostgreSQL, with a role of its own that owns it. Elsewhere an environment's overlay says where else the secret is read."""
    extensions: tuple[Literal["vector"], ...] | None = None
    """Extensions that the database comes with although only a superuser may create them: pgvector as `vector`. Others its owner creates."""
    cache: PositiveDuration | None = None
    """How long what the command printed may be used before it is asked again; 5 minutes when left out."""

    @model_validator(mode="after")
    def _exactly_one_source(self) -> Secret:
        sources = (self.env, self.file, self.command, self.database)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("a secret has exactly one of env, file, command and database")
        if self.extensions is not None and self.database is None:
            raise ValueError("only a database has extensions")
        if self.database in _TAKEN or (self.database or "").startswith("pg_"):
            raise ValueError(f"the database {self.database} is not this project's: name another")
        if self.cache is not None and self.command is None:
            raise ValueError(
                "only what a command prints has a cache: the others are read whenever they are needed"
            )
        return self


class NamespaceDefaults(Model):
    """Values that the documents of a namespace take where they say nothing."""

    owner: ShortText | None = None
    """Who answers."""
    agent: QualifiedName | None = None
    """The agent of tasks."""
    timezone: TimeZone | None = None
    """The zone of schedules and calendars that need one and name none."""
    catch_up: CatchUp | None = None
    """Catch-up of tasks."""
    overlap: Overlap | None = None
    """Overlap of tasks."""
    priority: Integer | None = Field(default=None, ge=1, le=9)
    """Priority of tasks."""
    timeout: PositiveDuration | None = None
    """Timeout of tasks."""
    retry: Retry | None = None
    """Retry of tasks."""
    notify: Annotated[tuple[Notify, ...], Field(max_length=20)] | None = None
    """Who is told when something happens to tasks."""
    slo: Slo | None = None
    """What is promised of the runs of tasks."""


class Defaults(NamespaceDefaults):
    """Values that documents take where they say nothing."""

    namespace: Name | None = None
    """The namespace."""
    namespaces: dict[Name, NamespaceDefaults] | None = None
    """Values that come before these, for the documents of a namespace."""


LintLevel = Literal["off", "note", "warning", "error"]
"""How much a lint rule matters."""


def _is_rule(code: str) -> str:
    if not code.startswith("ORD8") or code not in CODES:
        raise ValueError(f"there is no lint rule {code}; docs/errors.md lists them")
    return code


LintLevels = dict[Annotated[str, AfterValidator(_is_rule)], LintLevel]


class Environment(Model):
    """One place where the same specs run, such as staging."""

    variables: dict[Identifier, Any] = Field(default_factory=dict)
    """Values of `${vars.…}` there."""
    overlay: Text | None = None
    """A folder of partial documents laid over the specs, relative to this file."""
    lint: LintLevels | None = None
    """How much lint rules matter there; the Project's `lint` for those that are not named."""


class Project(Document):
    """The head of a specs folder, in `ordinaut.yaml`; it owns every document beside it."""

    kind: Literal["Project"]
    """Always `Project`."""
    variables: dict[Identifier, Any] = Field(default_factory=dict)
    """Values of `${vars.…}`, filled in when a plan is made."""
    secrets: dict[Identifier, Secret] = Field(default_factory=dict)
    """Where `${secrets.…}` are read when a step needs them."""
    models: LanguageModels | None = None
    """The language models that `llm.*` steps ask; without any they answer offline."""
    webhooks: Annotated[dict[Name, Webhook], Field(max_length=100)] | None = None
    """Where others post events, by name: the web side takes them at `/hooks/PROJECT/NAME`."""
    streams: Annotated[dict[Name, Stream], Field(max_length=100)] | None = None
    """Redis streams whose entries are events, by name."""
    processes: Annotated[dict[Name, Process], Field(max_length=100)] | None = None
    """Programs that `ordinaut up` runs beside itself, by name."""
    defaults: Defaults = Defaults()
    """Values for what documents leave out."""
    environments: dict[Identifier, Environment] = Field(default_factory=dict)
    """The places where these specs run."""
    guards: Guards = Guards()
    """Changes that are refused."""
    policies: Annotated[dict[Name, Policy], Field(max_length=100)] | None = None
    """Rules of your own for plans, by name; 100 at most."""
    proposals: Proposals | None = None
    """Which agents may merge what they propose; none when left out."""
    prices: Annotated[tuple[Price, ...], Field(max_length=1000)] | None = None
    """What the tokens of models cost, for calls whose tools do not tell. Of the patterns that name a model the first counts, and
    of its prices the last that holds already."""
    heal: HealPolicy = "alert"
    """What to do about changes that did not come through git."""
    lint: LintLevels | None = Field(default=None, examples=[{"ORD801": "off"}])
    """How much lint rules matter, by code."""
