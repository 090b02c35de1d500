"""Every field that published schemas know, and those that were ever written down: what is printed once stays.

`python -m tests.house.printed_fields` writes down what is new, and takes nothing away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.printed import published

FILE = Path(__file__).with_name("printed_v1_fields.txt")
TEXTS = published()
SCHEMAS = {name: json.loads(text) for name, text in TEXTS.items()}


def models_of(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every model, by its name; that of the whole by its title."""
    yield from schema["definitions"].items()
    yield schema["title"], schema


def printed_fields() -> set[str]:
    """Every field with each type it may have, and every value of those that are words."""
    return {
        f"{name}.{field}: {kind}"
        for whole in SCHEMAS.values()
        for name, schema in models_of(whole)
        for field, one in schema.get("properties", {}).items()
        for kind in _types(one)
    }


def _types(schema: dict[str, Any]) -> Iterator[str]:
    match schema:
        case {"anyOf": list(several)} | {"allOf": list(several)}:
            for one in several:
                yield from _types(one)
        case {"$ref": str(reference)}:
            yield reference.rpartition("/")[2]
        case {"const": value}:
            yield f'"{value}"'
        case {"enum": list(values)}:
            yield from (f'"{value}"' for value in values)
        case {"items": dict(items), "type": "array"}:
            yield from (f"[{kind}]" for kind in _types(items))
        case {"type": str(kind)}:
            yield kind
        case _:
            yield "anything"


def written_fields() -> set[str]:
    """What was printed at some time."""
    return set(FILE.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    FILE.write_text(
        "\n".join(sorted(written_fields() | printed_fields())) + "\n", encoding="utf-8"
    )
