"""Schedules, leases, pipelines, tool calls and events: what makes applied specs happen."""
