"""`ordinaut test`: runs played offline, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.cli import Cli, Invoked
from tests.support.trials import HEAD, Shop

PAY = "{id: pay, uses: bank.transfer, with: {amount: 500}}"


@pytest.fixture
def shop(folder: Path) -> Shop:
    return Shop(folder)


def problems(answer: Invoked) -> list[tuple[str, int, int]]:
    """Code, line and column of what the tests of an answer complain about."""
    return [
        (problem["code"], problem["line"], problem["column"])
        for test in answer.json["tests"]
        for problem in test["problems"]
    ]


def test_a_test_that_passes_says_so_and_ends_with_nothing_wrong(alone: Cli, shop: Shop) -> None:
    shop.task(PAY)
    shop.test(given="{pay: {result: {id: 7}}}", expect="{results: {pay.id: 7}}")

    answer = alone("test")

    assert (answer.status, answer.stdout, answer.stderr) == (0, "", "1 test: 1 passed\n")


def test_arguments_that_differ_are_shown_side_by_side_at_their_line(
    alone: Cli, shop: Shop
) -> None:
    shop.task(PAY)
    shop.test(
        given="{pay: {result: 1}}",
        expect="{calls: [{step: pay, with: {amount: 520, to: ann}}]}",
    )

    answer = alone("test")

    assert answer.status == 1
    assert answer.stdout == dedent(
        """\
        specs/tests/it.yaml:7:45: error ORD703: it: call 1, of bank.transfer by step
            pay, has other arguments
            7 | expect: {calls: [{step: pay, with: {amount: 520, to: ann}}]}
              |                                             ^
                         expected  found
            with.amount  520       500
            with.to      "ann"     (nothing)

        """
    )
    assert answer.stderr == "1 test: 0 passed, 1 failed (it)\n"


def test_long_values_are_cut_where_they_begin_to_differ(alone: Cli, shop: Shop) -> None:
    shop.task("{id: say, uses: ordinaut.transform, with: {value: '" + "a" * 200 + "b'}}")
    shop.test(expect="{results: {say: " + "a" * 200 + "c}}")

    answer = alone("test")

    value = next(line for line in answer.lines if line.strip().startswith("value"))
    assert value == '    value  …aaaaaaaaaaaaaac"  …aaaaaaaaaaaaaab"'


def test_json_holds_every_test_with_its_contrasts(alone: Cli, shop: Shop) -> None:
    shop.task(PAY)
    shop.test(name="good", given="{pay: {result: 1}}")
    shop.test(name="wrong", given="{pay: {result: 1}}", expect="{results: {pay: 2}}")

    answer = alone("test", "--json")

    report = answer.json
    assert (answer.status, report["passed"], report["failed"]) == (1, 1, 1)
    assert [(test["name"], test["passed"]) for test in report["tests"]] == [
        ("good", True),
        ("wrong", False),
    ]
    [problem] = report["tests"][1]["problems"]
    assert problem["contrasts"] == [{"path": "", "expected": 2, "found": 1, "lacking": None}]


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("first", ["first"]),
        ("rent", ["first"]),
        ("other", ["second"]),
        ("specs/tests/second.yaml", ["second"]),
        ("specs/tests", ["first", "second"]),
        ("specs", ["first", "second"]),
    ],
)
def test_names_tasks_files_and_folders_choose_tests(
    alone: Cli, shop: Shop, word: str, names: list[str]
) -> None:
    shop.task(PAY)
    shop.task(PAY, name="other")
    shop.test(name="first", given="{pay: {result: 1}}")
    shop.test(name="second", given="{pay: {result: 1}}", runs="task: other")

    answer = alone("test", word, "--json")

    assert [test["name"] for test in answer.json["tests"]] == names


def test_a_word_that_means_no_test_is_refused_with_the_nearest(alone: Cli, shop: Shop) -> None:
    shop.task(PAY)
    shop.test(name="rent-is-paid", given="{pay: {result: 1}}")

    answer = alone("test", "rent-is-pad")

    assert answer.status == 1
    assert "ORD310" in answer.stderr
    assert "did you mean `rent-is-paid`?" in answer.stderr


def test_a_folder_without_tests_says_where_they_stand(alone: Cli, shop: Shop) -> None:
    (shop.specs / "tests").rmdir()

    answer = alone("test")

    assert answer.status == 0
    assert answer.stderr == "no tests: they stand in the folder `tests` of the specs\n"


def test_errors_of_the_specs_are_shown_and_nothing_is_played(alone: Cli, shop: Shop) -> None:
    shop.task("{id: pay, uses: bonk.transfer}")
    shop.test(given="{pay: {result: 1}}")

    answer = alone("test", "--json")

    assert answer.status == 1
    assert answer.json["tests"] == []
    assert [problem["code"] for problem in answer.json["problems"]] == ["ORD009"]


@pytest.mark.parametrize(
    ("text", "code", "place", "said"),
    [
        ("- 1\n", "ORD004", (1, 1), "a document is a mapping"),
        (f"{HEAD}kind: Task\nname: x\n", "ORD004", (2, 7), "move it out"),
        (f"{HEAD}kind: Tests\nname: x\n", "ORD004", (2, 7), "write `kind: Test`"),
        ("apiVersion: v2\nkind: Test\n", "ORD004", (1, 13), "ordinaut/v1"),
        (f"{HEAD}kind: Test\nname: x\ntask: y\nnow: 2026-01-05T08:30\nexpect: {{}}\n",
         "ORD007", (5, 6), "with its offset"),
        (f"{HEAD}kind: Test\nname: x\ntask: y\nexpect: {{}}\n", "ORD006", (1, 1), "lacks `now`"),
        (f"{HEAD}kind: Test\nname: x\nnow: 2026-01-05T08:30Z\nexpect: {{}}\n",
         "ORD013", (1, 1), "either a `task` or a `pipeline`"),
        (f"{HEAD}kind: Test\nname: x\ntask: y\nnow: 2026-01-05T08:30Z\ngiven: {{a: {{result: 1, outcome: lost}}}}\nexpect: {{}}\n",
         "ORD013", (6, 24), "either a `result` or an `outcome`"),
        (f"{HEAD}kind: Test\nname: x\ntask: y\nnow: 2026-01-05T08:30Z\ngiven: {{a: {{outcome: lost, settled: try_again}}}}\nexpect: {{}}\n",
         "ORD013", (6, 37), "needs a list"),
        (f"{HEAD}kind: Test\nname: x\ntask: y\nnow: 2026-01-05T08:30Z\ngiven: {{a: {{items: [[{{message: x}}]]}}}}\nexpect: {{}}\n",
         "ORD013", (6, 23), "there is no `outcome`"),
        (f"{HEAD}kind: Test\nname: x\ntask: y\nnow: 2026-01-05T08:30Z\nexpect: {{calls: [{{with: {{}}, including: {{}}}}]}}\n",
         "ORD013", (6, 40), "write one"),
        (f"{HEAD}kind: Test\nname: x\ntask: y\nnow: 2026-01-05T08:30Z\nexpects: {{}}\nexpect: {{}}\n",
         "ORD005", (6, 1), "did you mean `expect`?"),
    ],
)  # fmt: skip
def test_a_document_that_is_no_test_is_told_at_its_place(
    alone: Cli, shop: Shop, *, text: str, code: str, place: tuple[int, int], said: str
) -> None:
    (shop.specs / "tests" / "x.yaml").write_text(text)

    answer = alone("test", "--json")

    assert answer.status == 1
    [problem] = answer.json["problems"]
    assert (problem["code"], problem["line"], problem["column"]) == (code, *place)
    assert said in problem["message"] + problem["hint"]


def test_two_tests_of_one_name_are_told(alone: Cli, shop: Shop) -> None:
    shop.task(PAY)
    shop.test(name="it", given="{pay: {result: 1}}")
    text = (shop.specs / "tests" / "it.yaml").read_text()
    (shop.specs / "tests" / "other.yaml").write_text(text)

    answer = alone("test")

    assert answer.status == 1
    assert "two tests have this name; the first is at specs/tests/it.yaml:3:7" in " ".join(
        answer.stdout.split()
    )


@pytest.mark.parametrize(
    ("written", "code", "place", "said"),
    [
        ({"runs": "task: rant"}, "ORD009", (4, 7), "there is no Task `rant`"),
        ({"runs": "pipeline: rent"}, "ORD009", (4, 11), "there is no Pipeline `rent`"),
        ({"given": "{pai: {result: 1}}"}, "ORD009", (6, 9), "did you mean `pay`?"),
        ({"expect": "{steps: {pai: failed}}"}, "ORD009", (7, 18), "there is no step `pai`"),
        ({"expect": "{calls: [{step: pai}]}"}, "ORD009", (7, 25), "there is no step `pai`"),
        ({"expect": "{results: {pai: 1}}"}, "ORD009", (7, 20), "did you mean `pay`?"),
        ({"expect": "{results: {'pay[': 1}}"}, "ORD501", (7, 20), "pay["),
        ({"more": "params: {amount: 1}"}, "ORD009", (8, 10), "has no parameter `amount`"),
        ({"given": "{pay: {items: []}}"}, "ORD013", (6, 15), "has no `foreach`"),
        ({"given": "{pay: {result: 1, approval: nobody}}"}, "ORD013", (6, 26), "asks no person"),
        ({"given": "{pay: {result: 1, event: {}}}"}, "ORD013", (6, 26), "waits for no event"),
        ({"given": "{nap: {result: 1}, pay: {result: 1}}"}, "ORD013", (6, 15), "only waits"),
    ],
)  # fmt: skip
def test_what_a_test_names_must_be_in_the_specs(
    alone: Cli,
    shop: Shop,
    *,
    written: dict[str, str],
    code: str,
    place: tuple[int, int],
    said: str,
) -> None:
    shop.task(PAY, "{id: nap, uses: ordinaut.sleep, with: {for: 1h}}")
    shop.test(**written)

    answer = alone("test", "--json")

    assert answer.status == 1
    assert problems(answer) == [(code, *place)]
    [problem] = answer.json["tests"][0]["problems"]
    assert said in problem["message"] + problem["hint"]


def test_tests_are_no_part_of_the_specs(alone: Cli, shop: Shop) -> None:
    shop.task(PAY)
    shop.test(given="{pay: {result: 1}}")
    (shop.specs / "tests" / "broken.yaml").write_text("kind: [")

    whole, one = alone("validate"), alone("validate", "specs/tests/it.yaml")

    assert (whole.status, whole.stdout) == (0, "")
    assert one.status == 1
    assert "is a test, and no part of the specs" in one.stderr


def test_a_link_in_place_of_the_folder_is_not_followed(alone: Cli, shop: Shop) -> None:
    elsewhere = shop.specs.parent / "elsewhere"
    (shop.specs / "tests").rename(elsewhere)
    (shop.specs / "tests").symlink_to(elsewhere)

    answer = alone("test")

    assert answer.status == 1
    assert "links to folders are not followed" in answer.stdout


def test_only_the_broken_files_that_are_meant_are_told_of(alone: Cli, shop: Shop) -> None:
    shop.task(PAY)
    shop.test(given="{pay: {result: 1}}")
    (shop.specs / "tests" / "broken.yaml").write_text("kind: [")

    good, broken = alone("test", "specs/tests/it.yaml"), alone("test", "specs/tests/broken.yaml")

    assert (good.status, broken.status) == (0, 1)
    assert "ORD002" in broken.stdout
