"""What plan and apply cost with 10,000 tasks, whole commands and their memory, and Terraform beside them if it is there.

Run: python tests/bench/bench_plan.py [TASKS] [OBJECTS-FOR-TERRAFORM, 0 for none]

The tasks are files in a git repository, no two of them fire at the same times, and the database is an embedded PostgreSQL
with its ordinary, durable settings. Each command is a process of its own, timed from its start to its end: imports, git,
reading, compiling, the database, printing. Cold is without what earlier commands remembered. Seconds are by the clock on
the wall; those of a core count the command and the git that it asks, not the database. A busy machine stretches the first
far more than the second, so the load is printed too.

The transaction of an apply is from the plan that `apply --json` prints to the result that it prints when all is committed.
Leasing is measured beside such applies in three states: with no command running; while one imports, compiles and plans,
which takes as much of the machine but holds no lock; and while the transaction is open.

Terraform gets as many of its built-in `terraform_data`, which call no provider; it needs most of an hour to create 10,000
of them, so it gets 1,000. Limits are for 10,000 tasks on two cores that do nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from runtime.clock import SYSTEM_CLOCK
from runtime.config import base_environment
from runtime.embedded import EmbeddedServers
from runtime.store.migrate import migrate
from tests.bench.leasing import BATCH, WORKERS, Leasing, Window, leasing, percentiles, within

TASKS, OBJECTS, CHANGES = 10_000, 1_000, 500
RUNS = 5
QUIET_SECONDS = 5.0
LOOK_SECONDS = 0.1
# More than are leased meanwhile.
QUEUED = 60_000
MEGABYTES = 400
# How much longer than while only a plan is made a lease may take at p99 while that plan is carried out.
DISTURBED = 2.0
ORDINAUT = str(Path(sys.executable).with_name("ordinaut"))
ZONES = (
    "Europe/Chisinau", "Europe/Rome", "Europe/Berlin", "Europe/London", "America/New_York", "America/Chicago",
    "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Tokyo", "Australia/Sydney", "UTC",
)  # fmt: skip
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA,SU", "MO,WE,FR")
TASK = """\
apiVersion: ordinaut/v1
kind: Task
name: task-{number}
owner: team-{team:02}
description: What team {team:02} reads before it begins
schedule: {schedule}
catch_up: {{policy: latest, window: {window}}}
timeout: 10m
retry: {{attempts: 3, backoff: exponential, initial: 1s, max: 5m}}
pipeline:
  - id: brief
    uses: llm.plan
    with: {{goal: "Brief {number} of team {team:02} as of ${{now}}"}}
    save_as: brief
  - id: short
    uses: llm.summarize
    with: {{text: "${{steps.brief}}"}}
"""
TERRAFORM = """\
resource "terraform_data" "task" {{
  count = {number}
  input = {{ name = "task-${{count.index}}", schedule = "0 9 * * *", goal = "Brief team ${{count.index % 100}}" }}
}}
"""
PROPORTIONAL = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers")


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        core_seconds: of a core's time, without the database's.
        megabytes: the most memory that it and the processes that it started held together, looked at ten times a second, or
            the most that one of them held, if that is more. The system counts there what this process held when it started
            the command, some 50 MB, and more once there are workers in it: so commands go before them.
        lines: when each line was printed, and how it begins.
    """

    seconds: float
    core_seconds: float
    megabytes: int
    lines: tuple[tuple[float, bytes], ...]

    @property
    def transaction(self) -> Window:
        """From the plan to the result of `apply --json`."""
        times = {line.partition(b",")[0]: at for at, line in self.lines}
        return times[b'{"type":"plan"'], times[b'{"type":"result"']


@dataclass
class Table:
    """Measured rows."""

    rows: list[str] = field(default_factory=list)

    def add(self, name: str, costs: Sequence[Cost], limit: float = 0) -> None:
        """Note what a command took, in one run or several; a limit of 0 is none."""
        self._note(
            name,
            [cost.seconds for cost in costs],
            f"{statistics.median(cost.core_seconds for cost in costs):.2f}",
            max(cost.megabytes for cost in costs),
            limit,
        )

    def add_spans(self, name: str, spans: Sequence[Window], limit: float = 0) -> None:
        """Note what a part of a command took."""
        self._note(name, [end - begin for begin, end in spans], "", 0, limit)

    def add_terraform(self, name: str, cost: Cost) -> None:
        """Note what Terraform took."""
        self._note(name, [cost.seconds], f"{cost.core_seconds:.2f}", cost.megabytes, 0, ours=False)

    def _note(
        self,
        name: str,
        seconds: Sequence[float],
        core: str,
        megabytes: int,
        limit: float,
        *,
        ours: bool = True,
    ) -> None:
        least, middle = min(seconds), statistics.median(seconds)
        verdicts = []
        if limit:
            fits = "ok" if middle < limit else "ok at best" if least < limit else "TOO SLOW"
            verdicts.append(f"{limit:.0f} s: {fits}")
        if ours and megabytes:
            verdicts.append(f"{MEGABYTES} MB: {'ok' if megabytes < MEGABYTES else 'TOO MUCH'}")
        self.rows.append(
            f"| {name} | {len(seconds)} | {least:.2f} | {middle:.2f} | {core} | {megabytes or ''} |"
            f" {', '.join(verdicts)} |"
        )

    def show(self) -> None:
        """Print what was noted."""
        print("| what | runs | seconds, least | median | of a core | peak MB | limits |")
        print("|---|---:|---:|---:|---:|---:|---|")
        print("\n".join(self.rows))


