"""Programs print secrets; what they printed is kept for a while, and asked for again when it is too old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import SecretUnreadable
from runtime.keyring import Keyring
from runtime.secrets import Secrets
from runtime.started import started
from tests.support.clock import FakeClock
from tests.support.probes import eventually

COUNTING = (
    "import pathlib; said = pathlib.Path('said'); n = len(said.read_text()) if said.exists() else 0;"
    " said.write_text('x' * (n + 1)); print(f'secret-{n + 1}')"
)


@pytest.fixture
async def keyring(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Keyring]:
    keyring = Keyring(tmp_path, clock)
    yield keyring
    await keyring.close()


def printed_by(script: str, **fields: Any) -> dict[str, Any]:
    return {"command": ["python", "-c", script], **fields}


async def try_again(clock: FakeClock) -> None:
    """Let the time pass after which a program that failed is asked again, twice."""
    for wait in (1, 3):
        await eventually(lambda wait=wait: clock.wakes_in == wait, "it waits", seconds=30)
        await clock.advance(wait)


async def test_a_secret_is_what_its_program_prints_without_the_last_newline(
    keyring: Keyring,
) -> None:
    source = printed_by(r"print('abc\n')")
    await keyring.collect([source])

    assert Secrets({"token": source}, keyring)["token"] == "abc\n"


async def test_a_program_is_run_in_the_project_folder_with_our_environment_but_not_our_settings(
    keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault")
    monkeypatch.setenv("ORDINAUT_DATABASE_URL", "postgresql://secret")
    source = printed_by("import os; print(os.getcwd(), sorted(os.environ))")
    await keyring.collect([source])

    told = keyring.read("token", source)
    assert told.startswith(str(tmp_path))
    assert "VAULT_ADDR" in told
    assert "ORDINAUT" not in told


async def test_what_was_printed_is_used_until_its_cache_is_over(
    keyring: Keyring, clock: FakeClock
) -> None:
    source = printed_by(COUNTING, cache="10m")
    await keyring.collect([source])
    await clock.advance(599)
    assert keyring.has([source])
    await keyring.collect([source])
    assert keyring.read("token", source) == "secret-1"

    await clock.advance(1)

    assert not keyring.has([source])
    await keyring.collect([source])
    assert keyring.read("token", source) == "secret-2"


async def test_without_a_cache_of_its_own_it_is_used_for_five_minutes(
    keyring: Keyring, clock: FakeClock
) -> None:
    source = printed_by(COUNTING)
    await keyring.collect([source])

    await clock.advance(299)
    assert keyring.has([source])
    await clock.advance(1)
    assert not keyring.has([source])


async def test_many_who_ask_at_once_share_one_run_of_the_program(keyring: Keyring) -> None:
    source = printed_by(COUNTING)

    await asyncio.gather(*(keyring.collect([source, source]) for _ in range(10)))

    assert keyring.read("token", source) == "secret-1"


async def test_who_is_cancelled_leaves_the_others_what_they_wait_for(keyring: Keyring) -> None:
    source = printed_by(COUNTING)
    impatient = asyncio.create_task(keyring.collect([source]))
    patient = asyncio.create_task(keyring.collect([source]))
    await asyncio.wait([impatient], timeout=0.01)
    impatient.cancel()

    await patient

    assert keyring.read("token", source) == "secret-1"


FAILURES = [
    (
        "import sys; print('x' * 9); sys.exit('\\nvault is sealed')",
        "ended with 1: vault is sealed",
    ),
    ("pass", "printed nothing"),
    ("print(' ')", "printed nothing"),
    ("import sys; sys.stdout.buffer.write(b'\\xff')", "printed what is no UTF-8"),
    ("while True: print('x' * 1000)", "printed more than 65,536 bytes"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "ended with -15"),
]


@pytest.mark.parametrize(("script", "why"), FAILURES)
async def test_a_program_that_prints_no_secret_is_asked_three_times_and_then_told_of(
    keyring: Keyring, clock: FakeClock, script: str, why: str
) -> None:
    source = printed_by(script)
    collecting = asyncio.create_task(keyring.collect([source]))
    await try_again(clock)
    await collecting

    with pytest.raises(SecretUnreadable, match="secret token could not be read: `python ") as told:
        keyring.read("token", source)
    assert why in told.value.message


async def test_a_program_that_is_not_there_is_told_of_with_where_it_was_looked_for(
    keyring: Keyring, clock: FakeClock
) -> None:
    source = {"command": ["./vault"]}
    collecting = asyncio.create_task(keyring.collect([source]))
    await try_again(clock)
    await collecting

    with pytest.raises(
        SecretUnreadable, match=r"`./vault` cannot be started: .* was not found at"
    ):
        keyring.read("token", source)


async def test_a_vault_that_is_back_in_a_second_is_not_missed(
    keyring: Keyring, clock: FakeClock, tmp_path: Path
) -> None:
    source = printed_by("print(open('there').read())")
    collecting = asyncio.create_task(keyring.collect([source]))
    await eventually(lambda: clock.wakes_in == 1, "it waits to ask again", seconds=30)
    (tmp_path / "there").write_text("abc")

    await clock.advance(1)
    await collecting

    assert keyring.read("token", source) == "abc"


async def test_after_a_failure_nobody_asks_again_for_five_seconds(
    keyring: Keyring, clock: FakeClock, tmp_path: Path
) -> None:
    source = printed_by("print(open('there').read(), end='')", cache="1h")
    collecting = asyncio.create_task(keyring.collect([source]))
    await try_again(clock)
    await collecting
    (tmp_path / "there").write_text("abc")
    assert keyring.has([source])

    await clock.advance(5)

    assert not keyring.has([source])
    await keyring.collect([source])
    assert keyring.read("token", source) == "abc"


async def test_a_program_that_does_not_end_is_ended_with_all_that_it_started(
    keyring: Keyring, clock: FakeClock, tmp_path: Path
) -> None:
    source = printed_by(
        "import pathlib, subprocess, sys;"
        "child = subprocess.Popen(['sleep', '600']);"
        "pathlib.Path('started').write_text(str(child.pid));"
        "child.wait()"
    )
    collecting = asyncio.create_task(keyring.collect([source]))
    noted = tmp_path / "started"
    await eventually(lambda: noted.exists() and noted.read_text(), "it hangs", seconds=30)

    await clock.advance(30)

    await eventually(lambda: started(int(noted.read_text())) is None, "its child is gone")
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)


async def test_closing_ends_what_still_runs(tmp_path: Path, clock: FakeClock) -> None:
    keyring = Keyring(tmp_path, clock)
    source = printed_by(
        "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)"
    )
    collecting = asyncio.create_task(keyring.collect([source]))
    pid = tmp_path / "pid"
    await eventually(lambda: pid.exists() and pid.read_text(), "it runs", seconds=30)

    await keyring.close()

    assert started(int(pid.read_text())) is None
    await asyncio.gather(collecting, return_exceptions=True)
