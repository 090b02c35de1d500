"""Half of the work in a second process: the same specs and the same plan, whatever becomes of that process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

_VERSION = "apiVersion: ordinaut/v1\n"
_PROJECT = f"{_VERSION}kind: Project\nname: home\ndefaults: {{timezone: Europe/Rome}}\n"
_AGENT = f"{_VERSION}kind: Agent\nname: assistant\nscopes: [llm.*]\n"
_FLOW = "{apiVersion: ordinaut/v1, kind: Pipeline, name: both, steps: [{id: one, uses: llm.plan, with: {goal: x}}]}"
_TASK = f"""\
{_VERSION}kind: Task
name: task-NUMBER
agent: assistant
schedule: {{cron: "NUMBER 2 * * *"}}
pipeline:
  - {{id: one, uses: llm.plan, with: {{goal: "NUMBER"}}}}
"""
_FORKING = "from reconciler.beside import beside\n"


def _written(folder: Path, count: int = 8) -> Path:
    folder.mkdir()
    (folder / "ordinaut.yaml").write_text(f"{_PROJECT}---\n{_AGENT}")
    for number in range(count):
        (folder / f"{number}.yaml").write_text(_TASK.replace("NUMBER", str(number)))
    return folder


def _in_two(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.reconciler.in_two", str(folder)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert not done.stderr, done.stderr.decode()
    told: dict[str, Any] = orjson.loads(done.stdout)
    assert told["specs_alike"]
    assert told["plans_alike"]
    assert not told["left_over"]
    return told


def _alone(script: str) -> str:
    """What a script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    assert not done.stderr, done.stderr
    return done.stdout.strip()


def test_two_processes_compile_and_plan_what_one_does(tmp_path: Path) -> None:
    told = _in_two(_written(tmp_path / "specs"))

    assert (told["problems"], told["compiled"], told["planned"]) == ([], 1, 1)


@pytest.mark.parametrize("number", [0, 1])
def test_an_error_in_either_half_is_told_once(tmp_path: Path, number: int) -> None:
    folder = _written(tmp_path / "specs")
    (folder / f"{number}.yaml").write_text(
        _TASK.replace("NUMBER 2", "99 2").replace("NUMBER", "x")
    )

    assert _in_two(folder)["problems"] == ["ORD601"]


def test_one_name_in_both_halves_is_told(tmp_path: Path) -> None:
    folder = _written(tmp_path / "specs")
    for number in (0, 1):
        (folder / f"{number}.yaml").write_text(_TASK.replace("NUMBER", "7"))

    assert "ORD008" in _in_two(folder)["problems"]


def test_a_file_that_only_looks_like_tasks_is_no_fault(tmp_path: Path) -> None:
    folder = _written(tmp_path / "specs")
    uses = "pipeline:\n  use: both\n"
    (folder / "0.yaml").write_text(f"{_TASK.replace('NUMBER', '0')}---\n{_FLOW}\n")
    (folder / "1.yaml").write_text(_TASK.replace("NUMBER", "1").partition("pipeline:")[0] + uses)

    assert _in_two(folder)["problems"] == []


def test_the_process_beside_gives_its_answer() -> None:
    script = (
        "with beside(lambda: b'x' * 1_000_000) as answer:\n    print(answer() == b'x' * 1_000_000)"
    )

    assert _alone(_FORKING + script) == "True"


@pytest.mark.parametrize("end", ["1 / 0", "os.kill(os.getpid(), 9)", "sys.exit(0)"])
def test_a_process_that_comes_to_nothing_gives_no_answer_and_says_nothing(end: str) -> None:
    script = f"import os, sys\nwith beside(lambda: {end}) as answer:\n    print(answer())"

    assert _alone(_FORKING + script) == "None"


def test_where_no_more_processes_are_allowed_there_is_no_answer() -> None:
    script = """
import os
def refuse():
    raise BlockingIOError("Resource temporarily unavailable")
os.fork = refuse
before = len(os.listdir("/dev/fd"))
with beside(lambda: b"x") as answer:
    print(answer())
print(len(os.listdir("/dev/fd")) - before)
"""

    assert _alone(_FORKING + script).split() == ["None", "0"]


def test_a_copy_that_is_told_to_stop_at_its_very_beginning_goes_back_nowhere() -> None:
    script = """
import os, signal
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGINT))
try:
    with beside(lambda: b"x") as answer:
        print(answer())
except KeyboardInterrupt:
    os.write(1, b"interrupted")
"""

    assert _alone(_FORKING + script) == "None"


def test_a_process_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    number = tmp_path / "number"
    script = f"""
import os, pathlib, signal
def work():
    pathlib.Path({str(number)!r}).write_text(str(os.getpid()))
    signal.pause()
try:
    with beside(work):
        1 / 0
except ZeroDivisionError:
    pass
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("none is left")
"""

    assert _alone(_FORKING + script) == "none is left"


@pytest.mark.parametrize(
    "company",
    [
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
        "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    ],
    ids=["threads", "one core", "children that nobody waits for"],
)
def test_where_a_copy_would_not_do_there_is_no_company(company: str) -> None:
    script = f"from reconciler.beside import has_company\n{company}\nprint(has_company())"

    assert _alone(script) == "False"