@dataclass(frozen=True)
class Place:
    """A repository, and the database that its specs are applied to."""

    folder: Path
    database: str

    @property
    def state(self) -> Path:
        """Where Ordinaut remembers."""
        return self.folder / ".ordinaut"

    def command(self, *words: str) -> Cost:
        """Run Ordinaut."""
        settings = {"ORDINAUT_DATABASE_URL": self.database, "ORDINAUT_STATE_DIR": str(self.state)}
        return run([ORDINAUT, *words], self.folder, settings)

    def several(self, *words: str) -> list[Cost]:
        """The same, several times."""
        return [self.command(*words) for _ in range(RUNS)]

    def forget(self) -> None:
        """Drop what earlier commands remembered."""
        shutil.rmtree(self.state / "cache", ignore_errors=True)

    def write(self, numbers: range, turn: int, retired: range = range(0)) -> None:
        """Write and commit tasks, which differ from what they were in another turn, and delete others."""
        for number in numbers:
            file = self._file(number)
            file.parent.mkdir(parents=True, exist_ok=True)
            text = TASK.format(
                number=number,
                team=number % 100,
                # Every other change is one of when a task fires.
                schedule=schedule_of(number, turn if number % 2 else 0),
                window=f"{12 + turn}h",
            )
            file.write_text(text)
        for number in retired:
            self._file(number).unlink()
        author = ("-c", "user.name=bench", "-c", "user.email=bench@bench.example")
        run(["git", "add", "--all", "specs"], self.folder)
        run(["git", *author, "commit", "--quiet", "--message", "Change tasks"], self.folder)

    def _file(self, number: int) -> Path:
        return self.folder / "specs" / f"team-{number % 100:02}" / f"task-{number}.yaml"


