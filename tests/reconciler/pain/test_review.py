"""Pain points 7, 8, 9, 11, 12 and 13: what a plan says, to whom, out of what, and what is remembered of it."""

from __future__ import annotations

import random
from pathlib import Path

import yaml
from psycopg import sql

from tests.reconciler.pain.conftest import HEAD, PROJECT, World, task
from tests.support.cli import Cli
from tests.support.databases import on_database

HOURLY = "every: 1h"
PLANTED = "pl4nted-s3cr3t-v4lue"


async def test_pain_07_defaults_order_format_comments_and_files_are_no_difference(
    world: World,
) -> None:
    world.change(one=task("one", HOURLY), two=task("two", HOURLY, "labels: {b: x, a: y}\n"))
    chance = random.Random(7)

    def respelt(text: str) -> str:
        fields = list(yaml.safe_load(text).items())
        chance.shuffle(fields)
        words = yaml.safe_dump(dict(fields), sort_keys=False, default_flow_style=True, width=40)
        return f"# said otherwise\n{words}"

    world.write(
        one=None,
        two=None,
        **{
            "deep/er/all": respelt(task("two", "every: 60m", "labels: {a: y, b: x}\n"))
            + "---\n"
            + respelt(task("one", "every: 3600s", "overlap: skip\npriority: 5\nnamespace: default\n"))
        },
    )  # fmt: skip
    for _ in range(2):
        assert world.plan("--detailed-exitcode").stdout == "No changes: 3 documents match r1.\n"
        assert world.plan("--drift-only", "--detailed-exitcode").status == 0
        assert world.cli("fmt").status == 0
    assert world.apply().stdout.startswith("No changes")
    assert world.bench.row("select count(*) from ordinaut.revision") == (1,)


async def test_pain_08_a_plan_shows_what_changes_and_only_that_and_nothing_is_one_line(
    world: World,
) -> None:
    many = {f"t{n:03}": task(f"t{n:03}", HOURLY) for n in range(200)}
    world.change(**many)

    quiet = world.plan()
    world.write(
        t007=task("t007", "every: 2h"), t100=task("t100", HOURLY, "description: kept short\n")
    )
    plan, again, more = world.plan(), world.plan(), world.plan("-v")

    assert quiet.stdout == "No changes: 201 documents match r1.\n"
    assert plan.stdout == again.stdout
    assert "t008" not in more.stdout
    assert len(plan.lines) < 20
    assert "was " in plan.stdout
    assert "kept short" not in plan.stdout
    assert "kept short" in more.stdout
    assert "199 unchanged" in plan.stdout


async def test_pain_09_a_stale_or_mixed_plan_is_refused_and_says_what_moved(world: World) -> None:
    world.change(one=task("one", HOURLY), two=task("two", HOURLY), three=task("three"))
    world.write(one=task("one", "every: 2h"))
    reviewed = world.plan("--out", "reviewed.json", "--json").json["digest"]

    world.write(one=task("one", HOURLY), three=task("three", more="priority: 9\n"))
    world.clone.commit("Elsewhere")
    world.apply()
    unrelated = world.plan("--json").json["changes"]
    world.write(one=task("one", "every: 3h"))
    commit = world.clone.commit("Faster")
    mixed = world.cli("apply", "--expect-digest", reviewed)
    world.apply()
    stale = world.cli("apply", "--plan", "reviewed.json")

    assert unrelated == []
    assert (mixed.status, stale.status) == (4, 4)
    assert "r3" in stale.stderr
    assert f"{commit[:7]}" in stale.stderr
    assert "changed schedule of Task one" in " ".join(stale.stderr.split())
    assert "r2" not in stale.stderr


async def test_pain_09_what_others_applied_elsewhere_does_not_make_a_reviewed_plan_stale(
    world: World,
) -> None:
    world.change(one=task("one", HOURLY), two=task("two", HOURLY))
    world.write(one=task("one", "every: 2h"))
    world.plan("--out", "reviewed.json")
    world.write(one=task("one", HOURLY), two=task("two", "every: 5h"))
    world.apply()

    applied = world.cli("apply", "--plan", "reviewed.json")

    assert (applied.status, applied.lines[-1]) == (0, "Applied as r3: 1 updated.")
    again = world.cli("apply", "--plan", "reviewed.json")
    assert (again.status, again.lines[-1]) == (0, "Already applied as r3.")


async def test_pain_11_a_pull_request_is_planned_without_any_database_or_secret(
    world: World,
) -> None:
    world.write(one=task("one", HOURLY))
    world.clone.commit()
    world.clone.git("branch", "-m", "main")
    world.clone.git("checkout", "--quiet", "-b", "stranger")
    world.write(one=task("one", "every: 2h"), new=task("new", HOURLY))
    world.clone.commit()
    nowhere = Cli({"ORDINAUT_DATABASE_URL": "postgresql://127.0.0.1:1/none"})

    plan = nowhere("plan", "--base", "main", "--json")

    assert plan.status == 0, plan.stderr
    changes = {one["key"]: one for one in plan.json["changes"]}
    assert {key: one["action"] for key, one in changes.items()} == {"new": "create", "one": "update"}  # fmt: skip
    assert all(one["preview"]["after"] for one in changes.values())
    assert not Path(".ordinaut/postgres").exists()


