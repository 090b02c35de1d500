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
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cache import MOST_BYTES, MOST_ENTRIES, Cache
from reconciler.core.compile import SourceFile
from reconciler.core.desired import Specs
from reconciler.core.remembering import recalled, remembered
from reconciler.load import WORTH_REMEMBERING, compile_source, fingerprint
from reconciler.source import Source, read_source
from schemas.problem import Problem
from tests.reconciler.specs import tasks, written

_HEAD = "apiVersion: ordinaut/v1\n"
_PROJECT = f"{_HEAD}kind: Project\nname: home\nvariables: {{city: Rome}}\nenvironments: {{prod: {{variables: {{city: Oslo}}}}}}\n"
_TASK = f"""\
{_HEAD}kind: Task
name: task-NUMBER
renamed_from: old-NUMBER
labels: {{team: "NUMBER"}}
schedule: {{every: 1h}}
pipeline:
  - {{id: one, uses: llm.plan, with: {{goal: "${{vars.city}} NUMBER"}}}}
"""

_PROBLEMS = (
    Problem(code="ORD900", severity="warning", message="„so“", hint="a\nb", file="specs/ä.yaml", line=3, column=14),
    Problem(code="ORD900", severity="note", message="it", file="specs/b.yaml", line=1, column=1),
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

    assert _everything(recalled(remembered(specs), lambda: specs)) == _everything(specs)


def test_the_same_files_are_not_compiled_again(source: Source, cache: Cache) -> None:
    other = compile_source(source, "prod")
    cache.keep(fingerprint(source, "default"), remembered(other))

    assert compile_source(source, "default", cache).environment == "prod"


def test_whatever_compiling_depends_on_is_in_the_fingerprint(source: Source) -> None:
    first, *others = source.files
    moved = replace(source, files=(SourceFile("specs/moved.yaml", first.data), *others))
    edited = replace(source, files=(SourceFile(first.name, b"%" + first.data[1:]), *others))
    data = first.data + others[0].data
    shifted = (SourceFile(first.name, data[:9]), SourceFile(others[0].name, data[9:]), *others[1:])
    sources = [
        source,
        moved,
        edited,
        replace(source, files=shifted),
        replace(source, name="other"),
    ]

    found = {fingerprint(one, "default") for one in sources} | {fingerprint(source, "prod")}

    assert len(found) == 6
    assert fingerprint(source, "default") in found


def test_a_damaged_entry_is_compiled_anew_and_replaced(source: Source, cache: Cache) -> None:
    plain = _everything(compile_source(source, "default", cache))
    entry = _entry(cache)
    whole = entry.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]

    resealed = bytes([whole[0] ^ 1]) + whole[1:]

    for damaged in (b"", b"\n", whole[:-1], whole + b" ", flipped, resealed):
        entry.write_bytes(damaged)
        assert cache.find(entry.stem) is None
        assert _everything(compile_source(source, "default", cache)) == plain
        assert cache.find(entry.stem) is not None


def test_an_entry_under_the_name_of_another_is_ignored(cache: Cache) -> None:
    cache.keep("one", b"content")
    shutil.copy(_entry(cache), cache.state_dir / "cache" / "two.json")

    assert cache.find("one") == b"content"
    assert cache.find("two") is None


def test_a_state_folder_that_was_brought_along_is_no_cache(cache: Cache, tmp_path: Path) -> None:
    """As a repository or an archive may hold one, in which a plan would say what its author likes."""
    cache.keep("one", b"content")
    brought = Cache(tmp_path / "brought")
    shutil.copytree(cache.state_dir, brought.state_dir)

    assert brought.find("one") is None

    brought.keep("two", b"ours")
    assert (brought.find("one"), brought.find("two")) == (None, b"ours")
    assert cache.find("one") == b"content"


def test_what_others_may_write_is_not_read(cache: Cache) -> None:
    cache.keep("one", b"content")
    folder = cache.state_dir / "cache"
    entry = _entry(cache)

    for path, private, open_to_others in ((folder, 0o700, 0o750), (entry, 0o600, 0o606)):
        path.chmod(open_to_others)
        assert cache.find("one") is None
        path.chmod(private)
        assert cache.find("one") == b"content"


def test_a_link_or_a_pipe_is_no_entry(cache: Cache, tmp_path: Path) -> None:
    cache.keep("one", b"content")
    entry = _entry(cache)
    elsewhere = entry.rename(tmp_path / "elsewhere.json")

    entry.symlink_to(elsewhere)
    assert cache.find("one") is None

    entry.unlink()
    os.mkfifo(entry, 0o600)
    assert cache.find("one") is None


def test_a_broken_secret_seals_nothing_and_is_made_anew(cache: Cache) -> None:
    cache.keep("one", b"content")
    (cache.state_dir / "cache" / "secret").write_bytes(b"short")

    assert cache.find("one") is None

    cache.keep("one", b"again")
    assert cache.find("one") == b"again"


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
    assert cache.find(names[0]) == b"content"

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
