"""What is remembered of compiled specs: the same as compiling them, and nothing that somebody else wrote."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.cache import MOST_BYTES, MOST_ENTRIES, Cache
from reconciler.core.compile import SourceFile
from reconciler.core.desired import Specs
from reconciler.core.remembering import Memory, file_digests, recalled, remembered
from reconciler.core.tool_lock import lock_text
from reconciler.load import MOST_FRESH, WORTH_REMEMBERING, compile_source, ground
from reconciler.source import Source, read_source
from schemas.problem import Problem
from tests.reconciler.specs import tasks, written
from tests.support.contracts import listed, locked

_VERSION = "apiVersion: ordinaut/v1\n"
_PROJECT = f"{_VERSION}kind: Project\nname: home\nvariables: {{city: Rome}}\nenvironments: {{prod: {{variables: {{city: Oslo}}}}}}\n"
_TASK = f"""\
{_VERSION}kind: Task
name: task-NUMBER
renamed_from: old-NUMBER
labels: {{team: "NUMBER"}}
schedule: {{every: 1h}}
pipeline:
  - {{id: one, uses: llm.plan, with: {{goal: "${{vars.city}} NUMBER"}}}}
"""

_PROBLEMS = (
    Problem(code="ORD818", severity="warning", message="„so“", hint="a\nb", file="specs/ä.yaml", line=3, column=14),
    Problem(code="ORD818", severity="note", message="it", file="specs/b.yaml", line=1, column=1),
)  # fmt: skip


def _write(folder: Path, count: int = 40) -> Source:
    """Specs that are large enough to be remembered."""
    folder.mkdir(exist_ok=True)
    (folder / "ordinaut.yaml").write_text(_PROJECT)
    for number in range(count):
        text = _TASK.replace("NUMBER", str(number))
        (folder / f"{number:03}.yaml").write_text(f"# {'x' * 2_000}\n{text}")
    return read_source(folder)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """What was read of such specs."""
    return _write(tmp_path / "specs")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache."""
    return Cache(tmp_path / "state")


def _everything(specs: Specs) -> object:
    documents = [
        (
            key,
            orjson.dumps(one.body),
            one.digest,
            one.facets,
            one.place,
            one.renamed_from,
            one.document,
        )
        for key, one in specs.documents.items()
    ]
    return specs.project, specs.environment, specs.problems, documents


def _memory(specs: Specs, source: Source) -> Memory:
    return Memory(specs, file_digests((file.name, file.data) for file in source.files))


def _pretend(cache: Cache, source: Source) -> None:
    """Let the cache hold for these files what no compiling of them gives: the values of another environment."""
    other = replace(compile_source(source, "prod"), environment="default")
    cache.keep(ground(source, "default"), *remembered(_memory(other, source)))


def _goals(specs: Specs) -> dict[str, str]:
    return {
        key.name: one.body["pipeline"][0]["with"]["goal"]
        for key, one in specs.documents.items()
        if key.kind == "Task"
    }


def _head(cache: Cache, name: str) -> bytes | None:
    found = cache.find(name)
    return None if found is None else found.head


def _entry(cache: Cache) -> Path:
    (entry,) = (cache.state_dir / "cache").glob("*.json")
    return entry


@pytest.mark.parametrize("environment", ["default", "prod"])
def test_what_is_recalled_is_what_compiling_gives(
    source: Source, cache: Cache, environment: str
) -> None:
    plain = compile_source(source, environment)
    first = compile_source(source, environment, cache)
    second = compile_source(source, environment, cache)

    assert not plain.errors
    assert len(plain.documents) == 41
    assert _everything(plain) == _everything(first) == _everything(second)
    assert type(next(iter(second.documents.values())).content) is not type(
        next(iter(first.documents.values())).content
    )


