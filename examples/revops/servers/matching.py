"""Decides which opportunity and which lead are about the same thing: pure functions over the features of pairs.

Each pair gets a score between 0 and 1 from how near its texts are and from rules over its fields. An opportunity goes to the
lead that scores best, and a lead takes one opportunity; a pair is proposed if it scores above the threshold and clearly better
than the next. Weights and limits are in the spec of the task, where a pull request reviews them.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

WORD: Final = re.compile(r"\w+")
SMALL: Final = frozenset(
    ["a", "an", "and", "for", "from", "in", "of", "on", "our", "over", "the", "to", "with"]
)
Features = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rules:
    """How pairs are judged.

    Attributes:
        weights: what each feature counts; with `base`, what counts without any.
        threshold: the least score of a pair that is proposed.
        margin: by how much it has to be better than the next pair of its opportunity.
    """

    weights: Mapping[str, float]
    threshold: float
    margin: float


@dataclass(frozen=True, slots=True)
class Pair:
    """An opportunity and a lead, and how well they go together."""

    opportunity: str
    lead: str
    score: float
    reasons: Features
    decision: str = "unsure"


def features(row: Mapping[str, Any]) -> dict[str, float]:
    """What is known of a pair, each between 0 and 1."""
    days = row["days"]
    return {
        "meaning": max(0.0, float(row["meaning"])),
        "company": float(bool(row["same_company"])),
        "name": float(row["name"] or 0.0),
        "country": float(bool(row["same_country"])),
        "other_domain": float(bool(row["other_domain"])),
        "closing": math.exp(-days / 45) if days is not None else 0.0,
        "words": shared_words(row["opportunity_title"], row["lead_title"]),
        "money": near(row["amount"], row["monthly"]),
    }


def shared_words(one: str, other: str) -> float:
    """How many words of the shorter title are in the other, too; small words do not count."""
    words, others = (
        {word for word in WORD.findall(text.lower()) if word not in SMALL} for text in (one, other)
    )
    return len(words & others) / max(1, min(len(words), len(others)))


def near(money: float | None, monthly: float | None) -> float:
    """Whether what the network expects a month fits what the lead is worth: 1 at a fiftieth of it, less the further away.

    What is nothing, below it, or no number says neither.
    """
    if not (money and monthly and 0 < money < math.inf and 0 < monthly < math.inf):
        return 0.5
    return math.exp(-abs(math.log(50 * monthly / money)))


def score(known: Features, weights: Mapping[str, float]) -> float:
    """Between 0 and 1."""
    total = weights.get("base", 0.0) + sum(
        weights.get(name, 0.0) * value for name, value in known.items()
    )
    return 1 / (1 + math.exp(-max(-700.0, total)))


def decide(rows: Iterable[Mapping[str, Any]], rules: Rules) -> list[Pair]:
    """The best pair of each opportunity, no lead twice, and whether it is to be proposed."""
    pairs = []
    for row in rows:
        known = features(row)
        pairs.append(Pair(row["opportunity"], row["lead"], score(known, rules.weights), known))
    pairs.sort(key=lambda pair: (-pair.score, pair.opportunity, pair.lead))
    scores: dict[str, list[float]] = defaultdict(list)
    for pair in pairs:
        scores[pair.opportunity].append(pair.score)
    chosen: dict[str, Pair] = {}
    taken: set[str] = set()
    for pair in pairs:
        if pair.opportunity in chosen or pair.lead in taken:
            continue
        clear = (
            pair.score
            - next((other for other in scores[pair.opportunity] if other < pair.score), 0.0)
            >= rules.margin
        )
        decision = "proposed" if pair.score >= rules.threshold and clear else "unsure"
        chosen[pair.opportunity] = Pair(
            pair.opportunity, pair.lead, pair.score, pair.reasons, decision
        )
        taken.add(pair.lead)
    return sorted(chosen.values(), key=lambda pair: pair.opportunity)


@dataclass(frozen=True, slots=True)
class Quality:
    """How proposals compare with labels.

    Attributes:
        proposed: pairs that were proposed for labelled opportunities.
        right: of these, how many are labelled so.
        labelled: how many pairs belong together.
    """

    proposed: int
    right: int
    labelled: int

    @property
    def precision(self) -> float:
        return self.right / self.proposed if self.proposed else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.labelled if self.labelled else 1.0


def measure(
    pairs: Iterable[Pair], labels: Sequence[Mapping[str, str]], threshold: float
) -> Quality:
    """Compare what is proposed at a threshold with the labels, whose opportunities are labelled completely."""
    known = {label["opportunity"] for label in labels}
    right = {(label["opportunity"], label["lead"]) for label in labels if label["match"] == "1"}
    proposed = {
        (pair.opportunity, pair.lead)
        for pair in pairs
        if pair.opportunity in known and pair.score >= threshold
    }
    return Quality(len(proposed), len(proposed & right), len(right))


def best_threshold(
    pairs: Sequence[Pair], labels: Sequence[Mapping[str, str]], precision: float
) -> float:
    """The threshold with the most recall among those that keep a precision."""
    steps = [step / 100 for step in range(30, 100)]
    kept = [step for step in steps if measure(pairs, labels, step).precision >= precision]
    return max(kept or steps[-1:], key=lambda step: (measure(pairs, labels, step).recall, step))
