"""The specs of a commit are what the folder would be if it were checked out, and nothing is run to read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler import source
from reconciler.commits import (
    Repository,
    find_commit,
    find_fork,
    find_repository,
    find_tree,
    read_commit,
)
from reconciler.core.documents import MAX_FILE_BYTES
from reconciler.source import Source, read_source
from runtime.errors import NotFound
from tests.support.git import Clone, new_repository

PROJECT = "apiVersion: ordinaut/v1\nkind: Project\nname: home\n"


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A repository with a specs folder and one commit."""
    clone = new_repository(tmp_path / "platform")
    clone.write(
        {"README.md": "words", "specs/ordinaut.yaml": PROJECT, "specs/ops/a.yml": "a: 1\n"}
    )
    clone.commit()
    return clone


def _repository(clone: Clone, folder: str = "specs") -> Repository:
    return find_repository(clone.folder / folder)


def _read(clone: Clone, folder: str = "specs") -> Source:
    repository = _repository(clone, folder)
    found = read_commit(repository, find_commit(repository, "HEAD"))
    assert found is not None
    return found


def _both(clone: Clone, folder: str = "specs") -> tuple[Source, Source]:
    """What the commit holds, and what the checkout does."""
    clone.commit()
    return _read(clone, folder), read_source(clone.folder / folder)


def _shape(source: Source) -> object:
    problems = [(p.code, p.file) for p in sorted(source.problems, key=lambda p: p.file)]
    return source.root, source.name, sorted(source.files, key=lambda f: f.name), problems


def test_a_commit_s_files_are_those_of_its_checkout(clone: Clone) -> None:
    clone.write({"specs/.hidden/x.yaml": "x", "specs/.y.yaml": "y", "specs/notes.md": "words"})
    clone.write({"specs/days.ics": "BEGIN:VCALENDAR"})
    clone.write({"specs/tools.lock.json": "{}", "specs/ops/tools.lock.json": "{}"})

    there, here = _both(clone)

    assert _shape(there) == _shape(here)
    assert [file.name for file in there.files] == [
        "specs/days.ics",
        "specs/ops/a.yml",
        "specs/ordinaut.yaml",
        "specs/tools.lock.json",
    ]


def test_the_top_of_a_repository_may_be_the_specs_folder(clone: Clone) -> None:
    there, here = _both(clone, ".")

    assert _shape(there) == _shape(here)
    assert len(there.files) == 2


def test_asked_from_within_another_folder_it_is_the_same(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone.folder / "deep").mkdir()
    monkeypatch.chdir(clone.folder / "deep")

    assert _read(clone, "deep/../specs").files == _read(clone).files


def test_a_folder_that_is_not_checked_out_can_be_read(clone: Clone) -> None:
    clone.commit()
    for name in ("ops/a.yml", "ordinaut.yaml"):
        (clone.folder / "specs" / name).unlink()
    (clone.folder / "specs" / "ops").rmdir()
    (clone.folder / "specs").rmdir()

    assert len(_read(clone).files) == 2


def test_a_folder_that_the_commit_lacks_is_told_apart_from_an_empty_one(clone: Clone) -> None:
    repository = _repository(clone, "elsewhere")
    commit = find_commit(repository, "HEAD")

    assert (find_tree(repository, commit), read_commit(repository, commit)) == (None, None)


def test_links_are_followed_within_the_specs_and_refused_beyond(clone: Clone) -> None:
    specs = clone.folder / "specs"
    links = {
        "same.yaml": "ops/a.yml",
        "twice.yaml": "plain",
        "plain": "same.yaml",
        "ops/up.yaml": "../ordinaut.yaml",
        "out.yaml": "../README.md",
        "far.yaml": "/etc/passwd",
        "folder": "ops",
        "folder.yaml": "ops",
        "nowhere.yaml": "gone.yaml",
    }
    for name, target in links.items():
        (specs / name).symlink_to(target)

    there, here = _both(clone)

    assert _shape(there) == _shape(here)
    assert {problem.file: problem.code for problem in there.problems} == {
        "specs/out.yaml": "ORD010",
        "specs/far.yaml": "ORD010",
        "specs/folder": "ORD010",
        "specs/folder.yaml": "ORD010",
        "specs/nowhere.yaml": "ORD001",
    }


def test_links_in_a_circle_are_refused(clone: Clone) -> None:
    (clone.folder / "specs/a.yaml").symlink_to("b.yaml")
    (clone.folder / "specs/b.yaml").symlink_to("a.yaml")
    (clone.folder / "specs/itself.yaml").symlink_to("itself.yaml")

    there, here = _both(clone)

    assert _shape(there) == _shape(here)
    assert [problem.code for problem in there.problems] == ["ORD001"] * 3


