"""Whether what happened is what a test expects, and where not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from reconciler.core.locate import Path, place_of
from reconciler.core.testing.contrast import MOST, contrasts
from reconciler.core.testing.documents import Trial
from runtime.core.expressions import Meter, compile_query
from runtime.core.played import Called, Played, StepPlayed
from runtime.errors import ExpressionError
from schemas.tested import Contrast, Mismatch
from schemas.testing import ExpectedCall, ExpectedError, ExpectedStep

_STEPS: Final = 100_000


def verdict(trial: Trial, played: Played) -> list[Mismatch]:
    """Everything that is not as expected; nothing if the test passes."""
    if (fault := played.not_given) is not None:
        at: Path = ("given", fault.step)
        return [_mismatch(trial, at, fault.code, fault.message, hint=fault.hint)]
    return [
        *_end(trial, played),
        *_steps(trial, played),
        *_calls(trial, played.calls),
        *_results(trial, played.values),
    ]


def _mismatch(
    trial: Trial,
    path: Path,
    code: str,
    message: str,
    found: Sequence[Contrast] = (),
    *,
    hint: str = "",
) -> Mismatch:
    place = place_of(trial.source, path)
    return Mismatch(
        code=code,
        message=f"{trial.test.name}: {message}",
        hint=hint,
        file=place.file,
        line=place.line,
        column=place.column,
        contrasts=tuple(found),
    )


def _end(trial: Trial, played: Played) -> Iterator[Mismatch]:
    expect = trial.test.expect
    wanted = expect.state or ("succeeded" if expect.error is None else "failed")
    told = played.error or {}
    if played.state != wanted:
        at: Path = ("expect", "state") if expect.state else ("expect", "error")
        found = [Contrast(path="state", expected=wanted, found=played.state)]
        message, hint = f"the run {_ended(played.state)}, and is expected to {_to(wanted)}", ""
        if told:
            hint = f"it failed with {told.get('code')}: {told.get('message')}"
            found.append(Contrast(path="error", found=told, lacking="expected"))
        elif played.state == "waiting":
            waiting = [name for name, step in played.steps.items() if step.state == "waiting"]
            hint = f"nothing is given that ends the wait of {', '.join(waiting)}"
        yield _mismatch(trial, at, "ORD702", message, found, hint=hint)
        return
    error = expect.error
    error = ExpectedError(code=error) if isinstance(error, str) else error
    wanted_error = {} if error is None else error.model_dump(exclude_none=True)
    differing = [
        Contrast(path=name, expected=value, found=told.get(name))
        for name, value in wanted_error.items()
        if not (value in told.get(name, "") if name == "message" else value == told.get(name))
    ]
    if differing:
        message = "the run failed in another way than is expected"
        yield _mismatch(trial, ("expect", "error"), "ORD702", message, differing)


def _ended(state: str) -> str:
    return {"waiting": "waits"}.get(state, state)


def _to(state: str) -> str:
    return {"succeeded": "succeed", "failed": "fail", "waiting": "wait"}[state]


def _steps(trial: Trial, played: Played) -> Iterator[Mismatch]:
    for name, form in (trial.test.expect.steps or {}).items():
        expected = form if isinstance(form, ExpectedStep) else ExpectedStep(state=form)
        step = played.steps[name]
        found = {
            "state": step.state,
            "because": step.because,
            "error": (step.error or {}).get("code"),
            "tries": step.tries,
        }
        wanted = expected.model_dump(exclude_none=True)
        differing = [
            Contrast(path=field, expected=value, found=found[field])
            for field, value in wanted.items()
            if found[field] != value
        ]
        if differing:
            message = f"step {name} {_became(step)}"
            path = ("expect", "steps", name)
            yield _mismatch(trial, path, "ORD704", message, differing)


_WHY: Final = {
    "if": "its `if` did not hold",
    "on_error": "a failure before it led past it",
    "nobody_decided": "nobody decided in time",
}


def _became(step: StepPlayed) -> str:
    """What became of a step, in words."""
    match step:
        case StepPlayed(state="skipped", because=str(because)):
            return f"was skipped, as {_WHY[because]}"
        case StepPlayed(state="failed", error=error) if error is not None:
            return f"failed with {error.get('code')}: {error.get('message')}"
        case StepPlayed(state="waiting", waits_for=kind):
            return f"waits ({kind})"
        case StepPlayed(state="not_reached"):
            return "was not reached"
        case _:
            return f"succeeded, with {step.tries} {'try' if step.tries == 1 else 'tries'}"


def _calls(trial: Trial, found: Sequence[Called]) -> Iterator[Mismatch]:
    expected = trial.test.expect.calls
    if expected is None:
        return
    if trial.test.expect.any_order:
        yield from _unordered(trial, expected, found)
        return
    for number, (wanted, called) in enumerate(zip(expected, found, strict=False)):
        if _is_another(wanted, called):
            yield _other_calls(trial, ("expect", "calls", number), expected, found)
            return
        yield from _arguments(trial, number, wanted, called)
    if len(expected) != len(found):
        yield _other_calls(trial, ("expect", "calls"), expected, found)


def _unordered(
    trial: Trial, expected: Sequence[ExpectedCall], found: Sequence[Called]
) -> Iterator[Mismatch]:
    left = list(found)
    unmet: list[tuple[int, ExpectedCall]] = []
    for number, wanted in enumerate(expected):
        fitting = (
            one for one in left if not (_is_another(wanted, one) or [*_differing(wanted, one)])
        )
        if (called := next(fitting, None)) is None:
            unmet.append((number, wanted))
        else:
            left.remove(called)
    lacking = False
    for number, wanted in unmet:
        nearly = next((one for one in left if not _is_another(wanted, one)), None)
        if nearly is None:
            lacking = True
        else:
            left.remove(nearly)
            yield from _arguments(trial, number, wanted, nearly)
    if lacking or left:
        yield _other_calls(trial, ("expect", "calls"), expected, found)


def _is_another(wanted: ExpectedCall, called: Called) -> bool:
    """Whether a call is of another tool, or of another step, than is expected."""
    return wanted.uses not in (None, called.uses) or wanted.step not in (None, called.step)


def _differing(wanted: ExpectedCall, called: Called) -> Iterator[tuple[Path, Contrast]]:
    if wanted.with_ is not None:
        yield from contrasts(wanted.with_, called.arguments, ("with",))
    elif wanted.including is not None:
        yield from contrasts(wanted.including, called.arguments, ("including",), partly=True)


def _arguments(
    trial: Trial, number: int, wanted: ExpectedCall, called: Called
) -> Iterator[Mismatch]:
    differing = list(islice(_differing(wanted, called), MOST))
    if differing:
        path: Path = ("expect", "calls", number, *differing[0][0])
        message = f"call {number + 1}, of {called.uses} by step {called.step}, has other arguments"
        yield _mismatch(trial, path, "ORD703", message, [one for _, one in differing])


def _other_calls(
    trial: Trial, path: Path, expected: Sequence[ExpectedCall], found: Sequence[Called]
) -> Mismatch:
    """All calls side by side: which of them is too many, no rule could tell."""
    rows = []
    for number in range(min(MOST, max(len(expected), len(found)))):
        sides: dict[str, Any] = {}
        if number < len(expected):
            one = expected[number]
            sides["expected"] = " by ".join(filter(None, (one.uses or "any tool", one.step)))
        else:
            sides["lacking"] = "expected"
        if number < len(found):
            sides["found"] = f"{found[number].uses} by {found[number].step}"
        else:
            sides["lacking"] = "found"
        rows.append(Contrast(path=f"call {number + 1}", **sides))
    count = "1 call was" if len(found) == 1 else f"{len(found)} calls were"
    message = f"{count} made, and other ones are expected"
    if len(expected) != len(found):
        message = f"{count} made, and {len(expected)} expected"
    return _mismatch(trial, path, "ORD703", message, rows)


def _results(trial: Trial, values: Mapping[str, Any]) -> Iterator[Mismatch]:
    for text, expected in (trial.test.expect.results or {}).items():
        path: Path = ("expect", "results", text)
        try:
            found = compile_query(text).evaluate(dict(values), Meter(_STEPS))
        except ExpressionError as error:
            yield _mismatch(trial, path, error.code, error.message, hint=error.hint)
            continue
        differing = list(islice(contrasts(expected, found), MOST))
        if differing:
            message = f"`{text}` has another value"
            at = (*path, *differing[0][0])
            yield _mismatch(trial, at, "ORD705", message, [one for _, one in differing])
