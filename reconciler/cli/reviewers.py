"""`--sarif-out` and `--annotations`: what reviewers are told at the lines of a change, beside what a command prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.source import Source
from runtime.errors import SpecError
from schemas.plan import Plan

if TYPE_CHECKING:
    from reconciler.core.remarks import Remarks


@dataclass(frozen=True, slots=True)
class Reviewers:
    """Who is told: nobody, code scanning by a file, GitHub by commands on stderr, where they leave results alone."""

    environment: str
    sarif_out: Path | None
    annotations: str | None

    def __bool__(self) -> bool:
        return self.sarif_out is not None or self.annotations is not None

    def require_none(self, why: str) -> None:
        """Refuse to be asked for.

        Raises:
            UsageError: somebody would be told, of whom `why` says that this cannot be.
        """
        if self:
            raise click.UsageError(f"{why}: leave out --sarif-out and --annotations")

    def tell(self, source: Source, plan: Plan) -> None:
        """Tell what there is to be told about a plan, which is put together only if anybody listens.

        Raises:
            PlanError: ORD207, the file cannot be written.
        """
        if self:
            from reconciler.core.remarks import remarks_on  # noqa: PLC0415 - few plans have reviewers

            self._tell(source, remarks_on(plan, source.texts))

    @contextmanager
    def told_of_problems(self, source: Source) -> Iterator[None]:
        """Tell the problems of specs that refuse a plan, before the error goes on."""
        try:
            yield
        except SpecError as error:
            if self:
                from reconciler.core.remarks import Remarks  # noqa: PLC0415 - as above

                self._tell(source, Remarks(error.problems, texts=source.texts))
            raise

    def _tell(self, source: Source, remarks: Remarks) -> None:
        from reconciler.core.annotations import as_github  # noqa: PLC0415 - as above
        from reconciler.planfile import write_sarif  # noqa: PLC0415 - as above
        from reconciler.reviewing import from_top, sarif_of  # noqa: PLC0415 - as above

        told = from_top(remarks, source)
        if self.sarif_out is not None:
            write_sarif(sarif_of(told, "plan", self.environment), self.sarif_out)
        if self.annotations is not None:
            click.echo(as_github(told), nl=False, err=True)
