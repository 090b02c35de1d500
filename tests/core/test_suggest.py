"""The nearest known word, among a few and among many thousand."""

from __future__ import annotations

import pytest

from reconciler.core.suggest import did_you_mean, nearest

_MANY = tuple(
    sorted(f"{team}-{what}-{number}" for team in ("billing", "ops", "sales") for what in ("brief", "digest", "report") for number in range(1_000))
)  # fmt: skip


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("billing-brief-512x", "billing-brief-512"),
        ("sales-reprot-77", "sales-report-77"),
        ("slaes-report-77", "sales-report-77"),
        ("xops-digest-1", "ops-digest-1"),
        ("OPS-Digest-1", "ops-digest-1"),
    ],
)
def test_a_slip_is_recognised_among_many_thousand_names(written: str, meant: str) -> None:
    assert nearest(written, _MANY) == meant
    assert did_you_mean(written, _MANY) == f"did you mean `{meant}`?"


def test_a_word_like_none_of_many_is_not_taken_for_any() -> None:
    assert nearest("quarterly", _MANY) is None
    assert did_you_mean("quarterly", _MANY, "add it") == "add it"


def test_among_a_few_names_each_is_compared() -> None:
    few = ("alpha", "beta", "gamma")

    assert nearest("galma", few) == "gamma"
    assert did_you_mean("other", few) == "known here: `alpha`, `beta`, `gamma`"
    assert did_you_mean("other", ()) == ""
