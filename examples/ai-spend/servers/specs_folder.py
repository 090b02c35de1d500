"""The specs as they are written, and a copy of them in which a change is tried: nothing here writes into the specs."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

MILLION: Final = Decimal(1_000_000)
Document = dict[str, Any]


class _Core(yaml.SafeLoader):
    """YAML 1.2 as Ordinaut reads it: no dates, and `on` is a word."""


_Core.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|", "~n"),
    ("bool", "true|false", "tf"),
    ("int", "[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?[0-9]+\.[0-9]*", "-+0123456789"),
):
    _Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))  # fmt: skip


class Price(NamedTuple):
    """What a million tokens in and out cost."""

    input: Decimal
    output: Decimal

    def of(self, input_tokens: Decimal, output_tokens: Decimal) -> Decimal:
        """What so many cost."""
        return (self.input * input_tokens + self.output * output_tokens) / MILLION


class SpecsFolder:
    """A specs folder.

    Args:
        folder: where it is.
        environment: the environment whose overlays count.
    """

    def __init__(self, folder: Path, environment: str) -> None:
        self.folder = folder
        self.environment = environment
        self._documents = _read(folder, but=("tests", "overlays"))
        project = self._only("Project")
        overlay = project.get("environments", {}).get(environment, {}).get("overlay")
        self._overlay = folder / overlay if overlay else None
        laid = _read(self._overlay) if self._overlay else []
        self._project = project
        for one in laid:
            if one.get("kind") == "Project":
                self._project = merged(self._project, one)

    @property
    def name(self) -> str:
        """The Project's name."""
        return str(self._project["name"])

    @property
    def zone(self) -> str:
        """The zone of schedules that name none."""
        return str(self._project.get("defaults", {}).get("timezone", "UTC"))

    def tests_of(self, label: str) -> Path:
        """Where the tests of a task stand, if it has any."""
        return self.folder / "tests" / f"{label.rpartition('/')[2]}.yaml"

    def task(self, label: str) -> Document | None:
        """A task as it is written, by its name or `namespace/name`."""
        for one in self._documents:
            if one.get("kind") == "Task" and label_of(one) == label:
                return one
        return None

    def price(self, model: str, on: date) -> Price | None:
        """What a model of the Project costs; None where that is not said."""
        asked = self._project.get("models", {}).get(model, {}).get("model", "")
        prices = [p for p in self._project.get("prices", []) if str(p["from"]) <= str(on)]
        pattern = next((p["model"] for p in prices if fnmatchcase(asked, p["model"])), None)
        if pattern is None:
            return None
        newest = max((p for p in prices if p["model"] == pattern), key=lambda p: str(p["from"]))
        return Price(Decimal(str(newest["input"])), Decimal(str(newest["output"])))

    def cheaper(self, on: date) -> dict[str, list[str]]:
        """Of each model those that cost less, the cheapest first."""
        prices = {name: self.price(name, on) for name in self._project.get("models", {})}
        sums = {name: price.input + price.output for name, price in prices.items() if price}
        return {
            name: sorted((o for o in sums if sums[o] < sums[name]), key=lambda other: sums[other])
            for name in sums
        }

    def patch(self, label: str, step: str, edit: Mapping[str, Any]) -> Document:
        """An edit of a step, or of the task, as a merge patch over the task: lists are replaced whole."""
        task = self.task(label)
        if task is None or not step:
            return dict(edit)
        steps = [merged(one, edit) if one["id"] == step else one for one in task["pipeline"]]
        return {"pipeline": steps}

    def has(self, label: str, patch: Mapping[str, Any]) -> bool:
        """Whether the specs say by now what a patch wants them to."""
        task = self.task(label)
        return task is not None and merged(task, patch) == task

    @contextmanager
    def tried(self, label: str, patch: Mapping[str, Any]) -> Iterator[Path]:
        """A copy of the specs with a patch laid over a task."""
        with tempfile.TemporaryDirectory(prefix="tried-") as folder:
            copy = Path(folder) / "specs"
            shutil.copytree(self.folder, copy)
            for file in copy.rglob("*.yaml"):
                _lay(file, label, patch)
            yield copy

    def _only(self, kind: str) -> Document:
        return next(one for one in self._documents if one.get("kind") == kind)


def merged(value: Any, patch: Any) -> Any:
    """A value with a JSON merge patch laid over it (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(value) if isinstance(value, Mapping) else {}
    for name, part in patch.items():
        if part is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), part)
    return found


def label_of(document: Mapping[str, Any]) -> str:
    """How people write its name."""
    namespace = document.get("namespace", "default")
    return document["name"] if namespace == "default" else f"{namespace}/{document['name']}"


def _lay(file: Path, label: str, patch: Mapping[str, Any]) -> None:
    documents = _documents(file)
    if "overlays" in file.parts or "tests" in file.parts:
        return
    if any(one.get("kind") == "Task" and label_of(one) == label for one in documents):
        laid = [merged(one, patch) if one.get("kind") == "Task" and label_of(one) == label else one for one in documents]  # fmt: skip
        # JSON is YAML, and leaves nothing to guess.
        file.write_text("\n---\n".join(json.dumps(one, ensure_ascii=False) for one in laid))


def _read(folder: Path, but: tuple[str, ...] = ()) -> list[Document]:
    files = sorted(file for file in folder.rglob("*.yaml") if not {*file.relative_to(folder).parts} & {*but})  # fmt: skip
    return [one for file in files for one in _documents(file)]


def _documents(file: Path) -> list[Document]:
    return [one for one in yaml.load_all(file.read_text(), Loader=_Core) if one]
