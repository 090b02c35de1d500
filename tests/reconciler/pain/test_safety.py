"""Pain points 3, 4, 6, 10 and 15: what is deleted, protected, half done, brought back, and left locked."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.store.statements import statement
from tests.reconciler.pain.conftest import PROJECT, World, task
from tests.support.cli import Cli, Invoked
from tests.support.locks import somebody_is_blocked

HOURLY = "every: 1h"
IN_FORCE = "select count(*) from ordinaut.spec where retired_at is null and kind = 'Task'"


def many(world: World, count: int = 20) -> list[str]:
    """Apply so many tasks; returns their names."""
    names = [f"t{n:02}" for n in range(count)]
    world.change(**{name: task(name, HOURLY) for name in names})
    return names


@pytest.mark.parametrize(
    "how", ["an empty folder", "an empty file", "no tasks", "a broken Project"]
)
async def test_pain_03_what_is_empty_or_unreadable_retires_nothing(world: World, how: str) -> None:
    names = many(world, 3)
    world.write(**dict.fromkeys(names))
    match how:
        case "an empty folder":
            world.write(ordinaut=None, **{"sub/keep": ""})
            (world.clone.folder / "specs/sub/keep.yaml").unlink()
        case "an empty file":
            world.write(ordinaut=None, empty="")
        case "no tasks":
            pass
        case _:
            world.write(ordinaut="kind: [")

    plan, apply = world.plan(), world.cli("apply", "--yes")

    assert (plan.status, apply.status) == ((3, 3) if how == "no tasks" else (1, 1))
    assert world.bench.row(IN_FORCE) == (3,)


async def test_pain_03_a_large_deletion_needs_its_exact_number(world: World) -> None:
    names = many(world)
    world.write(**dict.fromkeys(names[:8]))

    plan, apply = world.plan(), world.cli("apply", "--yes")
    wrong = [world.cli("apply", "--yes", "--allow-retire", number) for number in ("7", "9", "100")]

    assert [one.status for one in (plan, apply, *wrong)] == [3] * 5
    assert "--allow-retire 8" in apply.stderr
    assert world.bench.row(IN_FORCE) == (20,)
    world.apply("--allow-retire", "8")
    assert world.bench.row(IN_FORCE) == (12,)
    assert world.bench.row("select count(*) from ordinaut.spec where kind = 'Task'") == (20,)


async def test_pain_03_pruning_stays_with_what_the_project_owns(world: World) -> None:
    theirs = world.clone.folder / "theirs"
    theirs.mkdir()
    (theirs / "ordinaut.yaml").write_text(PROJECT.replace("home", "away"))
    (theirs / "x.yaml").write_text(task("x", HOURLY))
    assert world.cli("apply", "--yes", "--specs", "theirs").status == 0
    many(world, 2)
    world.bench.run(
        "insert into ordinaut.spec (project, environment, kind, namespace, name, revision_id, body, digest)"
        " select 'home', 'default', kind, namespace, 'by-hand', revision_id, body, digest"
        " from ordinaut.spec where name = 'x'"
    )
    world.write(t00=None)

    plan = world.plan("--json").json
    world.apply()

    assert [(one["action"], one["key"]) for one in plan["changes"]] == [("retire", "t00")]
    assert world.bench.rows(
        "select name from ordinaut.spec where retired_at is null and kind = 'Task' order by 1"
    ) == [("by-hand",), ("t01",), ("x",)]


@pytest.mark.parametrize("how", ["its block", "its file", "its folder", "its protection with it"])
async def test_pain_04_protection_outlives_the_block_the_file_and_the_folder(
    world: World, how: str
) -> None:
    safe = {"deep/safe": task("safe", HOURLY, "protect: true\n") + "---\n" + task("beside")}
    world.change(one=task("one"), **safe)
    match how:
        case "its block":
            world.write(**{"deep/safe": task("beside")})
        case "its file" | "its folder":
            world.write(**{"deep/safe": None, "beside": task("beside")})
            if how == "its folder":
                (world.clone.folder / "specs/deep").rmdir()
        case _:
            world.write(**{"deep/safe": task("beside") + "---\n" + task("other", more="renamed_from: nobody\n")})  # fmt: skip

    plan, apply = world.plan(), world.cli("apply", "--yes", "--allow-retire", "1")

    assert (plan.status, apply.status) == (3, 3)
    assert "retires protected Task safe" in " ".join(plan.stdout.split())
    assert world.bench.row("select retired_at from ordinaut.spec where name = 'safe'") == (None,)
    (world.clone.folder / "specs/deep/safe.yaml").unlink(missing_ok=True)
    world.change(safe=task("safe", HOURLY), beside=task("beside"))
    world.change(safe=None)
    assert world.bench.row("select count(*) from ordinaut.spec where name = 'safe' and retired_at is null") == (0,)  # fmt: skip


async def test_pain_06_one_broken_file_of_many_applies_none_and_the_last_good_stays(
    world: World,
) -> None:
    names = many(world, 5)
    before = world.bench.everything()
    world.write(**{name: task(name, "every: 2h") for name in names[:-1]}, t04="kind: Task\n")

    plan, apply = world.plan(), world.cli("apply", "--yes")

    assert (plan.status, apply.status) == (1, 1)
    assert "specs/t04.yaml:1:1" in apply.stderr
    assert world.bench.everything() == before


async def test_pain_06_what_the_database_refuses_half_way_leaves_nothing_of_it(
    world: World,
) -> None:
    names = many(world, 5)
    world.write(**{name: task(name, "every: 2h") for name in names})
    before = world.bench.everything()
    world.bench.run(
        "alter table ordinaut.event_log add constraint no_news check (subject <> 't04') not valid"
    )

    apply = world.cli("apply", "--yes")

    assert (apply.status, "no_news" in apply.stderr) == (1, True)
    assert world.bench.everything() == before
    world.bench.run("alter table ordinaut.event_log drop constraint no_news")
    assert world.apply().lines[-1].endswith(": 5 updated.")


async def test_pain_10_a_rollback_is_one_command_and_no_sync_undoes_it_until_a_fix_comes(
    world: World,
) -> None:
    """Whatever applies by itself goes on: it skips the commit that was rolled back, and takes the next."""

    async def sync() -> Invoked:
        words = ("sync", "--once", "--repo", str(world.clone.folder), "--branch", "main")
        return await asyncio.to_thread(world.cli, *words)

    world.clone.git("checkout", "--quiet", "-b", "main")
    world.write(one=task("one", HOURLY), two=task("two", HOURLY))
    world.clone.commit("Good")
    first = await sync()
    assert first.status == 0, first.stdout + first.stderr
    good = world.bench.rows("select name, digest from ordinaut.spec order by 1")
    world.write(one=task("one", "every: 1m"), two=None)
    bad = world.clone.commit("Bad")
    world.plan("--out", "before.json")
    assert (await sync()).status == 0

    rollback = world.cli("rollback", "--to", "r1", "--yes")
    refused = [await sync(), world.cli("apply", "--yes"), await sync()]
    refused.append(world.cli("apply", "--plan", "before.json"))
    looked_at = world.plan()

    assert rollback.status == 0, rollback.stderr
    assert [one.status for one in refused] == [3] * 4
    # Looking is allowed, and says that it is held.
    assert (looked_at.status, "Refused: " in looked_at.stdout) == (0, True)
    assert "Held" in refused[0].stdout + refused[0].stderr
    assert bad[:7] in refused[1].stderr
    assert world.bench.rows("select name, digest from ordinaut.spec order by 1") == good
    assert world.bench.row("select count(*) from ordinaut.revision") == (3,)
    world.write(one=task("one", "every: 2h"))
    world.clone.commit("Mended")
    assert (await sync()).status == 0
    assert world.cli("hold").stderr == "nothing is held\n"
    assert world.plan("--detailed-exitcode").status == 0


@contextmanager
def _applying(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """An `ordinaut apply` of its own process."""
    command = [Path(sys.executable).with_name("ordinaut"), "apply", "--yes", "--database-url", world.bench.url]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as apply:
        yield apply
        apply.kill()


@pytest.mark.parametrize("where", ["while it holds the lock", "while it waits for the lock"])
async def test_pain_15_an_apply_that_was_killed_leaves_no_lock(world: World, where: str) -> None:
    world.change(one=task("one", HOURLY))
    before = world.bench.everything()
    world.write(one=task("one", "every: 2h"))

    with world.bench.other() as ahead:
        ahead.execute("begin")
        if where == "while it holds the lock":
            ahead.execute("select from ordinaut.spec for update")
        else:
            mine = {"project": "home", "environment": "default"}
            ahead.execute(statement("lock_project"), mine)
        with _applying(world) as apply:
            await somebody_is_blocked(world.bench.url)
            apply.send_signal(signal.SIGKILL)
            await asyncio.to_thread(apply.wait)
        ahead.execute("rollback")

    assert world.apply("--lock-timeout", "2s").lines[-1] == "Applied as r2: 1 updated."
    assert before != world.bench.everything()


async def test_pain_15_whoever_only_looks_waits_for_no_apply(world: World) -> None:
    world.change(one=task("one", HOURLY))
    world.write(one=task("one", "every: 2h"))
    looking = Cli({"ORDINAUT_DATABASE_URL": world.bench.url, "PGOPTIONS": "-c lock_timeout=100"})

    with world.bench.other() as ahead, ahead.transaction():
        ahead.execute(statement("lock_project"), {"project": "home", "environment": "default"})
        ahead.execute("select from ordinaut.spec for update")
        plan = looking("plan", "--detailed-exitcode")

    assert plan.status == 2, plan.stderr
