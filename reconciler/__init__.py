"""Desired state from git, compared with the database, planned, guarded and applied."""
