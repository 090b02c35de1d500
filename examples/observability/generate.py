"""Makes alerts.yml and dashboard.json: the one source of both.

    python examples/observability/generate.py

Thresholds stand here, and those of burn rates in `runtime.core.slo`, which `ordinaut slo` goes by too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from runtime.core.slo import FAST, SLOW

HERE: Final = Path(__file__).parent
_HEAD: Final = "# Made by generate.py, from where it is to be changed.\n"
_WIDTH: Final = 24


@dataclass(frozen=True)
class Alert:
    """A rule.

    Attributes:
        expr: when it holds.
        lasts: for how long it must hold.
        severity: `page` where somebody should look at once, `ticket` where it may wait for the morning.
        summary: what is the matter, in a line.
        do: what to do.
    """

    name: str
    expr: str
    lasts: str
    severity: Literal["page", "ticket"]
    summary: str
    do: str


@dataclass(frozen=True)
class Panel:
    """A panel of the dashboard: queries with their legends."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 8


def burning(long: str, short: str, rate: float) -> str:
    """An expression: the budget goes so fast over a long time, and still does."""
    return (
        f'ordinaut_slo_burn_rate{{over="{long}"}} >= {rate:g}'
        f' and ignoring(over) ordinaut_slo_burn_rate{{over="{short}"}} >= {rate:g}'
    )


ALERTS: Final = {
    "ordinaut": (
        Alert(
            "OrdinautAway", 'up{job="ordinaut"} == 0', "2m", "page",
            "Nothing answers at {{ $labels.instance }}",
            "Look whether `ordinaut web` runs. Tasks may run all the same: this is how one would see it.",
        ),
        Alert(
            "OrdinautDatabaseAway", "ordinaut_database_up == 0", "1m", "page",
            "The web side cannot reach the database",
            "Nothing fires and nothing is recorded while the database is away: `ordinaut doctor`.",
        ),
        Alert(
            "OrdinautNoRuntime", "ordinaut_runtimes == 0", "1m", "page",
            "No runtime that lives is a {{ $labels.duty }}",
            "Start `ordinaut runtime`; what is due meanwhile is caught up with as tasks say.",
        ),
        Alert(
            "OrdinautQueueLag", "ordinaut_due_work_oldest_seconds > 60", "2m", "page",
            "Due work waits for {{ $value | humanizeDuration }}",
            "Runtimes have no room: `ordinaut status`, then more of them, or a larger concurrency.",
        ),
        Alert(
            "OrdinautOutboxLag", "ordinaut_outbox_oldest_seconds > 60", "5m", "ticket",
            "Events wait for {{ $value | humanizeDuration }} to be published",
            "Look whether Redis answers. Runs go on, and nothing is lost.",
        ),
        Alert(
            "OrdinautRunsFail",
            'sum by (task) (rate(ordinaut_runs_total{state="failed"}[30m]))'
            ' / sum by (task) (rate(ordinaut_runs_total{state=~"succeeded|failed"}[30m])) > 0.2',
            "10m", "ticket",
            "{{ $value | humanizePercentage }} of the runs of {{ $labels.task }} fail",
            "`ordinaut why {{ $labels.task }}`, or `ordinaut runs` and `ordinaut show`.",
        ),
    ),
    "ordinaut-gitops": (
        Alert(
            "OrdinautDrift", "ordinaut_drift_documents > 0", "10m", "ticket",
            "{{ $value }} documents were written past git",
            "`ordinaut plan` shows what differs and who wrote it; apply reverts it, `ordinaut adopt` keeps it.",
        ),
        Alert(
            "OrdinautSourceInvalid", 'ordinaut_sources{condition="InvalidSource"} > 0', "5m", "ticket",
            "The head of a branch cannot be applied",
            "`ordinaut status` says why; what was applied before stays in force.",
        ),
        Alert(
            "OrdinautSourceUnreachable", "ordinaut_sources_unreachable > 0", "15m", "ticket",
            "A branch cannot be fetched",
            "`ordinaut status` tells since when, and what git says.",
        ),
        Alert(
            "OrdinautDecisionsWait", "ordinaut_approvals_open > 0", "4h", "ticket",
            "{{ $value }} {{ $labels.kind }} wait for a person",
            "`ordinaut approve` and `ordinaut settle` list them.",
        ),
    ),
    "ordinaut-promises": (
        Alert(
            "OrdinautBudgetBurnsFast", burning("1h", "5m", FAST), "1m", "page",
            "{{ $labels.task }}: the error budget of {{ $labels.promise }} goes {{ $value | humanize }} times too fast",
            "`ordinaut why {{ $labels.task }}`; `ordinaut slo` tells what is left.",
        ),
        Alert(
            "OrdinautBudgetBurns", burning("6h", "30m", SLOW), "5m", "page",
            "{{ $labels.task }}: the error budget of {{ $labels.promise }} goes {{ $value | humanize }} times too fast",
            "`ordinaut why {{ $labels.task }}`; `ordinaut slo` tells what is left.",
        ),
        Alert(
            "OrdinautBudgetLeaks", burning("3d", "6h", 1), "30m", "ticket",
            "{{ $labels.task }}: the error budget of {{ $labels.promise }} will not last",
            "`ordinaut slo` tells what is left.",
        ),
        Alert(
            "OrdinautPromiseBroken", "ordinaut_slo_budget_left_ratio < 0", "5m", "ticket",
            "{{ $labels.task }} does not keep its promise of {{ $labels.promise }}",
            "Mend what fails, or promise less.",
        ),
    ),
}  # fmt: skip
"""The rules, by group."""

