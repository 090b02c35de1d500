"""Trees that mean harm, or look as if they did: each is refused with a place and a code, in bounded time and output."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from reconciler import source
from reconciler.core.documents import MAX_DOCUMENTS, MAX_FILE_BYTES, MAX_PROBLEMS
from reconciler.core.shape import MAX_MISFITS
from reconciler.load import compile_source
from reconciler.source import read_source
from tests.support.cli import Cli

PROJECT = "apiVersion: ordinaut/v1\nkind: Project\nname: besieged\n"
TASK = (
    "apiVersion: ordinaut/v1\nkind: Task\nname: x\nschedule: {manual: true}\n"
    "pipeline: [{id: a, uses: llm.plan}]\n"
)
LAUGHS = "a: &a [lol, lol]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)
)


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "ordinaut.yaml").write_text(PROJECT)
    return folder


def told(folder: Path) -> list[tuple[str, int, int, str]]:
    """Where the problems of a folder are, and their codes."""
    problems = compile_source(read_source(folder)).errors
    return [(problem.file, problem.line, problem.column, problem.code) for problem in problems]


CONTENTS: dict[str, tuple[str | bytes, tuple[int, int, str]]] = {
    "an alias bomb": (LAUGHS, (1, 4, "ORD011")),
    "merge keys of merge keys": ("a: &a {b: 1}\n" + "k: {<<: [*a, *a]}\n" * 9000, (1, 4, "ORD011")),
    "a Python object": ("!!python/object/apply:os.system ['true']\n", (1, 1, "ORD011")),
    "a Python name": (TASK.replace("name: x", "name: !!python/name:os.system"), (3, 7, "ORD011")),
    "a tag of fifty thousand letters": (f"%TAG ! tag:{'x' * 50_000}:\n---\n!a b\n", (3, 1, "ORD011")),
    "brackets without end": ("a: " + "[" * 200_000, (1, 67, "ORD010")),
    "steps without end": ("".join(" " * n + "a:\n" for n in range(1000)), (65, 65, "ORD010")),
    "keys without end": ("? " * 100_000, (1, 129, "ORD010")),
    "a text of a megabyte": ("a: " + "x" * 1_000_000, (1, 4, "ORD010")),
    "a line of ten megabytes": ("a: " + "x" * 10_000_000, (1, 1, "ORD010")),
    "quotes without end": ("'" * 1_000_000, (1, 1, "ORD010")),
    "documents without end": ("--- {}\n" * (MAX_DOCUMENTS + 1), (MAX_DOCUMENTS + 1, 5, "ORD010")),
    "tabs without end": ("\t" * 1_000_000, (1, 1, "ORD002")),
    "bytes that are not UTF-8": (b"a: \xc3\x28\n", (1, 4, "ORD002")),
    "UTF-16": ("a: b".encode("utf-16"), (1, 1, "ORD002")),
    "UTF-16 that does not say so": ("a: b".encode("utf-16-be"), (1, 1, "ORD002")),
    "a NUL": (b"a: b\0c\n", (1, 5, "ORD002")),
    "a NUL as an escape": (TASK + 'params: {a: "\\0"}\n', (6, 13, "ORD007")),
    "the same key twice, deep inside": (TASK.replace("id: a", "with: {a: {b: {c: 1, c: 2}}}, id: a"), (5, 34, "ORD003")),
    "a whole number of a mile": (TASK.replace("x\n", "x\npriority: " + "9" * 60_000 + "\n", 1), (4, 11, "ORD007")),
    "a number beyond all numbers": (TASK + "priority: 1e9999\n", (6, 11, "ORD007")),
    "a rule of a mile": (TASK.replace("{manual: true}", f"{{timezone: UTC, rrule: 'FREQ=DAILY;BYHOUR={'1,' * 30_000}1'}}"), (4, 34, "ORD007")),
    "an expression of a mile": (TASK.replace("id: a", f'with: {{a: "${{{"(" * 60_000}}}"}}, id: a'), (5, 26, "ORD501")),
    "twelve thousand steps": (TASK.replace("{id: a, uses: llm.plan}", "{id: a, uses: llm.plan}," * 12_000), (5, 11, "ORD007")),
    "forty thousand unknown fields": (TASK + "".join(f"k{n}: 1\n" for n in range(40_000)), (6, 1, "ORD005")),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_that_means_harm_is_refused_at_its_place(specs: Path, name: str) -> None:
    content, place = CONTENTS[name]
    data = content.encode() if isinstance(content, str) else content
    (specs / "x.yaml").write_bytes(data)

    assert ("specs/x.yaml", *place) in told(specs)


@pytest.mark.parametrize(
    ("name", "most"),
    [("merge keys of merge keys", MAX_PROBLEMS), ("forty thousand unknown fields", MAX_MISFITS)],
)
def test_what_is_wrong_everywhere_is_told_in_some_places(
    specs: Path, name: str, most: int
) -> None:
    (specs / "x.yaml").write_text(str(CONTENTS[name][0]))

    found = told(specs)

    assert len(found) == most + 1
    assert "ORD010" in {code for *_, code in found}


@pytest.mark.parametrize("name", ["brackets without end", "a text of a megabyte"])
def test_what_is_printed_of_it_is_short(specs: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    (specs / "x.yaml").write_bytes(str(CONTENTS[name][0]).encode())
    monkeypatch.chdir(specs.parent)

    plan = Cli()("plan")

    assert (plan.status, len(plan.stderr) < 400) == (1, True)


@pytest.mark.parametrize(
    "text", [TASK.replace("\n", "\r\n"), TASK.replace("\n", "\r"), "\ufeff" + TASK]
)
def test_lines_and_marks_of_other_systems_are_none_of_these(specs: Path, text: str) -> None:
    (specs / "x.yaml").write_bytes(text.encode())

    assert told(specs) == []


def _make_sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (os.mkfifo, "ORD001"),
        (_make_socket, "ORD001"),
        (lambda path: path.symlink_to("/dev/zero"), "ORD010"),
        (lambda path: path.symlink_to("/etc/passwd"), "ORD010"),
        (lambda path: path.symlink_to(path.name), "ORD001"),
        (lambda path: path.symlink_to("nowhere.yaml"), "ORD001"),
        (_make_sparse, "ORD010"),
        (Path.mkdir, None),
    ],
    ids=["fifo", "socket", "device", "out of the tree", "circle", "nowhere", "a gigabyte of nothing", "folder"],
)  # fmt: skip
def test_what_only_looks_like_a_file_of_specs_is_told_and_never_waited_for(
    specs: Path, make: Callable[[Path], None], code: str | None
) -> None:
    make(specs / "x.yaml")

    assert told(specs) == ([("specs/x.yaml", 1, 1, code)] if code else [])


def test_a_file_that_grows_while_it_is_read_is_read_to_its_bound(
    specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = specs / "x.yaml"
    grown.write_text("# ")
    real = os.open

    def growing(path: str, flags: int) -> int:
        if path == str(grown):
            os.truncate(grown, 5_000_000)
        return real(path, flags)

    monkeypatch.setattr(os, "open", growing)
    read = {file.name: len(file.data) for file in read_source(specs).files}

    assert read["specs/x.yaml"] == MAX_FILE_BYTES + 1


def test_a_file_that_vanishes_before_it_is_read_is_told(
    specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (specs / "x.yaml").write_text(TASK)
    real = os.lstat

    def vanishing(path: str) -> os.stat_result:
        about = real(path)
        if path.endswith("x.yaml"):
            Path(path).unlink()
        return about

    monkeypatch.setattr(os, "lstat", vanishing)

    assert told(specs) == [("specs/x.yaml", 1, 1, "ORD001")]


def test_folders_deeper_than_a_path_can_name_are_told(specs: Path) -> None:
    with chdir(specs):
        for _ in range(30):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)

    found = told(specs)

    assert [code for *_, code in found] == ["ORD001"]


def test_neither_names_nor_texts_steer_a_terminal(
    specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (specs / "a\n\x1b[31m\x9b\u202e.yaml").write_text("a: [")
    (specs / "b.yaml").write_text(TASK + '"\\e[31m\\u202e\\r\\x9b": "\\e]0;x\\a"\n')
    monkeypatch.chdir(specs.parent)

    for form in ("text", "json", "github", "sarif"):
        validated = Cli()("validate", "--format", form)
        said = validated.stdout + validated.stderr
        assert {letter for letter in said if not letter.isprintable()} <= {"\n"}, form
    assert r"specs/a\n\x1b[31m\x9b\u202e.yaml:2:1" in Cli()("validate").stdout


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten thousand files of specs, and something is wrong with each."""
    folder = tmp_path_factory.mktemp("broken") / "specs"
    folder.mkdir()
    (folder / "ordinaut.yaml").write_text(PROJECT)
    task = TASK.replace("name: x", "name: n{n}")
    kinds = (
        "a: [", LAUGHS, "[" * 500, "a: \udcff", "kind: Task\nname: x\n", task.replace("Task", "Tusk"),
        task + "bogus: 1\n", "!!python/object:os.system x\n", "a: 1\na: 2\n", "\t- x\n", task.replace("llm", "nowhere"),
    )  # fmt: skip
    for n in range(10_000):
        text = kinds[n % len(kinds)].replace("{n}", str(n))
        (folder / f"{n:05}.yaml").write_bytes(text.encode(errors="surrogateescape"))
    return folder


