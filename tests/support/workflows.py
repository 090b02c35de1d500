"""Runs jobs of GitHub workflows as its runner does: expressions, files for outputs and summaries, composite actions.

What comes from elsewhere, such as `actions/checkout`, is only written down: the workspace is there already.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.house.sources import ROOT

OURS = "OWNER/ordinaut/examples/ci/github@COMMIT"
_ACTION = ROOT / "examples" / "ci" / "github"
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
_TOKEN = re.compile(r"'[^']*'|[A-Za-z_][\w.-]*(?:\(\))?|&&|\|\||!(?!=)")
_WORDS = {"&&": " and ", "||": " or ", "!": " not ", "always()": "True", "cancelled()": "False"}
_SECONDS = 60


@dataclass(slots=True)
class Ran:
    """What came of a job.

    Attributes:
        env: what every step gets.
        log: everything that was printed.
        summary: everything that the steps said in their summaries.
        uploaded: files that were handed to `actions/upload-artifact`.
        used: actions of others.
        outputs: of each step with an id.
        succeeded: whether no step failed.
    """

    env: dict[str, str]
    log: str = ""
    summary: str = ""
    uploaded: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    succeeded: bool = True


class Runner:
    """A machine that runs jobs in one workspace."""

    def __init__(self, workspace: Path, temp: Path, env: Mapping[str, str]) -> None:
        self._workspace = workspace
        self._temp = temp
        temp.mkdir()
        self._env = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(workspace),
            "RUNNER_TEMP": str(temp),
            **env,
        }

    def run(self, workflow: Path, name: str, known: Mapping[str, str]) -> Ran:
        """Run a job; `known` are values of the contexts, such as `github.base_ref`."""
        ran = Ran(dict(self._env))
        steps = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"][name]["steps"]
        self._steps(ran, steps, {"runner.temp": str(self._temp), **known})
        return ran

    def _steps(self, ran: Ran, steps: list[Any], known: Mapping[str, str]) -> None:
        for step in steps:
            so_far = {
                **known,
                **{
                    f"steps.{step_id}.outputs.{name}": value
                    for step_id, outputs in ran.outputs.items()
                    for name, value in outputs.items()
                },
            }
            if not _is_due(step.get("if"), so_far, ran):
                continue
            given = {key: _filled(value, so_far) for key, value in step.get("with", {}).items()}
            env = {key: _filled(value, so_far) for key, value in step.get("env", {}).items()}
            if "run" in step:
                outputs = self._script(ran, step, env)
            elif step["uses"] == OURS:
                outputs = self._action(ran, given, known)
            else:
                outputs = {}
                ran.used.append(step["uses"])
                if step["uses"].startswith("actions/upload-artifact@"):
                    ran.uploaded += given["path"].split()
            ran.outputs[step.get("id", "")] = outputs

    def _action(
        self, ran: Ran, given: Mapping[str, str], known: Mapping[str, str]
    ) -> dict[str, str]:
        action = yaml.safe_load((_ACTION / "action.yml").read_text(encoding="utf-8"))
        assert set(given) <= set(action["inputs"])
        inputs = {
            f"inputs.{name}": given.get(name, _filled(about.get("default", ""), known))
            for name, about in action["inputs"].items()
        }
        inner = Ran({**ran.env, "GITHUB_ACTION_PATH": str(_ACTION)})
        self._steps(inner, action["runs"]["steps"], {**known, **inputs})
        ran.log += inner.log
        ran.summary += inner.summary
        ran.succeeded &= inner.succeeded
        return {
            name: inner.outputs["run"].get(about["value"].split(".")[-1].strip(" }"), "")
            for name, about in action["outputs"].items()
        }

    def _script(self, ran: Ran, step: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, str]:
        files = {
            name: self._temp / name.lower()
            for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH")
        }
        for file in files.values():
            file.write_text("")
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        ended = subprocess.run(
            shell,
            cwd=self._workspace,
            env={**ran.env, **{name: str(file) for name, file in files.items()}, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        # Of what has come, GitHub reads stderr first.
        ran.log += ended.stderr + ended.stdout
        ran.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        ran.succeeded &= ended.returncode == 0
        for folder in files["GITHUB_PATH"].read_text().split():
            ran.env["PATH"] = f"{folder}:{ran.env['PATH']}"
        return dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())


def commands(log: str) -> list[str]:
    """The lines that GitHub takes for commands: `::name`, after blanks too, or `##[name` anywhere, unless it was told to stop."""
    found: list[str] = []
    token: str | None = None
    for line in log.splitlines():
        name = re.match(r"\s*::([^:]*)::", line) or re.search(r"##\[([^\]]*)\]", line)
        if name is None:
            continue
        if token is not None:
            token = None if name[1] == token else token
        elif name[1] == "stop-commands":
            token = line.partition("::stop-commands::")[2]
            assert len(token) == 64
        else:
            found.append(line)
    return found


def scripts(document: Any) -> Iterator[str]:
    """Every script in a workflow or an action."""
    match document:
        case {"run": str(script)}:
            yield script
        case dict():
            for part in document.values():
                yield from scripts(part)
        case list():
            for part in document:
                yield from scripts(part)
        case _:
            pass


def _is_due(condition: str | None, known: Mapping[str, str], ran: Ran) -> bool:
    if condition is None:
        return ran.succeeded
    whatever_happened = "always()" in condition or "cancelled()" in condition
    inner = condition.strip().removeprefix("${{").removesuffix("}}")
    return (ran.succeeded or whatever_happened) and bool(_value(inner, known))


def _filled(text: object, known: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda found: str(_value(found[1], known)), str(text))


def _value(expression: str, known: Mapping[str, str]) -> Any:
    def word(found: re.Match[str]) -> str:
        text = found[0]
        return _WORDS.get(text) or (text if text.startswith("'") else repr(known.get(text, "")))

    return eval(_TOKEN.sub(word, expression).strip(), {"__builtins__": {}})
