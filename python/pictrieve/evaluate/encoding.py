"""Embeddings of a data set by anything that encodes, and the evaluation that its columns ask for.

Encoders and data sets are taken by what they can do: `encode(pictures)`, or `encode_images` and `encode_texts`; and
`images()` or `paths`, `labels`, `captions`, `is_query` and `is_gallery`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve.evaluate import vectors
from pictrieve.evaluate.report import EvalReport

Floats = NDArray[np.float32]


class Encoded(NamedTuple):
    """A data set as one system sees it.

    Attributes:
        images: A row for each picture.
        texts: A row for each caption, picture after picture; None where captions are not asked for.
        seconds: What encoding the pictures took; None where embeddings were given.
    """

    images: NDArray[Any]
    texts: Floats | None
    seconds: float | None


def pictures_of(dataset: Any) -> Any:
    """What an encoder takes: the pictures of the data set."""
    return dataset.images() if hasattr(dataset, "images") else dataset.paths


def column_of(dataset: Any, name: str) -> Any:
    """A column of the data set, or None."""
    return getattr(dataset, name, None)


def captions_of(dataset: Any) -> tuple[list[str], NDArray[np.int64]]:
    """All captions, and the row of the picture of each."""
    captions = column_of(dataset, "captions")
    texts = [text for texts in captions for text in texts]
    return texts, np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])


def encode_pictures(encoder: Any, pictures: Any) -> NDArray[Any]:
    """Rows of pictures by `encode_images`, or else `encode`."""
    encode = getattr(encoder, "encode_images", None) or getattr(encoder, "encode", None)
    if encode is None:
        raise TypeError(f"encoder: expected encode() or encode_images(), got {type(encoder).__name__}")
    rows = np.ascontiguousarray(encode(pictures))
    if rows.ndim != 2 or len(rows) != len(pictures):
        raise ValueError(f"encoder: expected {len(pictures)} rows, one for each picture, got shape {rows.shape}")
    return rows if rows.dtype == np.uint8 else rows.astype(np.float32, copy=False)


def encoded(system: Any, dataset: Any, with_texts: bool) -> Encoded:
    """Encode a data set, or check the embeddings that were given."""
    pictures = pictures_of(dataset)
    texts = captions_of(dataset)[0] if with_texts else []
    if isinstance(system, np.ndarray | tuple):
        return _given(system, len(pictures), len(texts), with_texts)
    if with_texts and not hasattr(system, "encode_texts"):
        raise TypeError(f"encoder: expected encode_texts() for a data set of captions, got {type(system).__name__}")
    start = time.perf_counter()
    rows = encode_pictures(system, pictures)
    seconds = time.perf_counter() - start
    words = np.ascontiguousarray(system.encode_texts(texts), dtype=np.float32) if with_texts else None
    return Encoded(rows, words, seconds)


def _given(system: Any, images: int, texts: int, with_texts: bool) -> Encoded:
    parts = system if isinstance(system, tuple) else (system,)
    wanted = (images, texts) if with_texts else (images,)
    if len(parts) != len(wanted) or any(len(part) != count for part, count in zip(parts, wanted, strict=True)):
        words = f"({images} rows of pictures, {texts} rows of captions)" if with_texts else f"{images} rows"
        got = " and ".join(str(np.shape(part)) for part in parts)
        raise ValueError(f"embeddings: expected {words} for this data set, got {got}")
    return Encoded(parts[0], parts[1] if with_texts else None, None)


def evaluated(rows: Encoded, dataset: Any, protocol: str | None, settings: Mapping[str, Any]) -> EvalReport:
    """Evaluate as the columns ask for: captions find pictures, queries the gallery, or each picture the others."""
    if rows.texts is not None:
        both = vectors.image_text(rows.images, rows.texts, captions_of(dataset)[1], settings.get("ks", (1, 5, 10)))
        return both.text_to_image
    labels = column_of(dataset, "labels")
    if labels is None:
        raise ValueError("dataset: expected labels or captions to evaluate by, got neither")
    common: dict[str, Any] = {"protocol": protocol or "trec", **settings}
    queries, gallery = column_of(dataset, "is_query"), column_of(dataset, "is_gallery")
    if queries is None and gallery is None:
        return vectors.embeddings(rows.images, labels=labels, **common)
    asked = np.arange(len(labels)) if queries is None else np.flatnonzero(queries)
    found = np.arange(len(labels)) if gallery is None else np.flatnonzero(gallery)
    place = np.full(len(labels), -1)
    place[found] = np.arange(len(found))
    own = [[row] if row >= 0 else [] for row in place[asked].tolist()]
    return vectors.embeddings(
        np.ascontiguousarray(rows.images[asked]), np.ascontiguousarray(rows.images[found]), labels[asked],
        labels[found], junk=own if any(own) else None, **common,
    )  # fmt: skip
