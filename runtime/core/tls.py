"""How the other side of a connection is known, and how we are: a value, with secrets filled in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tls:
    """Each is PEM, or the path of a file that holds it.

    Attributes:
        ca: whose certificates are believed; None is those whom the system believes.
        certificate: ours, with its chain.
        key: its key; None if that stands beside it.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