def test_ten_thousand_broken_files_are_refused_in_bounded_time_memory_and_output(
    broken: Path,
) -> None:
    """In a process of its own, which may have no more than a gigabyte."""
    done = subprocess.run(
        [Path(sys.executable).with_name("ordinaut"), "plan"],
        cwd=broken.parent,
        env={"PATH": os.environ["PATH"], "ORDINAUT_STATE_DIR": str(broken.parent / "state")},  # noqa: TID251 - the tests own their environment
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)),
    )

    assert done.returncode == 1
    assert "error ORD201: the specs hold " in done.stderr
    assert " more (" in done.stderr
    assert len(done.stderr) < 20_000


def test_a_program_is_told_of_every_broken_file(
    broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(broken.parent)

    problems = json.loads(Cli()("validate", "--json").stdout)["problems"]

    assert len({problem["file"] for problem in problems}) == 10_000


@pytest.mark.parametrize(("bound", "most"), [("MAX_FILES", 5), ("MAX_TOTAL_BYTES", 500)])
def test_a_folder_without_end_is_read_to_a_bound(
    specs: Path, bound: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, bound, most)
    (specs / "ordinaut.yaml").rename(specs / "0.yaml")
    for n in range(20):
        (specs / f"{n:02}.yaml").write_text(TASK.replace("name: x", f"name: x{n}"))

    read = read_source(specs)

    assert [problem.code for problem in read.problems] == ["ORD010"]
    assert 0 < len(read.files) <= 5
