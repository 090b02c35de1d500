"""`ordinaut top` shows what happens now: in place on a terminal, one look after the other elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click
import psycopg
import pytest

from runtime.clock import SYSTEM_CLOCK
from runtime.store.connect import connect
from runtime.store.event_log import LogReader
from runtime.watching import Watch
from schemas.status import BusStatus
from schemas.top import Top
from tests.support.cli import Cli
from tests.support.factories import (
    NOON,
    insert_logged_event,
    insert_run,
    insert_schedule,
    insert_task,
)
from tests.support.probes import eventually

PROGRAM = (sys.executable, "-c", "import sys; from reconciler.cli import main; sys.exit(main())")
WAIT_SECONDS = 20.0


class Terminal:
    """`ordinaut` on a terminal of its own."""

    def __init__(
        self, *arguments: str, env: dict[str, str], rows: int = 24, columns: int = 80
    ) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(rows, columns)
        ours = os.environ  # noqa: TID251 - a process as its user starts it
        # These would be taken for the size of every terminal.
        inherited = {name: ours[name] for name in ours if name not in {"COLUMNS", "LINES"}}
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**inherited, "TERM": "xterm", **env},
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def shows(self, words: str) -> None:
        """Wait until these words come."""
        end = SYSTEM_CLOCK.monotonic() + WAIT_SECONDS
        while words not in self.text:
            left = end - SYSTEM_CLOCK.monotonic()
            assert left > 0, f"{words!r} did not come: {self.text[-2000:]!r}"
            if select.select([self._ours], [], [], left)[0]:
                self.text += os.read(self._ours, 65536).decode()

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed, as it does outside of programs that take it over."""
        return bool(termios.tcgetattr(self._ours)[3] & termios.ECHO)

    def is_stopped(self) -> bool:
        """Whether the process stands still."""
        found = os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG)
        return found is not None

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(WAIT_SECONDS)
        os.close(self._ours)


@pytest.fixture
def work(rows: psycopg.Connection) -> None:
    """A run under way, one that is queued, and a task that is to fire."""
    task = insert_task(rows, schedule={"cron": "0 8 * * *", "timezone": "UTC"})
    insert_schedule(rows, task, next_for=NOON + timedelta(days=40_000))
    insert_run(rows, task, state="queued", occurrence_for=NOON)
    insert_run(rows, task, state="running", occurrence_for=NOON + timedelta(hours=1))
    insert_run(rows, task, occurrence_for=NOON + timedelta(hours=2))
    rows.execute("insert into ordinaut.runtime (host, pid, version) values ('lab', 42, '1.0')")


@pytest.mark.usefixtures("work")
def test_elsewhere_each_look_is_printed_in_plain_text(cli: Cli) -> None:
    found = cli("top", "--count", "2", "--every", "200ms")

    assert found.status == 0
    assert "\x1b" not in found.stdout
    first, second, _ = found.stdout.split("All is well: 1 task, 1 runtime\n")[0:3]
    assert "runs      1 running, 0 waiting, 1 queued" in second
    states = [line.split()[2] for line in second.splitlines() if " briefing " in line]
    assert states == ["running", "queued"]
    assert first == ""
    assert all(len(line) <= 80 for line in found.lines)


@pytest.mark.usefixtures("work")
def test_a_look_is_a_line_of_json(cli: Cli) -> None:
    found = cli("top", "--count", "2", "--every", "200ms", "--json")

    looks = [Top.model_validate_json(line) for line in found.lines]
    assert len(looks) == 2
    assert [run.state for run in looks[0].active] == ["running", "queued"]
    assert [task.task for task in looks[0].upcoming] == ["briefing"]
    assert looks[0].rates.started == 0


def test_what_begins_and_ends_between_looks_is_counted(
    database: str, rows: psycopg.Connection
) -> None:
    with connect(database, read_only=True) as connection:
        watch = Watch(LogReader.from_now(connection, SYSTEM_CLOCK), SYSTEM_CLOCK)
        for kind in ("run.started", "run.started", "run.failed", "run.succeeded", "step.failed"):
            insert_logged_event(rows, kind)
        rates = watch.look(connection, BusStatus(stream="x"), limit=5).rates
        again = watch.look(connection, BusStatus(stream="x"), limit=5).rates

    assert (rates.started, rates.succeeded, rates.failed, rates.skipped) == (2, 1, 1, 0)
    assert again.started == 2


@pytest.fixture
def terminal(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.chdir(tmp_path)
    terminal = Terminal("top", "--every", "200ms", env={"ORDINAUT_DATABASE_URL": database})
    yield terminal
    terminal.close()


@pytest.mark.usefixtures("work")
def test_on_a_terminal_it_is_drawn_in_its_place_until_a_key_ends_it(
    terminal: Terminal,
) -> None:
    terminal.shows("\x1b[?1049h\x1b[?25l\x1b[H")
    terminal.shows("All is well")
    terminal.shows("\x1b[J\x1b[H")
    assert not terminal.echoes()

    terminal.press("q")
    terminal.shows("\x1b[?25h\x1b[?1049l")

    assert terminal.process.wait(WAIT_SECONDS) == 0
    assert terminal.echoes()


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(terminal: Terminal, number: int) -> None:
    terminal.shows("All is well")

    terminal.process.send_signal(number)
    terminal.shows("\x1b[?25h\x1b[?1049l")

    assert terminal.process.wait(WAIT_SECONDS) == 128 + number
    assert terminal.echoes()


@pytest.mark.usefixtures("work")
async def test_while_it_is_stopped_the_terminal_is_as_it_was(terminal: Terminal) -> None:
    terminal.shows("All is well")
    terminal.text = ""

    terminal.process.send_signal(signal.SIGTSTP)
    terminal.shows("\x1b[?25h\x1b[?1049l")
    # The screen is left before the terminal is given back, so what was written says too little.
    await eventually(terminal.echoes, "the terminal shows what is typed")
    # A signal to go on that came before it stops would be spent.
    await eventually(terminal.is_stopped, "the process is stopped")
    terminal.text = ""
    terminal.process.send_signal(signal.SIGCONT)
    terminal.shows("\x1b[?1049h\x1b[?25l")
    terminal.shows("All is well")

    assert not terminal.echoes()


@pytest.mark.usefixtures("work")
def test_a_database_that_goes_away_is_waited_for(
    terminal: Terminal, rows: psycopg.Connection
) -> None:
    allow = "update pg_database set datallowconn = %s where datname = current_database()"
    terminal.shows("All is well")
    rows.execute(allow, [False])
    rows.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'ordinaut top' and datname = current_database()"
    )
    terminal.shows("The database does not answer")
    terminal.text = ""
    rows.execute(allow, [True])

    terminal.shows("All is well")


@pytest.mark.usefixtures("work")
def test_it_fits_a_terminal_that_becomes_smaller(terminal: Terminal) -> None:
    terminal.shows("RUN ")
    terminal.resize(5, 20)

    # What was drawn before is read first.
    for _ in range(50):
        lines = screen(terminal)
        if len(lines) <= 5:
            break
    assert len(lines) <= 5
    assert max(map(len, lines)) == 20


def screen(terminal: Terminal) -> list[str]:
    """A screen that is drawn from now on."""
    for _ in range(2):
        terminal.text = ""
        terminal.shows("\x1b[J\x1b[H")
    return click.unstyle(terminal.text.partition("\x1b[J")[0]).split("\r\n")
