"""Fixtures of the store's tests."""

from __future__ import annotations

from tests.runtime.conftest import pool

__all__ = ["pool"]
