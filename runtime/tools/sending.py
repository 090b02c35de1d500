"""`ordinaut.post` and `ordinaut.email`: what tells somebody else, without a tool server.

Promises: a call comes to an outcome that says whether anything can have arrived, within bounds of time and size. No redirect is
followed, no proxy and no credential taken from the environment, certificates are always checked; answers are not kept.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from runtime.clock import Clock
from runtime.core.identity import KEY_META
from runtime.core.letters import POST, Letter, Post, Unsendable, letter_of, post_of
from runtime.core.outcomes import CallError, CallOutcome, OutcomeClass
from runtime.core.storable import storable_text
from runtime.tools.catalogue import ToolInfo
from runtime.tools.endpoint import Endpoints, Response, Unanswered
from runtime.tools.waiting import time_limit

_LIMIT: Final = timedelta(seconds=30)
_SILENCE_SECONDS: Final = 10.0
_MESSAGE_CHARACTERS: Final = 500
_SUCCESS: Final = range(200, 300)
_ELSEWHERE: Final = range(300, 400)
_PASSING: Final = frozenset({408, 425, 429})
_FIRST_SERVER_ERROR: Final = 500
_CODES: Final[Mapping[OutcomeClass, str]] = {
    "contract_error": "ORD403",
    "lost": "ORD406",
    "not_sent": "ORD401",
    "rejected": "ORD408",
    "timeout": "ORD405",
    "tool_error": "ORD404",
}


class _Failed(Exception):
    """The letter was not taken, or nobody knows."""

    def __init__(self, kind: OutcomeClass, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Senders:
    """Sends requests and letters.

    Args:
        clock: for dates, and for how long a call may take.
        project: the folder of the specs.
    """

    def __init__(self, clock: Clock, project: Path) -> None:
        self._clock = clock
        self._endpoints = Endpoints(project)

    async def call(
        self,
        info: ToolInfo,
        arguments: Mapping[str, Any],
        meta: Mapping[str, Any] | None,
        *,
        limit: timedelta | None,
    ) -> CallOutcome:
        """Send what the arguments say.

        Args:
            info: the tool.
            arguments: any JSON object.
            meta: `_meta` of the call, with its idempotency key.
            limit: the longest time for all of it; never more than half a minute.
        """
        problem = info.argument_error(arguments)
        if problem is not None:
            return CallOutcome("contract_error", error=problem, schema_digest=info.digest)
        key, span = str((meta or {}).get(KEY_META, "")), min(limit or _LIMIT, _LIMIT)
        sent: list[bool] = []
        try:
            async with time_limit(self._clock, span.total_seconds()):
                if f"{info.server}.{info.name}" == POST:
                    value = await self._post(post_of(arguments, key), sent)
                else:
                    value = await self._mail(letter_of(arguments, key, self._clock.now()), sent)
        except TimeoutError:
            kind: OutcomeClass = "timeout" if sent else "not_sent"
            return _failed(info, kind, f"no answer within {span.total_seconds():g} s", sent)
        except Unsendable as flaw:
            return _failed(info, "contract_error", str(flaw), sent)
        except Unanswered as nothing:
            return _failed(info, "lost" if nothing.was_sent else "not_sent", str(nothing), sent)
        except _Failed as failure:
            return _failed(info, failure.kind, str(failure), sent)
        return CallOutcome("ok", value=value, sent=True, schema_digest=info.digest)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._endpoints.aclose()

    async def _post(self, post: Post, sent: list[bool]) -> dict[str, Any]:
        response = await self._endpoints.post(
            post.url, post.headers, post.body, partial(sent.append, True)
        )
        if response.status in _SUCCESS:
            return {"status": response.status}
        raise _Failed(_refusal(response), f"HTTP {response.status}{_why(response)}")

    async def _mail(self, letter: Letter, sent: list[bool]) -> dict[str, Any]:
        try:
            context = ssl.create_default_context(cadata=letter.ca)
        except (ssl.SSLError, ValueError):
            raise Unsendable("its ca is no certificate in PEM") from None
        # Whatever becomes of the call, the thread ends: the server may be silent for ten seconds at a time.
        refused = await asyncio.to_thread(_hand_in, letter, context, sent)
        accepted = [one for one in letter.recipients if one not in refused]
        return {"accepted": accepted, "refused": refused}


def _hand_in(letter: Letter, context: ssl.SSLContext, sent: list[bool]) -> dict[str, int]:
    """Hand a letter to its server; whom it refuses, and by which code.

    Raises:
        _Failed: it was not taken, or nobody knows.
    """
    server = _connected(letter, context)
    try:
        _log_in(server, letter)
        options = ("BODY=8BITMIME",) if server.has_extn("8bitmime") else ()
        sent.append(True)
        refused = server.send_message(letter.message, letter.sender, letter.recipients, options)
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        kind: OutcomeClass = "tool_error" if any(map(_passes, codes)) else "rejected"
        raise _Failed(kind, f"no recipient was taken: {_words(codes)}") from None
    except smtplib.SMTPResponseException as error:
        kind = "tool_error" if _passes(error.smtp_code) else "rejected"
        raise _Failed(kind, f"the mail server refused it ({error.smtp_code})") from None
    except smtplib.SMTPNotSupportedError as error:
        raise _Failed("rejected", f"the mail server cannot do what is asked: {error}") from None
    except (OSError, smtplib.SMTPException):
        raise _Failed("lost", "the mail server hung up; it may have the letter") from None
    finally:
        server.close()
    return {name: code for name, (code, _) in refused.items()}


def _log_in(server: smtplib.SMTP, letter: Letter) -> None:
    """Raises `_Failed` where that does not work; no letter has left."""
    try:
        server.ehlo_or_helo_if_needed()
        if letter.login is not None:
            server.login(*letter.login)
    except smtplib.SMTPAuthenticationError as error:
        raise _Failed("not_sent", f"the login was refused ({error.smtp_code})") from None
    except (OSError, smtplib.SMTPException) as error:
        raise _Failed("not_sent", f"the mail server does not go on: {error}") from None


def _connected(letter: Letter, context: ssl.SSLContext) -> smtplib.SMTP:
    """A connection that is as safe as was asked; raises `_Failed` where there is none."""
    where, server = f"{letter.host}:{letter.port}", None
    try:
        if letter.security == "tls":
            return smtplib.SMTP_SSL(
                letter.host, letter.port, timeout=_SILENCE_SECONDS, context=context
            )
        server = smtplib.SMTP(letter.host, letter.port, timeout=_SILENCE_SECONDS)
        if letter.security == "starttls":
            server.starttls(context=context)
    except (OSError, smtplib.SMTPException) as error:
        if server is not None:
            server.close()
        what = "does not encrypt as it should" if isinstance(error, ssl.SSLError | smtplib.SMTPNotSupportedError) else "cannot be reached"  # fmt: skip
        raise _Failed("not_sent", f"{where} {what}: {error}") from None
    return server


def _refusal(response: Response) -> OutcomeClass:
    passing = response.status in _PASSING or response.status >= _FIRST_SERVER_ERROR
    return "tool_error" if passing else "rejected"


def _why(response: Response) -> str:
    return ": no redirect is followed" if response.status in _ELSEWHERE else ""


def _passes(code: int) -> bool:
    """Whether a refusal of SMTP is one for now."""
    return 400 <= code < _FIRST_SERVER_ERROR  # noqa: PLR2004 - the class of codes


def _words(codes: set[int]) -> str:
    return ", ".join(map(str, sorted(codes)))


def _failed(info: ToolInfo, kind: OutcomeClass, why: str, sent: list[bool]) -> CallOutcome:
    text = storable_text(f"{info.server}.{info.name}: {why}")[:_MESSAGE_CHARACTERS]
    return CallOutcome(
        kind,
        error=CallError(_CODES[kind], text),
        sent=bool(sent),
        schema_digest=info.digest,
    )