@pytest.mark.unmeasured
@given(
    st.lists(tasks(), max_size=3, unique_by=lambda one: one["name"]),
    st.randoms(use_true_random=False),
)
def test_any_sound_specs_are_recalled_whole(
    documents: list[dict[str, Any]], chance: random.Random
) -> None:
    files = [SourceFile("specs/ordinaut.yaml", _PROJECT.encode())]
    files += [
        SourceFile(f"specs/{number}.yaml", written(one, chance).encode())
        for number, one in enumerate(documents)
    ]
    source = Source(Path("specs"), "specs", tuple(files), ())
    specs = compile_source(source)
    assert not specs.errors
    specs = replace(specs, problems=(*specs.problems, *_PROBLEMS))

    index, bodies = remembered(_memory(specs, source))

    for there in (bodies, None):
        found = recalled(index, lambda there=there: there, lambda _: specs)
        assert _everything(found.specs) == _everything(specs)
        assert remembered(found) == (index, bodies)


def test_the_same_files_are_not_compiled_again(source: Source, cache: Cache) -> None:
    _pretend(cache, source)

    assert _goals(compile_source(source, "default", cache))["task-1"] == "Oslo 1"


@pytest.mark.parametrize("count", [1, MOST_FRESH, MOST_FRESH + 1])
def test_only_the_files_that_changed_are_compiled_again(
    tmp_path: Path, cache: Cache, count: int
) -> None:
    folder = tmp_path / "specs"
    _pretend(cache, _write(folder, 3 * MOST_FRESH))
    kept = _entry(cache).read_bytes()
    for number in range(count):
        (folder / f"{number:03}.yaml").write_text(_TASK.replace("NUMBER", f"{number}"))

    goals = _goals(compile_source(read_source(folder), "default", cache))

    towns = {name: goal.split()[0] for name, goal in goals.items()}
    assert towns == {
        f"task-{number}": "Rome" if number < count else "Oslo" for number in range(3 * MOST_FRESH)
    }
    assert (_entry(cache).read_bytes() != kept) == (count > MOST_FRESH)


def test_a_file_with_errors_is_told_of_without_compiling_the_others(
    tmp_path: Path, cache: Cache
) -> None:
    folder = tmp_path / "specs"
    _pretend(cache, _write(folder))
    (folder / "002.yaml").write_text(_TASK.replace("NUMBER", "2").replace("1h", "soon"))
    (folder / "003.yaml").write_text(_TASK.replace("NUMBER", "4"))
    source = read_source(folder)

    specs = compile_source(
        replace(source, files=source.files[:3] + source.files[4:]), "default", cache
    )
    both = compile_source(source, "default", cache)

    assert [problem.place for problem in specs.errors] == ["specs/002.yaml:6:19"]
    assert _goals(specs)["task-1"] == "Oslo 1"
    assert both.problems == compile_source(source).problems
    assert {problem.code for problem in both.errors} == {"ORD007", "ORD008"}


def test_beside_what_changed_only_what_is_laid_over_is_compiled_again(
    tmp_path: Path, cache: Cache
) -> None:
    folder = tmp_path / "specs"
    _write(folder)
    project = folder / "ordinaut.yaml"
    project.write_text(_PROJECT.replace("prod: {", "prod: {overlay: over, "))
    (folder / "over").mkdir()
    (folder / "over" / "one.yaml").write_text(f"{_VERSION}kind: Task\nname: task-1\npriority: 9\n")
    _pretend(cache, read_source(folder))
    (folder / "002.yaml").write_text(_TASK.replace("NUMBER", "2"))

    goals = _goals(compile_source(read_source(folder), "default", cache))

    assert {name for name, goal in goals.items() if "Rome" in goal} == {"task-1", "task-2"}