def test_a_huge_file_is_not_read(clone: Clone) -> None:
    clone.write({"specs/huge.yaml": "#" * (MAX_FILE_BYTES + 1)})
    clone.commit()

    read = _read(clone)

    assert "specs/huge.yaml" not in {file.name for file in read.files}
    assert [p.message for p in read.problems] == [
        "the file has 1,048,577 bytes; 1,048,576 are the most"
    ]


@pytest.mark.parametrize(("bound", "most"), [("MAX_FILES", 5), ("MAX_TOTAL_BYTES", 100)])
def test_a_folder_without_end_is_read_as_far_as_that_of_a_checkout(
    clone: Clone, bound: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, bound, most)
    clone.write({f"specs/{n:02}.yaml": f"number: {n:10}\n" for n in range(20)})

    there, here = _both(clone)

    assert [problem.code for problem in there.problems] == ["ORD010"]
    assert 0 < len(there.files) <= 5
    if bound == "MAX_TOTAL_BYTES":
        assert _shape(there) == _shape(here)


def test_odd_names_are_shown_as_on_disk(clone: Clone) -> None:
    clone.write({"specs/two\nlines\tund Übung.yaml": "a: 1"})
    (clone.folder / "specs" / os.fsdecode(b"\xff.yaml")).write_text("b: 2")

    there, here = _both(clone)

    assert _shape(there) == _shape(here)


def test_a_submodule_is_refused(clone: Clone, tmp_path: Path) -> None:
    other = new_repository(tmp_path / "other")
    other.write({"b.yaml": "b: 1"})
    other.commit()
    clone.git("submodule", "--quiet", "add", str(other.folder), "specs/other")
    clone.commit()

    (problem,) = _read(clone).problems

    assert (problem.code, problem.file) == ("ORD001", "specs/other")
    assert "is a submodule" in problem.message


def test_branches_tags_and_hashes_name_commits(clone: Clone) -> None:
    head = clone.commit()
    clone.git("tag", "--annotate", "--message", "v1", "v1")
    repository = _repository(clone)

    assert {find_commit(repository, name) for name in ("main", "v1", head[:9], "HEAD~0")} == {head}


@pytest.mark.parametrize(
    "name", ["nowhere", "HEAD:specs", "--all", "--since=now", "--default", "-h", ""]
)
def test_what_names_no_commit_is_refused(clone: Clone, name: str) -> None:
    with pytest.raises(NotFound, match="git knows no commit") as refusal:
        find_commit(_repository(clone), name)
    assert refusal.value.hint == "fetch it first"


def test_histories_part_where_a_pull_request_began(clone: Clone) -> None:
    fork = clone.commit()
    clone.git("checkout", "--quiet", "-b", "feature")
    feature = clone.commit("Feature")
    clone.git("checkout", "--quiet", "main")
    main = clone.commit("Main goes on")

    assert find_fork(_repository(clone), main, feature) == fork


def test_histories_without_a_common_commit_are_refused(clone: Clone) -> None:
    main = clone.commit()
    clone.git("checkout", "--quiet", "--orphan", "other")
    other = clone.commit("Another beginning")

    with pytest.raises(NotFound, match="have no commit in common"):
        find_fork(_repository(clone), main, other)


def test_a_shallow_clone_is_told_how_to_get_more(clone: Clone, tmp_path: Path) -> None:
    clone.commit("Second")
    clone.git("clone", "--quiet", "--depth=1", f"file://{clone.folder}", str(tmp_path / "shallow"))

    with pytest.raises(NotFound) as refusal:
        find_commit(_repository(Clone(tmp_path / "shallow")), "HEAD~1")
    assert "git fetch --unshallow" in refusal.value.hint


def test_a_partial_clone_asks_no_server_for_what_it_lacks(clone: Clone, tmp_path: Path) -> None:
    clone.git("config", "uploadpack.allowFilter", "true")
    partial = Clone(tmp_path / "partial")
    clone.git("clone", "--quiet", "--no-checkout", "--filter=blob:none", f"file://{clone.folder}", str(partial.folder))  # fmt: skip

    with pytest.raises(NotFound, match="this clone lacks files of commit"):
        _read(partial)


def test_outside_of_a_repository_there_are_no_commits(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is in no git repository"):
        find_repository(tmp_path)
