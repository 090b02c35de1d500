"""Specs as YAML, compiled, and a database that holds what they said before, for tests that need whole documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from textwrap import dedent
from typing import Any

from reconciler.core.changes import Applied, ChangeSet, Owner, Version
from reconciler.core.compile import SourceFile, compile_specs
from reconciler.core.desired import Desired, Key, Specs
from reconciler.core.diff import diff

PROJECT = "kind: Project\nname: platform\nowner: team-ops"
OURS = Owner("platform", "prod")


@lru_cache(maxsize=64)
def compiled(text: str, project: str = PROJECT) -> Specs:
    """Compile documents divided by `---`; each is given its apiVersion, and must be without errors."""
    documents = [project, *dedent(text).strip().split("\n---\n")]
    files = [
        SourceFile(f"specs/{place:02}.yaml", f"apiVersion: ordinaut/v1\n{document}\n".encode())
        for place, document in enumerate(documents)
        if document.strip()
    ]
    specs = compile_specs(files)
    assert not specs.errors, specs.errors
    return specs


@dataclass
class Database:
    """What a database would hold after these specs were applied, changed by hand where a test needs that."""

    documents: Mapping[Key, Desired]
    rows: dict[Key, Applied] = field(default_factory=dict)
    bodies: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for uid, (key, document) in enumerate(sorted(self.documents.items()), start=1):
            now = Version(document.digest, document.facets)
            protected = document.document.protect
            self.rows[key] = Applied(key, uid, OURS, 1, now, now, protected)
            self.bodies[uid] = document.body

    def changes_to(self, specs: Specs) -> ChangeSet:
        """The difference to newer specs."""
        return diff(specs.documents, self.rows, OURS)


def database_of(text: str) -> Database:
    """The database after applying these documents."""
    return Database(compiled(text).documents)
