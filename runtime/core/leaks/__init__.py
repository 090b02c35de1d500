"""What looks like a secret where none belongs: found, and hidden wherever documents are shown."""
