"""Tests of specs: what they say, what they give, and whether what happened is what they expect."""
