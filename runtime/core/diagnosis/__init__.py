"""What measurements of an installation mean: findings, each with why it matters and what to do."""
