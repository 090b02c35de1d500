"""What holds of the comparison whatever is compared."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.core.changes import (
    Applied,
    ChangeSet,
    Create,
    Retire,
    Unchanged,
    Unmanaged,
    Version,
    key_of,
)
from reconciler.core.desired import Desired, Key
from reconciler.core.diff import diff
from tests.support.documents import OURS, THEIRS, applied, desired, key

LABELS = st.sampled_from(["a", "b", "c", "d", "ops/a", "ops/b"])
DIGESTS = st.sampled_from(["d1", "d2", "d3"])
SOMETIME = datetime(2025, 1, 1, tzinfo=UTC)


@st.composite
def desired_sets(draw: st.DrawFn) -> dict[Key, Desired]:
    labels = draw(st.sets(LABELS))
    return {
        key(label): desired(
            label,
            draw(DIGESTS),
            renamed_from=draw(st.none() | st.sampled_from(["a", "b", "ops/b"])),
        )
        for label in labels
    }


@st.composite
def applied_sets(draw: st.DrawFn) -> dict[Key, Applied]:
    uids = count(1)
    return {
        key(label): applied(
            label,
            draw(st.none() | DIGESTS),
            live=draw(DIGESTS),
            uid=next(uids),
            owner=draw(st.sampled_from([OURS, OURS, OURS, THEIRS])),
            retired_at=draw(st.sampled_from([None, None, SOMETIME])),
        )
        for label in sorted(draw(st.sets(LABELS)))
    }


def apply_to(rows: Mapping[Key, Applied], changes: ChangeSet) -> dict[Key, Applied]:
    """What the database holds after these changes, by their definitions."""
    after = dict(rows)
    uids = count(1 + max((row.uid for row in rows.values()), default=0))
    for change in changes.writing:
        if change.from_ is not None:
            after.pop(change.from_.key)
    for change in changes.writing:
        if isinstance(change, Retire):
            after[change.from_.key] = replace(change.from_, retired_at=SOMETIME)
            continue
        wanted = change.to
        now = Version(wanted.digest, wanted.facets)
        uid = next(uids) if change.from_ is None else change.from_.uid
        after[wanted.key] = Applied(wanted.key, uid, OURS, 2, now, now)
    return after


@given(desired_sets(), applied_sets())
def test_applying_the_difference_gives_what_git_wants(
    git: dict[Key, Desired], rows: dict[Key, Applied]
) -> None:
    changes = diff(git, rows, OURS)
    assume(not changes.problems)

    after = apply_to(rows, changes)

    in_force = {
        k: row.live.digest
        for k, row in after.items()
        if row.retired_at is None and row.owner == OURS and row.last is not None
    }
    assert in_force == {k: document.digest for k, document in git.items()}


@given(desired_sets(), applied_sets())
def test_after_applying_there_is_no_difference(
    git: dict[Key, Desired], rows: dict[Key, Applied]
) -> None:
    changes = diff(git, rows, OURS)
    assume(not changes.problems)

    again = diff(git, apply_to(rows, changes), OURS)

    assert not again.writing
    assert {key_of(c) for c in again if isinstance(c, Unchanged)} == set(git)


@given(desired_sets(), applied_sets(), st.randoms())
def test_the_order_of_the_inputs_does_not_matter(
    git: dict[Key, Desired], rows: dict[Key, Applied], chance: random.Random
) -> None:
    shuffled_git, shuffled_rows = list(git.items()), list(rows.items())
    chance.shuffle(shuffled_git)
    chance.shuffle(shuffled_rows)

    assert diff(dict(shuffled_git), dict(shuffled_rows), OURS) == diff(git, rows, OURS)


@given(desired_sets(), applied_sets())
def test_every_document_has_one_outcome_or_a_problem(
    git: dict[Key, Desired], rows: dict[Key, Applied]
) -> None:
    changes = diff(git, rows, OURS)

    outcomes = [key_of(c) for c in changes]
    assert len(outcomes) == len(set(outcomes))
    assert set(git) - set(outcomes) == set() or changes.problems
    uids = [c.from_.uid for c in changes if c.from_ is not None]
    assert len(uids) == len(set(uids))


@given(applied_sets())
def test_nothing_of_another_project_is_ever_touched(rows: dict[Key, Applied]) -> None:
    for change in diff({}, rows, OURS).writing:
        assert isinstance(change, Retire)
        assert change.from_.owner == OURS


@given(desired_sets())
def test_an_empty_database_gets_everything_and_nothing_else(git: dict[Key, Desired]) -> None:
    changes = diff(git, {}, OURS)

    assert {key_of(c) for c in changes if isinstance(c, Create)} == set(git)
    assert len(changes.changes) == len(git)


@given(applied_sets())
def test_what_no_revision_wrote_is_listed_and_left_alone(rows: dict[Key, Applied]) -> None:
    listed = {key_of(c) for c in diff({}, rows, OURS) if isinstance(c, Unmanaged)}

    assert listed == {k for k, row in rows.items() if row.last is None and row.retired_at is None}
