"""The web side: HTTP API, dashboard, webhooks, callbacks and metrics over the database, in a process apart from runtimes."""
