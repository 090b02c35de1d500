"""The personal agent, as its README starts it: real protocols, a mailbox, a chat, and nobody who is written to twice."""

from __future__ import annotations

import asyncio
import json
import mailbox
import re
import shutil
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.git import Clone, new_repository
from tests.support.probes import eventually
from tests.support.processes import ROOT, Finished, RunningProcess, ordinaut, started
from tests.support.valkey import free_port

EXAMPLE = ROOT / "examples" / "personal-agent"
OWNER = "kim@home.example"
BRIEFING = """\
Good morning! This is your day

Agenda
- 09:30 Stand-up
- 18:30 Swimming with Maria

Weather
- partly cloudy, 0.4 to 4.1 °C

Unread mail
- Ion Munteanu: Late for the stand-up
- Maria Bejan: Programme for the concert
- City Library: Two books are due on Thursday

[offline: no language model was asked]"""
SUBJECTS = ["Copies of the land register", "Offer for two window frames", "Lift on Saturday"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / ".servers" / "examples" / "bin" / "pymap").exists(),
        reason="what examples need is not installed: make .servers/examples/.installed",
    ),
]


class Home:
    """A copy of the example, at the depth at which it finds the clone's servers, with ports of its own.

    Args:
        folder: where it is.
        env: the servers of the test, in the place of embedded ones.
    """

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env | {"ORDINAUT_LEASE": "3s"}
        shutil.copytree(
            EXAMPLE, folder, ignore=shutil.ignore_patterns(".ordinaut", "local", "__pycache__")
        )
        (folder.parents[1] / ".servers").symlink_to(ROOT / ".servers")
        self.ports = {str(port): str(free_port()) for port in range(18200, 18205)}
        for file in ("specs/ordinaut.yaml", "data/chat-address"):
            self.edit(file, lambda text: re.sub(r"182\d\d", lambda m: self.ports[m[0]], text))
        self.quiet(timedelta(hours=12))
        for file in ("specs/frost-tonight.yaml", "specs/boss-wrote.yaml"):
            self.edit(file, lambda text: re.sub(r"every: \w+", "every: 1s", text))

    def edit(self, file: str, change: Callable[[str], str]) -> None:
        """Change a file, in one step as editors do."""
        path = self.folder / file
        before = path.read_text()
        after = change(before)
        assert after != before, file
        path.with_suffix(".new").write_text(after)
        path.with_suffix(".new").rename(path)

    def quiet(self, begins_in: timedelta) -> None:
        """Let quiet hours begin so long from now, and last for two."""
        begin = datetime.now(UTC) + begins_in  # noqa: TID251 - the processes have this clock
        window = f'from: "{begin:%H:%M}", to: "{begin + timedelta(hours=2):%H:%M}"'
        self.edit(
            "specs/calendars.yaml",
            lambda text: re.sub(r"(timezone: UTC\n)?windows: .*", f"timezone: UTC\nwindows: [{{{window}}}]", text),
        )  # fmt: skip

    @asynccontextmanager
    async def up(self) -> AsyncIterator[RunningProcess]:
        async with started("up", cwd=self.folder, env=self.env) as up:
            await up.line("watching the specs", seconds=60)
            yield up

    async def ordinaut(self, *arguments: str) -> Finished:
        return await ordinaut(*arguments, cwd=self.folder, env=self.env, seconds=60)

    def repository(self) -> Clone:
        """The clone, with all of this committed."""
        clone = new_repository(self.folder.parents[1])
        clone.write({".gitignore": ".servers\n.ordinaut/\nlocal/\n.cache\n__pycache__\n"})
        clone.commit("All of it")
        return clone

    async def asked(self) -> list[str]:
        """The letters about which somebody is asked."""
        steps = json.loads((await self.ordinaut("approve", "--json")).stdout)["steps"]
        return [step["asked"]["arguments"]["letter"] for step in steps]

    async def approve(self, item: int, *more: str) -> int:
        step = f"follow-up-checker:send:{item}"
        return (await self.ordinaut("approve", step, "--as", "kim", "--yes", *more)).status

    @property
    def messages(self) -> list[str]:
        """What the chat got."""
        file = self.folder / "local" / "messages.jsonl"
        if not file.exists():
            return []
        return [json.loads(line)["text"] for line in file.read_text().splitlines()]

    @property
    def delivered(self) -> list[str]:
        """The subjects of all letters that anybody else got."""
        world = mailbox.Maildir(self.folder / "local" / "mailbox" / "world", create=False)
        return sorted(str(letter["Subject"]) for letter in world)

    def write_to_owner(self, sender: str, subject: str) -> None:
        """A letter comes in."""
        with smtplib.SMTP("127.0.0.1", int(self.ports["18201"])) as smtp:
            smtp.login(OWNER, (self.folder / "data" / "mailbox-password").read_text())
            smtp.sendmail(sender, OWNER, f"From: {sender}\nTo: {OWNER}\nSubject: {subject}\nMessage-ID: <new@office.example>\nDate: Mon, 05 Jan 2026 08:00:00 +0000\n\nNow.\n")  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, database: str, redis_url: str) -> Home:
    env = {"ORDINAUT_DATABASE_URL": database, "ORDINAUT_REDIS_URL": redis_url}
    return Home(tmp_path / "clone" / "examples" / "personal-agent", env)