async def test_pain_11_a_dry_run_never_writes_and_its_session_could_not(world: World) -> None:
    """The database itself asks, whenever a session asks it for the time, whether that session may write."""
    world.change(one=task("one", HOURLY))
    world.write(one=task("one", "every: 2h"), two=task("two"))
    before = world.bench.everything()
    world.bench.run(
        "create or replace function ordinaut.now() returns timestamptz language plpgsql stable as $$"
        " begin if current_setting('transaction_read_only') <> 'on' then"
        " raise exception 'this session may write'; end if; return clock_timestamp(); end $$"
    )

    for words in ((), ("--json",), ("--drift-only",), ("--detailed-exitcode", "--out", "p.json")):
        assert world.plan(*words).status in {0, 2}, words
    assert "this session may write" in world.cli("apply", "--yes").stderr
    assert world.bench.everything() == before


async def test_pain_11_a_role_that_may_only_read_is_enough_for_a_plan(world: World) -> None:
    world.change(one=task("one", HOURLY))
    world.write(one=task("one", "every: 2h"))
    role = sql.Identifier(world.bench.row("select current_database() || '_reader'")[0])
    name = world.bench.row("select current_database()")[0]
    connection = world.bench.connection
    connection.execute(sql.SQL("create role {} login").format(role))
    try:
        connection.execute(sql.SQL("grant usage on schema ordinaut to {}").format(role))
        connection.execute(
            sql.SQL("grant select on all tables in schema ordinaut to {}").format(role)
        )
        host = world.bench.url.replace("postgres@", f"{name}_reader@")
        plan = Cli({"ORDINAUT_DATABASE_URL": on_database(host, name)})("plan", "--json")
    finally:
        connection.execute(sql.SQL("drop owned by {}").format(role))
        connection.execute(sql.SQL("drop role {}").format(role))

    assert plan.status == 0, plan.stderr
    assert plan.json["summary"]["update"] == 1


async def test_pain_12_no_secret_is_in_anything_that_is_printed_written_or_stored(
    world: World,
) -> None:
    folder = world.clone.folder
    (folder / "token").write_text(PLANTED)
    server = (
        f"{HEAD}kind: ToolServer\nname: fs\nstdio: {{command: mcp-fs, env: {{A: '${{secrets.a}}', B: '${{secrets.b}}'}}}}\n"
    )  # fmt: skip
    project = f"{PROJECT}secrets: {{a: {{env: TOKEN}}, b: {{file: token}}}}\n"
    uses = task("one", HOURLY, uses="fs.list").replace(
        "fs.list", "fs.list, with: {key: '${secrets.a}'}"
    )
    world.write(ordinaut=project, fs=server, one=uses)
    cli = Cli({"ORDINAUT_DATABASE_URL": world.bench.url, "TOKEN": PLANTED, "ORDINAUT_STATE_DIR": "state"})  # fmt: skip
    said = [
        cli(*words)
        for words in (
            ("plan", "-vv"), ("plan", "--json"), ("plan", "--out", "o.json", "--json-out", "j.json", "--md-out", "m.md"),
            ("lint",), ("apply", "--yes", "--json"), ("plan", "--rendered", "one"), ("history", "--json"), ("show", "r1"),
            ("export",), ("plan", "--drift-only"), ("status", "--json"), ("rollback", "--to", "r1", "--yes"),
        )
    ]  # fmt: skip

    assert [one.status for one in said] == [0] * len(said), said
    assert not any(PLANTED in one.stdout + one.stderr for one in said)
    assert PLANTED not in str(world.bench.everything())
    written = [path for path in folder.rglob("*") if path.is_file() and path.name != "token"]
    assert {"o.json", "j.json", "m.md"} <= {path.name for path in written}
    assert not [path for path in written if PLANTED.encode() in path.read_bytes()]


async def test_pain_12_a_secret_that_is_written_out_is_refused_by_lint_and_not_repeated(
    world: World,
) -> None:
    leak = "ghp_" + "a1B2c3D4" * 5
    world.write(one=task("one", HOURLY).replace("llm.plan", f"llm.plan, with: {{token: {leak}}}"))

    lint = world.cli("lint", "--json")

    assert lint.status == 1
    assert leak not in lint.stdout + lint.stderr
    assert "specs/one.yaml" in {one["file"] for one in lint.json["problems"]}


async def test_pain_13_every_object_of_every_revision_says_who_did_it_and_from_which_commit(
    world: World,
) -> None:
    kept = task("kept", HOURLY)
    world.change(one=task("one", HOURLY), two=task("two"), kept=kept)
    commits = [world.clone.git("rev-parse", "HEAD")]
    world.change(
        one=task("one", "every: 2h"),
        two=None,
        three=task("three"),
        deux=task("kept-too", HOURLY, "renamed_from: kept\n"),
        kept=None,
    )
    commits.append(world.clone.git("rev-parse", "HEAD"))

    history = world.cli("history", "--json").json["revisions"]

    assert [one["commit"] for one in history] == commits[::-1]
    assert {one["author"] for one in history} == {"Ada <ada@example.com>"}
    assert all(one["actor"] for one in history)
    assert world.bench.rows(
        "select r.action, coalesce(r.body->>'name', s.name), v.git_commit, v.plan_digest <> ''"
        " from ordinaut.spec_revision r join ordinaut.revision v using (revision_id)"
        " join ordinaut.spec s using (uid) where r.revision_id = 2 order by 1, 2"
    ) == [
        ("create", "three", commits[1], True),
        ("rename", "kept-too", commits[1], True),
        ("retire", "two", commits[1], True),
        ("update", "one", commits[1], True),
    ]
    shown = world.cli("show", "r2").stdout
    assert "- two" in shown
    assert world.cli("history", "Task/two", "--json").json["revisions"][0]["commit"] == commits[1]