_QUANTILES: Final = ("0.5", "0.95", "0.99")


def _quantiles(metric: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            f"histogram_quantile({quantile}, sum by (le) (rate({metric}_bucket[$__rate_interval])))",
            f"p{float(quantile) * 100:g}",
        )
        for quantile in _QUANTILES
    )


def _rate(metric: str, by: str) -> tuple[tuple[str, str], ...]:
    return ((f"sum by ({by}) (rate({metric}[$__rate_interval]))", f"{{{{{by}}}}}"),)


PANELS: Final = (
    Panel("Runtimes", (("ordinaut_runtimes", "{{duty}}"),), kind="stat", width=6),
    Panel("Oldest due work", (("ordinaut_due_work_oldest_seconds", "waits"),), "s", "stat", 6),
    Panel("Events not published", (("ordinaut_outbox_events", "events"),), kind="stat", width=6),
    Panel("Drift", (("ordinaut_drift_documents", "documents"),), kind="stat", width=6),
    Panel("Runs", _rate("ordinaut_runs_total", "state"), "ops"),
    Panel("Begin after their due time", _quantiles("ordinaut_run_lateness_seconds"), "s"),
    Panel("Take", _quantiles("ordinaut_run_duration_seconds"), "s"),
    Panel("Due work", (("ordinaut_due_work_queue_depth", "{{state}}"), ("ordinaut_backlog_runs", "backlog"))),
    Panel("Failures", _rate("ordinaut_run_failures_total", "code"), "ops"),
    Panel("Skips", _rate("ordinaut_skips_total", "reason"), "ops"),
    Panel("Steps", _rate("ordinaut_steps_total", "outcome"), "ops"),
    Panel("Steps by tool server", _rate("ordinaut_steps_total", "server"), "ops"),
    Panel("Tries that failed", _rate("ordinaut_step_retries_total", "server"), "ops"),
    Panel("Error budgets left", (("ordinaut_slo_budget_left_ratio", "{{task}} {{promise}}"),), "percentunit"),
    Panel("Burn over an hour", (('ordinaut_slo_burn_rate{over="1h"}', "{{task}} {{promise}}"),)),
    Panel("Outbox", (("ordinaut_outbox_oldest_seconds", "oldest"),), "s"),
    Panel("Tokens", _rate("ordinaut_tokens_total", "model"), "ops"),
    Panel("Money in an hour", (("sum by (agent, currency) (increase(ordinaut_cost_total[1h]))", "{{agent}} {{currency}}"),)),
    Panel("Decisions that wait", (("ordinaut_approvals_open", "{{kind}}"), ('ordinaut_sources{condition!="Synced"}', "{{condition}}"))),
    Panel("Requests", _rate("ordinaut_http_request_duration_seconds_count", "status"), "ops"),
    Panel("Answers begin after", _quantiles("ordinaut_http_request_duration_seconds"), "s"),
)  # fmt: skip
"""The dashboard, panel after panel."""


def rules() -> str:
    """The text of alerts.yml."""
    groups = [
        {
            "name": name,
            "rules": [
                {
                    "alert": alert.name,
                    "expr": alert.expr,
                    "for": alert.lasts,
                    "labels": {"severity": alert.severity},
                    "annotations": {"summary": alert.summary, "description": alert.do},
                }
                for alert in alerts
            ],
        }
        for name, alerts in ALERTS.items()
    ]
    return _HEAD + yaml.safe_dump({"groups": groups}, sort_keys=False, width=160)


def dashboard() -> str:
    """The text of dashboard.json, for Grafana."""
    panels, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(PANELS, 1):
        if x + panel.width > _WIDTH:
            x, y = 0, y + height
        height = 4 if panel.kind == "stat" else 8
        panels.append(_panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": height}))
        x += panel.width
    variable = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}  # fmt: skip
    whole = {
        "uid": "ordinaut",
        "title": "Ordinaut",
        "tags": ["ordinaut"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [variable]},
        "panels": panels,
    }
    return json.dumps(whole, indent=2) + "\n"


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": source,
                "expr": expr,
                "legendFormat": legend,
            }
            for at, (expr, legend) in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    (HERE / "alerts.yml").write_text(rules(), encoding="utf-8")
    (HERE / "dashboard.json").write_text(dashboard(), encoding="utf-8")