def schedule_of(number: int, turn: int) -> str:
    """When a task fires: of up to 17,280 tasks in one turn no two do at the same times."""
    minute, hour = (number + turn) % 60, number // 60 % 24
    zone = ZONES[(number // 1_440 + number) % len(ZONES)]
    match number % 10:
        case 0 | 1 | 2 | 3:
            return f"{{cron: '{minute} {hour} * * 1-5', timezone: {zone}}}"
        case 4 | 5:
            return f"{{cron: '{minute} {hour} * * *', timezone: {zone}}}"
        case 6 | 7:
            day = DAYS[number // 10 % len(DAYS)]
            rule = f"FREQ=WEEKLY;BYDAY={day};BYHOUR={hour};BYMINUTE={minute}"
        case 8:
            rule = (
                f"FREQ=MONTHLY;BYMONTHDAY={number // 10 % 28 + 1};BYHOUR={hour};BYMINUTE={minute}"
            )
        case _:
            return (
                f"{{every: {15 + number // 10 % 90}m, start: 2026-01-01T{hour:02}:{minute:02}Z}}"
            )
    return f"{{rrule: '{rule}', timezone: {zone}}}"


def run(command: Sequence[str], folder: Path, settings: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end, which must be a good one."""
    begin = perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**base_environment(), **(settings or {})},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout, held_by(process.pid) as held:
        lines = tuple((perf_counter(), line[:40]) for line in process.stdout)
        _, status, used = os.wait4(process.pid, 0)
        end = perf_counter()
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (command, process.returncode)
    spent = used.ru_utime + used.ru_stime
    return Cost(end - begin, spent, max(used.ru_maxrss, *held) // 1024, lines)


@contextmanager
def held_by(process: int) -> Iterator[list[int]]:
    """What a process and its children hold together, in kilobytes, looked at again and again."""
    held, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            held.append(sum(map(proportional, (process, *children_of(process)))))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield held
    finally:
        over.set()
        looking.join()


def proportional(process: int) -> int:
    """Kilobytes that a process holds, its part of what it shares included; 0 if it is over, or the system does not say."""
    with contextlib.suppress(OSError):
        found = PROPORTIONAL.search(Path(f"/proc/{process}/smaps_rollup").read_text())
        return int(found[1]) if found else 0
    return 0


def children_of(process: int) -> list[int]:
    """The processes that a process has started."""
    with contextlib.suppress(OSError):
        return [*map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())]
    return []


def measure_commands(place: Place, table: Table, number: int) -> None:
    """The commands that people wait for."""
    table.add(f"first apply of {number:,}", [place.command("apply", "--yes")], limit=10)
    place.forget()
    table.add("no-op plan, cold", [place.command("plan")], limit=10)
    table.add("no-op plan, warm", place.several("plan"), limit=1)
    place.write(range(1), turn=1)
    table.add("plan of 1 change, warm", place.several("plan"), limit=1)
    table.add("the same, git against git", place.several("plan", "--base", "HEAD~1"))
    table.add("validate after 1 change, warm", place.several("validate"), limit=1)
    changes = min(CHANGES, number)
    applies = []
    for turn in range(2, 2 + RUNS):
        place.write(range(changes), turn)
        applies.append(place.command("apply", "--yes", "--json"))
    table.add(f"apply of {changes} changes, command", applies)
    spans = [cost.transaction for cost in applies]
    table.add_spans(f"apply of {changes} changes, transaction", spans, limit=1)


async def measure_leasing(place: Place, table: Table, number: int) -> list[str]:
    """Workers beside applies, a tenth of whose changes are retirements; returns the table of them."""
    changes = min(CHANGES, number // 2)
    retired = changes // 10
    quiet, planning, applying = [], [], []
    async with leasing(place.database, QUEUED) as noted:
        begin = perf_counter()
        await SYSTEM_CLOCK.sleep(QUIET_SECONDS)
        quiet.append((begin, perf_counter()))
        for turn in range(RUNS):
            last = number - turn * retired
            gone = range(last - retired, last)
            await asyncio.to_thread(place.write, range(changes - retired), turn + 2 + RUNS, gone)
            begin = perf_counter()
            cost = await asyncio.to_thread(
                place.command, "apply", "--yes", "--json", "--allow-retire", str(retired)
            )
            opens, closes = cost.transaction
            planning.append((begin, opens))
            applying.append((opens, closes))
    name = f"apply of {changes} changes beside {WORKERS} workers, transaction"
    table.add_spans(name, applying, limit=1)
    states = {"no command runs": quiet, "a plan is made": planning, "it is applied": applying}
    return leasing_rows(noted, states)


def leasing_rows(noted: Leasing, states: Mapping[str, Sequence[Window]]) -> list[str]:
    """The table of how long leases and reports took in each state; a plan holds no lock, so it is what an apply is held to."""
    rows = [
        "| while | statement | times | p50, ms | p99 | max | |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for what, spans in (("lease", noted.leases), ("finish", noted.reports)):
        usual = 0.0
        for state, windows in states.items():
            taken = within(spans, windows)
            middle, most, longest = percentiles(taken)
            verdict = ""
            if state == "it is applied":
                verdict = "ok" if most < DISTURBED * usual else "DISTURBED"
            usual = most
            rows.append(
                f"| {state} | {what} | {len(taken)} | {middle:.1f} | {most:.1f} | {longest:.1f} | {verdict} |"
            )
    return rows


def measure_terraform(folder: Path, table: Table, number: int) -> None:
    """The same questions to Terraform."""
    folder.mkdir()
    (folder / "main.tf").write_text(TERRAFORM.format(number=number))
    run(["terraform", "init"], folder)
    quiet = ("-input=false", "-no-color")
    plan, apply = ["terraform", "plan", *quiet], ["terraform", "apply", "-auto-approve", *quiet]
    table.add_terraform(f"Terraform: first plan of {number:,}", run(plan, folder))
    table.add_terraform(f"Terraform: first apply of {number:,}", run(apply, folder))
    table.add_terraform(f"Terraform: no-op plan of {number:,}", run(plan, folder))


def describe(database: str) -> str:
    """What all this was measured on."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    with psycopg.connect(database) as connection:
        (server,) = connection.execute("show server_version").fetchone() or ("",)
        settings = connection.execute(
            "select name, current_setting(name) from unnest(%s::text[]) name", [list(SETTINGS)]
        ).fetchall()
    return (
        f"{os.cpu_count()} cores ({found[1] if found else platform.machine()}), {memory:.0f} GiB, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()}, {said_load()}\nPostgreSQL {server}: "
        + ", ".join(f"{name} {value}" for name, value in settings)
    )


def said_load() -> str:
    """How busy the machine was in the last minute."""
    return f"load {os.getloadavg()[0]:.1f}"


def main() -> None:
    """Print the tables."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    objects = int(sys.argv[2]) if len(sys.argv) > 2 else OBJECTS
    table = Table()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        servers = EmbeddedServers(Path(folder) / "servers")
        database = runner.run(servers.start()).database
        try:
            migrate(database)
            place = Place(Path(folder) / "repository", database)
            (place.folder / "specs").mkdir(parents=True)
            run(["git", "init", "--quiet"], place.folder)
            project = "apiVersion: ordinaut/v1\nkind: Project\nname: bench\n"
            (place.folder / "specs" / "ordinaut.yaml").write_text(project)
            place.write(range(number), turn=0)
            print(describe(database), end="\n\n", flush=True)
            measure_commands(place, table, number)
            rows = runner.run(measure_leasing(place, table, number))
        finally:
            runner.run(servers.stop())
        if objects and shutil.which("terraform"):
            measure_terraform(Path(folder) / "terraform", table, objects)
    table.show()
    print(f"\n{WORKERS} workers, {BATCH} runs at a time, beside {RUNS} applies of changes:\n")
    print("\n".join(rows))
    print(f"\nIn the end: {said_load()}.")


if __name__ == "__main__":
    main()
