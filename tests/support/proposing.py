"""A repository of specs in which changes are proposed."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import psycopg

from tests.support.git import Clone, new_repository

PROJECT = """\
apiVersion: ordinaut/v1
kind: Project
name: home
owner: me
"""
SERVER = """\
apiVersion: ordinaut/v1
kind: ToolServer
name: fs
stdio: {command: cat}
---
# Who may look.
apiVersion: ordinaut/v1
kind: Agent
name: assistant
scopes: [fs.*]
"""
TASK = """\
# Every morning.
apiVersion: ordinaut/v1
kind: Task
name: briefing   # its name
agent: assistant
schedule: {cron: "0 6 * * *", timezone: UTC}
# What it does.
pipeline: [{id: look, uses: fs.list}]
"""
NEW = """\
apiVersion: ordinaut/v1
kind: Task
name: later
namespace: ops
agent: default/assistant
schedule: {cron: "0 9 * * *", timezone: UTC}
pipeline: [{id: look, uses: default/fs.list}]
"""


def specs_repository(folder: Path) -> Clone:
    """A clone with specs of a project, one server, one agent and one task."""
    clone = new_repository(folder)
    clone.write(
        {
            ".gitignore": ".ordinaut/\n",
            "specs/ordinaut.yaml": PROJECT,
            "specs/servers.yaml": SERVER,
            "specs/briefing.yaml": TASK,
        }
    )
    clone.commit("First")
    return clone


def standing(clone: Clone) -> dict[str, str]:
    """Everything that a proposal must leave alone: files, index, what is checked out, branches and configuration."""
    files = {
        str(path.relative_to(clone.folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(clone.folder.rglob("*"))
        if path.is_file() and not {".git", ".ordinaut"} & set(path.parts)
    }
    git = clone.folder / ".git"
    for name in ("index", "HEAD", "config", "logs/HEAD"):
        path = git / name
        files[f".git/{name}"] = (
            f"{path.stat().st_mtime_ns} {sha256(path.read_bytes()).hexdigest()}"
            if path.is_file()
            else ""
        )
    branches = clone.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    ours = "refs/heads/ordinaut/propose/"
    files["branches"] = "\n".join(one for one in branches if not one.startswith(ours))
    files["status"] = clone.git(
        "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--ignored=no"
    )
    return files


def everything(rows: psycopg.Connection) -> dict[str, str]:
    """A digest of every row of every table of the database."""
    tables = rows.execute(
        "select format('%I.%I', schemaname, tablename) from pg_tables "
        "where schemaname not in ('pg_catalog', 'information_schema') order by 1"
    ).fetchall()
    return {
        name: str(
            rows.execute(
                f"select count(*), md5(string_agg(t::text, ',' order by t::text)) from {name} t"
            ).fetchone()
        )
        for (name,) in tables
    }
