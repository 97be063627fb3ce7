"""Captioned pictures: which of them teach, how well an encoder of both finds them, what tells two sets apart."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from pictrieve.datasets import Dataset
from pictrieve.encoders import DualEncoder
from pictrieve.finetune.batches import check_files, data_fingerprint
from pictrieve.finetune.measuring import Search
from pictrieve.finetune.pairs import read_pairs, with_captions
from pictrieve.finetune.pictures import pictures_fingerprint


def captioned(given: Dataset) -> tuple[Dataset, list[list[str]]]:
    """Give the pictures that have captions, and these without empty ones, once all files are known to be there.

    Raises:
        FileNotFoundError: Pictures are not there; names the first ones.
        TypeError: It is no data set.
        ValueError: There are no captions.
    """
    if not isinstance(given, Dataset):
        raise TypeError(f"pairs: expected a data set with captions, such as datasets.Table(...), got {given!r}")
    kept, captions = with_captions(given)
    check_files(kept)
    return kept, captions


def recalls(pictures: Dataset, dual: DualEncoder) -> dict[str, float]:
    """Measure recall@10, 1 and 5 of searches by caption, and recall@1 of those by picture."""
    both = dual.image_encoder, dual.text_encoder
    pairs = read_pairs(pictures, *both, label_space=False, show_progress_bar=False)
    return pairs.recalls(pairs.images, pairs.texts)


def guard_set(given: Dataset | None) -> Dataset | None:
    """Check a guard set before anything is trained: pictures with captions, or else with labels."""
    if given is None:
        return None
    if any(given.captions or []):
        return captioned(given)[0]
    if given.labels is None:
        raise ValueError(f"guard: expected pictures with captions or labels, got {given.name} without either")
    Search(given)
    return given


def quality(guard: Dataset, dual: DualEncoder) -> float:
    """Give one number for a guard set: the mean of the recalls, or mAP where there are labels and no captions."""
    if any(guard.captions or []):
        return float(np.mean(list(recalls(guard, dual).values())))
    return Search(guard).measure(dual.image_encoder)["map"]


def identity(dataset: Dataset | None) -> dict[str, Any] | None:
    """Give what must be the same for a run to be resumed: names, captions, labels."""
    if dataset is None:
        return None
    found = pictures_fingerprint(dataset) | {"captions": hashlib.sha256(repr(dataset.captions).encode()).hexdigest()}
    return found if dataset.labels is None else found | {"labels": data_fingerprint(dataset)}
