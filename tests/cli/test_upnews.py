"""What `ordinaut up` says about specs that change while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.upnews import Lines
from reconciler.load import compile_source
from reconciler.reconcile import Reconciled
from reconciler.source import read_source
from runtime.errors import NotFound

_WORD = "nothing changed since the last apply"


@pytest.fixture
def unchanged(tmp_path: Path) -> Reconciled:
    """A look at sound specs that changes nothing."""
    (tmp_path / "a.yaml").write_text("apiVersion: ordinaut/v1\nkind: Project\nname: home\n")
    source = read_source(tmp_path)
    return Reconciled(source, compile_source(source, "default"))


def test_specs_that_are_what_they_were_before_they_broke_are_said_to_be_sound_again(
    unchanged: Reconciled, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines()

    lines.reconciled(NotFound("there is no folder specs"))
    assert _WORD not in capsys.readouterr().out
    lines.reconciled(unchanged)
    assert _WORD in capsys.readouterr().out


def test_a_save_that_changes_nothing_is_passed_over_in_silence(
    unchanged: Reconciled, capsys: pytest.CaptureFixture[str]
) -> None:
    Lines().reconciled(unchanged)

    assert capsys.readouterr().out == ""
