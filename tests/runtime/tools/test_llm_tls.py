"""Endpoints of language models are believed as the Project says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from runtime.core.tls import Tls
from tests.runtime.tools.conftest import OpenToolbox
from tests.runtime.tools.test_llm import Asking, _why
from tests.support.certificates import Authority
from tests.support.model_server import ModelServer, says


async def test_an_endpoint_is_known_by_an_authority_of_ones_own(
    open_toolbox: OpenToolbox, tmp_path: Path
) -> None:
    authority, other = Authority(), Authority("another")
    (tmp_path / "ca.pem").write_text(authority.certificate)
    server = ModelServer()
    server.tls = authority.server_context(tmp_path)
    async with server:
        asking = Asking(await open_toolbox(), server)
        outcomes = []
        for tls in (Tls(ca="ca.pem"), Tls(ca=other.certificate), None, Tls(ca="nowhere.pem")):
            asking.definition = replace(asking.definition, tls=tls)
            outcomes.append(await asking("plan", says("x"), goal="x"))

    good, unknown, unheard, absent = outcomes
    assert good.kind == "ok"
    for one in (unknown, unheard, absent):
        assert (*_why(one), one.sent) == ("not_sent", "ORD401", False)
    assert "certificate verify failed" in str(unknown.error)
    assert "nowhere.pem" in str(absent.error)
    assert len(server.asked) == 1
