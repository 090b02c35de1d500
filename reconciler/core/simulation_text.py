"""A simulation as text: what runs, what meets, what crowds, what it costs, and a map of the hours.

The same simulation gives the same text for the same `Look`. Lines of the map fit in 80 columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.core.look import Look, columns, counted, day
from schemas.durations import format_duration
from schemas.simulation import CallRate, HeatRow, SimulatedAgent, SimulatedTask, Simulation

_SHOWN: Final = 10
# More days than this are told by the day of the week.
_MOST_DAYS: Final = 35
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_DIGITS: Final = "123456789"
_NAMES: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def render_simulation(simulation: Simulation, look: Look) -> str:
    """The whole simulation."""
    parts = (
        _head(simulation, look),
        _tasks(simulation, look),
        _overlaps(simulation, look),
        _herds(simulation, look),
        _agents(simulation, look),
        _heat(simulation, look),
    )
    lines: list[str] = []
    for part in parts:
        if found := list(part):
            lines += ["", *found] if lines else found
    return look.finish(lines)


def _head(simulation: Simulation, look: Look) -> Iterator[str]:
    begin, end = simulation.begins_at, simulation.ends_at
    yield f"{look.paint(simulation.project, 'bold')}: {counted(simulation.runs, 'run')}"
    yield f"from {_time(begin, begin.year - 1)} to {_time(end, begin.year - 1)}, all times in {simulation.timezone}"
    yield f"assumed: a run takes {format_duration(simulation.assumed_duration)}, or its task's timeout where that is shorter"
    if simulation.counted_until < end:
        yield f"so many that they were counted up to {_time(simulation.counted_until, begin.year)} only: beyond, numbers of runs are"
        yield "estimates, and overlaps, herds, agents and the map end there"


def _tasks(simulation: Simulation, look: Look) -> Iterator[str]:
    year = simulation.begins_at.year
    rows = [("TASK", "RUNS", "A DAY", "FIRST", "LAST")]
    rows += [_task_row(task, simulation, year) for task in simulation.tasks]
    if simulation.tasks:
        head, *lines = columns(rows)
        yield look.paint(head, "bold")
        for line, task in zip(lines, simulation.tasks, strict=True):
            yield line
            yield from (f"  {look.paint(note, 'dim')}" for note in _notes(task, simulation, year))
    if simulation.silent:
        yield f"not driven by time, or not in this period: {', '.join(simulation.silent)}"


def _task_row(
    task: SimulatedTask, simulation: Simulation, year: int
) -> tuple[str, str, str, str, str]:
    about = "~" if task.counted_until < simulation.ends_at else ""
    return (
        task.task,
        f"{about}{task.runs}",
        f"{about}{task.runs_per_day:g}",
        _time(task.first_at, year) if task.first_at else "never",
        _time(task.last_at, year) if task.last_at else "",
    )


def _notes(task: SimulatedTask, simulation: Simulation, year: int) -> Iterator[str]:
    yield task.schedule
    told = [f"{count} skipped by {name}" for name, count in task.skipped.items()]
    told += [f"{count} moved by {name}" for name, count in task.moved.items()]
    if told:
        yield ", ".join(told)
    if task.counted_until < simulation.counted_until:
        yield f"counted up to {_time(task.counted_until, year)}; beyond, an estimate at the same pace"


def _overlaps(simulation: Simulation, look: Look) -> Iterator[str]:
    if not simulation.overlaps:
        return
    year = simulation.begins_at.year
    yield look.paint("Overlaps, if runs take as long as assumed", "bold")
    rows = [
        (
            f"  {one.task}",
            "meets itself"
            if one.key is None
            else f"meets {one.other} (key {one.key}, limit {one.limit})",
            counted(one.times, "time"),
            f"first {_time(one.first_at, year)}",
            one.effect,
        )
        for one in simulation.overlaps[:_SHOWN]
    ]
    yield from columns(rows)
    yield from _more(len(simulation.overlaps) - _SHOWN, "more", look)


def _herds(simulation: Simulation, look: Look) -> Iterator[str]:
    if not simulation.herds:
        return
    year = simulation.begins_at.year
    number = counted(simulation.herd_minutes, "herd")
    yield look.paint(f"{number}: {simulation.herd_size} runs or more in a minute", "bold")
    rows = [
        (
            f"  at {herd.minute:%H:%M}",
            f"up to {counted(herd.runs, 'run')}",
            counted(herd.times, "time"),
            f"fullest {day(herd.minute, year)}",
            look.paint(_some(herd.tasks, 3), "dim"),
        )
        for herd in simulation.herds
    ]
    yield from columns(rows)
    bare = sorted({task for herd in simulation.herds for task in herd.without_jitter})
    if bare:
        yield f"  {look.paint('jitter, such as `jitter: 5m` in a schedule, spreads runs; it is missing in:', 'note')}"
        yield f"    {_some(bare, _SHOWN)}"


def _some(names: Sequence[str], number: int) -> str:
    rest = len(names) - number
    return ", ".join(names[:number]) + (f" and {rest} more" if rest > 0 else "")


def _more(number: int, what: str, look: Look) -> Iterator[str]:
    if number > 0:
        yield f"  {look.paint(f'and {number} {what}; --json shows all', 'dim')}"


def _agents(simulation: Simulation, look: Look) -> Iterator[str]:
    if not simulation.agents:
        return
    year = simulation.begins_at.year
    yield look.paint("Agents, by the tasks above", "bold")
    rows = [_agent_row(agent, year) for agent in simulation.agents]
    for line, agent in zip(columns(rows), simulation.agents, strict=True):
        yield line
        for warning in _warnings(agent, year):
            yield f"    {look.paint(f'warning: {warning}', 'change')}"
        if agent.unknown:
            unknown = " and ".join(agent.unknown)
            yield f"    {look.paint(f'its {unknown} cannot be known before a run', 'dim')}"


def _agent_row(agent: SimulatedAgent, year: int) -> tuple[str, str, str, str]:
    on = f" ({_day(agent, year)})" if agent.most_runs_on else ""
    return (
        f"  {agent.agent}",
        f"{agent.mean_runs:g} runs a day",
        f"at most {agent.most_runs}{on}",
        "" if agent.allowed_runs is None else f"allowed {agent.allowed_runs}",
    )


def _warnings(agent: SimulatedAgent, year: int) -> Iterator[str]:
    if agent.days_exceeded:
        days = counted(agent.days_exceeded, "day")
        yield f"more than the {agent.allowed_runs} runs a day of its budget on {days}"
    for rate in agent.rates:
        if rate.first_at is not None:
            yield f"{_rate(rate)}: up to {rate.expected}, first {_time(rate.first_at, year)}"


def _rate(rate: CallRate) -> str:
    return (
        f"more than {counted(rate.calls, 'call')} of {rate.tools} per {format_duration(rate.per)}"
    )


def _day(agent: SimulatedAgent, year: int) -> str:
    assert agent.most_runs_on is not None  # noqa: S101 - the caller looked
    return day(datetime.combine(agent.most_runs_on, datetime.min.time()), year)


def _heat(simulation: Simulation, look: Look) -> Iterator[str]:
    if not simulation.runs:
        return
    rows = _heat_rows(simulation.heat, simulation.begins_at.year)
    most = max(max(hours) for _, hours in rows)
    scale = _Scale(look.ascii_only, most)
    yield look.paint(f"Runs by hour, {simulation.timezone}", "bold")
    width = max(len(name) for name, _ in rows)
    yield " " * (width + 2) + "".join(
        f"{hour:<2}" if hour % 3 == 0 else "  " for hour in range(24)
    )
    for name, hours in rows:
        cells = "".join(scale.cell(count) for count in hours)
        yield f"{name.ljust(width)}  {cells}  {sum(hours) or ''}"
    is_by_day = len(rows) == len(simulation.heat)
    yield f"{scale.legend()} in an hour{'' if is_by_day else ', all such days together'}"


def _heat_rows(heat: Sequence[HeatRow], year: int) -> list[tuple[str, tuple[int, ...]]]:
    """By the day, or by the day of the week where there are many."""
    if len(heat) <= _MOST_DAYS:
        return [
            (day(datetime.combine(row.day, datetime.min.time()), year), row.hours) for row in heat
        ]
    sums = [[0] * 24 for _ in _NAMES]
    for row in heat:
        weekday = sums[row.day.weekday()]
        for hour, count in enumerate(row.hours):
            weekday[hour] += count
    return [(name, tuple(hours)) for name, hours in zip(_NAMES, sums, strict=True)]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Numbers of runs as characters, two columns each: blocks that grow, or digits.

    Attributes:
        ascii_only: use digits.
        most: the largest number.
    """

    ascii_only: bool
    most: int

    def cell(self, count: int) -> str:
        if not count:
            return ". " if self.ascii_only else "· "
        if self.is_exact:
            return f"{count} "
        symbols = _DIGITS if self.ascii_only else _BLOCKS
        symbol = symbols[-(-count * len(symbols) // self.most) - 1]
        # A digit written twice would be read as a number.
        return f"{symbol} " if self.ascii_only else symbol * 2

    @property
    def is_exact(self) -> bool:
        """Whether each digit is the number itself."""
        return self.ascii_only and self.most <= len(_DIGITS)

    def legend(self) -> str:
        if self.is_exact:
            return "digits are runs"
        symbols = _DIGITS if self.ascii_only else _BLOCKS
        if self.most == 1:
            return f"{symbols[-1]} is 1 run"
        return f"from {symbols[0]} for 1 to {symbols[-1]} for {counted(self.most, 'run')}"


def _time(instant: datetime, year: int) -> str:
    """`Mon 5 Jan 08:30`, with the year where it is another one."""
    return f"{day(instant, year)} {instant:%H:%M}"
