"""Which release of the time zone data is in use; what it says of a zone is told by `recurrence.zone`."""

from __future__ import annotations

import tzdata  # type: ignore[import-untyped] # it publishes no types


def tzdata_version() -> str:
    """The release of the IANA database in use, e.g. `2026f`."""
    return str(tzdata.IANA_VERSION)
