"""The decision table of the three-way comparison, one row a test."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.core.changes import (
    Adopt,
    Applied,
    Conflict,
    Converge,
    Create,
    Drift,
    Owner,
    Rename,
    Retire,
    Unchanged,
    Unmanaged,
    Update,
    key_of,
)
from reconciler.core.desired import Desired
from reconciler.core.diff import diff
from reconciler.core.renaming import circle_problems
from tests.support.documents import OURS, THEIRS, applied, desired, key, stored, wanted

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)

DECISIONS = [
    pytest.param("d1", "d1", "d1", Unchanged, id="all three agree"),
    pytest.param("d2", "d1", "d1", Update, id="git moved"),
    pytest.param("d1", "d1", "d9", Drift, id="the live row moved"),
    pytest.param("d2", "d1", "d2", Converge, id="both moved to one place"),
    pytest.param("d2", "d1", "d9", Conflict, id="both moved apart"),
    pytest.param("d2", None, "d9", Adopt, id="no revision wrote the live row"),
    pytest.param("d2", None, "d2", Adopt, id="no revision wrote the live row, though it is equal"),
]


@pytest.mark.parametrize(("git", "last", "live", "outcome"), DECISIONS)
def test_a_document_on_both_sides_is_decided_by_its_three_digests(
    git: str, last: str | None, live: str, outcome: type
) -> None:
    here, there = desired("briefing", git), applied("briefing", last, live=live)

    found = diff(wanted(here), stored(there), OURS)

    assert found.changes == (outcome(there, here),)
    assert found.problems == ()


def test_a_document_that_only_git_has_is_created() -> None:
    here = desired("briefing")

    assert diff(wanted(here), {}, OURS).changes == (Create(None, here),)


@pytest.mark.parametrize("live", ["d1", "d9"])
def test_a_document_that_git_no_longer_has_is_retired_even_if_it_drifted(live: str) -> None:
    there = applied("briefing", "d1", live=live)

    assert diff({}, stored(there), OURS).changes == (Retire(there),)


def test_a_row_that_no_revision_wrote_and_git_does_not_have_is_only_listed() -> None:
    there = applied("briefing", None, live="d1", owner=THEIRS)

    found = diff({}, stored(there), OURS)

    assert found.changes == (Unmanaged(there),)
    assert not found.writing


def test_a_tombstone_that_git_does_not_want_is_no_outcome() -> None:
    assert diff({}, stored(applied("briefing", retired_at=LONG_AGO)), OURS).changes == ()


@pytest.mark.parametrize("owner", [OURS, THEIRS])
def test_a_retired_document_that_git_wants_again_comes_back_as_itself(owner: Owner) -> None:
    grave = applied("briefing", uid=7, owner=owner, retired_at=LONG_AGO)
    here = desired("briefing", "d2")

    assert diff(wanted(here), stored(grave), OURS).changes == (Create(grave, here),)


def test_documents_of_another_project_are_not_looked_at() -> None:
    assert diff({}, stored(applied("briefing", owner=THEIRS)), OURS).changes == ()


def test_a_name_that_another_project_holds_is_a_problem_at_the_document() -> None:
    here = desired("briefing")

    found = diff(wanted(here), stored(applied("briefing", owner=THEIRS)), OURS)

    assert found.changes == ()
    assert [(p.code, p.place) for p in found.problems] == [("ORD204", "specs/briefing.yaml:1:1")]
    assert "elsewhere" in found.problems[0].message


def test_one_name_in_two_kinds_is_two_documents() -> None:
    agent, task = desired("one", kind="Agent"), desired("one")
    there = applied("one", kind="Agent")

    assert diff(wanted(task, agent), stored(there), OURS).changes == (
        Unchanged(there, agent),
        Create(None, task),
    )


def test_changes_are_ordered_by_kind_namespace_and_name() -> None:
    documents = [desired("zoo/a"), desired("b"), desired("a"), desired("a", kind="Agent")]

    found = diff(wanted(*documents), {}, OURS)

    labels = [str(key_of(change)) for change in found]
    assert labels == ["Agent a", "Task a", "Task b", "Task zoo/a"]


class TestRename:
    """A rename keeps the uid; it is believed only while the former key is in force and wanted no longer."""

    def test_a_former_name_in_force_makes_a_rename(self) -> None:
        here, there = desired("new", "d2", renamed_from="old"), applied("old", uid=7)

        assert diff(wanted(here), stored(there), OURS).changes == (Rename(there, here),)

    def test_a_former_name_may_be_in_another_namespace(self) -> None:
        here, there = desired("ops/new", "d2", renamed_from="default/old"), applied("old")

        assert diff(wanted(here), stored(there), OURS).changes == (Rename(there, here),)

    def test_a_name_without_namespace_means_the_document_s_own(self) -> None:
        here = desired("ops/new", "d2", renamed_from="old")
        there, other = applied("ops/old", uid=1), applied("old", uid=2)

        found = diff(wanted(here), stored(there, other), OURS)

        assert found.changes == (Retire(other), Rename(there, here))

    def test_a_rename_that_happened_does_no_harm(self) -> None:
        here, there = desired("new", renamed_from="old"), applied("new")

        assert diff(wanted(here), stored(there), OURS).changes == (Unchanged(there, here),)

    def test_the_former_name_may_be_used_again_later(self) -> None:
        renamed, fresh = desired("new", renamed_from="old"), desired("old")
        there, again = applied("new", uid=1), applied("old", uid=2)

        found = diff(wanted(renamed, fresh), stored(there, again), OURS)

        assert found.changes == (Unchanged(there, renamed), Unchanged(again, fresh))

    def test_a_former_name_that_goes_on_as_it_was_is_a_problem(self) -> None:
        copy, original = desired("new", renamed_from="old"), desired("old")

        found = diff(wanted(copy, original), stored(applied("old")), OURS)

        assert [(p.code, p.file) for p in found.problems] == [("ORD219", "specs/new.yaml")]
        assert found.problems[0].message == "Task new says it was old, and that goes on"

    def test_a_former_name_may_go_to_another_document_at_once(self) -> None:
        renamed, another = desired("new", renamed_from="old"), desired("old", "d2")
        there = applied("old")

        found = diff(wanted(renamed, another), stored(there), OURS)

        assert found.changes == (Rename(there, renamed), Create(None, another))

    def test_a_document_that_comes_back_does_not_take_its_former_name_from_another(self) -> None:
        here, other = desired("new", renamed_from="old"), desired("old", "d2")
        grave, there = applied("new", uid=1, retired_at=LONG_AGO), applied("old", uid=2)

        found = diff(wanted(here, other), stored(grave, there), OURS)

        assert found.changes == (Create(grave, here), Update(there, other))

    def test_names_may_be_handed_on_in_a_row(self) -> None:
        one, two = desired("b", "d1", renamed_from="a"), desired("c", "d2", renamed_from="b")
        first, second = applied("a", "d1", uid=1), applied("b", "d2", uid=2)

        found = diff(wanted(one, two), stored(first, second), OURS)

        assert found.changes == (Rename(first, one), Rename(second, two))

    def test_a_row_that_was_handed_on_does_no_harm(self) -> None:
        one, two = desired("b", "d1", renamed_from="a"), desired("c", "d2", renamed_from="b")
        first, second = applied("b", "d1", uid=1), applied("c", "d2", uid=2)

        found = diff(wanted(one, two), stored(first, second), OURS)

        assert found.changes == (Unchanged(first, one), Unchanged(second, two))

    def test_a_name_is_not_handed_on_to_one_that_is_in_force(self) -> None:
        one, two = desired("b", renamed_from="a"), desired("c", renamed_from="b")
        rows = [applied(name, uid=uid) for uid, name in enumerate("abc", 1)]

        found = diff(wanted(one, two), stored(*rows), OURS)

        assert found.changes == (Retire(rows[0]), Unchanged(rows[1], one), Unchanged(rows[2], two))

    def test_a_tombstone_comes_back_under_its_new_name(self) -> None:
        here, grave = desired("new", renamed_from="old"), applied("old", retired_at=LONG_AGO)

        assert diff(wanted(here), stored(grave), OURS).changes == (Create(grave, here),)

    def test_a_former_name_that_never_was_makes_a_creation(self) -> None:
        here = desired("new", renamed_from="old")

        assert diff(wanted(here), {}, OURS).changes == (Create(None, here),)

    @pytest.mark.parametrize(
        "there",
        [
            applied("old", owner=THEIRS),
            applied("old", retired_at=LONG_AGO, owner=THEIRS),
            applied("old", None, live="d1", owner=THEIRS),
        ],
        ids=["another project's", "retired", "unmanaged"],
    )
    def test_a_former_name_that_is_not_ours_and_in_force_makes_a_creation(
        self, there: Applied
    ) -> None:
        here = desired("new", renamed_from="old")

        assert Create(None, here) in diff(wanted(here), stored(there), OURS).changes

    def test_a_new_name_on_a_tombstone_is_free(self) -> None:
        here = desired("new", "d2", renamed_from="old")
        there, grave = applied("old", uid=1), applied("new", uid=2, retired_at=LONG_AGO)

        assert diff(wanted(here), stored(there, grave), OURS).changes == (Rename(there, here),)

    def test_a_renamed_document_that_drifted_is_a_conflict(self) -> None:
        here, there = desired("new", "d2", renamed_from="old"), applied("old", "d1", live="d9")

        assert diff(wanted(here), stored(there), OURS).changes == (Conflict(there, here),)

    def test_names_that_go_round_in_a_circle_are_a_problem_at_each(self) -> None:
        here = [desired(new, renamed_from=old) for new, old in ("ab", "bc", "ca")]

        found = circle_problems(wanted(*here))

        assert [p.code for p in found] == ["ORD219"] * 3
        assert found[0].message == "Task a changes its name in a circle: a -> c -> b -> a"

    def test_a_circle_is_what_it_looks_like_where_the_pasts_are_known(self) -> None:
        one, other = desired("a", "d2", renamed_from="b"), desired("b", "d1", renamed_from="a")
        first, second = applied("a", "d1", uid=1), applied("b", "d2", uid=2)

        found = diff(wanted(one, other), stored(first, second), OURS, certain=True)

        assert found.changes == (Rename(second, one), Rename(first, other))

    def test_two_documents_with_one_past_are_a_problem_at_both(self) -> None:
        rivals: list[Desired] = [desired(name, renamed_from="old") for name in ("a", "b", "c")]
        there = applied("old")

        found = diff(wanted(*rivals), stored(there), OURS)

        assert [p.code for p in found.problems] == ["ORD206"] * 3
        assert found.problems[0].message == "Task a says it was old, and so does b and c"

    def test_a_new_name_that_another_project_holds_is_a_problem(self) -> None:
        here = desired("new", renamed_from="old")
        there, taken = applied("old", uid=1), applied("new", uid=2, owner=THEIRS)

        found = diff(wanted(here), stored(there, taken), OURS)

        assert [p.code for p in found.problems] == ["ORD204"]


def test_the_set_knows_what_apply_would_write() -> None:
    same, other = desired("same"), desired("other", "d2")
    there, old = applied("same", uid=1), applied("other", uid=2)

    found = diff(wanted(same, other), stored(there, old), OURS)

    assert found.writing == (Update(old, other),)
    assert [key_of(change) for change in found] == [key("other"), key("same")]
