"""A folder to files: what is read, in which order, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.core.documents import MAX_FILE_BYTES
from reconciler.source import read_source
from runtime.errors import NotFound


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    folder = tmp_path / "specs"
    folder.mkdir()
    return folder


def _write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def _names(folder: Path) -> list[str]:
    return [file.name for file in read_source(folder).files]


def _refused(folder: Path) -> list[tuple[str, str]]:
    return [(problem.file, problem.code) for problem in read_source(folder).problems]


def test_yaml_files_are_read_in_one_order_and_named_from_the_parent(specs: Path) -> None:
    _write(specs, "b.yaml", "a/z.yml", "a/b/c.yaml", "ordinaut.yaml")

    assert _names(specs) == [
        "specs/a/b/c.yaml",
        "specs/a/z.yml",
        "specs/b.yaml",
        "specs/ordinaut.yaml",
    ]


def test_hidden_and_other_files_are_passed_over(specs: Path) -> None:
    _write(
        specs,
        "a.yaml",
        ".hidden.yaml",
        ".git/b.yaml",
        "README.md",
        "c.yaml.bak",
        "tools.lock.json.bak",
        "deeper/tools.lock.json",
    )

    assert _names(specs) == ["specs/a.yaml"]
    assert not _refused(specs)


def test_the_tool_lock_is_read_where_it_belongs(specs: Path) -> None:
    _write(specs, "a.yaml", "tools.lock.json")

    assert _names(specs) == ["specs/a.yaml", "specs/tools.lock.json"]


def test_names_may_begin_elsewhere(specs: Path, tmp_path: Path) -> None:
    _write(specs, "a.yaml")

    assert [f.name for f in read_source(specs, tmp_path.parent).files] == [
        f"{tmp_path.name}/specs/a.yaml"
    ]
    assert [f.name for f in read_source(specs, specs).files] == ["a.yaml"]


def test_a_link_within_the_folder_is_followed_and_one_that_leads_out_is_refused(
    specs: Path, tmp_path: Path
) -> None:
    _write(specs, "a.yaml")
    (tmp_path / "secret.yaml").write_text("secret")
    (specs / "in.yaml").symlink_to("a.yaml")
    (specs / "out.yaml").symlink_to(tmp_path / "secret.yaml")
    (specs / "folder").symlink_to(tmp_path)

    assert _names(specs) == ["specs/a.yaml", "specs/in.yaml"]
    assert _refused(specs) == [("specs/folder", "ORD010"), ("specs/out.yaml", "ORD010")]


def test_a_link_to_nothing_is_told(specs: Path) -> None:
    (specs / "gone.yaml").symlink_to("nothing.yaml")

    assert _refused(specs) == [("specs/gone.yaml", "ORD001")]


def test_what_is_no_regular_file_is_refused_without_waiting_for_it(specs: Path) -> None:
    os.mkfifo(specs / "pipe.yaml")
    (specs / "folder.yaml").mkdir()

    assert _refused(specs) == [("specs/pipe.yaml", "ORD001")]


def test_what_may_not_be_read_is_told_and_the_rest_is_read(
    specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the refusal comes from the system call."""
    _write(specs, "a.yaml", "b.yaml", "c/d.yaml")
    real = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("/c"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    real_open = os.open

    def opened(path: str, flags: int) -> int:
        if path.endswith("b.yaml"):
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, flags)

    monkeypatch.setattr(os, "open", opened)

    assert _names(specs) == ["specs/a.yaml"]
    assert _refused(specs) == [("specs/c", "ORD001"), ("specs/b.yaml", "ORD001")]


def test_no_more_is_read_of_a_large_file_than_tells_that_it_is_too_large(specs: Path) -> None:
    with (specs / "large.yaml").open("wb") as file:
        file.truncate(50 * MAX_FILE_BYTES)

    assert [len(file.data) for file in read_source(specs).files] == [MAX_FILE_BYTES + 1]


def test_a_name_that_is_not_utf_8_can_be_shown(specs: Path) -> None:
    (specs / os.fsdecode(b"\xff.yaml")).touch()

    assert _names(specs) == ["specs/\\udcff.yaml"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no folder"):
        read_source(tmp_path / "specs")
