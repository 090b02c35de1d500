"""Makes the calls of one run: whether they are allowed, with which key and how long they may take, counted from its first start."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson

from runtime.calling import may_destroy, redacted, refusal, told
from runtime.context import masked, run_context
from runtime.core.calls import Call
from runtime.core.expressions import Context, Template
from runtime.core.identity import HEADER_META, KEY_META, idempotency_key
from runtime.core.judging import judge
from runtime.core.leftopen import BEGINS, LONGEST_HELD_SECONDS, GoingOn
from runtime.core.llm.tools import MODEL_TOOLS
from runtime.core.opencalls import OpenCall
from runtime.core.outcomes import CallError, CallOutcome
from runtime.core.prices import priced
from runtime.core.program import Program, ProgramStep, Verification
from runtime.core.tracing import TRACEPARENT, traceparent
from runtime.errors import ExpressionError, OrdinautError
from runtime.live import Live
from runtime.logs import about
from runtime.models import finding
from runtime.reusing import Reuse
from runtime.secrets import Secrets
from runtime.store.due_work import Claim
from runtime.store.recorded import Origin, Recorded
from runtime.surroundings import Surroundings
from runtime.tools.following import follow
from runtime.tools.reading import Parse
from runtime.underway import Ready
from schemas.language_model import DEFAULT_MODEL

# What an HTTP header can carry, and any tool can keep.
_KEY: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
RUN_BYTES: Final = 268_435_456
"""How many bytes the results of a run may have together; as many as a single one may have at most."""
_NO_ANSWER: Final = frozenset({"not_sent", "lost", "timeout", "tool_error"})
_CHECK_AGAIN_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)


class Caller:
    """Makes the calls of one claim of one run."""

    def __init__(
        self,
        claim: Claim,
        program: Program,
        around: Surroundings,
        live: Live,
        secrets: Secrets,
        *,
        recorded: Recorded,
    ) -> None:
        self._tools = around.tools
        self._clock = around.clock
        self._claim = claim
        self._program = program
        self._live = live
        self._secrets = secrets
        self._find_model = finding(live, program.project, secrets, self._clock)
        # When the run first started, by our monotonic clock.
        self._began = (
            self._clock.monotonic() - (claim.claimed_at - claim.started_at).total_seconds()
        )
        # People were asked for part of the time, which is left out of the timeout.
        self._over_at = self._began + recorded.asked_for + program.timeout.total_seconds()
        self._origin = recorded.origin or Origin(claim.run, 0)
        outputs = [result.output for result in recorded.results.values()]
        self._values: Mapping[str, Any] = {}
        self._kept_bytes = len(orjson.dumps(outputs)) if outputs else 0
        self._around = around

    async def call(self, ready: Ready, context: Context) -> CallOutcome:
        """What becomes of a call, or what the tool of a verification says of it, without any secret that was used.

        Args:
            ready: the call, and its arguments.
            context: what the expressions of its step find.
        """
        call, arguments = ready.call, ready.arguments
        with about(step=call.step.name, item=call.iteration, attempt=call.attempt):
            if ready.verification is not None:
                return await self._check(call, ready.verification, arguments)
            if call.step.cache is None or call.opened is not None:
                return await self._make(call, arguments)
            refused = self.refusal(call.step.uses)
            if refused is not None:
                return refused
            make = partial(self._make, call, arguments)
            judge = partial(self.judge, call.step, context=context)
            try:
                reuse = Reuse(
                    self._around.answers, self._around.callback_key, self._program.project
                )
                model = self._model_asked(call.step.uses, arguments)
                return await reuse.call(call, arguments, context, make, judge, model=model)
            except OrdinautError as error:
                return CallOutcome("contract_error", error=told(error))

    def _model_asked(self, uses: str, arguments: Mapping[str, Any]) -> Any:
        """The model that a call asks, as the Project has it now: another one gives other answers, as does none."""
        if uses not in MODEL_TOOLS:
            return None
        models = self._live.models.get(self._program.project, {})
        return models.get(str(arguments.get("model", DEFAULT_MODEL)))

    async def _make(self, call: Call, arguments: Mapping[str, Any]) -> CallOutcome:
        step, opened = call.step, call.opened
        if opened is not None and opened.left.task is not None:
            return self._kept(redacted(await self._follow(call, arguments, opened), self._secrets))
        parent = traceparent(self._claim.run, step.name, call.iteration, call.attempt)
        meta = {KEY_META: call.key, TRACEPARENT: parent}
        if step.idempotency is not None and step.idempotency.header is not None:
            meta[HEADER_META] = step.idempotency.header
        return await self._outcome(
            step.uses,
            arguments,
            step.timeout,
            meta,
            stall=step.stall,
            is_approved=self._is_approved(step),
            going_on=BEGINS if opened is None else opened.going_on,
            parse=step.parse,
        )

    async def _follow(
        self, call: Call, arguments: Mapping[str, Any], opened: OpenCall
    ) -> CallOutcome:
        """What has become of a call that its server goes on with by itself."""
        run, step = self._claim.run, call.step

        async def ask(going_on: GoingOn, at_most: timedelta) -> CallOutcome:
            return await self._tools.call(
                step.uses,
                arguments,
                at_most=at_most,
                run=run,
                going_on=going_on,
                parse=step.parse,
            )

        until = self._over_at
        if step.timeout is not None:
            until = min(until, opened.since + step.timeout.total_seconds())
        if opened.ended is not None:
            until = -math.inf
        wait = opened.left.wait_seconds
        outcome = await follow(
            ask,
            opened.going_on,
            self._clock,
            until=until,
            pause=wait if wait <= LONGEST_HELD_SECONDS else 0.0,
            longest_pause=LONGEST_HELD_SECONDS,
        )
        return opened.ended or outcome

    def _is_approved(self, step: ProgramStep) -> bool:
        """Whether somebody agreed to the step's call, or to what comes after an approval that it needs."""
        # Without an answer the call is not made in the first place, and a result has only what was agreed to.
        return step.approval is not None or any(name in self._values for name in step.approved_by)

    def judge(self, step: ProgramStep, outcome: CallOutcome, context: Context) -> CallOutcome:
        """The outcome as the step sees it, with what it cost as far as that is known."""
        outcome = judge(step, outcome, context)
        if outcome.usage is None or outcome.usage.cost is not None:
            return outcome
        prices = self._live.prices.get(self._program.project, ())
        return replace(outcome, usage=priced(outcome.usage, prices, self.now))

    def call_at_once(self, call: Call, arguments: Mapping[str, Any]) -> CallOutcome | None:
        """The same for a tool that only computes; None for one that must be called."""
        uses = call.step.uses
        if not self._tools.only_computes(uses) or (self._find_model and uses in MODEL_TOOLS):
            return None
        refused = self.refusal(call.step.uses)
        outcome = refused or self._tools.compute(call.step.uses, arguments)
        return self._kept(redacted(outcome, self._secrets))

    def refusal(self, uses: str) -> CallOutcome | None:
        """Why a tool must not, or cannot, be called now; None if nothing is in the way."""
        if self.is_out_of_time:
            return CallOutcome("not_sent", error=self.timed_out())
        return refusal(self._live, self._program.agent, uses)

    async def _check(
        self, call: Call, verification: Verification, arguments: Mapping[str, Any]
    ) -> CallOutcome:
        """What a tool that changes nothing says of a call that may have happened; one that gives no answer is asked
        again, for about half a minute.
        """
        meta = {"dev.ordinaut/verifies": call.key}
        for wait in _CHECK_AGAIN_SECONDS:
            outcome = await self._outcome(verification.uses, arguments, call.step.timeout, meta)
            if outcome.kind not in _NO_ANSWER:
                return outcome
            await self._clock.sleep(wait)
        return await self._outcome(verification.uses, arguments, call.step.timeout, meta)

    async def _outcome(
        self,
        uses: str,
        arguments: Mapping[str, Any],
        limit: timedelta | None,
        meta: Mapping[str, Any],
        *,
        stall: timedelta | None = None,
        is_approved: bool = False,
        going_on: GoingOn | None = None,
        parse: Parse = "auto",
    ) -> CallOutcome:
        left = timedelta(seconds=self.left)
        if stall is not None and limit is None:
            # What tells of its progress may go on for as long as its run.
            limit = left
        refused = self.refusal(uses)
        if refused is not None:
            return refused
        run = self._claim.run
        outcome = await self._tools.call(
            uses,
            arguments,
            None if limit is None else min(left, limit),
            {**meta, "dev.ordinaut/run": run},
            at_most=left,
            stall=stall,
            run=run,
            may_destroy=is_approved or may_destroy(self._live, self._program.agent),
            find_model=self._find_model,
            going_on=going_on,
            parse=parse,
        )
        return self._kept(redacted(outcome, self._secrets))

    def _kept(self, outcome: CallOutcome) -> CallOutcome:
        """The outcome, unless the results of the run are too many: all of them are in memory until it is over."""
        together = self._kept_bytes + outcome.size
        if together <= RUN_BYTES:
            self._kept_bytes = together
            return outcome
        error = CallError(
            "ORD506",
            f"the results of the run have together {together:,} bytes, and {RUN_BYTES:,} are kept",
            "let tools answer less, or make several runs of it",
        )
        return replace(outcome, kind="contract_error", value=None, error=error, size=0)

    @property
    def claim(self) -> Claim:
        """The run, as it is held."""
        return self._claim

    def context(self, values: Mapping[str, Any], callback_key: bytes) -> Context:
        """What the templates of the run's steps find; `values` are the results of steps, and may grow.

        Raises:
            OrdinautError: the parameters of the pipeline that it uses cannot be made.
        """
        self._values = values
        return run_context(
            self._claim,
            self._program,
            values,
            self._secrets,
            callback_key,
            web_url=self._around.web_url,
        )

    def fill(self, call: Call, context: Context) -> tuple[Mapping[str, Any], Any]:
        """The call's arguments as the tool gets them and as they are shown; the call has its key from then on.

        Raises:
            ExpressionError: a template cannot be filled in, or makes no key.
        """
        step = call.step
        call.key = self.key(call, context)
        if step.approval is not None and step.approval.show is not None:
            call.message = self._message(step.approval.show, context)
        arguments = keyed(call, step.arguments.render(context))
        # An item may be a secret, or hold one.
        holds_item = step.foreach is not None and bool(self._secrets.known)
        if call.opened is not None and not (step.has_secrets or holds_item):
            # A call that goes on is the one that was left open, whatever its templates would give now.
            return call.opened.arguments, call.opened.arguments
        shown = arguments
        if step.has_secrets:
            shown = keyed(call, step.arguments.render(masked(context, self._secrets)))
        return arguments, self._secrets.redact.within(shown) if holds_item else shown

    def _message(self, show: Template, context: Context) -> str:
        """What people are shown: without secrets."""
        made = self._secrets.redact.within(show.render(masked(context, self._secrets)))
        return made if isinstance(made, str) else orjson.dumps(made).decode()

    def key(self, call: Call, context: Context) -> str:
        """The key that every try of the call carries: its step's own, or one derived from run, step and item.

        Raises:
            ExpressionError: the step's own cannot be made, or is no key.
        """
        how = call.step.idempotency
        if how is None or how.key is None:
            origin = self._origin
            return idempotency_key(origin.run, call.step.name, call.iteration, origin.replay_no)
        made = how.key.render(context)
        text = str(made) if isinstance(made, str | int) and not isinstance(made, bool) else ""
        if not _KEY.fullmatch(text):
            raise ExpressionError(
                f"step {call.step.name} made no idempotency key: it must be 1 to 255 printable ASCII characters",
                hint="`idempotency.key` gave something else; leave it out for a key of our own",
                code="ORD503",
            )
        return text

    @property
    def elapsed(self) -> float:
        """Seconds since the run's first start: by the server's clock up to the claim, by our monotonic one since."""
        return self._clock.monotonic() - self._began

    @property
    def left(self) -> float:
        """How many seconds the run may still take; less than nothing once it is out of time."""
        return self._over_at - self._clock.monotonic()

    @property
    def now(self) -> datetime:
        """The server's present, as far as this process can tell."""
        return self._claim.started_at + timedelta(seconds=self.elapsed)

    @property
    def is_out_of_time(self) -> bool:
        """Whether the run has taken longer than it may."""
        return self._clock.monotonic() >= self._over_at

    def allow_again(self, elapsed: float) -> None:
        """Let what comes finally take as long as the run might, from when `elapsed` seconds had passed."""
        self._over_at = self._began + elapsed + self._program.timeout.total_seconds()

    def timed_out(self) -> CallError:
        """Why a run that is out of time fails."""
        return CallError(
            "ORD504", f"the run took longer than its timeout of {self._program.timeout}"
        )


def keyed(call: Call, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """A call's arguments, with its idempotency key where the step wants it among them."""
    how = call.step.idempotency
    if how is None or how.argument is None:
        return arguments
    return {**arguments, how.argument: call.key}
