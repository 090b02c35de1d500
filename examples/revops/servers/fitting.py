"""Finds the weights of the matching that explain labels best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matching import features


def fit(
    rows: Sequence[Mapping[str, Any]], labels: Sequence[Mapping[str, str]]
) -> dict[str, float]:
    """The weights that explain labels best: a logistic regression over the pairs of their opportunities."""
    known = {label["opportunity"] for label in labels}
    right = {(label["opportunity"], label["lead"]) for label in labels if label["match"] == "1"}
    pairs = [
        (features(row), (row["opportunity"], row["lead"]) in right)
        for row in rows
        if row["opportunity"] in known
    ]
    names = list(pairs[0][0])
    given = np.array([[1.0, *found.values()] for found, _ in pairs])
    wanted = np.array([belongs for _, belongs in pairs], dtype=float)
    weights = np.zeros(len(names) + 1)
    shrink = np.array([0.0] + [0.002] * len(names))
    for _ in range(4000):
        probable = 1 / (1 + np.exp(-given @ weights))
        weights -= 0.3 * (
            50 * given.T @ (probable - wanted) / len(pairs) + shrink * np.sign(weights)
        )
    return {
        name: round(float(weight), 1)
        for name, weight in zip(["base", *names], weights, strict=True)
    }