def test_an_edit_that_keeps_size_and_time_is_an_edit(tmp_path: Path, cache: Cache) -> None:
    folder = tmp_path / "specs"
    compile_source(_write(folder), "default", cache)
    file = folder / "001.yaml"
    before = file.stat()
    file.write_text(file.read_text().replace("} 1", "} 7"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size

    goals = _goals(compile_source(read_source(folder), "default", cache))

    assert (goals["task-1"], goals["task-2"]) == ("Rome 7", "Rome 2")


def test_an_edit_of_the_project_is_an_edit_of_every_task(tmp_path: Path, cache: Cache) -> None:
    folder = tmp_path / "specs"
    compile_source(_write(folder), "default", cache)
    project = folder / "ordinaut.yaml"

    project.write_text(project.read_text().replace("city: Rome", "city: Bari"))
    goals = _goals(compile_source(read_source(folder), "default", cache))
    project.write_text(f"{project.read_text()}defaults: {{owner: somebody}}\n")
    specs = compile_source(read_source(folder), "default", cache)

    assert goals["task-1"] == "Bari 1"
    assert {one.body["owner"] for key, one in specs.documents.items() if key.kind == "Task"} == {
        "somebody"
    }


def test_a_tool_lock_that_comes_changes_or_goes_is_an_edit_of_every_call(cache: Cache) -> None:
    def problems(variant: int) -> list[str]:
        specs = compile_source(_tree({"tools.lock.json": variant}), "default", cache)
        return [problem.code for problem in specs.errors]

    found = [problems(variant) for variant in (0, 1, 2, 1, 3, 0, 2)]

    assert found == [[], [], ["ORD402"], [], ["ORD017"], [], ["ORD402"]]


_VARIANTS: dict[str, tuple[str | None, ...]] = {
    "ordinaut.yaml": (
        f"# {'x' * WORTH_REMEMBERING}\n{_PROJECT}",
        f"# {'x' * WORTH_REMEMBERING}\n{_VERSION}kind: Project\nname: home\nvariables: {{city: Bari}}\n"
        "defaults: {owner: us, namespace: ops}\nenvironments: {prod: {overlay: over}}\n",
    ),
    "agent.yaml": (
        f"{_VERSION}kind: Agent\nname: aide\nscopes: [llm.*]\n",
        f"{_VERSION}kind: Agent\nname: aide\nscopes: [llm.summarize]\n",
        f"{_VERSION}kind: Agent\nname: aid\nscopes: [llm.*]\n",
        None,
    ),
    "free.ics": (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n"
        "DTSTART;VALUE=DATE:20260105\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n"
        "DTSTART;VALUE=DATE:20260107\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    ),
    "free.yaml": (f"{_VERSION}kind: Calendar\nname: free\ntimezone: UTC\nics: free.ics\n",),
    "aided.yaml": (
        _TASK.replace("NUMBER", "aided").replace("schedule", "agent: aide\nschedule"),
        _TASK.replace("NUMBER", "aided"),
        None,
    ),
    "shadow.yaml": (
        _TASK.replace("NUMBER", "shadow").replace(
            "schedule", "namespace: dim\nagent: aide\nschedule"
        ),
    ),
    "dated.yaml": (
        _TASK.replace("NUMBER", "dated").replace(
            "every: 1h", "cron: '0 9 * * *', timezone: UTC, exclude: [free]"
        ),
        None,
    ),
    "one.yaml": (
        _TASK.replace("NUMBER", "one"),
        f"# moved down\n{_TASK.replace('NUMBER', 'one')}",
        _TASK.replace("NUMBER", "two"),
        f"{_TASK.replace('NUMBER', 'one')}---\n{_TASK.replace('NUMBER', 'three')}",
        _TASK.replace("NUMBER", "one").replace("pipeline", "pipelin"),
        f"{_VERSION}kind: Task\nname: [",
        "# nothing\n",
        f"{_TASK.replace('NUMBER', 'one')}---\n{_VERSION}kind: Agent\nnamespace: dim\nname: aide\nscopes: [llm.*]\n",
        None,
    ),
    "mail.yaml": (
        f"{_VERSION}kind: ToolServer\nname: mail\nstdio: {{command: mail}}\n",
        f"{_VERSION}kind: ToolServer\nname: post\nstdio: {{command: mail}}\n",
    ),
    "sent.yaml": (
        _TASK.replace("NUMBER", "sent").replace("llm.plan", "mail.send"),
        None,
    ),
    "tools.lock.json": (
        None,
        lock_text(locked(mail=[listed("send")])).decode(),
        lock_text(locked(mail=[listed("sent")])).decode(),
        "{",
    ),
    "two.yaml": (_TASK.replace("NUMBER", "two"), _VERSION, None),
    "over/one.yaml": (
        None,
        f"{_VERSION}kind: Task\nname: task-one\npriority: 9\n",
        f"{_VERSION}kind: Task\nname: task-two\nenabled: false\n",
        f"{_VERSION}kind: Task\nname: task-none\npriority: 9\n",
    ),
}
"""What a file may hold; None if it is not there. Alone the first of each are sound together."""


def _tree(choice: dict[str, int]) -> Source:
    files = [
        SourceFile(f"specs/{name}", text.encode())
        for name, texts in _VARIANTS.items()
        if (text := texts[choice.get(name, 0) % len(texts)]) is not None
    ]
    return Source(Path("/specs"), "specs", tuple(files), ())


@pytest.mark.unmeasured
@given(
    st.lists(
        st.dictionaries(st.sampled_from(sorted(_VARIANTS)), st.integers(0, 8), max_size=3),
        min_size=2,
        max_size=5,
    ),
    st.sampled_from(["default", "prod"]),
)
@settings(deadline=None, max_examples=50)
@example([{"one.yaml": 7}], "default")
def test_whatever_changes_specs_from_a_cache_are_those_that_compiling_gives(
    tmp_path_factory: pytest.TempPathFactory, edits: list[dict[str, int]], environment: str
) -> None:
    """Problems with their places too; each edit is one of what the edits before it left."""
    cache = Cache(tmp_path_factory.mktemp("state"))
    state: dict[str, int] = {}
    assert not compile_source(_tree(state), environment, cache).errors
    for edit in edits:
        state |= edit
        source = _tree(state)

        cached = compile_source(source, environment, cache)

        assert _everything(cached) == _everything(compile_source(source, environment))


def test_another_folder_environment_or_place_is_other_ground(source: Source) -> None:
    others = [replace(source, name="other"), replace(source, root=source.root / "other")]

    found = {ground(one, "default") for one in (source, *others)} | {ground(source, "prod")}

    assert len(found) == 4
    assert ground(source, "default") in found


def test_a_file_under_another_name_is_told_by_that_name(source: Source, cache: Cache) -> None:
    compile_source(source, "default", cache)
    first, *others = source.files
    moved = replace(source, files=(SourceFile("specs/moved.yaml", first.data), *others))

    specs = compile_source(moved, "default", cache)

    assert _everything(specs) == _everything(compile_source(moved))
    assert "specs/moved.yaml" in {one.place.file for one in specs.documents.values()}


def test_a_program_that_changed_recalls_nothing(
    source: Source, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(cache, source)
    # As an upgrade of any of them would.
    monkeypatch.setattr("reconciler.load._PACKAGES", ("ordinaut", "pydantic"))

    assert _goals(compile_source(source, "default", cache))["task-1"] == "Rome 1"


def test_what_python_keeps_of_the_program_is_not_looked_at(
    source: Source, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may belong to somebody else, who lets nobody in."""
    really = os.scandir

    def scandir(folder: str) -> object:
        if folder.endswith("__pycache__"):
            raise PermissionError(13, "Permission denied", folder)
        return really(folder)

    _pretend(cache, source)
    monkeypatch.setattr("reconciler.load.os.scandir", scandir)

    assert _goals(compile_source(source, "default", cache))["task-1"] != "Rome 1"


def test_a_damaged_entry_is_compiled_anew_and_replaced(source: Source, cache: Cache) -> None:
    plain = _everything(compile_source(source, "default", cache))
    entry = _entry(cache)
    whole = entry.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]

    resealed = bytes([whole[0] ^ 1]) + whole[1:]

    for damaged in (b"", b"\n", whole[:-1], whole + b" ", flipped, resealed):
        entry.write_bytes(damaged)
        assert (found := cache.find(entry.stem)) is None or found.rest() is None
        assert _everything(compile_source(source, "default", cache)) == plain
    assert (found := cache.find(entry.stem)) is not None
    assert found.rest() is not None


def test_the_rest_of_an_entry_that_was_replaced_meanwhile_is_not_that_of_another(
    cache: Cache,
) -> None:
    cache.keep("one", b"head", b"rest")
    found = cache.find("one")
    assert found is not None
    assert found.rest() == b"rest"

    cache.keep("one", b"head", b"other")

    assert found.rest() is None
    assert (again := cache.find("one")) is not None
    assert again.rest() == b"other"


def test_an_entry_under_the_name_of_another_is_ignored(cache: Cache) -> None:
    cache.keep("one", b"content")
    shutil.copy(_entry(cache), cache.state_dir / "cache" / "two.json")

    assert _head(cache, "one") == b"content"
    assert _head(cache, "two") is None


def test_a_state_folder_that_was_brought_along_is_no_cache(cache: Cache, tmp_path: Path) -> None:
    """As a repository or an archive may hold one, in which a plan would say what its author likes."""
    cache.keep("one", b"content")
    brought = Cache(tmp_path / "brought")
    shutil.copytree(cache.state_dir, brought.state_dir)

    assert _head(brought, "one") is None

    brought.keep("two", b"ours")
    assert (_head(brought, "one"), _head(brought, "two")) == (None, b"ours")
    assert _head(cache, "one") == b"content"


def test_what_others_may_write_is_not_read(cache: Cache) -> None:
    cache.keep("one", b"content")
    folder = cache.state_dir / "cache"
    entry = _entry(cache)

    for path, private, open_to_others in ((folder, 0o700, 0o750), (entry, 0o600, 0o606)):
        path.chmod(open_to_others)
        assert _head(cache, "one") is None
        path.chmod(private)
        assert _head(cache, "one") == b"content"


def test_a_link_or_a_pipe_is_no_entry(cache: Cache, tmp_path: Path) -> None:
    cache.keep("one", b"content")
    entry = _entry(cache)
    elsewhere = entry.rename(tmp_path / "elsewhere.json")

    entry.symlink_to(elsewhere)
    assert _head(cache, "one") is None

    entry.unlink()
    os.mkfifo(entry, 0o600)
    assert _head(cache, "one") is None


def test_a_broken_secret_seals_nothing_and_is_made_anew(cache: Cache) -> None:
    cache.keep("one", b"content")
    (cache.state_dir / "cache" / "secret").write_bytes(b"short")

    assert _head(cache, "one") is None

    cache.keep("one", b"again")
    assert _head(cache, "one") == b"again"


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    source: Source, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    for state in (tmp_path / "file", tmp_path / "file" / "below"):
        assert compile_source(source, "default", Cache(state)).project == "home"
        assert Cache(state).find("one") is None


def test_the_folder_is_private_and_never_enters_a_repository(cache: Cache) -> None:
    cache.keep("one", b"content")

    modes = [path.stat().st_mode & 0o777 for path in (cache.state_dir / "cache", _entry(cache))]
    assert modes == [0o700, 0o600]
    assert (cache.state_dir / ".gitignore").read_text() == "*\n"


def test_only_the_entries_used_last_are_kept(cache: Cache) -> None:
    names = [f"entry-{number}" for number in range(MOST_ENTRIES)]
    for age, name in enumerate(names):
        cache.keep(name, b"content")
        os.utime(cache.state_dir / "cache" / f"{name}.json", (age, age))
    assert _head(cache, names[0]) == b"content"

    cache.keep("new", b"content")

    kept = {name for name in (*names, "new") if cache.find(name) is not None}
    assert kept == {*names, "new"} - {names[1]}


def test_what_is_too_large_is_not_kept(cache: Cache) -> None:
    cache.keep("large", bytes(MOST_BYTES + 1))

    assert not cache.state_dir.exists()


def test_a_few_specs_leave_no_trace(cache: Cache, tmp_path: Path) -> None:
    few = _write(tmp_path / "few", 3)
    assert sum(len(file.data) for file in few.files) < WORTH_REMEMBERING

    compile_source(few, "default", cache)

    assert not cache.state_dir.exists()


def test_specs_with_errors_are_compiled_every_time(source: Source, cache: Cache) -> None:
    broken = replace(source, files=(*source.files, SourceFile("specs/z.yaml", b"a: [")))

    assert compile_source(broken, "default", cache).errors
    assert not cache.state_dir.exists()
