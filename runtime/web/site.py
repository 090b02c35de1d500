"""What every route may use: settings, connections, a clock. One a process, made with the application."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.requests import HTTPConnection

from runtime.clock import Clock
from runtime.config import Config
from runtime.store.lending import Lender
from runtime.store.tokens import KnownToken
from runtime.web.limits import Limits
from runtime.web.recent import Recent

LOCALHOST: Final = "localhost"


@dataclass(frozen=True, slots=True)
class Site:
    """The web side.

    Attributes:
        config: the settings.
        lender: connections to the database.
        clock: for what is measured and waited for here.
        limits: how often somebody may ask.
        recent: what the API told a moment ago of all tasks.
        known: tokens that were looked up a moment ago, by their digests, and until when that counts.
    """

    config: Config
    lender: Lender
    clock: Clock
    limits: Limits
    recent: Recent
    known: dict[bytes, tuple[KnownToken, float]] = field(default_factory=dict)

    def knows(self, host: str) -> bool:
        """Whether a `Host` header names us: this machine, an address, or what the settings call us.

        A page elsewhere can make a browser ask us under a name of its own, by letting that name lead here; under an address
        it cannot.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
            names = {LOCALHOST, urlsplit(f"//{self.config.listen or ''}").hostname}
        except ValueError:
            return False
        public = self.config.public_url
        return name in names or (public and urlsplit(public).hostname == name) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def site_of(connection: HTTPConnection) -> Site:
    """The site that a request came to."""
    site = connection.app.state.site
    assert isinstance(site, Site)  # noqa: S101 - what makes the application puts it there
    return site


Here = Annotated[Site, Depends(site_of)]
"""A route's parameter for the site."""
