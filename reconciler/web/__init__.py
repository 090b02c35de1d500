"""The whole web side: what `runtime.web` serves, and of revisions, plans and their differences what only the reconciler can tell."""
