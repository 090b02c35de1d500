"""Runs without a database, a tool server or time that passes: executed by the same code as any run, with what they meet given."""
