"""What servers of older revisions ask while a call is under way: answered at once, or told that nobody answers.

Such a question does not say which call it is about. So it is answered only if one call is under way, and has its answer;
without the answer that call ends as one that was left open. Of several, one that has the answer is made once more: whether
it was told that nobody answers is not known, and what was answered to one call must not let another go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mcp_types import ElicitRequest, ElicitRequestParams, ElicitResult

from runtime.core.leftopen import GoingOn
from runtime.logs import get_logger
from runtime.tools.questions import AskedUnderWay, key_of, question_of_request

_NOBODY: Final = ElicitResult(action="cancel")
_log = get_logger("tools")


class Interview:
    """One call under way, and what it was asked that is to be answered by a person.

    Args:
        going_on: the answers that are known.
    """

    def __init__(self, going_on: GoingOn | None) -> None:
        self.going_on = going_on
        self.asked: dict[str, ElicitRequest] = {}

    def answer(self, key: str, question: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What is known to be the answer to a question of this call; None if nothing is."""
        return None if self.going_on is None else self.going_on.answer(key, question)

    @property
    def result(self) -> AskedUnderWay | None:
        """What the call came to if it was told that nobody answers, whatever its tool made of that; else None."""
        return AskedUnderWay(input_requests=dict(self.asked)) if self.asked else None


def answer(interviews: Sequence[Interview], params: ElicitRequestParams) -> ElicitResult:
    """The answer to a question that came while these calls were under way."""
    request = ElicitRequest(params=params)
    question = question_of_request(request)
    key = "question" if isinstance(question, str) else key_of(question)
    if len(interviews) == 1:
        response = None if isinstance(question, str) else interviews[0].answer(key, question)
        if response is not None:
            return ElicitResult.model_validate(response)
        interviews[0].asked[key] = request
    else:
        for interview in interviews:
            if not isinstance(question, str) and interview.answer(key, question) is not None:
                interview.asked[key] = request
        _log.warning(
            "a tool server asked %r while %d of its calls were under way, and was told that nobody answers; "
            "with `max_concurrency: 1` it is clear which call is meant",
            params.message[:200],
            len(interviews),
        )
    return _NOBODY
