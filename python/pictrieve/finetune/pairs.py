"""Pictures and their captions as vectors of two frozen encoders: what an alignment is learnt from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictrieve import evaluate
from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder, TextEncoder
from pictrieve.encoders.aligned import LabelTexts
from pictrieve.encoders.rows import Floats
from pictrieve.finetune.cached import scaled_to_unit

PairsInput = Dataset | tuple[Any, Any]
_KS = (10, 1, 5)  # the first one is what a training is judged by


@dataclass(frozen=True)
class Pairs:
    """Captioned pictures as unit rows.

    Attributes:
        images: `(n, dim of the picture encoder)` float32.
        texts: `(m, dim of the text encoder)` float32, those of a picture one after the other.
        counts: `(n,)` captions of each picture, 1 or more.
        label_images: `(n, classes)` float32 rows of the label space; None where there are no probabilities.
        label_texts: `(m, classes)`, likewise.
    """

    images: Floats
    texts: Floats
    counts: NDArray[np.int64]
    label_images: Floats | None = None
    label_texts: Floats | None = None

    @property
    def owner(self) -> NDArray[np.int64]:
        """Row of the picture of each caption."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def subset(self, rows: NDArray[np.int64]) -> Pairs:
        """Keep some pictures with their captions."""
        starts = np.cumsum(self.counts) - self.counts
        texts = np.concatenate([np.arange(starts[row], starts[row] + self.counts[row]) for row in rows])
        parts = replace(self, images=self.images[rows], texts=self.texts[texts], counts=self.counts[rows])
        if self.label_images is None or self.label_texts is None:
            return parts
        return replace(parts, label_images=self.label_images[rows], label_texts=self.label_texts[texts])

    def recalls(self, images: Floats, texts: Floats) -> dict[str, float]:
        """Measure vectors of these pictures and captions: recall@k of a search by caption, recall@1 of one by picture.

        Args:
            images: `(n, dim)` float32.
            texts: `(m, dim)` float32.
        """
        both = evaluate.image_text(np.ascontiguousarray(images), np.ascontiguousarray(texts), self.owner, ks=_KS)
        forth = {f"recall@{k}": both.text_to_image[f"recall@{k}"] for k in _KS}
        return {**forth, "image_to_text_recall@1": both.image_to_text["recall@1"]}

    def mean_reciprocal(self, scores: Floats) -> float:
        """Give the mean of 1 / rank of a caption's picture and of 1 / rank of a picture's best caption.

        Args:
            scores: `(m, n)` of captions and pictures.
        """
        own = scores[np.arange(len(scores)), self.owner]
        best = np.full(scores.shape[1], -np.inf, scores.dtype)
        np.maximum.at(best, self.owner, own)
        forth = 1 + (scores > own[:, None]).sum(axis=1)
        back = 1 + (scores > best).sum(axis=0)
        return float((1 / forth).mean() + (1 / back).mean()) / 2

    def digest(self) -> str:
        """Give 32 hexadecimal digits that change with the vectors."""
        total = hashlib.blake2b(digest_size=16)
        for part in (self.images, self.texts, self.counts):
            total.update(part.tobytes())
        return total.hexdigest()


def with_captions(given: Dataset) -> tuple[Dataset, list[list[str]]]:
    """Give the pictures that have captions, and these without empty ones.

    Raises:
        ValueError: There are no captions.
    """
    captions = [[text for text in some if text.strip()] for some in given.captions or []]
    if not any(captions):
        raise ValueError(f"{given.name}: expected pictures with captions, got none")
    return given.subset(np.array([bool(some) for some in captions])), [some for some in captions if some]


def read_pairs(
    given: PairsInput,
    image_encoder: ImageEncoder,
    text_encoder: TextEncoder,
    *,
    label_space: bool,
    name: str = "pairs",
    show_progress_bar: bool | None = None,
) -> Pairs:
    """Encode captioned pictures, or take vectors that are there.

    Args:
        given: A captioned data set, of which pictures without captions are left out; or `(features, captions)`:
            `(n, d)` float rows of the picture encoder, and for each a list of texts, or `(n, c, dt)` rows of the text
            encoder.
        image_encoder: Encodes the pictures.
        text_encoder: Encodes the captions.
        label_space: Give the rows of the label space too, where there are pictures.
        name: Of the argument, for messages.
        show_progress_bar: As in `ImageEncoder.encode`.

    Raises:
        ValueError: There are no captions, or shapes do not fit.
    """
    if not isinstance(given, Dataset):
        return _of_arrays(given, image_encoder, text_encoder, name, show_progress_bar)
    kept, captions = with_captions(given)
    look = image_encoder.look(kept.images(), show_progress_bar=show_progress_bar, probabilities=label_space)
    texts, counts = _texts_of(captions, text_encoder, show_progress_bar)
    if not label_space:
        return Pairs(look.features, texts, counts)
    labels = LabelTexts(text_encoder)
    flat = [text for some in captions for text in some]
    return Pairs(look.features, texts, counts, labels.pictures(look), labels.texts(flat, 32, show_progress_bar))


def _texts_of(
    captions: Sequence[Sequence[str]], encoder: TextEncoder, show_progress_bar: bool | None
) -> tuple[Floats, NDArray[np.int64]]:
    flat = [text for some in captions for text in some]
    rows: Floats = encoder.encode(flat, show_progress_bar=show_progress_bar)
    return rows, np.array([len(some) for some in captions], np.int64)


def _of_arrays(
    given: Any, image_encoder: ImageEncoder, text_encoder: TextEncoder, name: str, show_progress_bar: bool | None
) -> Pairs:
    if not isinstance(given, tuple) or len(given) != 2:
        raise TypeError(f"{name}: expected a Dataset with captions or (features, captions), got {type(given).__name__}")
    images = _unit(given[0], 2, image_encoder.dim, f"{name}: features of pictures")
    if isinstance(given[1], np.ndarray) and given[1].dtype.kind == "f":
        vectors = _unit(given[1], 3, text_encoder.dim, f"{name}: text vectors")
        texts, counts = vectors.reshape(-1, vectors.shape[-1]), np.full(len(vectors), vectors.shape[1], np.int64)
    else:
        captions = [[some] if isinstance(some, str) else list(some) for some in given[1]]
        if not all(captions):
            raise ValueError(f"{name}: expected a caption or more for each picture, row {captions.index([])} has none")
        texts, counts = _texts_of(captions, text_encoder, show_progress_bar)
    if len(counts) != len(images):
        raise ValueError(f"{name}: expected captions of {len(images)} pictures, got those of {len(counts)}")
    return Pairs(images, texts, counts)


def _unit(rows: Any, axes: int, dim: int, name: str) -> Floats:
    given = np.asarray(rows)
    if given.ndim != axes or given.shape[-1] != dim or given.dtype.kind != "f":
        shape = ", ".join([*"nc"[: axes - 1], str(dim)])
        raise ValueError(f"{name}: expected floats ({shape}), the encoder's dim, got {given.dtype} {given.shape}")
    return scaled_to_unit(given, name)
