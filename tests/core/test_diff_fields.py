"""The fields of an update, as JSON pointers."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.fields import Op, field_ops

CASES = [
    pytest.param({"a": 1}, {"a": 1}, [], id="equal"),
    pytest.param({"a": 1}, {"a": 2}, [Op("replace", "/a", 1, 2)], id="a value"),
    pytest.param({}, {"a": None}, [Op("add", "/a", after=None)], id="an addition"),
    pytest.param({"a": 1}, {}, [Op("remove", "/a", before=1)], id="a removal"),
    pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, [Op("replace", "/a/b", 1, 2)], id="inside"),
    pytest.param({"a/b~c": 1}, {}, [Op("remove", "/a~1b~0c", before=1)], id="escaped"),
    pytest.param({"a": 1}, {"a": True}, [Op("replace", "/a", 1, True)], id="true is not 1"),
    pytest.param({"a": 1}, {"a": 1.0}, [Op("replace", "/a", 1, 1.0)], id="1.0 is not 1"),
    pytest.param({"a": [1, 2]}, {"a": [1, 2]}, [], id="equal lists"),
    pytest.param({"a": [1]}, {"a": [True]}, [Op("replace", "/a", [1], [True])], id="a list"),
    pytest.param(
        {"a": [1]}, {"a": [1, 2]}, [Op("replace", "/a", [1], [1, 2])], id="a longer list"
    ),
    pytest.param({"a": {}}, {"a": []}, [Op("replace", "/a", {}, [])], id="another type"),
    pytest.param({"b": 1, "a": 1}, {}, [Op("remove", "/a", 1), Op("remove", "/b", 1)], id="order"),
    pytest.param(
        {"s": [{"cron": "0 8 * * *", "count": None}]},
        {"s": [{"cron": "0 9 * * *", "count": None}]},
        [Op("replace", "/s/0/cron", "0 8 * * *", "0 9 * * *")],
        id="objects without id, place by place",
    ),
    pytest.param(
        {"s": [{"id": "a"}, {"id": "b", "x": 1}]},
        {"s": [{"id": "new"}, {"id": "b", "x": 2}]},
        [
            Op("remove", "/s/0", before={"id": "a"}),
            Op("add", "/s/0", after={"id": "new"}),
            Op("replace", "/s/1/x", 1, 2),
        ],
        id="objects with id, by id",
    ),
    pytest.param(
        {"s": [{"id": "a"}, {"id": "b"}]},
        {"s": [{"id": "b"}, {"id": "a"}]},
        [Op("replace", "/s", [{"id": "a"}, {"id": "b"}], [{"id": "b"}, {"id": "a"}])],
        id="another order",
    ),
    pytest.param(
        {"s": [{"id": "a"}, {"id": "a"}]},
        {"s": [{"id": "a"}]},
        [Op("replace", "/s", [{"id": "a"}, {"id": "a"}], [{"id": "a"}])],
        id="an id that is not one",
    ),
]


@pytest.mark.parametrize(("before", "after", "ops"), CASES)
def test_each_difference_is_one_operation(before: Any, after: Any, ops: list[Op]) -> None:
    assert list(field_ops(before, after)) == ops


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b/c"])
IDENTIFIED = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from("abcd"), "x": SCALARS}), max_size=4
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c~d"]), inner, max_size=3)
        | IDENTIFIED
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_carrying_out_the_operations_gives_the_new_value(before: Any, after: Any) -> None:
    carried_out = carry_out(before, field_ops(before, after))

    assert json.dumps(carried_out, sort_keys=True) == json.dumps(after, sort_keys=True)


@given(JSON)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert field_ops(value, copy.deepcopy(value)) == ()


def carry_out(value: Any, ops: tuple[Op, ...]) -> Any:
    """Removals from the back, then additions from the front, then replacements: list places are those of their list."""
    root = {"": copy.deepcopy(value)}
    for op in reversed([op for op in ops if op.op == "remove"]):
        holder, last = descend(root, op.path)
        del holder[last]
    # A list under an object that moves is reached through its new place, so outer additions come first.
    for op in sorted((op for op in ops if op.op == "add"), key=lambda op: op.path.count("/")):
        holder, last = descend(root, op.path)
        if isinstance(holder, list):
            holder.insert(last, copy.deepcopy(op.after))
        else:
            holder[last] = copy.deepcopy(op.after)
    for op in ops:
        if op.op == "replace":
            holder, last = descend(root, op.path)
            holder[last] = copy.deepcopy(op.after)
    return root[""]


def descend(root: Any, path: str) -> tuple[Any, Any]:
    names = [name.replace("~1", "/").replace("~0", "~") for name in path.split("/")]
    for name in names[:-1]:
        root = root[int(name) if isinstance(root, list) else name]
    return root, int(names[-1]) if isinstance(root, list) else names[-1]
