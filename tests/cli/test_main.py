"""The command line as a whole: quick, complete, and calm when something goes wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from reconciler.cli import COMMANDS, main
from runtime.errors import EXIT_LOCKED, DatabaseUnavailable
from tests.support.cli import Cli
from tests.support.probes import eventually
from tests.support.processes import ROOT, Finished, ordinaut, started
from tests.support.streams import is_following

PROGRAM = "import sys; from reconciler.cli import main; sys.exit(main())"
NAMES = [name for rows in COMMANDS.values() for name in rows]
OURS = {"reconciler", "runtime", "schemas", "migrations"}
IMPORTED = {
    "reconciler",
    "reconciler.cli",
    "reconciler.core",
    "reconciler.core.suggest",
    "runtime",
    "runtime.errors",
    "runtime.garbage",
}
# One prints JSON anyway, the other nothing.
WITHOUT_JSON = {"schema", "runtime", "mcp", "web"}
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": os.defpath}


def subcommands() -> list[tuple[str, click.Command]]:
    """Every command, and every command of a group, by what people type."""
    found: list[tuple[str, click.Command]] = []
    context = click.Context(main)
    for name in NAMES:
        command = main.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found.extend((f"{name} {sub}", inner) for sub, inner in command.commands.items())
    return found


def imported(program: str) -> set[str]:
    """The modules that a program imports when it is asked for help."""
    done = run(sys.executable, "-X", "importtime", "-c", program, "--help", cwd=ROOT)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_help_imports_click_and_little_else() -> None:
    """Every command waits for what is imported here."""
    modules = imported(PROGRAM) - imported("import click")

    assert {name for name in modules if name.partition(".")[0] in OURS} == IMPORTED
    assert len(modules) <= 40


def test_help_names_every_command_with_its_summary(alone: Cli) -> None:
    text = alone("--help").stdout

    for rows in COMMANDS.values():
        for name, (_, summary) in rows.items():
            assert re.search(rf"^  {name} +{re.escape(summary)}$", text, re.MULTILINE), name


@pytest.mark.parametrize(("name", "command"), subcommands(), ids=str)
def test_every_command_has_help_with_an_example_and_json(
    name: str, command: click.Command
) -> None:
    context = click.Context(command, info_name=f"ordinaut {name}")

    text = command.get_help(context)

    assert re.search(rf"^ +Examples?:\n.*ordinaut {name}\b", text, re.MULTILINE)
    if not isinstance(command, click.Group) and name not in WITHOUT_JSON:
        assert "--json" in text


@pytest.mark.parametrize("name", NAMES)
def test_the_table_says_what_the_command_says_of_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    summaries = {name: text for rows in COMMANDS.values() for name, (_, text) in rows.items()}

    assert command is not None
    assert command.name == name
    assert command.help
    assert command.get_short_help_str(200).split()[0] == summaries[name].split()[0]


def test_no_command_at_all_shows_the_help(alone: Cli) -> None:
    found = alone()

    assert "Usage: ordinaut" in found.stdout + found.stderr


def test_a_mistyped_command_is_answered_with_the_nearest(alone: Cli) -> None:
    found = alone("aply")

    assert (found.status, found.stdout) == (1, "")
    assert "there is no command 'aply'; did you mean `apply`?" in found.stderr


@pytest.mark.parametrize(
    "arguments", [("--nope",), ("runs", "--nope"), ("runs", "-n", "x"), ("show",)]
)
def test_a_wrong_command_line_exits_with_1_since_2_means_changes(
    alone: Cli, arguments: tuple[str, ...]
) -> None:
    found = alone(*arguments)

    assert (found.status, found.stdout) == (1, "")
    assert "Error: " in found.stderr


@pytest.mark.parametrize(
    "words", [("logs", "\udcff"), ("audit", "--action", "a\udcff*", "--json")]
)
def test_an_argument_that_is_no_text_is_refused_and_no_defect(
    alone: Cli, words: tuple[str, ...]
) -> None:
    refused = alone(*words)

    assert refused.status == 1
    assert "is not text in UTF-8" in refused.stderr
    assert "defect" not in refused.stderr
    assert bool(refused.stdout) == ("--json" in words)
    assert not refused.stdout or json.loads(refused.stdout)


def test_our_errors_are_one_line_with_code_and_hint_and_their_own_exit_code(
    alone: Cli,
) -> None:
    found = alone("runs", "--database-url", "postgresql://u:hidden@127.0.0.1:1/none")

    assert (found.status, found.stdout) == (EXIT_LOCKED, "")
    first, second = found.stderr.splitlines()
    assert first.startswith("error ORD301: the database none at 127.0.0.1:1 cannot be reached")
    assert second.startswith("  check ORDINAUT_DATABASE_URL")
    assert "hidden" not in found.stderr


def test_every_line_of_a_hint_is_indented(alone: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("it is away", hint="look here\nand there")

    monkeypatch.setattr("runtime.cli.runs.open_database", fail)

    assert alone("runs").stderr == "error ORD301: it is away\n  look here\n  and there\n"


def test_a_message_of_several_lines_begins_one_only(
    alone: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database quotes what it was given, and a machine that builds takes lines with such a beginning for its own."""

    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable(
            "it is\n::error title=away::\n\n  ^\r::debug::", hint="  ::warning::look\nhere"
        )

    monkeypatch.setattr("runtime.cli.runs.open_database", fail)

    assert alone("runs").stderr.splitlines() == [
        "error ORD301: it is",
        "  \\u003a:error title=away::",
        "    ^",
        "  \\u003a:debug::",
        "    \\u003a:warning::look",
        "  here",
    ]


