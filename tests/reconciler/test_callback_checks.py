"""Steps that wait for a callback: what is known before anybody is called."""

from __future__ import annotations

import pytest

from reconciler.core.compile import SourceFile, compile_specs
from tests.reconciler.test_lint import PROJECT

HEAD = "apiVersion: ordinaut/v1\nkind: Task\nname: pay\nschedule: {manual: true}\n"
BANK = "---\napiVersion: ordinaut/v1\nkind: ToolServer\nname: bank\nstdio: {command: bank}\n"
URL = 'with: {url: "${callback.url}", token: "${callback.token}"}'


def problems(*steps: str) -> list[tuple[str, str]]:
    listed = "".join(f"  - {{{one}}}\n" for one in steps)
    text = f"{PROJECT}---\n{HEAD}pipeline:\n{listed}{BANK}"
    found = compile_specs([SourceFile("specs/a.yaml", text.encode())]).problems
    return [(problem.code, problem.message) for problem in found]


@pytest.mark.parametrize(
    "callback", ["{}", "{timeout: 1h}", "{schema: {type: boolean}}", "{schema: {enum: [1]}}"]
)
def test_a_call_may_hand_out_its_callback(callback: str) -> None:
    assert problems(
        f"id: pay, uses: bank.charge, callback: {callback}, {URL}",
        'id: then, uses: bank.note, with: {said: "${steps.pay.data}"}',
    ) == []  # fmt: skip


def test_another_step_may_hand_it_out_too() -> None:
    handing = 'id: first, uses: bank.note, with: {token: "${run.callbacks.pay}"}'

    assert problems(handing, f"id: pay, uses: bank.charge, callback: {{}}, {URL}") == []


@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        (f"id: pay, uses: bank.charge, {URL}", "ORD502", "callback.url"),
        ('id: pay, uses: bank.charge, callback: {}, with: {url: "${callback.uri}"}', "ORD502", "callback.uri"),
        ("id: pay, uses: bank.charge, callback: {}, if: callback.url", "ORD502", "callback"),
        (f'id: pay, uses: bank.charge, callback: {{}}, foreach: "${{`[1]`}}", {URL}', "ORD013", "one step alone"),
        ("id: pay, uses: ordinaut.sleep, callback: {}, with: {for: 1s}", "ORD013", "hands nothing"),
        (f"id: pay, uses: bank.charge, callback: {{}}, on_error: continue, {URL}", "ORD013", "nobody would answer"),
        (f"id: pay, uses: bank.charge, callback: {{}}, cache: {{ttl: 1h}}, {URL}", "ORD013", "another callback"),
        (f"id: pay, uses: bank.charge, callback: {{schema: {{type: bool}}}}, {URL}", "ORD014", "knows no type"),
        (f'id: pay, uses: bank.charge, callback: {{schema: {{$ref: "http://x/y"}}}}, {URL}', "ORD014", ""),
        (f"id: pay, uses: bank.charge, callback: {{timeout: 0s}}, {URL}", "ORD007", ""),
    ],
)  # fmt: skip
def test_a_callback_that_cannot_be_right_is_told(step: str, code: str, words: str) -> None:
    (found, message), *_ = problems(step)

    assert found == code
    assert words in message
