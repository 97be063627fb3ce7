"""Embeddings of a data set by anything that encodes, and the evaluation that its columns ask for.

Encoders and data sets are taken by what they can do: `encode(pictures)`, or `encode_images` and `encode_texts`; and
`images()` or `paths`, `labels`, `captions`, `is_query` and `is_gallery`.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve.evaluate import vectors
from pictrieve.evaluate.report import EvalReport


class Encoded(NamedTuple):
    """A data set as one system sees it.

    Attributes:
        images: A row for each picture.
        texts: A row for each caption, picture after picture; None where captions are not asked for.
        seconds: What encoding the pictures took; None where embeddings were given.
    """

    images: NDArray[Any]
    texts: NDArray[Any] | None
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


def require_encoder(encoder: Any, name: str, *, texts: bool = False) -> None:
    """Refuse what does not encode pictures, or, where asked for, texts; a name of a model is no encoder yet."""
    if isinstance(encoder, str | os.PathLike):
        raise TypeError(f"{name}: expected an encoder, got the name {encoder}; use pictrieve.ImageEncoder('{encoder}')")
    if not (hasattr(encoder, "encode_images") or hasattr(encoder, "encode")):
        raise TypeError(f"{name}: expected encode() or encode_images(), got {type(encoder).__name__}")
    if texts and not hasattr(encoder, "encode_texts"):
        raise TypeError(f"{name}: expected encode_texts() for a data set of captions, got {type(encoder).__name__}")


def encode_pictures(encoder: Any, pictures: Any, show_progress_bar: bool | None = None) -> NDArray[Any]:
    """Rows of pictures by `encode_images`, or else `encode`; its own progress bar as asked, where it has one."""
    encode = getattr(encoder, "encode_images", None) or encoder.encode
    rows = _rows(encode(pictures, **_bar_of(encode, show_progress_bar)))
    if rows.ndim != 2 or len(rows) != len(pictures):
        raise ValueError(f"encoder: expected {len(pictures)} rows, one for each picture, got shape {rows.shape}")
    return rows


def _rows(encoded: Any) -> NDArray[Any]:
    """Bits stay bits; all else is float32."""
    rows = np.ascontiguousarray(encoded)
    return rows if rows.dtype == np.uint8 else rows.astype(np.float32, copy=False)


def _bar_of(encode: Any, show: bool | None) -> dict[str, bool]:
    try:
        known = inspect.signature(encode).parameters
    except (TypeError, ValueError):  # some callables from C have none
        return {}
    return {"show_progress_bar": show} if show is not None and "show_progress_bar" in known else {}


def require_system(system: Any, dataset: Any, with_texts: bool) -> None:
    """Refuse what `encoded` could not encode, or embeddings of another number of rows."""
    if not isinstance(system, np.ndarray | tuple):
        return require_encoder(system, "systems", texts=with_texts)
    parts = system if isinstance(system, tuple) else (system,)
    images, texts = len(pictures_of(dataset)), len(captions_of(dataset)[0]) if with_texts else 0
    wanted = (images, texts) if with_texts else (images,)
    if len(parts) != len(wanted) or any(len(part) != count for part, count in zip(parts, wanted, strict=True)):
        words = f"({images} rows of pictures, {texts} rows of captions)" if with_texts else f"{images} rows"
        got = " and ".join(str(np.shape(part)) for part in parts)
        raise ValueError(f"embeddings: expected {words} for this data set, got {got}")
    return None


def encoded(system: Any, dataset: Any, with_texts: bool, show_progress_bar: bool | None = None) -> Encoded:
    """Encode a data set, or take the embeddings that were given; `require_system` has seen them."""
    if isinstance(system, np.ndarray):
        return Encoded(system, None, None)
    if isinstance(system, tuple):
        return Encoded(system[0], system[1] if with_texts else None, None)
    start = time.perf_counter()
    rows = encode_pictures(system, pictures_of(dataset), show_progress_bar)
    seconds = time.perf_counter() - start
    bar = _bar_of(system.encode_texts, show_progress_bar) if with_texts else {}
    words = _rows(system.encode_texts(captions_of(dataset)[0], **bar)) if with_texts else None
    return Encoded(rows, words, seconds)


def require_columns(dataset: Any) -> None:
    """Refuse a data set that says nothing of what is relevant."""
    if column_of(dataset, "labels") is None:
        raise ValueError("dataset: expected labels or captions to evaluate by, got neither")


def evaluated(rows: Encoded, dataset: Any, protocol: str | None, settings: Mapping[str, Any]) -> EvalReport:
    """Evaluate as the columns ask for: captions find pictures, queries the gallery, or each picture the others."""
    if rows.texts is not None:
        both = vectors.image_text(rows.images, rows.texts, captions_of(dataset)[1], settings.get("ks", (1, 5, 10)))
        return both.text_to_image
    require_columns(dataset)
    labels = column_of(dataset, "labels")
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
