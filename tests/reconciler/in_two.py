"""A process of its own, without threads, that compiles and plans folders of specs in one process and in two.

Run: python -m tests.reconciler.in_two FOLDER

It prints what differs, if anything does, and how many second processes there were for each part.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson

from reconciler import load, planning
from reconciler.core.desired import Specs
from reconciler.source import read_source
from schemas.plan import PlanSource

_NOW = datetime(2026, 3, 1, tzinfo=UTC)


def main() -> None:
    """Compile and plan both ways."""
    # However little it is, and on one core too.
    load.WORTH_COMPANY = planning.WORTH_COMPANY = 1
    _have_company(answer=True)
    forks: list[int] = []
    os.register_at_fork(after_in_parent=lambda: forks.append(1))
    source = read_source(Path(sys.argv[1]))
    beside, compiled = load.compile_source(source), len(forks)
    plan = _plan(beside)
    planned = len(forks) - compiled
    _have_company(answer=False)
    alone = load.compile_source(source)
    told = {
        "problems": [problem.code for problem in beside.problems],
        "compiled": compiled,
        "planned": planned,
        "specs_alike": _everything(beside) == _everything(alone),
        "plans_alike": plan == _plan(alone),
        "left_over": _has_children(),
    }
    sys.stdout.buffer.write(orjson.dumps(told))


def _have_company(*, answer: bool) -> None:
    load.has_company = planning.has_company = lambda: answer


def _plan(specs: Specs) -> bytes | None:
    if specs.errors:
        return None
    made = planning.plan_first(specs, PlanSource(project=specs.project), _NOW)
    return made.model_dump_json().encode()


def _everything(specs: Specs) -> object:
    documents = [
        (key, orjson.dumps(one.body), one.digest, one.facets, one.place, one.document)
        for key, one in specs.documents.items()
    ]
    return specs.problems, specs.shared, specs.known, specs.excused, documents


def _has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


if __name__ == "__main__":
    main()
