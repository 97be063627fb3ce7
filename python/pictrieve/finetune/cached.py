"""Labelled pictures as unit rows of a frozen encoder: encoded once, used by every recipe that trains on features."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.encoders.rows import Floats
from pictrieve.finetune.batches import labelled, labels_of

FeatureEncoder = str | Path | ImageEncoder | None
Labelled = Dataset | tuple[Any, Any]
_SHOWN = 5  # names in a warning


@dataclass(frozen=True)
class Features:
    """Rows with labels.

    Attributes:
        rows: `(n, d)` float32 of unit length.
        labels: `(n,)` int64, counting into `classes`.
        classes: What the labels mean.
    """

    rows: Floats
    labels: NDArray[np.int64]
    classes: list[Any]

    def digest(self) -> str:
        """Give 32 hexadecimal digits that change with rows and labels."""
        total = hashlib.blake2b(self.rows.tobytes(), digest_size=16)
        total.update(self.labels.tobytes())
        return total.hexdigest()


def opened(encoder: FeatureEncoder) -> ImageEncoder | None:
    """Give the encoder of a name or a directory."""
    return ImageEncoder(encoder) if isinstance(encoder, str | Path) else encoder


def features_of(
    encoder: ImageEncoder | None, given: Labelled, *, least: int = 2, show_progress_bar: bool | None = None
) -> Features:
    """Encode labelled pictures, or take rows that are there.

    Args:
        encoder: Encodes a data set.
        given: A labelled data set, whose unlabelled pictures are left out; or `(rows, labels)`: `(n, d)` floats of any
            length, and n labels of any kind that can be sorted.
        least: Classes that are needed.
        show_progress_bar: As in `ImageEncoder.encode`.

    Raises:
        ValueError: There are too few classes, or shapes do not fit.
    """
    if isinstance(given, Dataset):
        if encoder is None:
            raise ValueError(f"encoder: expected one to encode {given.name} with, got None")
        data = labelled(given, least)
        rows = encoder.encode(data.images(), show_progress_bar=show_progress_bar)
        return Features(rows, labels_of(data), list(data.classes))
    if not isinstance(given, tuple) or len(given) != 2:
        raise TypeError(f"train: expected a Dataset or (rows, labels), got {type(given).__name__}")
    rows = unit_rows(given[0], encoder.dim if encoder else None)
    classes, labels = np.unique(np.asarray(given[1]), return_inverse=True)
    if labels.shape != (len(rows),):
        raise ValueError(f"labels: expected one for each of {len(rows)} rows, got shape {labels.shape}")
    if len(classes) < least:
        raise ValueError(f"labels: expected at least {least} classes, got {len(classes)}")
    return Features(rows, labels.astype(np.int64), classes.tolist())


def unit_rows(rows: Any, dim: int | None = None) -> Floats:
    """Check rows `(n, d)` and scale them to unit length, as encoders give them."""
    given = np.asarray(rows)
    if given.ndim != 2 or not len(given) or given.dtype.kind != "f" or dim not in (None, given.shape[1]):
        wanted = f"(n, {dim or 'd'})"
        raise ValueError(f"rows: expected floats {wanted} with n 1 or more, got {given.dtype} {given.shape}")
    return scaled_to_unit(given, "rows")


def scaled_to_unit(given: NDArray[Any], name: str) -> Floats:
    """Scale floats `(..., d)` to unit length along the last axis; they must be finite."""
    if not np.isfinite(given).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    lengths = np.linalg.norm(given, axis=-1, keepdims=True)
    made: Floats = np.ascontiguousarray(given / np.maximum(lengths, 1e-30), np.float32)
    return made


def rows_of(encoder: ImageEncoder | None, given: Any, dim: int) -> Floats:
    """Give unit rows of pictures, of a data set or of float rows `(n, dim)`."""
    if isinstance(given, np.ndarray) and given.dtype.kind == "f":
        return unit_rows(given, dim)
    if encoder is None:
        raise ValueError(
            f"expected float rows (n, {dim}), since there is no encoder, got {type(given).__name__}; "
            "LinearClassifier.load(path, encoder) reads a classifier together with the encoder of its pictures"
        )
    images: Any = given.images() if isinstance(given, Dataset) else given
    rows: Floats = encoder.encode([images] if isinstance(images, str | Path) else images)
    return rows


def numbers_of(labels: Sequence[Any], classes: Sequence[Any]) -> NDArray[np.int64]:
    """Give the place of each label among classes, -1 for one that is none of them."""
    place = {name: i for i, name in enumerate(classes)}
    return np.array([place.get(label, -1) for label in labels], np.int64)


def known_numbers(labels: Sequence[Any], classes: Sequence[Any]) -> NDArray[np.int64]:
    """Give what `numbers_of` does, and warn of labels that are none of the classes: nothing can be right there.

    Raises:
        ValueError: None of the labels is a class.
    """
    numbers = numbers_of(labels, classes)
    unknown = [label for label, number in zip(labels, numbers, strict=True) if number < 0]
    names = list(dict.fromkeys(map(str, unknown)))
    if len(unknown) == len(labels):
        wanted = ", ".join(map(str, classes[:_SHOWN]))
        raise ValueError(
            f"test: expected pictures of {wanted} or another trained class, got {', '.join(names[:_SHOWN])}"
        )
    if unknown:
        warnings.warn(
            f"accuracy: {len(unknown)} of {len(labels)} pictures are left out, of {len(names)} classes that were not "
            f"trained: {', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}",
            stacklevel=3,
        )
    return numbers