class Relay:
    """Stands before the mailbox's SMTP and passes everything on, but not that the first letter was accepted.

    Attributes:
        accepted: set when the mailbox has accepted one.
        letters: how many were begun.
    """

    def __init__(self, port: int) -> None:
        self.accepted = asyncio.Event()
        self.letters = 0
        self._upstream = port

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, asks = await asyncio.open_connection("127.0.0.1", self._upstream)
        await asyncio.gather(self._pass(reader, asks), self._answer(answers, writer), return_exceptions=True)  # fmt: skip
        for end in (asks, writer):
            end.close()

    async def _pass(self, reader: asyncio.StreamReader, asks: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asks.write(line)
        asks.write_eof()

    async def _answer(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        was_data = False
        while line := await answers.readline():
            if was_data and not self.accepted.is_set():
                self.accepted.set()
                return
            was_data = line.startswith(b"354")
            self.letters += was_data
            writer.write(line)


async def test_the_example_is_without_problems_in_both_environments() -> None:
    for environment in ("default", "real"):
        for command in ("lint", "validate"):
            said = await ordinaut(command, "specs", "--env", environment, cwd=EXAMPLE)

            assert (said.status, "no problems" in said.stdout + said.stderr) == (0, True), said


async def test_its_tests_pass() -> None:
    tested = await ordinaut("test", "--coverage", "--fail-under", "90", cwd=EXAMPLE, seconds=60)

    assert tested.status == 0, tested.stdout + tested.stderr


async def test_out_of_the_box_it_warns_of_frost_tells_the_morning_and_reviews_the_week(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "clone" / "examples" / "personal-agent", {})
    async with home.up() as up:
        await eventually(lambda: home.messages, "the warning", seconds=30)
        morning = await home.ordinaut("run", "morning-briefing", "--wait")
        # There is no letter that it could tell of.
        failed = await home.ordinaut("run", "boss-wrote", "--wait")
        review = await home.ordinaut("run", "weekly-review", "--wait")
        up.terminate()
        ended = await up.ended()

    assert (morning.status, failed.status, review.status) == (0, 1, 0), morning.stdout
    frost, briefing, week = home.messages
    assert frost == "Frost tonight: down to -6.2 °C. Bring the lemon tree in."
    assert briefing == BRIEFING
    assert "2 succeeded, 1 failed" in week
    assert "- boss-wrote: " in week
    assert "Tokens\n- morning-briefing: " in week
    assert ended.status == 0


async def test_letters_are_followed_up_on_once_however_often_somebody_agrees(home: Home) -> None:
    async with home.up():
        await home.ordinaut("run", "follow-up-checker")
        await eventually(home.asked, "the question", seconds=30)
        statuses = await asyncio.gather(home.approve(0), home.approve(0))
        late = await home.approve(0)
        refused = await home.approve(1, "--deny")
        await home.approve(2)
        await eventually(lambda: len(home.delivered) == 2, "the letters")
        # The next day.
        again = await home.ordinaut("run", "follow-up-checker")
        await eventually(home.asked, "the question", seconds=30)
        asked = await home.asked()

    assert (statuses.count(0), late, refused, again.status) == (1, 1, 0, 0)
    assert home.delivered == [f"Re: {SUBJECTS[0]}", f"Re: {SUBJECTS[2]}"]
    assert asked == ["<frames-1@home.example>"]
    assert any("Nobody answered these letters: Copies of" in text for text in home.messages)


async def test_a_runtime_killed_between_sending_and_recording_sends_nothing_again(
    home: Home,
) -> None:
    relay = Relay(int(home.ports["18201"]))
    async with relay.listening() as port:
        home.edit(
            "specs/servers.yaml",
            lambda text: text.replace("MAIL_SMTP: ${vars.smtp}", f"MAIL_SMTP: 127.0.0.1:{port}"),
        )
        async with home.up() as up:
            await home.ordinaut("run", "follow-up-checker")
            await eventually(home.asked, "the question", seconds=30)
            await home.approve(1, "--deny")
            await home.approve(2, "--deny")
            await home.approve(0)
            await asyncio.wait_for(relay.accepted.wait(), 30)
            up.kill()
            await up.ended()
        assert home.delivered == [f"Re: {SUBJECTS[0]}"]

        async with home.up():
            await eventually(lambda: has_ended(home), "the run goes on", seconds=40)
            shown = json.loads((await home.ordinaut("show", "follow-up-checker", "--json")).stdout)
            await home.ordinaut("run", "follow-up-checker")
            await eventually(home.asked, "the question of the next day", seconds=30)
            asked = await home.asked()

    assert home.delivered == [f"Re: {SUBJECTS[0]}"]
    assert shown["state"] == "succeeded"
    [send] = [step for step in shown["steps"] if step["step"] == "send"]
    # Those that were refused, and not the one that the mailbox knows to have gone.
    assert (send["items"], send["failed_items"]) == (3, 2)
    assert relay.letters == 1
    assert asked == ["<frames-1@home.example>", "<lift-1@home.example>"]


async def test_the_agent_schedules_its_own_work_once_somebody_merges_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "clone" / "examples" / "personal-agent", {})
    clone = home.repository()
    async with home.up() as up:
        before = clone.git("rev-parse", "HEAD")
        asked = await home.ordinaut("run", "look-ahead", "--wait")
        assert asked.status == 0, asked.stdout + asked.stderr
        [branch] = clone.git("branch", "--list", "ordinaut/propose/*", "--format=%(refname:short)").split()  # fmt: skip
        again = await home.ordinaut("run", "look-ahead", "--wait")
        waiting = await home.ordinaut("next", "--specs", "specs", "--all")
        untouched = (clone.git("rev-parse", "HEAD"), clone.git("status", "--porcelain"))
        shown = clone.git("show", branch)
        clone.git("merge", "-q", branch)
        await up.line("applied revision r2", seconds=30)
        due = await home.ordinaut("runs", "--json")
        armed = await home.ordinaut("status", "--json")

    assert again.status == 0, again.stdout
    assert untouched == (before, "")
    assert "reminders" not in waiting.stdout
    assert '+        text: "18:30 Swimming with Maria"' in shown
    told = f"May I remind you of Swimming with Maria tomorrow. Branch: {branch}"
    assert home.messages.count(told) == 1
    assert "reminders/swimming-" in armed.stdout
    assert "reminders" not in due.stdout


PROPOSALS = """\
proposals:
  merge:
    - {agent: planner, namespace: reminders, max_runs_per_day: 5}
"""


async def test_where_the_project_lets_it_the_agent_merges_within_its_own_namespace(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "clone" / "examples" / "personal-agent", {})
    home.edit("specs/ordinaut.yaml", lambda text: text + PROPOSALS)
    # Rather soon than tomorrow.
    soon = datetime.now(UTC) + timedelta(minutes=1)  # noqa: TID251 - the processes have this clock
    home.edit(
        "specs/look-ahead.yaml",
        lambda text: re.sub(r"at: \$.*\n +timezone: .*", f"at: {soon:%Y-%m-%dT%H:%M:%SZ}", text),
    )
    clone = home.repository()
    async with home.up() as up:
        before = clone.git("rev-parse", "HEAD")
        asked = await home.ordinaut("run", "look-ahead", "--wait")
        assert asked.status == 0, asked.stdout + asked.stderr
        await up.line("applied revision r2", seconds=30)
        await eventually(
            lambda: any("Remember" in text for text in home.messages), "it", seconds=80
        )

    assert clone.git("rev-parse", "HEAD~1") == before
    assert clone.git("status", "--porcelain") == ""
    assert any(text.startswith("I shall remind you of Swimming") for text in home.messages)
    assert "Remember: 18:30 Swimming with Maria" in home.messages


async def has_ended(home: Home) -> bool:
    shown = await home.ordinaut("runs", "follow-up-checker", "--json")
    return bool(json.loads(shown.stdout)["runs"][0]["state"] == "succeeded")


async def test_what_the_boss_writes_in_quiet_hours_is_told_when_they_are_over(home: Home) -> None:
    home.quiet(timedelta(minutes=-2))
    async with home.up() as up:
        home.write_to_owner("elena@office.example", "Where are your numbers?")
        why = await home.ordinaut("why", "boss-wrote")
        kept = home.messages
        home.quiet(timedelta(hours=12))
        await up.line("applied revision r2", seconds=30)
        await eventually(lambda: len(home.messages) == 2, "the messages", seconds=30)

    assert "calendar quiet-hours keeps it from being asked until" in why.stdout
    assert kept == []
    assert sorted(home.messages) == [
        "Frost tonight: down to -6.2 °C. Bring the lemon tree in.",
        "elena@office.example wrote: Where are your numbers?",
    ]


async def test_with_its_budget_used_up_the_morning_still_has_its_facts(home: Home) -> None:
    home.edit("specs/agents.yaml", lambda text: text.replace("per: run, tokens: 10000", "per: run, tokens: 1"))  # fmt: skip
    # A step of the same run that uses up what there is.
    home.edit(
        "specs/morning-briefing.yaml",
        lambda text: text.replace(
            "  - id: plan\n",
            "  - {id: greet, uses: llm.plan, with: {goal: Good morning}, needs: [agenda, weather, mail]}\n  - id: plan\n",
        ).replace(
            "    needs: [agenda, weather, mail]\n    with:\n      goal", "    with:\n      goal"
        ),
    )
    async with home.up():
        run = await home.ordinaut("run", "morning-briefing", "--wait")

    assert run.status == 0, run.stdout
    assert "Stand-up, Swimming with Maria; partly cloudy; 3 letters unread" in home.messages
