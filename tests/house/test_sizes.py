"""Nothing grows too large to be read at a glance."""

from __future__ import annotations

from statistics import quantiles

import pytest

from tests.house.sources import Module, modules, product

LONGEST_FUNCTION = 60
LONG_FUNCTION = 40
LONGEST_MODULE = 400
# A module of tests is a list of sentences: nobody reads it as one piece.
LONGEST_TEST_MODULE = 600


def _lengths(sources: tuple[Module, ...]) -> dict[str, int]:
    return {
        f"{module.place(function)} {function.name}": function.end_lineno - function.lineno + 1
        for module in sources
        for function in module.functions()
        if function.end_lineno is not None
    }


def test_no_function_is_longer_than_sixty_lines() -> None:
    lengths = _lengths(modules())

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("which", ["product", "tests"])
def test_nineteen_functions_of_twenty_have_forty_lines_at_most(which: str) -> None:
    lengths = _lengths(tuple(m for m in modules() if m.is_product == (which == "product")))

    assert quantiles(lengths.values(), n=20)[-1] <= LONG_FUNCTION


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    lengths = {module.path: len(module.text.splitlines()) for module in product()}

    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_module_of_tests_is_longer_than_six_hundred_lines() -> None:
    lengths = {m.path: len(m.text.splitlines()) for m in modules() if not m.is_product}

    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_TEST_MODULE} == {}
