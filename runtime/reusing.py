"""Results of earlier calls, for steps that may reuse them.

What is reused is what was recorded: without secrets, and good in the eyes of the step that called. Calls of the same
moment do not wait for one another.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
import psycopg
from psycopg_pool import PoolTimeout

from runtime.core.calls import Call
from runtime.core.expressions import Context
from runtime.core.outcomes import CallOutcome
from runtime.core.program import CachePolicy
from runtime.logs import get_logger
from runtime.store.answers import Answers

_log = get_logger("reusing")

Make = Callable[[], Awaitable[CallOutcome]]
Judge = Callable[[CallOutcome], CallOutcome]


class Reuse:
    """The answers that runs of one project share.

    Args:
        answers: where they are.
        secret: what their keys are made with.
        project: whose they are.
    """

    def __init__(self, answers: Answers, secret: bytes, project: str) -> None:
        self._answers = answers
        self._secret = secret
        self._project = project

    async def call(
        self,
        call: Call,
        arguments: Mapping[str, Any],
        context: Context,
        make: Make,
        judge: Judge,
        *,
        model: Any = None,
    ) -> CallOutcome:
        """What was answered to the same call, if the step may take that, or else what is answered now.

        Args:
            call: which.
            arguments: what the tool gets.
            context: what the step's own key is made of.
            make: makes the call.
            judge: says whether its answer is good for the step.
            model: the language model that is asked, as JSON; None where none is.

        Raises:
            OrdinautError: the step's own key cannot be made.
        """
        policy = call.step.cache
        if policy is None:
            return await make()
        key = self._key(call, policy, arguments, context, model)
        try:
            kept = await self._answers.find(key, policy.ttl)
        except (psycopg.OperationalError, PoolTimeout) as error:
            _log.warning("no answer looked up: %s", " ".join(str(error).split()))
            kept = None
        if kept is not None:
            reused = CallOutcome("ok", value=kept.output, size=kept.size, reused_at=kept.made_at)
            # What another step took for good may be no good to this one, today or on its next try.
            if judge(reused).kind == "ok":
                return reused
        outcome = await make()
        if outcome.kind == "ok" and judge(outcome).kind == "ok":
            await self._keep(key, outcome, policy)
        return outcome

    async def _keep(self, key: bytes, outcome: CallOutcome, policy: CachePolicy) -> None:
        try:
            await self._answers.keep(key, outcome.value, outcome.size, policy.ttl)
        except (psycopg.OperationalError, PoolTimeout) as error:
            _log.warning("an answer is not kept: %s", " ".join(str(error).split()))

    def _key(
        self,
        call: Call,
        policy: CachePolicy,
        arguments: Mapping[str, Any],
        context: Context,
        model: Any,
    ) -> bytes:
        own = None if policy.key is None else policy.key.render(context)
        told = arguments if own is None else None
        whole = orjson.dumps(
            [self._project, call.step.uses, call.step.parse, own, told, model],
            option=orjson.OPT_SORT_KEYS,
        )
        return hmac.digest(self._secret, whole, "sha256")
