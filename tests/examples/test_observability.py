"""`examples/observability`: what is generated is what is committed, and asks only for metrics that there are."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from types import ModuleType

import pytest
import yaml

from runtime.store.gauges import GAUGES
from runtime.web.meters import COUNTERS, HISTOGRAMS
from runtime.web.metrics import OWN
from tests.house.sources import ROOT
from tests.support.promtool import ask_promtool

FOLDER = ROOT / "examples" / "observability"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its classes look their module up.
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    return module


def expressions() -> list[str]:
    """Every expression of the rules and the dashboard."""
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    board = json.loads((FOLDER / "dashboard.json").read_text())
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return alerts + [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_what_is_committed_is_what_is_generated(generate: ModuleType) -> None:
    assert (FOLDER / "alerts.yml").read_text() == generate.rules()
    assert (FOLDER / "dashboard.json").read_text() == generate.dashboard()


def test_every_metric_that_is_asked_for_is_there_with_its_labels() -> None:
    known = {f"{name}_total": labels for name, (_, labels) in COUNTERS.items()}
    known |= {name: labels for name, (_, labels) in GAUGES.items()}
    known |= {name: labels for name, (_, _, labels) in OWN.items()}
    known |= {f"{name}_bucket": (*labels, "le") for name, (_, labels, _) in HISTOGRAMS.items()}
    known |= {f"{name}_count": labels for name, (_, labels, _) in HISTOGRAMS.items()}
    asked = [
        (name, set(re.findall(r'([a-z]+)(?:=~|!=|=)"', labels)))
        for expr in expressions()
        for name, labels in re.findall(r"(ordinaut_[a-z_]+)(\{[^}]*\})?", expr)
    ]

    assert len(asked) > 30
    assert [
        (name, labels) for name, labels in asked if not labels <= set(known.get(name, ()))
    ] == []
    assert {name for name, _ in asked} <= known.keys()


def test_panels_do_not_lie_on_one_another() -> None:
    board = json.loads((FOLDER / "dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
)
def test_promtool_finds_nothing_wrong(arguments: tuple[str, ...]) -> None:
    assert ask_promtool(*arguments, folder=FOLDER) == (0, "")
