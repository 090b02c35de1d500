"""The API is what its description says: schemathesis asks for whatever that allows and forbids, and finds nothing.

Requests come from somebody who may do everything, over a database that has something of each kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from reconciler.web.app import whole_app
from runtime.config import Config
from runtime.web.description import described
from runtime.web.limits import Buckets
from tests.support.databases import fresh_database
from tests.support.factories import insert_due_work, insert_run, insert_step_result, insert_task
from tests.support.web import Web, bearer, serving

EXAMPLES = 10
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


@pytest.fixture(scope="module")
def told(servers: Any) -> Iterator[Web]:
    """A web side with a task, a run that is over and one that is not."""
    with fresh_database(servers.database) as database:
        with psycopg.connect(database, autocommit=True) as rows:
            task = insert_task(rows)
            insert_step_result(rows, insert_run(rows, task))
            queued = insert_run(rows, task, state="queued", trigger="manual", trigger_key="a")
            insert_due_work(rows, task, queued)
        with pytest.MonkeyPatch.context() as patched, serving(database) as web:
            # Who asks too often is put off; here somebody shows a hundred wrong tokens a second, to be told of each.
            patched.setattr(Buckets, "take", lambda *_: 0.0)
            yield web


def description() -> Any:
    """What programs are told; made without a server, as the tests are named after its operations."""
    config = SchemathesisConfig()
    config.projects.default.generation.update(modes=list(GenerationMode))
    app = whole_app(Config.load({}, environ={}), "")
    return schemathesis.openapi.from_dict(described(app), config=config)


schema = description()


@pytest.mark.slow
@pytest.mark.unmeasured
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_every_operation_is_as_described(case: Any, told: Web) -> None:
    if _KEY.fullmatch(str((case.headers or {}).get("Idempotency-Key", ""))):
        # A key that was used for another request is refused, as the draft has it: each request has its own.
        case.headers["Idempotency-Key"] = str(uuid4())
    case.call_and_validate(base_url=told.url, headers=bearer(told.token))
