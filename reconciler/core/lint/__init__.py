"""Advice about specs that are valid: what will surprise, grow stale, or leak. One small pure function a rule."""
