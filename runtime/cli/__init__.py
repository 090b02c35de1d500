"""The runtime's commands: parse, call, print, exit code; no logic. `reconciler.cli` lists and loads them."""
