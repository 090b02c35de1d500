"""Ordinaut as an MCP server: agents look at what is scheduled, operate it, and propose changes of it, each by its scopes.

`ordinaut mcp` serves over standard input and output, `ordinaut web` at `/mcp`. Tools ask the readers of the commands and do what the
commands do, in one transaction with the entry in the audit log; a dry run is the same transaction, taken back.
"""
