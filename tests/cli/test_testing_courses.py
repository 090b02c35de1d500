"""The courses that tested runs take: failures, tries, items, waits, what is not given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.core.tool_lock import lock_text
from tests.support.cli import Cli, Invoked
from tests.support.contracts import locked, taking
from tests.support.trials import HEAD, Shop

PAY = "{id: pay, uses: bank.transfer, with: {amount: 500}}"
ONCE = "{id: pay, uses: bank.transfer, effect: once, on_unknown: ask}"
VERIFIED = "{id: pay, uses: bank.transfer, effect: once, on_unknown: {verify: bank.find, when: result.found}}"
TELL = "{id: tell, uses: mail.send}"
ASK = "{id: ask, uses: ordinaut.approve, with: {message: now?, timeout: 30m}, on_error: continue}"
GATED = "{id: pay, uses: bank.transfer, approval: {by: [ann], timeout: 1h, on_timeout: skip}}"
PAID = "{id: paid, uses: ordinaut.wait_for, with: {event: paid, filter: 'data.n == `7`', timeout: 40m}}"
CHILD = "{id: child, uses: ordinaut.run, with: {task: other}}"
EACH = "{id: each, uses: mail.send, foreach: '${params.people}', with: {to: '${item}'}, if: \"item != 'bob'\", on_error: continue}"


@pytest.fixture
def shop(folder: Path) -> Shop:
    return Shop(folder)


def told(answer: Invoked) -> list[dict[str, Any]]:
    """What one test complains about."""
    [test] = answer.json["tests"]
    return [problem for problem in test["problems"] if problem]


@pytest.mark.parametrize(
    ("steps", "given", "expect"),
    [
        ([PAY], "{pay: {outcome: tool_error}}", "{error: {code: ORD404, step: pay, message: the test gives}}"),
        ([PAY], "{pay: {outcome: rejected, code: ORD402, message: gone}}", "{error: {code: ORD402, message: gone}}"),
        ([PAY], "{pay: [{outcome: tool_error, retry_after: 5m}, {outcome: not_sent}, {result: 1}]}",
         "{steps: {pay: {tries: 3}}, calls: [{}, {}, {}]}"),
        ([PAY], "{pay: {result: 1, takes: 2h}}", "{error: ORD504}"),
        (["{id: pay, uses: bank.transfer, timeout: 5s}"], "{pay: {result: 1, takes: 6s}}", "{error: ORD405}"),
        (["{id: pay, uses: bank.transfer, on_error: {goto: end}}", TELL, "{id: end, uses: mail.send}"],
         "{pay: {outcome: lost}, end: {result: 1}}",
         "{steps: {pay: failed, tell: {state: skipped, because: on_error}, end: succeeded}}"),
        ([PAY, "{id: tell, uses: mail.send, needs: []}"], "{pay: {result: 1}, tell: {result: 2}}",
         "{any_order: true, calls: [{step: tell}, {step: pay, including: {amount: 500}}]}"),
        (["{id: pay, uses: bank.transfer, expect: result.ok}"], "{pay: {result: {ok: false}}}", "{error: ORD412}"),
        ([EACH], "{each: {items: [{result: 1}, {result: 2}, [{outcome: tool_error}, {result: 3}]]}}",
         "{results: {each: [1, null, 3]}, steps: {each: {tries: 3}}, calls: [{with: {to: ann}}, {with: {to: cid}}, {with: {to: cid}}]}"),
        ([EACH], "{each: {result: 1}}", "{results: {each: [1, null, 1]}}"),
        ([ASK], "{ask: {approval: {approved: true, by: ann, takes: 10m}}}", "{results: {ask.by: ann}}"),
        ([ASK], "{ask: {approval: {approved: true, takes: 2h}}}", "{steps: {ask: {error: ORD414}}}"),
        ([ASK], "{ask: {approval: {approved: false}}}", "{steps: {ask: {error: ORD413}}, calls: []}"),
        ([ASK], "{ask: {approval: nobody}}", "{steps: {ask: {error: ORD414}}}"),
        ([ASK], "{ask: {outcome: timeout}}", "{steps: {ask: {error: ORD414}}}"),
        ([ASK, TELL], "{}", "{state: waiting, steps: {ask: waiting, tell: not_reached}}"),
        ([GATED], "{pay: {approval: {approved: true}, result: 1}}", "{results: {pay: 1}}"),
        ([GATED], "{pay: {approval: {approved: true}, tries: [{outcome: tool_error}, {result: 2}]}}", "{results: {pay: 2}}"),
        (["{id: slow, uses: mail.send, needs: []}", "{id: ask, uses: ordinaut.approve, needs: [], with: {message: x}}", "{id: soon, uses: mail.send, needs: [ask], foreach: '${[`1`]}'}"],
         "{slow: {result: 1, takes: 50m}, ask: {approval: {approved: true, takes: 10m}}, soon: {result: 1, takes: 45m}}", "{steps: {soon: succeeded}}"),
        (["{id: child, uses: ordinaut.run, with: {task: other, wait: false}}"], "{}", "{calls: [{uses: ordinaut.run}]}"),
        ([GATED], "{pay: {approval: nobody}}", "{steps: {pay: {state: skipped, because: nobody_decided}}}"),
        ([PAID], "{paid: {event: {data: {n: 7}, takes: 30m}}}", "{results: {paid.data.n: 7, paid.topic: paid, paid.time: '2026-01-05T09:00:00+00:00'}}"),
        ([PAID], "{paid: {event: {data: {n: 8}}}}", "{state: waiting}"),
        ([PAID], "{paid: {outcome: timeout}}", "{error: ORD417}"),
        ([PAID], "{paid: {event: {data: {n: 7}, takes: 3h}}}", "{error: ORD417}"),
        (["{id: paid, uses: ordinaut.wait_for, with: {callback: true}}"], "{paid: {event: {data: 1}}}", "{results: {paid.data: 1}}"),
        ([CHILD], "{child: {result: 5, takes: 20m}}", "{results: {child: 5}, calls: [{uses: ordinaut.run, with: {task: other}}]}"),
        ([CHILD], "{child: {outcome: tool_error, message: no}}", "{error: {code: ORD509, message: no}}"),
        (["{id: nap, uses: ordinaut.sleep, with: {for: 50m}}", PAY], "{pay: {result: 1, takes: 20m}}", "{error: ORD504}"),
        ([ONCE], "{pay: {outcome: lost}}", "{state: waiting, steps: {pay: waiting}}"),
        ([ONCE], "{pay: [{outcome: tool_error}, {outcome: lost}]}", "{state: waiting, steps: {pay: waiting}, calls: [{}, {}]}"),
        ([PAY], "{pay: {outcome: tool_error, retry_after: 3h}}", "{error: {code: ORD504, step: pay}, calls: [{}]}"),
        ([ONCE], "{pay: {outcome: lost, settled: happened, result: 3}}", "{results: {pay: 3}, calls: [{}]}"),
        ([ONCE], "{pay: {outcome: timeout, settled: failed}}", "{error: ORD416}"),
        ([ONCE], "{pay: [{outcome: lost, settled: try_again}, {result: 4}]}", "{results: {pay: 4}, calls: [{}, {}]}"),
        ([VERIFIED], "{pay: {outcome: lost, verified: {found: true}}}", "{results: {pay.found: true}, calls: [{}, {uses: bank.find}]}"),
        ([VERIFIED], "{pay: [{outcome: lost, verified: {found: false}}, {result: 1}]}", "{results: {pay: 1}}"),
        (["{id: sql, uses: ordinaut.sql, effect: transactional, with: {statement: delete from t}}"],
         "{sql: {result: {rows: []}}}", "{calls: [{uses: ordinaut.sql}], results: {sql.rows: []}}"),
        (["{id: sum, uses: llm.summarize, with: {text: Hello.}}"], "{}", "{results: {sum.provider: offline}, calls: [{uses: llm.summarize}]}"),
        (["{id: sum, uses: llm.summarize, with: {text: Hello.}}"], "{sum: {result: {text: Hi}}}", "{results: {sum.text: Hi}}"),
        (["{id: sum, uses: ordinaut.assert, with: {tha: 1}}"], "{sum: {result: 1}}", "{error: ORD403}"),
        (["{id: say, uses: mail.send, with: {key: '${secrets.token}', at: '${now}', why: '${trigger.kind}'}}"], "{say: {result: 1}}",
         "{calls: [{with: {key: '[secret token]', at: '2026-01-05T08:30:00Z', why: manual}}]}"),
        (["{id: say, uses: ordinaut.post, with: {url: '${secrets.token}', body: {a: 1}}}"], "{say: {result: {status: 204}}}",
         "{calls: [{with: {url: '[secret token]', body: {a: 1}}}]}"),
        (["{id: say, uses: ordinaut.post, with: {url: '${params.people[0]}', body: {a: 1}}}"], "{say: {result: 1}}", "{error: ORD403}"),
        (["{id: say, uses: ordinaut.post, with: {url: '${secrets.token}', bdy: {a: 1}}}"], "{say: {result: 1}}", "{error: ORD403}"),
    ],
)  # fmt: skip
def test_a_run_takes_the_way_that_its_answers_lead(
    alone: Cli, shop: Shop, steps: list[str], given: str, expect: str
) -> None:
    shop.task(
        *steps,
        params={"people": ["ann", "bob", "cid"]},
        retry={"attempts": 3, "initial": "10s"},
    )
    shop.test(given=given, expect=expect)

    answer = alone("test")

    assert answer.status == 0, answer.stdout


@pytest.mark.parametrize(
    ("steps", "given", "expect", "code", "said"),
    [
        ([PAY], "{}", "{}", "ORD701", "step pay calls bank.transfer, and nothing is given"),
        ([PAY], "{pay: [{outcome: not_sent}]}", "{}", "ORD701", "for the 2nd time"),
        ([EACH], "{each: {items: [{result: 1}]}}", "{}", "ORD701", "for item 2"),
        ([VERIFIED], "{pay: {outcome: lost}}", "{}", "ORD701", "asks bank.find whether"),
        ([PAY], "{pay: {result: 1}}", "{state: failed}", "ORD702", "the run succeeded, and is expected to fail"),
        ([PAY], "{pay: {outcome: lost}}", "{}", "ORD702", "the run failed, and is expected to succeed"),
        ([ASK], "{}", "{}", "ORD702", "the run waits, and is expected to succeed"),
        ([PAY], "{pay: {outcome: lost}}", "{error: ORD404}", "ORD702", "in another way"),
        ([PAY], "{pay: {outcome: lost}}", "{error: {message: gone}}", "ORD702", "in another way"),
        ([PAY], "{pay: {result: 1}}", "{calls: []}", "ORD703", "1 call was made, and 0 expected"),
        ([PAY], "{pay: {result: 1}}", "{calls: [{uses: mail.send}]}", "ORD703", "other ones are expected"),
        ([PAY, TELL], "{pay: {result: 1}, tell: {result: 1}}", "{any_order: true, calls: [{step: pay}, {step: pay}]}", "ORD703", "2 calls were made"),
        ([PAY], "{pay: {result: 1}}", "{any_order: true, calls: [{step: pay, with: {}}]}", "ORD703", "other arguments"),
        ([PAY], "{pay: {result: 1}}", "{calls: [{including: {amount: true}}]}", "ORD703", "other arguments"),
        ([PAY], "{pay: {outcome: lost}}", "{state: failed, steps: {pay: succeeded}}", "ORD704", "step pay failed with ORD406"),
        ([ASK], "{}", "{state: waiting, steps: {ask: failed}}", "ORD704", "waits (approval)"),
        ([PAY], "{pay: {result: 1}}", "{steps: {pay: skipped}}", "ORD704", "succeeded, with 1 try"),
        ([PAY], "{pay: {result: [1, 2]}}", "{results: {pay: [1]}}", "ORD705", "another value"),
        ([PAY], "{pay: {result: [1]}}", "{results: {pay: [1, 2]}}", "ORD705", "another value"),
        ([PAY], "{pay: {result: 1}}", "{results: {pay: true}}", "ORD705", "another value"),
        ([PAY], "{pay: {result: 1}}", "{results: {'length(pay)': 1}}", "ORD503", "length"),
    ],
)  # fmt: skip
def test_what_is_not_as_expected_has_its_code_and_words(
    alone: Cli, shop: Shop, *, steps: list[str], given: str, expect: str, code: str, said: str
) -> None:
    shop.task(
        *steps,
        params={"people": ["ann", "bob", "cid"]},
        retry={"attempts": 3, "initial": "10s"},
    )
    shop.test(given=given, expect=expect)

    [problem] = told(alone("test", "--json"))

    assert problem["code"] == code
    assert said in problem["message"]


def test_a_pipeline_is_played_with_its_defaults_and_its_finally(alone: Cli, shop: Shop) -> None:
    schema = (
        "{type: object, properties: {who: {type: string}, tone: {default: warm}}, required: [who]}"
    )
    (shop.specs / "greet.yaml").write_text(
        f"{HEAD}kind: Pipeline\nname: greet\nparams: {schema}\n"
        "steps:\n  - {id: send, uses: mail.send, with: {to: '${params.who}', text: '${params.tone}'}}\n"
        "finally:\n  - {id: note, uses: mail.note, with: {how: '${run.outcome}'}}\n"
    )
    shop.test(
        runs="pipeline: greet",
        more="params: {who: ann}",
        given="{send: {outcome: rejected}, note: {result: 1}}",
        expect="{error: {step: send}, calls: [{with: {to: ann, text: warm}}, {with: {how: failed}}]}",
    )

    assert alone("test").status == 0

    shop.test(runs="pipeline: greet", more="params: {whom: ann}")
    wrong = [problem["message"] for problem in told(alone("test", "--json"))]
    assert len(wrong) == 1
    assert "needs `who`" in wrong[0]


def test_an_environment_is_that_of_the_test_or_else_of_the_command(alone: Cli, shop: Shop) -> None:
    shop.task("{id: say, uses: ordinaut.transform, with: {value: '${vars.greeting}'}}")
    shop.test(name="live", more="environment: live", expect="{results: {say: Good day}}")
    shop.test(name="default", expect="{results: {say: Hello}}")

    assert alone("test").status == 0
    assert alone("test", "default", "--env", "live").status == 1


def test_agents_call_what_their_scopes_allow_and_limits_do_not_count(
    alone: Cli, shop: Shop
) -> None:
    (shop.specs / "clerk.yaml").write_text(
        f"{HEAD}kind: Agent\nname: clerk\nscopes: [bank.*]\nrate_limits: [{{tools: bank.*, calls: 1, per: 1h}}]\n"
        "budgets: [{per: run, tokens: 1}, {per: day, runs: 1}]\n"
    )
    shop.task(PAY, "{id: again, uses: bank.transfer}", agent="clerk")
    shop.test(given="{pay: {result: 1}, again: {result: 2}}", expect="{calls: [{}, {}]}")

    assert alone("test").status == 0


def test_an_event_calls_for_a_run(alone: Cli, shop: Shop) -> None:
    (shop.specs / "rent.yaml").write_text(
        f"{HEAD}kind: Task\nname: rent\nschedule: {{event: parcels}}\n"
        "pipeline:\n  - {id: say, uses: mail.send, with: {n: '${event.data.n}', why: '${trigger.kind}'}}\n"
    )
    shop.test(
        more="event: {topic: parcels, data: {n: 4}}",
        given="{say: {result: 1}}",
        expect="{calls: [{with: {n: 4, why: event}}]}",
    )

    answer = alone("test")

    assert answer.status == 0, answer.stdout


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("{each: {items: [{result: 1}, {result: 2}, {outcome: lost}]}, pay: {approval: nobody}}", {("off", "if_holds"), ("off", "runs"), ("pay", "runs")}),
        ("{each: {result: 1}, pay: {approval: {approved: true}, result: 1}}", {("each", "on_error"), ("off", "if_holds"), ("off", "runs"), ("pay", "nobody_decides")}),
        ("{each: {result: 1}}", {("each", "on_error"), ("off", "if_fails"), ("off", "if_holds"), ("off", "runs"), ("pay", "nobody_decides")}),
    ],
)  # fmt: skip
def test_coverage_tells_which_ways_no_test_takes(
    alone: Cli, shop: Shop, given: str, missing: set[tuple[str, str]]
) -> None:
    shop.task(
        EACH,
        GATED,
        "{id: off, uses: mail.send, if: params.people == `1`}",
        "{id: never, uses: mail.send, if: false}",
        params={"people": ["ann", "bob", "cid"]},
    )
    shop.test(given=given, expect="{}" if "approval" in given else "{state: waiting}")

    coverage = alone("test", "--coverage", "--json").json["coverage"]

    [pipeline] = coverage["pipelines"]
    assert {(one["step"], one["branch"]) for one in pipeline["missing"]} == missing
    assert (coverage["total"], coverage["covered"]) == (9, 9 - len(missing))


def test_runs_of_a_task_cover_the_pipeline_document_that_it_uses(alone: Cli, shop: Shop) -> None:
    (shop.specs / "greet.yaml").write_text(
        f"{HEAD}kind: Pipeline\nname: greet\nsteps:\n  - {{id: send, uses: mail.send}}\n---\n"
        f"{HEAD}kind: Task\nname: rent\nschedule: {{manual: true}}\npipeline: {{use: greet}}\n"
    )
    shop.task(PAY, name="untested")
    shop.test(given="{send: {result: 1}}")

    whole, one = alone("test", "--coverage"), alone("test", "it", "--coverage")

    assert [line.split() for line in whole.lines[1:]] == [
        ["greet", "1", "1/1", "0/0"],
        ["untested", "0", "0/1", "0/0", "no", "test"],
        ["covered:", "50", "%,", "1", "of", "2", "steps", "and", "branches"],
    ]
    assert len(one.lines) == 3


def test_less_coverage_than_is_asked_for_fails_the_command(alone: Cli, shop: Shop) -> None:
    shop.task(PAY, "{id: tell, uses: mail.send, if: steps.pay == `2`}")
    shop.test(given="{pay: {result: 1}}")

    enough, less = alone("test", "--fail-under", "50"), alone("test", "--fail-under", "50.1")

    assert (enough.status, less.status) == (0, 1)
    assert "error ORD706: the tests cover 50 % of steps and branches" in less.stderr


@pytest.mark.parametrize(
    ("given", "expect"),
    [
        ("{pay: {result: {id: 7}}}", "{calls: [{with: {amount: 5}}]}"),
        ("{pay: {result: {id: seven}}}", "{error: {code: ORD407, message: seven}, calls: [{}]}"),
        ("{pay: {outcome: tool_error}}", "{error: ORD404}"),
    ],
)
def test_calls_and_answers_are_held_against_the_tool_lock(
    alone: Cli, shop: Shop, given: str, expect: str
) -> None:
    answered = {"type": "object", "properties": {"id": {"type": "integer"}}}
    transfer = taking("transfer", amount={"type": "integer"}) | {"outputSchema": answered}
    (shop.specs / "tools.lock.json").write_bytes(lock_text(locked(bank=[transfer])))
    shop.task("{id: pay, uses: bank.transfer, with: {amount: '${params.sum}'}}", params={"sum": 5})
    shop.test(name="fits", given=given, expect=expect)
    shop.test(
        name="does-not",
        given=given,
        expect="{error: {code: ORD403, step: pay}, calls: []}",
        more="params: {sum: five}",
    )

    answer = alone("test")

    assert answer.status == 0, answer.stdout
