"""The tool server of SEARCH: what leads and opportunities are about, as vectors, and which of them belong together."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matching
from embedding import configured, embed_documents
from fitting import fit
from lake import Lake, as_json
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

LABELS: Final = Path(
    os.environ.get("MATCH_LABELS", Path(__file__).parent.parent / "data" / "labels.csv")
)

LONG, WIDEST = 2_000, 4_000
"""How long vectors may be for an HNSW index of pgvector, in full and in half precision; longer ones are compared one by one."""

server = MCPServer("search")
lake = Lake.from_environment()
model = configured()


@server.tool()
def pages(run: str, size: int = 1000) -> dict[str, Any]:
    """Open the load of SEARCH, and cut the documents that lack their vector into batches."""
    with lake.transaction() as connection:
        opened = lake.begin(connection, "search", "core", run)
        if lake.row(connection, "count_of_others", model=model.name)["count"]:
            # Vectors of another model have another length, and are near to nothing of this one.
            lake.rows(connection, "drop_index")
            lake.rows(connection, "forget_others", model=model.name)
        lake.rows(connection, "drop_documents")
        found = lake.rows(connection, "search_pages", model=model.name, size=size)
        lake.rows(
            connection,
            "expect",
            load=opened["load"],
            until=None,
            expected=sum(page["documents"] for page in found),
        )
    return {"load": opened["load"], "pages": found}


@server.tool()
def embed(load: int, number: int, first: str, last: str) -> dict[str, int]:
    """Give a batch of documents their vectors."""
    with lake.transaction() as connection:
        if done := lake.rows(connection, "batch_done", load=load, number=number):
            return done[0]
        pending = lake.rows(connection, "pending", first=first, last=last, model=model.name)
    # No transaction waits for a model.
    try:
        vectors = embed_documents(model, [(one["headline"], one["body"]) for one in pending])
    except (OSError, ValueError) as error:
        raise ToolError(f"the model {model.name}: {error}") from error
    counts = {"rows_read": len(pending), "rows_new": 0, "rows_changed": len(pending)}
    with lake.transaction() as connection:
        for one, vector in zip(pending, vectors, strict=True):
            text = "[" + ",".join(f"{value:.6f}" for value in vector) + "]"
            lake.rows(connection, "keep_document", **one, model=model.name, embedding=text)
        if not lake.rows(connection, "batch_done", load=load, number=number):
            lake.rows(connection, "note_batch", load=load, number=number, **counts)
    return counts


@server.tool()
def check(load: int) -> dict[str, Any]:
    """Whether every document has its vector, of one model; then see to their index."""
    with lake.transaction() as connection:
        checks = connection.execute(lake.text("search_checks").encode()).fetchall()
        concluded = lake.conclude(connection, load, [tuple(one.values()) for one in checks])
        if concluded["passed"] and (width := dimensions(connection)) and width <= WIDEST:
            kind = form(width).partition("(")[0]
            connection.execute(
                "create index if not exists lead_by_meaning on search.document"
                f" using hnsw ((embedding::{form(width)}) {kind}_cosine_ops) where kind = 'lead'"
            )
    return concluded


def dimensions(connection: Any) -> int:
    """How long vectors are; 0 where there are none."""
    found = connection.execute(
        "select vector_dims(embedding) as width from search.document limit 1"
    ).fetchone()
    return int(found["width"]) if found else 0


def form(width: int) -> str:
    """The type in which vectors are compared: an index takes half the precision where vectors are long."""
    return f"vector({width})" if width <= LONG or width > WIDEST else f"halfvec({width})"


def candidates(connection: Any, nearest: int) -> list[dict[str, Any]]:
    """Every pair that is worth a closer look."""
    width = dimensions(connection)
    if not width:
        return []
    connection.execute(f"set local hnsw.ef_search = {max(40, 2 * nearest)}")
    query = lake.text("candidates").replace("{form}", form(width)).encode()
    found: list[dict[str, Any]] = connection.execute(query, {"nearest": nearest}).fetchall()
    return found


@server.tool()
def match(
    weights: dict[str, float], threshold: float, margin: float, nearest: int = 20
) -> dict[str, Any]:
    """Find the lead that each opportunity is about, and keep what is found."""
    with lake.transaction() as connection:
        settled = lake.rows(connection, "settled")
        opportunities, leads = ({one[key] for one in settled} for key in ("opportunity", "lead"))
        found = [
            one
            for one in candidates(connection, nearest)
            if one["opportunity"] not in opportunities and one["lead"] not in leads
        ]
        pairs = matching.decide(found, matching.Rules(weights, threshold, margin))
        for pair in pairs:
            lake.rows(
                connection,
                "keep_match",
                opportunity=pair.opportunity,
                lead=pair.lead,
                score=pair.score,
                decision=pair.decision,
                reasons=as_json({name: round(value, 3) for name, value in pair.reasons.items()}),
            )
        lake.rows(connection, "drop_matches", kept=[pair.opportunity for pair in pairs])
        waiting = lake.rows(connection, "proposals", limit=100_000)
    proposed = sum(pair.decision == "proposed" for pair in pairs)
    return {
        "opportunities": len(pairs),
        "proposed": proposed,
        "unsure": len(pairs) - proposed,
        "to_write": len(waiting),
    }


@server.tool()
def evaluate(
    weights: dict[str, float],
    threshold: float,
    margin: float,
    nearest: int = 20,
    precision: float = 0.93,
) -> dict[str, Any]:
    """Measure the matching against the labels: which weights and threshold one part of them
    says are best, and how good those in force are on each part."""
    with LABELS.open(encoding="utf-8", newline="") as file:
        labels = list(csv.DictReader(file))
    with lake.transaction() as connection:
        found = candidates(connection, nearest)
    pairs = matching.decide(found, matching.Rules(weights, threshold, margin))
    parts = {
        part: [label for label in labels if label["part"] == part] for part in ("tune", "held_out")
    }
    clear = [pair for pair in pairs if pair.decision == "proposed" or pair.score < threshold]
    return {
        "threshold": threshold,
        "candidates": len(found),
        "best_weights_of_tune": fit(found, parts["tune"]),
        "best_threshold_of_tune": matching.best_threshold(clear, parts["tune"], precision),
        "tune": told(clear, parts["tune"], threshold),
        "held_out": told(clear, parts["held_out"], threshold),
        "wrong_by_kind": wrong(clear, parts["held_out"], threshold),
    }


def told(
    pairs: Sequence[matching.Pair], labels: Sequence[dict[str, str]], threshold: float
) -> dict[str, float]:
    """Precision and recall, and what they are made of."""
    quality = matching.measure(pairs, labels, threshold)
    return {
        "precision": round(quality.precision, 3),
        "recall": round(quality.recall, 3),
        "proposed": quality.proposed,
        "right": quality.right,
        "labelled": quality.labelled,
    }


def wrong(
    pairs: Sequence[matching.Pair], labels: Sequence[dict[str, str]], threshold: float
) -> dict[str, int]:
    """Of which kind the opportunities are that were given to a wrong lead."""
    label_of = {label["opportunity"]: label for label in labels}
    counts: dict[str, int] = {}
    for pair in pairs:
        label = label_of.get(pair.opportunity)
        if (
            label
            and pair.score >= threshold
            and (label["match"], label["lead"]) != ("1", pair.lead)
        ):
            counts[label["kind"]] = counts.get(label["kind"], 0) + 1
    return counts


@server.tool()
def proposals(limit: int = 100) -> dict[str, Any]:
    """What is to be written back, best first; nothing that was written or that the CRM knows."""
    with lake.transaction() as connection:
        found = lake.rows(connection, "proposals", limit=limit)
    return {"count": len(found), "proposals": found}


@server.tool()
def note_written(opportunity: str, lead: int, run: str) -> dict[str, Any]:
    """Remember that a pair was written back."""
    with lake.transaction() as connection:
        lake.rows(connection, "note_written", opportunity=opportunity, lead=str(lead), run=run)
    return {"opportunity": opportunity, "lead": lead}


if __name__ == "__main__":
    server.run()
