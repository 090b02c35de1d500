"""PostgreSQL and Valkey for one machine, under a state folder, with nothing to install or configure.

Promises: no default credential and no TCP listener; nothing outlives its owner or survives twice; data are as durable
as a PostgreSQL of its own; a crash at any point needs no hand at the next start. Leaves backups, upgrades between major
versions and more than one machine to real servers (`ORDINAUT_DATABASE_URL`, `ORDINAUT_REDIS_URL`).
"""

from __future__ import annotations

from runtime.embedded.servers import EmbeddedServers, running, temporarily
from runtime.embedded.state import Urls

__all__ = ["EmbeddedServers", "Urls", "running", "temporarily"]
