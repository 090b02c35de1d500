"""What the commands of `ordinaut tools` have in common: the specs' servers on trial, and why one cannot be used."""

from __future__ import annotations

import click

from reconciler.trial import Trial
from runtime.config import Config
from schemas.event import Failure


def on_trial(config: Config) -> Trial:
    """The servers of the specs on disk; errors of the specs are mentioned, since servers may be missing for them."""
    trial = Trial(config)
    if trial.specs.errors:
        click.echo(
            "the specs hold errors, so servers may be missing: `ordinaut validate`", err=True
        )
    return trial


def told(error: Failure) -> str:
    """Why a server cannot be used."""
    detail = f"\n  {error.detail}" if error.detail else ""
    return f"{error.code} {error.message}{detail}"
