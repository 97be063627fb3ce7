"""One pass of pictures through a network: what goes in, in pieces, and what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve.encoders.rows import Floats
from pictrieve.images import as_sources

if TYPE_CHECKING:
    from pictrieve.images import ImageInput
    from pictrieve.progress import Progress

_CHUNK = 512  # pictures of a generator that are held at once


class EncodeError(NamedTuple):
    """One picture that could not be encoded: its place in the input, and why."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    reason: str


class EncodedImages(NamedTuple):
    """What `encode(..., on_error="skip")` gives.

    Attributes:
        embeddings: `(kept, dim)` float32, one row per readable picture.
        kept: `(kept,)` int64 positions of these pictures in the input.
        errors: One `(index, reason)` per unreadable picture.
    """

    embeddings: Any
    kept: NDArray[np.int64]
    errors: list[EncodeError]


class Look(NamedTuple):
    """What one pass of pictures through a network gave, without the unreadable ones.

    Attributes:
        features: `(kept, dim)` float32.
        probabilities: `(kept, classes)` float32; `(0, 0)` where they were not asked for.
        kept: `(kept,)` int64 positions of the readable pictures in the input.
        errors: One `(index, reason)` per unreadable picture.
        single: The input was one picture, not a collection.
    """

    features: Floats
    probabilities: Floats
    kept: NDArray[np.int64]
    errors: list[EncodeError]
    single: bool


def from_item(begin: int, report: Progress) -> Progress:
    """Report progress of a later piece as that of the whole."""
    return lambda done, total: report(begin + done, total)


def in_chunks(inputs: ImageInput | Iterable[ImageInput], exif: bool) -> tuple[Iterable[list[Any]], int | None, bool]:
    """Split inputs into lists for the core: all at once where they are a collection, piecewise where a generator."""
    if isinstance(inputs, Iterator):
        return _chunks_of(inputs, exif), None, False
    sources, single = as_sources(inputs, exif=exif)
    return [sources], len(sources), single


def _chunks_of(inputs: Iterator[ImageInput], exif: bool) -> Iterator[list[Any]]:
    first = 0
    while chunk := list(islice(inputs, _CHUNK)):
        yield as_sources(chunk, exif=exif, first=first)[0]
        first += len(chunk)


def join(parts: list[Any], single: bool, dim: int, classes: int) -> Look:
    """Put the parts of one look together, and drop the rows of unreadable pictures."""
    errors = [EncodeError(begin + index, reason) for begin, _, _, failed in parts for index, reason in failed]
    count = sum(len(features) for _, features, _, _ in parts)
    kept = np.setdiff1d(np.arange(count, dtype=np.int64), [error.index for error in errors])
    features = _one([part[1] for part in parts], dim)
    probabilities = _one([part[2] for part in parts], classes)
    if errors:
        features = features[kept]
        probabilities = probabilities[kept] if classes else probabilities
    return Look(features, probabilities, kept, errors, single)


def _one(arrays: list[Floats], cols: int) -> Floats:
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty((0, cols), np.float32)
