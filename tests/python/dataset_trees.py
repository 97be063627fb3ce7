"""Small trees in the layouts of data sets, for the tests of their loaders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def photo(path: Path, seed: int = 0, size: tuple[int, int] = (24, 32)) -> Path:
    """Write a picture of noise; PNG keeps its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def photos(folder: Path, names: Iterable[str]) -> list[Path]:
    """Write a picture for each name."""
    return [photo(folder / name, seed) for seed, name in enumerate(names)]


def lines(path: Path, *rows: str) -> Path:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path
