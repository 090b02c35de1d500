"""What servers of older revisions ask while a call is under way: answered at once, or told that nobody answers.

Such a question does not say which call it is about. It is answered where one of those under way has its answer; otherwise,
if there is but one, that call ends as one that was left open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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

    @property
    def result(self) -> AskedUnderWay | None:
        """What the call came to if it was told that nobody answers, whatever its tool made of that; else None."""
        return AskedUnderWay(input_requests=dict(self.asked)) if self.asked else None


def answer(interviews: Sequence[Interview], params: ElicitRequestParams) -> ElicitResult:
    """The answer to a question that came while these calls were under way."""
    request = ElicitRequest(params=params)
    question = question_of_request(request)
    key = "question" if isinstance(question, str) else key_of(question)
    for interview in interviews:
        if interview.going_on is None or isinstance(question, str):
            continue
        response = interview.going_on.answer(key, question)
        if response is not None:
            return ElicitResult.model_validate(response)
    if len(interviews) == 1:
        interviews[0].asked[key] = request
    else:
        _log.warning(
            "a tool server asked %r while %d of its calls were under way, and was told that nobody answers; "
            "with `max_concurrency: 1` it is clear which call is meant",
            params.message[:200],
            len(interviews),
        )
    return _NOBODY
