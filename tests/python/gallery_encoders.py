"""Small true encoders for gallery tests: colours of real pixels, and words for colours."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pictrieve import images
from pictrieve._core import Error

PALETTE = {
    "red": (200, 30, 30),
    "green": (30, 160, 40),
    "blue": (30, 50, 200),
    "yellow": (220, 210, 40),
    "black": (10, 10, 10),
    "white": (245, 245, 245),
    "grey": (128, 128, 128),
    "orange": (230, 130, 30),
}


class Encoded(NamedTuple):
    """Rows, and what could not be read."""

    embeddings: Any
    kept: Any
    errors: list[tuple[int, str]]


class Both(NamedTuple):
    """Rows of both spaces, and what could not be read."""

    features: Any
    dual: Any
    kept: Any
    errors: list[tuple[int, str]]


def _unit(row: np.ndarray) -> np.ndarray:
    return (row / max(float(np.linalg.norm(row)), 1e-9)).astype(np.float32)


class ColourEncoder:
    """Coarse colour histograms of 4 x 4 x 4 cells."""

    name = "colours"
    dim = 64

    def __init__(self, fingerprint: str = "colours-1") -> None:
        self.fingerprint = fingerprint
        self.seen = 0

    def encode(self, inputs: Any, *, on_error: str = "raise", show_progress_bar: bool | None = None) -> Any:
        rows, kept, errors = [], [], []
        for i, source in enumerate(inputs):
            try:
                pixels = images.decode(source)
            except (Error, OSError, ValueError) as error:
                if on_error == "raise":
                    raise
                errors.append((i, str(error)))
                continue
            cells = (pixels.reshape(-1, 3) >> 6).astype(np.int64) @ np.array([16, 4, 1])
            rows.append(_unit(np.bincount(cells, minlength=64).astype(np.float64)))
            kept.append(i)
            self.seen += 1
        embeddings = np.array(rows, np.float32).reshape(-1, 64)
        return Encoded(embeddings, np.array(kept, np.int64), errors) if on_error == "skip" else embeddings


class ColourWords:
    """Pictures and colour words in one space: how near the mean colour is to each named one."""

    name = "colours+words"
    dim = len(PALETTE)
    fingerprint = "colours+words-1"

    def __init__(self) -> None:
        self.image_encoder = ColourEncoder()

    def encode_images_both(self, sources: Any, *, on_error: str = "raise") -> Both:
        encoded = self.image_encoder.encode(sources, on_error="skip")
        if on_error == "raise" and encoded.errors:
            raise ValueError(encoded.errors[0][1])
        rows = [self._nearness(images.decode(sources[int(i)])) for i in encoded.kept]
        return Both(encoded.embeddings, np.array(rows, np.float32).reshape(-1, self.dim), encoded.kept, encoded.errors)

    def encode_texts(self, texts: Any) -> np.ndarray:
        rows = [[float(name in text.lower().split()) + 1e-3 for name in PALETTE] for text in texts]
        return np.stack([_unit(np.array(row)) for row in rows])

    def _nearness(self, pixels: np.ndarray) -> np.ndarray:
        mean = pixels.reshape(-1, 3).mean(axis=0)
        away = np.array([np.linalg.norm(mean - np.array(colour)) for colour in PALETTE.values()])
        return _unit(np.exp(-away / 40))


def picture(colour: str, size: int = 32, seed: int = 0) -> np.ndarray:
    """Give pixels of one named colour with a little noise."""
    noise = np.random.default_rng(seed).integers(-8, 9, (size, size, 3))
    return np.clip(np.array(PALETTE[colour]) + noise, 0, 255).astype(np.uint8)
