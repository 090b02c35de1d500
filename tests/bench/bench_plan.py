"""What plan and apply cost with 10,000 tasks, whole commands and their memory, and Terraform beside them if it is there.

Run: python tests/bench/bench_plan.py [TASKS] [OBJECTS-FOR-TERRAFORM, 0 for none]

The tasks are 10,000 files in a git repository, the database an embedded PostgreSQL with its ordinary, durable settings,
and each command a process of its own, timed from its start to its end: imports, git, reading, compiling, the database,
printing. Cold is without what earlier commands remembered. Terraform gets as many of its built-in `terraform_data`, which
call no provider; it needs most of an hour to create 10,000 of them, so it gets 1,000. Limits are for two cores.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[2]))

from reconciler.apply import Request, apply_plan
from reconciler.load import load_specs
from reconciler.planning import plan_specs
from runtime.config import base_environment
from runtime.embedded import EmbeddedServers
from runtime.store.connect import connect
from runtime.store.migrate import migrate

TASKS, OBJECTS, CHANGES = 10_000, 1_000, 500
WARM_RUNS = 5
ORDINAUT = str(Path(sys.executable).with_name("ordinaut"))
SCHEDULES = (
    "{cron: '0 9 * * *', timezone: Europe/Chisinau}",
    "{cron: '0 8 * * 1-5', timezone: Europe/Rome}",
    "{rrule: 'FREQ=WEEKLY;BYDAY=MO;BYHOUR=8;BYMINUTE=0', timezone: Europe/Rome}",
    "{every: 1h}",
)
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
    with: {{goal: "Brief team {team:02} as of ${{now}}"}}
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


@dataclass
class Table:
    """Measured rows."""

    rows: list[tuple[str, float, float, int, str]] = field(default_factory=list)

    def add(
        self, name: str, seconds: float, work: float = 0, megabytes: int = 0, limit: float = 0
    ) -> None:
        """Note what one part took; a limit of 0 is none."""
        verdict = f"{limit:.0f} s: {'ok' if seconds <= limit else 'TOO SLOW'}" if limit else ""
        self.rows.append((name, seconds, work, megabytes, verdict))

    def show(self) -> None:
        """Print what was noted."""
        print("| what | seconds | of a core | peak MB | limit |\n|---|---:|---:|---:|---|")
        for name, seconds, work, megabytes, verdict in self.rows:
            worked = f"{work:.2f}" if work else ""
            print(f"| {name} | {seconds:.2f} | {worked} | {megabytes or ''} | {verdict} |")


@dataclass(frozen=True)
class Place:
    """A repository, and the database that its specs are applied to."""

    folder: Path
    database: str

    @property
    def state(self) -> Path:
        """Where Ordinaut remembers."""
        return self.folder / ".ordinaut"

    def command(self, *words: str) -> tuple[float, float, int]:
        """Run Ordinaut; returns as `run` does."""
        settings = {"ORDINAUT_DATABASE_URL": self.database, "ORDINAUT_STATE_DIR": str(self.state)}
        return run([ORDINAUT, *words], self.folder, settings)

    def fastest(self, *words: str) -> tuple[float, float, int]:
        """The same, several times: the run that was disturbed least."""
        return min(self.command(*words) for _ in range(WARM_RUNS))

    def forget(self) -> None:
        """Drop what earlier commands remembered."""
        shutil.rmtree(self.state / "cache", ignore_errors=True)

    def write(self, numbers: range, window: str) -> None:
        """Write and commit tasks."""
        for number in numbers:
            team = self.folder / "specs" / f"team-{number % 100:02}"
            team.mkdir(parents=True, exist_ok=True)
            schedule = SCHEDULES[number % len(SCHEDULES)]
            text = TASK.format(number=number, team=number % 100, schedule=schedule, window=window)
            (team / f"task-{number}.yaml").write_text(text)
        author = ("-c", "user.name=bench", "-c", "user.email=bench@bench.example")
        run(["git", "add", "--all", "specs"], self.folder)
        run(["git", *author, "commit", "--quiet", "--message", "Change tasks"], self.folder)


def run(
    command: Sequence[str], folder: Path, settings: Mapping[str, str] | None = None
) -> tuple[float, float, int]:
    """Run a command to its end.

    Returns the seconds by the clock on the wall, those of a core's time, and the most memory it held, in megabytes; the
    system counts what this process held when it started the command, so commands go before what is measured in here.
    """
    begin = perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**base_environment(), **(settings or {})},
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (command, process.returncode)
    return perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


def commands(place: Place, table: Table, number: int) -> None:
    """The commands that people wait for."""
    table.add(f"first apply of {number:,}", *place.command("apply", "--yes"), limit=10)
    place.forget()
    table.add("no-op plan, cold", *place.command("plan"), limit=10)
    table.add("no-op plan, warm", *place.fastest("plan"), limit=1)
    changes = min(CHANGES, number)
    place.write(range(1), "13h")
    table.add("plan of 1 change, warm", *place.fastest("plan"), limit=1)
    table.add("the same, git against git", *place.fastest("plan", "--base", "HEAD~1"))
    table.add("validate after 1 change, warm", *place.fastest("validate"), limit=1)
    place.write(range(changes), "14h")
    table.add(f"apply of {changes} changes, command", *place.command("apply", "--yes"))
    place.write(range(changes), "15h")
    specs = load_specs(place.folder / "specs")
    with connect(place.database, name="bench") as connection:
        begin = perf_counter()
        plan = plan_specs(connection, specs, place.folder / "specs")
        planned = perf_counter()
        apply_plan(connection, plan, Request(actor="bench"))
        table.add(f"plan of {changes} changes, once compiled", planned - begin)
        table.add(f"apply of {changes} changes, transaction", perf_counter() - planned, limit=1)


def terraform(folder: Path, table: Table, number: int) -> None:
    """The same questions to Terraform."""
    (folder / "main.tf").write_text(TERRAFORM.format(number=number))
    run(["terraform", "init"], folder)
    quiet = ("-input=false", "-no-color")
    table.add(f"Terraform: first plan of {number:,}", *run(["terraform", "plan", *quiet], folder))
    apply = ["terraform", "apply", "-auto-approve", *quiet]
    table.add(f"Terraform: first apply of {number:,}", *run(apply, folder))
    table.add(f"Terraform: no-op plan of {number:,}", *run(["terraform", "plan", *quiet], folder))


def main() -> None:
    """Print the table."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    objects = int(sys.argv[2]) if len(sys.argv) > 2 else OBJECTS
    table = Table()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        if objects and shutil.which("terraform"):
            beside = Path(folder) / "terraform"
            beside.mkdir()
            terraform(beside, table, objects)
        servers = EmbeddedServers(Path(folder) / "servers")
        database = runner.run(servers.start()).database
        try:
            migrate(database)
            place = Place(Path(folder) / "repository", database)
            (place.folder / "specs").mkdir(parents=True)
            run(["git", "init", "--quiet"], place.folder)
            project = "apiVersion: ordinaut/v1\nkind: Project\nname: bench\n"
            (place.folder / "specs" / "ordinaut.yaml").write_text(project)
            place.write(range(number), "12h")
            commands(place, table, number)
        finally:
            runner.run(servers.stop())
    table.show()
    print("\nThe most memory that a command of Ordinaut may hold: 400 MB.")


if __name__ == "__main__":
    main()
