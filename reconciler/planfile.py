"""A plan in a file: written to be reviewed, as JSON, Markdown or SARIF; JSON is read back to be applied exactly as it was reviewed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from reconciler.core.digest import NORMALISER_VERSION, digest_of
from reconciler.core.plan import plan_digest
from reconciler.core.render_markdown import render_markdown
from runtime.errors import NotFound, PlanError, StalePlan
from schemas.plan import Plan

_PRIVATE: Final = 0o600


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan, which holds no secret, for the eyes of its user alone.

    Raises:
        PlanError: ORD207, the file cannot be written.
    """
    _write(plan.model_dump_json(indent=1) + "\n", path, mode=_PRIVATE)


def write_markdown(plan: Plan, path: Path) -> None:
    """Write a plan as a comment on a pull request.

    Raises:
        PlanError: ORD207, the file cannot be written.
    """
    _write(render_markdown(plan), path)


def write_sarif(log: bytes, path: Path) -> None:
    """Write what a plan gives reviewers to look at, for code scanning.

    Raises:
        PlanError: ORD207, the file cannot be written.
    """
    _write(log.decode(), path)


def _write(text: str, path: Path, mode: int | None = None) -> None:
    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o666 if mode is None else mode)

    try:
        with open(path, "w", encoding="utf-8", opener=opener) as file:
            # One that was there already may be open to others; pipes and terminals are not ours to close.
            if mode is not None and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.fchmod(file.fileno(), mode)
            file.write(text)
    except OSError as error:
        raise PlanError(f"{path} cannot be written: {error.strerror}", code="ORD207") from error


def read_plan(path: Path) -> Plan:
    """Read a plan back.

    Raises:
        NotFound: there is no such file.
        PlanError: ORD207, it is no plan, one of git against git, or not what it was when it was written.
        StalePlan: it was made by a version that compares documents in another form.
    """
    try:
        plan = Plan.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no plan file {path}", hint="`ordinaut plan --out FILE` writes one"
        ) from error
    except OSError as error:
        raise PlanError(f"{path} cannot be read: {error.strerror}", code="ORD207") from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the file"
        raise PlanError(
            f"{path} is no plan of this version: {where}: {error.errors()[0]['msg']}",
            hint="make it with `ordinaut plan --out FILE`",
            code="ORD207",
        ) from error
    _require_whole(plan, path)
    _require_unaltered(plan, path)
    if plan.git_base is not None:
        raise PlanError(
            f"{path} compares two commits and no database, so it cannot be applied",
            hint=f"ordinaut apply --expect-digest {plan.digest} applies it where it is the plan",
            code="ORD207",
        )
    return plan


def _require_whole(plan: Plan, path: Path) -> None:
    for change in plan.changes:
        if change.sensitive_paths:
            where = f"{change.kind} {change.key}, {change.sensitive_paths[0]}"
            raise PlanError(
                f"{path} leaves out what looks like a secret ({where}), so it cannot be applied",
                hint="write a reference to the secret, or say in a comment why it is none; or give"
                f" `ordinaut apply --expect-digest {plan.digest}`, which needs no file",
                code="ORD207",
            )


def _require_unaltered(plan: Plan, path: Path) -> None:
    if plan.normaliser_version != NORMALISER_VERSION:
        raise StalePlan(
            f"{path} was made by Ordinaut {plan.tool}, which compares documents in another form",
            hint="make the plan again with this version",
        )
    expected = plan_digest(plan.source.project, plan.environment.name, plan.changes)
    bodies = all(
        change.body is None or digest_of(change.body) == change.after_digest
        for change in plan.changes
    )
    if expected != plan.digest or not bodies:
        raise PlanError(
            f"{path} is not what `ordinaut plan` wrote: its digest does not fit its content",
            hint="make the plan again; a plan is reviewed, not edited",
            code="ORD207",
        )
