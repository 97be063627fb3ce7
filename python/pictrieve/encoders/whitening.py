"""PCA whitening of vectors (Jegou and Chum 2012): every direction of the data gets the same weight."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve.encoders.rows import Floats

_LEAST = 1e-10  # of the largest variance: directions below it hold rounding errors


class Whitening(NamedTuple):
    """y = matrix (x - mean) of unit vectors x.

    Attributes:
        mean: `(dim of x,)` float32.
        matrix: `(dim of y, dim of x)` float32; rows are principal directions divided by their deviation.
    """

    mean: Floats
    matrix: Floats


def fit(rows: NDArray[np.float32], dim: int | None) -> Whitening:
    """Fit to unit vectors `(n, dim of x)`.

    Args:
        rows: More rows than directions are kept.
        dim: How many directions to keep, those of the largest variance first; None keeps all that the data has.

    Raises:
        ValueError: The data varies in fewer directions than `dim`.
    """
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"fit_whitening: expected at least 2 vectors, got shape {rows.shape}")
    mean = rows.mean(axis=0, dtype=np.float64)
    _, spread, directions = np.linalg.svd(rows - mean, full_matrices=False)
    variances = spread**2 / (len(rows) - 1)
    available = int((variances > _LEAST * variances[0]).sum()) if variances[0] > 0 else 0
    kept = available if dim is None else dim
    if not 1 <= kept <= available:
        raise ValueError(
            f"dim: expected 1 to {available}, the directions in which {len(rows)} vectors vary, got {dim}; "
            "give more of them"
        )
    matrix = directions[:kept] / np.sqrt(variances[:kept, None])
    return Whitening(mean.astype(np.float32), np.ascontiguousarray(matrix, np.float32))


def save(path: Path, whitening: Whitening) -> None:
    """Write both parts to a safetensors file."""
    _core.write_safetensors(str(path), whitening._asdict(), {})


def load(path: Path) -> Whitening:
    """Read what `save` wrote."""
    parts = _core.read_weights(str(path))
    return Whitening(np.array(parts["mean"]), np.array(parts["matrix"]))
