"""What is committed is the same everywhere: no path of a machine, no address of an index, every dependency pinned."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.sources import ROOT, files, relative

# Split, or this file would find itself.
_MACHINE = re.compile(
    r"(?<![\w.$}])/(?:home|Users|root|work)/[\w.-]+|[A-Z]:\\\\?Users\b|/tmp/[l]ab"
)
_INDEX = re.compile(
    r"--(?:extra-)?[i]ndex-url|--[f]ind-links|[a-z]+://[^\s\"'<>)]*(?:[p]ypi|[p]ythonhosted|[r]egistry|[n]pmjs)[^\s\"'<>)]*"
)
_LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def _texts() -> Iterator[tuple[str, str]]:
    for path in files():
        # Addresses are ASCII, whatever else there is: a picture, or a file in another encoding. What is packed is looked into.
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        yield relative(path), content.decode("latin-1")


def _found(pattern: re.Pattern[str]) -> list[str]:
    return [f"{path}: {found}" for path, text in _texts() for found in pattern.findall(text)]


def test_no_file_knows_a_machine() -> None:
    assert _found(_MACHINE) == []


def test_no_file_knows_a_package_index() -> None:
    assert _found(_INDEX) == []


@pytest.mark.parametrize("pattern", [_MACHINE, _INDEX], ids=["machine", "index"])
def test_planted_addresses_are_found(pattern: re.Pattern[str]) -> None:
    planted = {_MACHINE: "/ho" + "me/ann/x", _INDEX: "--ind" + "ex-url https://py" + "pi.example"}

    assert pattern.search(f"see {planted[pattern]}")


def test_there_are_locks() -> None:
    assert {path.name for path in _LOCKS} >= {
        "build.lock",
        "dev.lock",
        "examples.lock",
        "runtime.lock",
        "servers.lock",
    }


@pytest.mark.parametrize("lock", _LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_one_version_and_its_hashes(lock: Path) -> None:
    """`pip --require-hashes` refuses others, but only for the packages that a machine needs."""
    text = re.sub(r"\\\n\s*", " ", lock.read_text(encoding="utf-8"))
    locked = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]

    assert locked
    whole = re.compile(
        r"^[\w.-]+(\[[\w,-]+\])?==[\w.!+]+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+$"
    )
    assert [line[:80] for line in locked if not whole.match(line)] == []


def test_dev_and_runtime_agree_on_every_version() -> None:
    def versions(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([\w.-]+)==(\S+)", text, flags=re.MULTILINE))

    runtime, dev = versions("runtime.lock"), versions("dev.lock")

    assert {
        name: (version, dev.get(name))
        for name, version in runtime.items()
        if dev.get(name) != version
    } == {}


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8").rstrip().splitlines()

    assert script[-1] == "make test"
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