def test_an_unexpected_error_is_one_line_and_says_how_to_see_the_rest(
    alone: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TypeError("three\nlines\nlong")

    monkeypatch.setattr("runtime.cli.runs.open_database", fail)

    found = alone("runs")
    assert (found.status, found.stdout) == (1, "")
    assert found.stderr.splitlines()[0] == "error: TypeError: three lines long"
    assert "--debug" in found.stderr
    with pytest.raises(TypeError):
        alone("--debug", "runs")


async def test_ctrl_c_ends_a_command_with_130_and_no_traceback(
    tmp_path: Path, redis_url: str
) -> None:
    env = {"ORDINAUT_REDIS_URL": redis_url}
    async with started("events", "--follow", cwd=tmp_path, env=env) as process:
        await eventually(lambda: is_following(redis_url), "a command that waits for events")
        process.interrupt_group()
        done = await process.ended()

    assert (done.status, done.stdout) == (130, "")
    assert "Traceback" not in done.stderr


def test_ctrl_c_in_the_middle_of_making_an_event_loop_is_as_quiet() -> None:
    cut = "selectors.DefaultSelector = type('Cut', (), {'__init__': lambda self: signal.raise_signal(signal.SIGINT)})"
    program = f"import selectors, signal; {cut}; {PROGRAM}"

    done = run(sys.executable, "-c", program, "tools", "call", "ordinaut.transform", cwd=ROOT)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("nowhere", [">&-", "2>&-", ">&- 2>&-"])
def test_where_nobody_listens_a_command_does_its_work_all_the_same(
    tmp_path: Path, nowhere: str
) -> None:
    words = f"next --specs {ROOT / 'specs'} {nowhere}"

    done = run("/bin/bash", "-c", f'{sys.executable} -c "{PROGRAM}" {words}', cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_no_defect(tmp_path: Path) -> None:
    command = f'{sys.executable} -c "{PROGRAM}" schema > /dev/full'

    done = run("/bin/bash", "-c", command, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("error: there is no room for what is to be written: ")


def test_a_closed_pipe_ends_a_command_quietly(tmp_path: Path) -> None:
    command = f'{sys.executable} -c "{PROGRAM}" schema | head -n 1'

    done = run("/bin/bash", "-c", command, cwd=tmp_path)

    assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ordinaut st", ["status"]),
        ("ordinaut run", ["runtime", "run", "runs"]),
        ("ordinaut runs --sta", ["--state", "--state-dir"]),
        ("ordinaut runs --state fa", ["failed"]),
        ("ordinaut tools ca", ["call"]),
        ("ordinaut --de", ["--debug"]),
    ],
)
async def test_the_shell_completes_commands_options_and_choices(
    tmp_path: Path, words: str, offered: list[str]
) -> None:
    done = await completed("bash_complete", tmp_path, words, len(words.split()) - 1)

    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == offered


async def test_completion_shows_summaries_without_importing_any_command(tmp_path: Path) -> None:
    importing = {"PYTHONPROFILEIMPORTTIME": "1"}

    done = await completed("zsh_complete", tmp_path, "ordinaut ", 1, **importing)

    assert "reconciler.cli" in done.stderr
    assert "runtime.cli" not in done.stderr
    assert COMMANDS["Look"]["status"][1] in done.stdout


async def test_completion_is_installed_as_the_help_says(alone: Cli, tmp_path: Path) -> None:
    said = re.search(r"(_ORDINAUT_COMPLETE)=(bash_source) ordinaut", alone("--help").stdout)
    assert said is not None

    done = await ordinaut(cwd=tmp_path, env={said[1]: said[2]})

    assert "complete -o nosort -F _ordinaut_completion ordinaut" in done.stdout


async def completed(kind: str, folder: Path, words: str, word: int, **env: str) -> Finished:
    """What the completion of a shell asks for."""
    asked = {"_ORDINAUT_COMPLETE": kind, "COMP_WORDS": words, "COMP_CWORD": str(word)}
    return await ordinaut(cwd=folder, env=asked | env)


def run(
    *command: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=ENVIRONMENT | (env or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
