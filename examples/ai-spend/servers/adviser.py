"""Looks for what agents could save, tries it on a copy of the specs, proposes it as a branch, and measures what came of it.

It changes nothing that runs: what it proposes is for people to review, and what they apply is theirs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from calls import Call
from ledger import Ledger, open_ledger, plain
from mcp.server.mcpserver import MCPServer
from ordinaut_json import told
from savings import Finding, Subject, after, findings
from specs_folder import Price, SpecsFolder

server = MCPServer("adviser")

URL: Final = os.environ["BOOKS_URL"]
SPECS: Final = Path("specs")
ENVIRONMENT: Final = os.environ.get("ORDINAUT_ENVIRONMENT", "default")
# What only tests tell that ask the model: whether answers are as good without, or by another one.
ASKED: Final = frozenset({"near", "trim", "model"})
PARTS: Final = ("input_tokens", "output_tokens")
SUBJECTS: Final = {
    "merge": "Run {task} once where it ran twice",
    "slow": "Run {task} as often as it has news",
    "retries": "Try {task}:{step} once",
    "cache": "Reuse answers of {task}:{step}",
    "near": "Ask {task}:{step} alike, and reuse answers",
    "trim": "Trim what {task}:{step} asks with",
    "model": "Ask a cheaper model in {task}:{step}",
}
# Tests may fail: that is an answer.
TESTED: Final = frozenset({0, 1})


@server.tool()
def find_savings(source: str, days: int = 14) -> dict[str, Any]:
    """What could be saved of each task, of what is in the books for the last whole days.

    Args:
        source: which of the sources the specs beside this server are of.
        days: how many days back.
    """
    specs, today = SpecsFolder(SPECS, ENVIRONMENT), datetime.now(UTC).date()
    cheaper = specs.cheaper(today)
    found: list[str] = []
    with open_ledger(URL) as ledger:
        for name, calls in sorted(_newest(ledger.calls(source, days)).items()):
            document = specs.task(name)
            if document is not None:
                subject = Subject(name, document, calls, cheaper, specs.zone)
                found += _next(ledger, source, subject, _tests(specs, name))
    return {"findings": found}


@server.tool()
def try_change(finding: str) -> dict[str, Any]:
    """Try a change on a copy of the specs: it must be sound, and pass the tests of its task, asking the model where that matters.

    Args:
        finding: its id.
    """
    specs = SpecsFolder(SPECS, ENVIRONMENT)
    with open_ledger(URL) as ledger:
        row = _row(ledger, finding)
        calls = _calls_of(ledger, row)
    passed, said, estimate = _tried(specs, row, calls)
    with open_ledger(URL) as ledger:
        ledger.write(
            """
            update recommendation set state = %(state)s, said = %(said)s, estimated_per_day = %(estimate)s
            where id = %(id)s and state in ('found', 'refused', 'passed')
            """,
            id=finding,
            state="passed" if passed else "refused",
            said=said,
            estimate=estimate,
        )
    return {"id": finding, "passed": passed, "said": said, "estimated_per_day": f"{estimate:.6f}"}


@server.tool()
def propose_change(id: str) -> dict[str, Any]:  # noqa: A002 - what callers know it by
    """Propose a change that passed as a branch with the edit, the plan and the saving, for people to review; at most once.

    Args:
        id: the finding's.
    """
    specs = SpecsFolder(SPECS, ENVIRONMENT)
    with open_ledger(URL) as ledger:
        row = _row(ledger, id)
        if row["branch"] is not None:
            return {"id": id, "branch": row["branch"], "is_new": False}
        branch = _proposed(specs, row)
        ledger.write(
            "update recommendation set state = 'proposed', branch = %(branch)s where id = %(id)s",
            id=id,
            branch=branch,
        )
    return {"id": id, "branch": branch, "is_new": True}


@server.tool()
def measure() -> dict[str, Any]:
    """What proposals save a day that people accepted: what their tasks cost before, less what they cost now."""
    specs = SpecsFolder(SPECS, ENVIRONMENT)
    measured = []
    with open_ledger(URL) as ledger:
        for row in ledger.rows("select * from recommendation where state in ('proposed', 'realised') order by id"):  # fmt: skip
            patch = specs.patch(row["task"], row["step"], row["edit"])
            own = [call for call in ledger.calls(row["source"], 90) if call.task == row["task"]]
            calls = after(own, row["revision"])
            if not calls or not specs.has(row["task"], patch):
                continue
            saved = row["cost_per_day"] - _per_day(calls)
            ledger.write(
                "update recommendation set state = 'realised', realised_per_day = %(saved)s where id = %(id)s",
                id=row["id"],
                saved=saved,
            )
            measured.append({"id": row["id"], "kind": row["kind"], "task": row["task"], "estimated_per_day": row["estimated_per_day"], "realised_per_day": saved})  # fmt: skip
    return {"measured": plain(measured)}


def _newest(calls: Sequence[Call]) -> dict[str, list[Call]]:
    """The calls of each task by the newest revision that made any: what went before a change says nothing of after it."""
    newest: dict[str, int] = defaultdict(int)
    for call in calls:
        newest[call.task] = max(newest[call.task], call.revision)
    together: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.revision == newest[call.task]:
            together[call.task].append(call)
    return together


def _per_day(calls: Sequence[Call]) -> Decimal:
    return sum((call.cost for call in calls), Decimal(0)) / len({call.day for call in calls})


def _next(ledger: Ledger, source: str, subject: Subject, tests: str) -> Iterator[str]:
    """The first finding of a task that nobody has decided on.

    What was proposed is with people, who are not asked twice; what was refused is so again until the task or its tests are others.
    """
    for found in findings(subject):
        id_, revision = _id(source, found), subject.calls[0].revision
        known = ledger.rows("select * from recommendation where id = %(id)s", id=id_)
        states = {row["state"] for row in known}
        if states & {"proposed", "realised"}:
            return
        if states == {"refused"} and (known[0]["revision"], known[0]["tests"]) == (
            revision,
            tests,
        ):
            continue
        _enter(ledger, source, found, subject.calls, tests)
        yield id_
        return


def _tests(specs: SpecsFolder, task: str) -> str:
    """What tells the tests of a task from others."""
    file = specs.tests_of(task)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def _id(source: str, found: Finding) -> str:
    """What a finding is called: the same edit of the same task is the same one."""
    wish = json.dumps([source, found.kind, found.task, found.step, found.edit], sort_keys=True)
    return f"{found.kind}-{hashlib.sha256(wish.encode()).hexdigest()[:10]}"


def _enter(ledger: Ledger, source: str, found: Finding, calls: Sequence[Call], tests: str) -> None:
    """Have a finding in the books, as it is now."""
    days = len({call.day for call in calls})
    ledger.write(
        """
        insert into recommendation (id, source, kind, task, step, why, edit, revision, tests, cost_per_day, spared_per_day,
            estimated_per_day, currency)
        values (%(id)s, %(source)s, %(kind)s, %(task)s, %(step)s, %(why)s, %(edit)s, %(revision)s, %(tests)s, %(cost)s, %(spared)s,
            %(spared)s, %(currency)s)
        on conflict (id) do update set why = excluded.why, revision = excluded.revision, tests = excluded.tests,
            cost_per_day = excluded.cost_per_day, spared_per_day = excluded.spared_per_day, state = 'found'
        where recommendation.state not in ('proposed', 'realised')
        """,
        id=_id(source, found),
        source=source,
        kind=found.kind,
        task=found.task,
        step=found.step,
        why=found.why,
        edit=json.dumps(found.edit),
        revision=calls[0].revision,
        tests=tests,
        cost=_per_day(calls),
        spared=(found.saved or Decimal(0)) / days,
        currency=next((call.currency for call in calls if call.currency), ""),
    )


def _calls_of(ledger: Ledger, row: Mapping[str, Any]) -> list[Call]:
    """The calls that a finding is about."""
    own = row["task"], row["step"], row["revision"]
    calls = ledger.calls(row["source"], 90)
    return [call for call in calls if (call.task, call.step, call.revision) == own]


def _row(ledger: Ledger, id_: str) -> dict[str, Any]:
    [row] = ledger.rows("select * from recommendation where id = %(id)s", id=id_)
    return row


def _tried(
    specs: SpecsFolder, row: Mapping[str, Any], calls: Sequence[Call]
) -> tuple[bool, str, Decimal]:
    """Whether a change is sound and its tests pass, what is to be said of that, and what it saves a day."""
    patch = specs.patch(row["task"], row["step"], row["edit"])
    asks, tests = row["kind"] in ASKED, specs.tests_of(row["task"])
    estimate: Decimal = row["spared_per_day"]
    if asks and not tests.exists():
        return False, "no test of the task says what a right answer is", estimate
    with specs.tried(row["task"], patch) as folder:
        report = _tested(specs, folder, tests.name, asks=asks)
    if report["problems"]:
        return False, report["problems"][0]["message"], estimate
    if report["failed"]:
        names = ", ".join(one["name"] for one in report["tests"] if not one["passed"])
        return False, f"{report['failed']} of {len(report['tests'])} tests fail: {names}", estimate
    if asks:
        before = _tested(specs, specs.folder, tests.name, asks=True)["asked"]
        step = next(one for one in patch["pipeline"] if one["id"] == row["step"])
        price = specs.price(str(step["with"].get("model", "default")), datetime.now(UTC).date())
        estimate = _estimated(row, calls, price, _left(before, report["asked"]))
    if estimate <= 0:
        return False, "it would save nothing", estimate
    how = "with the model asked" if asks else "with recorded answers"
    return True, f"{report['passed']} of {report['passed']} tests pass, {how}", estimate


def _tested(specs: SpecsFolder, folder: Path, name: str, *, asks: bool) -> dict[str, Any]:
    """What `ordinaut test` says of a folder of specs: of the tests of one task, which have a file of its name, else of all."""
    where = ("--specs", str(folder), "--env", specs.environment)
    own = folder / "tests" / name
    options = (*(("--ask-models",) if asks else ()), *((str(own),) if own.exists() else ()))
    return told(("test", *where, *options), fine=TESTED)


def _estimated(
    row: Mapping[str, Any], calls: Sequence[Call], price: Price | None, left: Mapping[str, Decimal]
) -> Decimal:
    """What a day costs less if calls fall away, and those that stay ask with so much of their tokens, at another price."""
    cost = sum((call.cost for call in calls), Decimal(0))
    if price is None or not cost:
        return Decimal(0)
    then = price.of(*(sum(getattr(call, part) for call in calls) * left[part] for part in PARTS))
    days = len({call.day for call in calls})
    spared: Decimal = row["spared_per_day"] * days
    return (cost - (cost - spared) * then / cost) / days


def _left(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> dict[str, Decimal]:
    """How much of the tokens is left that tests used up."""
    was, now = ({part: Decimal(sum(one[part] for one in asked)) for part in PARTS} for asked in (before, after))  # fmt: skip
    return {part: now[part] / was[part] if was[part] else Decimal(1) for part in PARTS}


def _proposed(specs: SpecsFolder, row: Mapping[str, Any]) -> str:
    """The branch on which the change stands by now; the same change stands on the same one, however often it is proposed."""
    patch = specs.patch(row["task"], row["step"], row["edit"])
    share = row["estimated_per_day"] / row["cost_per_day"]
    words = SUBJECTS[row["kind"]].format(task=row["task"], step=row["step"])
    reason = (
        f"{row['why'][0].upper()}{row['why'][1:]}. {row['said'][0].upper()}{row['said'][1:]}.\n\n"
        f"Estimated saving: {row['estimated_per_day']:.6f} {row['currency']} a day,"
        f" {share:.0%} of the {row['cost_per_day']:.6f} that the task costs ({row['id']})."
    )
    proposal = told(("propose", "--specs", str(SPECS), "--env", specs.environment, "--patch", f"Task {row['task']}", json.dumps(patch), "--subject", words, "--reason", reason))  # fmt: skip
    branch: str = proposal["branch"]
    return branch


if __name__ == "__main__":
    server.run()
