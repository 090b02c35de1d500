"""Answers to what a server asks, by its forms."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.core.answering import UnfitAnswer, fields_of, read_answers, responses_of

FORM = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "minLength": 3},
        "seats": {"type": "integer", "default": 2},
        "price": {"type": "number"},
        "outside": {"type": "boolean"},
        "dishes": {"type": "array", "items": {"type": "string", "enum": ["soup", "fish"]}},
    },
    "required": ["day", "seats"],
}
SEATS = {"q": {"message": "When?", "schema": FORM}}
BOTH = SEATS | {"r": {"message": "And?", "schema": FORM}}
VISIT = {"u": {"message": "Pay", "url": "https://pay.example"}}


def content(requests: dict[str, Any], *given: tuple[str, str]) -> Any:
    return responses_of(requests, read_answers(requests, given))


def test_a_form_takes_texts_by_the_types_of_its_fields_and_defaults_for_the_rest() -> None:
    given = [("day", "7 May"), ("price", "1.5"), ("outside", "Yes"), ("dishes", "soup, fish")]

    assert content(SEATS, *given) == {
        "q": {
            "action": "accept",
            "content": {
                "day": "7 May",
                "seats": 2,
                "price": 1.5,
                "outside": True,
                "dishes": ["soup", "fish"],
            },
        }
    }


@pytest.mark.parametrize(("text", "value"), [('["fish"]', ["fish"]), ("", []), ("soup", ["soup"])])
def test_a_list_is_written_as_json_or_with_commas(text: str, value: list[str]) -> None:
    response = content(SEATS, ("day", "now"), ("dishes", text))

    assert response["q"]["content"]["dishes"] == value


def test_a_field_that_several_questions_have_is_named_with_its_question() -> None:
    response = content(BOTH, ("q.day", "7 May"), ("r.day", "8 May"))

    assert [one["content"]["day"] for one in response.values()] == ["7 May", "8 May"]
    with pytest.raises(UnfitAnswer, match="names several fields"):
        content(BOTH, ("day", "7 May"))


def test_an_address_is_confirmed_without_data() -> None:
    assert content(VISIT) == {"u": {"action": "accept"}}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "that is no answer to q: day is missing"),
        ([("day", "no")], "that is no answer to q: day: 'no' is too short"),
        ([("dya", "now")], "'dya' is no field of what is asked"),
        ([("day", "now"), ("seats", "many")], "'many' is no integer, as seats wants it"),
        ([("day", "now"), ("seats", "1.5")], "q: seats: 1.5 is not of type 'integer'"),
        ([("day", "now"), ("outside", "perhaps")], "'perhaps' is no boolean"),
        ([("day", "now"), ("dishes", "hat")], "dishes.0: 'hat' is not one of"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    given: list[tuple[str, str]], says: str
) -> None:
    with pytest.raises(UnfitAnswer, match=says) as refused:
        content(SEATS, *given)

    assert refused.value.code == "ORD421"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"p": {}}, "nothing is asked as p"),
        ({"q": {"day": "now", "night": 1}}, "'night' is no field of it"),
    ],
)
def test_data_for_what_is_not_asked_is_refused(data: dict[str, Any], says: str) -> None:
    with pytest.raises(UnfitAnswer, match=says):
        responses_of(SEATS, data)


def test_a_field_with_a_default_need_not_be_filled_in() -> None:
    assert [one.name for one in fields_of(SEATS) if one.is_required] == ["day"]
