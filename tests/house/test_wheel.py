"""What is built is what was meant: the four packages with their data, and a program that starts."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.house.sources import PRODUCT, ROOT, files, relative

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "version"
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "hatchling", "build", "--directory", str(folder), cwd=ROOT)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def test_the_wheel_brings_exactly_the_four_packages(built: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(built[0]).namelist()

    top = {PurePosixPath(name).parts[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == set(PRODUCT)
    assert not [name for name in names if "test" in PurePosixPath(name).parts]


def test_the_wheel_holds_every_file_of_the_packages(built: tuple[Path, Path]) -> None:
    ours = {relative(path) for path in files() if relative(path).partition("/")[0] in PRODUCT}
    names = set(zipfile.ZipFile(built[0]).namelist())

    assert {PurePosixPath(name).suffix for name in ours} >= {".py", ".sql", ".json", ".typed"}
    assert ours - names == set()


def test_the_source_distribution_can_be_worked_on(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert names >= {
        "Makefile",
        "README.md",
        "LICENSE",
        "requirements/dev.lock",
        "tests/conftest.py",
        "specs/chronicle.yaml",
    }


@pytest.mark.parametrize("kind", ["wheel", "source"])
def test_the_program_starts_where_it_was_installed(
    built: tuple[Path, Path], kind: str, tmp_path: Path
) -> None:
    package = built[kind == "source"]
    python = _environment(tmp_path / "venv")
    _run(
        *(
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ),
        *("--no-index", "--no-deps", "--no-build-isolation", str(package)),
        cwd=tmp_path,
    )

    assert (
        _run(str(python.with_name("ordinaut")), "--version", cwd=tmp_path)
        == f"ordinaut {VERSION}\n"
    )
    assert '"$schema"' in _run(str(python.with_name("ordinaut")), "schema", cwd=tmp_path)
    where = _run(
        str(python),
        "-c",
        "import migrations; print(len(migrations.migrations()), migrations.__file__)",
        cwd=tmp_path,
    )
    assert str(tmp_path) in where
    assert not where.startswith("0")


def _environment(folder: Path) -> Path:
    """A new environment, with our dependencies but without our clone; the path of its interpreter."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A .pth file adds a folder without reading the .pth files in it, one of which leads to the clone.
    (packages / "dependencies.pth").write_text(
        sysconfig.get_path("purelib") + "\n", encoding="utf-8"
    )
    return folder / "bin" / "python"


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
