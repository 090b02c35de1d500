"""What people want: tasks as the random courses of `test_model` draw them, and as they are written in YAML."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

NEWS: Final = "news"
WORDS: Final = ("tea", "rum")
ITEMS: Final = 3
SIDE_BY_SIDE: Final = 2
FIRST_DAY: Final = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
OVERLAPS: Final = ("skip", "queue_one", "queue_all", "cancel_running", "allow")
MAIN, OTHER = "tick", "tock"

Kind = Literal[
    "call", "limited", "spread", "once", "ask", "approve", "sleep", "event", "callback", "run"
]


@dataclass(frozen=True)
class Step:
    """A call of a tool: a plain one, one that a rate limit is on, one for each of three items, or one that must not be made
    twice, after which nobody or everybody is asked what became of it. Or a wait: for a person, a time, an event, where it
    `wants` something one that says so, a callback or a run of the other task.
    """

    name: str
    kind: Kind
    needs: tuple[str, ...] = ()
    span: timedelta | None = None
    retries: bool = False
    wants: str | None = None


@dataclass(frozen=True)
class Body:
    """A task as it is applied; `slots` is how many runs with the same word there may be at once, 0 for any number, and
    `deadline` how late a run may begin.
    """

    overlap: str = "skip"
    catch_up: str = "latest"
    period: timedelta = MINUTE
    start: datetime | None = None
    until: datetime | None = None
    count: int | None = None
    window: timedelta = 10 * MINUTE
    most: int = 2
    word: str = WORDS[0]
    slots: int = 0
    priority: int = 5
    deadline: timedelta | None = None
    steps: tuple[Step, ...] = (Step("a", "call"),)
    last: tuple[Step, ...] = ()

    @property
    def times(self) -> tuple[object, ...]:
        """All that says when it is due."""
        return self.period, self.start, self.until, self.count


# The first that are drawn for a course begin it, so each has its turn.
PIPELINES: Final = (
    (Step("a", "call"), Step("p", "approve", ("a",), 3 * MINUTE), Step("b", "call", ("p",))),
    (Step("s", "spread"), Step("c", "call"), Step("b", "call", ("s", "c"))),
    (Step("a", "ask", retries=True), Step("c", "call"), Step("b", "call", ("a", "c"))),
    (Step("a", "call"), Step("r", "run"), Step("b", "call", ("a", "r"))),
    (Step("a", "limited", retries=True), Step("b", "limited", ("a",)), Step("c", "call")),
    (Step("a", "call", retries=True), Step("o", "once", ("a",)), Step("b", "call", ("o",))),
    (Step("c", "callback", (), 3 * MINUTE), Step("a", "call"), Step("b", "call", ("a", "c"))),
    (Step("a", "call"), Step("e", "event", ("a",), 2 * MINUTE), Step("f", "event", ("e",))),
    (Step("a", "call", retries=True), Step("p", "approve", (), 2 * MINUTE)),
    (Step("a", "call", retries=True), Step("b", "call", ("a",))),
    (Step("s", "sleep", (), MINUTE), Step("b", "call"), Step("a", "call", ("s",), retries=True)),
    (
        Step("e", "event", wants="rum"),
        Step("f", "event", ("e",), MINUTE),
        Step("a", "call", ("f",)),
    ),
    (
        Step("e", "event", (), 5 * MINUTE, wants="tea"),
        Step("a", "call"),
        Step("s", "spread", ("e",)),
    ),
    (Step("a", "call", retries=True), Step("o", "once"), Step("b", "call", ("a", "o"))),
)
# One task runs the other, and none runs itself.
_PIPELINES_OF_THE_OTHER: Final = tuple(
    steps for steps in PIPELINES if all(step.kind != "run" for step in steps)
)
_LAST: Final = ((), (), (Step("z", "call"),), (Step("z", "approve", (), MINUTE),))

SERVERS: Final = (
    "kind: ToolServer\nname: fs\nstdio: {command: mcp-fs}",
    "kind: Agent\nname: aide\nscopes: ['fs.*', 'ordinaut.*']\n"
    "rate_limits: [{tools: fs.read, calls: 1, per: 60s}]",
)


def some_body(draw: random.Random, name: str, steps: tuple[Step, ...] | None = None) -> Body:
    """A task as people may want it."""
    start = until = count = None
    match draw.choice(["", "", "", "until", "count"]):
        case "until":
            until = FIRST_DAY + draw.choice([4, 9, 20]) * MINUTE
        case "count":
            start = FIRST_DAY + draw.randrange(6) * MINUTE
            count = draw.choice([2, 5, 9])
    steps = steps or draw.choice(PIPELINES if name == MAIN else _PIPELINES_OF_THE_OTHER)
    # Of two that start a run at the same moment nobody could say which is the first.
    is_parent = any(step.kind == "run" for step in steps)
    return Body(
        overlap=draw.choice(OVERLAPS[:-1] if is_parent else OVERLAPS),
        catch_up=draw.choice(["latest", "all", "skip"]),
        period=draw.choice([MINUTE, 2 * MINUTE]),
        start=start,
        until=until,
        count=count,
        window=draw.choice([3, 10]) * MINUTE,
        word=draw.choice(WORDS),
        slots=draw.choice([0, 0, 0, 1, 2]),
        priority=draw.choice([5, 5, 2, 9]),
        deadline=draw.choice([None, None, MINUTE, 4 * MINUTE]),
        steps=steps,
        last=draw.choice(_LAST),
    )


def as_yaml(name: str, body: Body) -> str:
    """A task as people write it."""
    times = [f"every: {body.period.seconds}s"]
    times += [f"start: {body.start:%Y-%m-%dT%H:%M:%SZ}"] if body.start else []
    times += [f"until: {body.until:%Y-%m-%dT%H:%M:%SZ}"] if body.until else []
    times += [f"count: {body.count}"] if body.count else []
    slots = f'concurrency: {{key: "${{params.word}}", limit: {body.slots}}}\n'
    deadline = f"start_deadline: {body.deadline.seconds}s\n" if body.deadline else ""
    return (
        f"kind: Task\nname: {name}\nagent: aide\noverlap: {body.overlap}\ntimeout: 7d\n"
        f"schedule: {{{', '.join(times)}}}\n"
        f"catch_up: {{policy: {body.catch_up}, window: {body.window.seconds}s, max: {body.most}}}\n"
        f"params: {{word: {body.word}}}\n{slots if body.slots else ''}"
        f"priority: {body.priority}\n{deadline}"
        f"pipeline:\n{_listed(body.steps)}\n"
        + (f"finally:\n{_listed(body.last)}\n" if body.last else "")
    )


def _listed(steps: Sequence[Step]) -> str:
    return "\n".join(f"  - {_step(step)}" for step in steps)


def _step(step: Step) -> str:
    retry = "attempts: 2, initial: 10s, jitter: none, retry_on: [tool_error]"
    more = f"retry: {{{retry if step.retries else 'attempts: 1'}}}"
    return f"{{id: {step.name}, {_call(step)}, needs: [{', '.join(step.needs)}], {more}}}"


def _call(step: Step) -> str:
    span = "" if step.span is None else f"{step.span.seconds}s"
    timeout = span and f", timeout: {span}"
    wanted = f", filter: \"data.word == '{step.wants}'\"" if step.wants else ""
    given = f'step: {step.name}, word: "${{params.word}}"'
    items = f'foreach: "${{`{list(range(ITEMS))}`}}", max_parallel: {SIDE_BY_SIDE}'
    calls: Mapping[Kind, str] = {
        "call": f"uses: fs.list, with: {{{given}}}",
        "limited": f"uses: fs.read, with: {{{given}}}",
        "spread": f'uses: fs.list, with: {{{given}, item: "${{item}}"}}, {items}',
        "once": f"uses: fs.list, with: {{{given}}}, effect: once",
        "ask": f"uses: fs.list, with: {{{given}}}, effect: once, on_unknown: ask",
        "approve": f"uses: ordinaut.approve, with: {{message: really{timeout}}}",
        "sleep": f"uses: ordinaut.sleep, with: {{for: {span}}}",
        "event": f"uses: ordinaut.wait_for, with: {{event: {NEWS}{wanted}{timeout}}}",
        "callback": f"uses: ordinaut.wait_for, with: {{callback: true{timeout}}}",
        "run": f"uses: ordinaut.run, with: {{task: {OTHER}, params: {{word: {WORDS[1]}}}}}",
    }
    return calls[step.kind]
