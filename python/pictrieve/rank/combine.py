"""Queries made of several vectors, some of them unwanted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core
from pictrieve.rank._examples import Floats, unit_rows


def combine_queries(
    positive: Floats,
    negative: Floats | None = None,
    *,
    negative_weight: float = 0.5,
    weights: ArrayLike | None = None,
    negative_weights: ArrayLike | None = None,
) -> Floats:
    """Make one query of several that are wanted and several that are not.

    The weighted mean of the wanted vectors minus ``negative_weight`` times that of the unwanted ones, each at unit
    length, as Rocchio (1971) has it. Negatives may undo at most half of the wanted part along its own direction.

    Args:
        positive: ``(dim,)`` or ``(n, dim)`` float32.
        negative: Likewise, or None.
        negative_weight: Share of all negatives together, from 0.
        weights: ``(n,)`` numbers from 0, one for each positive; by default they are equal.
        negative_weights: Likewise for the negatives.

    Returns:
        ``(dim,)`` float32 of length 1.

    Raises:
        ValueError: For wrong shapes, dtypes or weights, NaN, and positives that cancel out or are all zero.
    """
    wanted = unit_rows(positive, None, "positive")
    dim = wanted.shape[1]
    unwanted = np.empty((0, dim), np.float32) if negative is None else unit_rows(negative, dim, "negative")
    wanted = wanted * _shares(weights, len(wanted), "weights")
    unwanted = unwanted * _shares(negative_weights, len(unwanted), "negative_weights")
    return _core.rocchio(None, wanted, unwanted, 0.0, 1.0, negative_weight)


def _shares(weights: ArrayLike | None, count: int, name: str) -> NDArray[np.float32]:
    """Give ``(n, 1)`` factors that turn a plain mean into the weighted one."""
    if weights is None or count == 0:
        return np.ones((count, 1), np.float32)
    each = np.asarray(weights, np.float64)
    if each.shape != (count,) or not np.isfinite(each).all() or (each < 0).any() or not each.any():
        raise ValueError(
            f"{name}: expected {count} numbers from 0, not all 0, got {np.array2string(each, threshold=8)}"
        )
    factors: NDArray[np.float32] = (each / each.mean()).astype(np.float32).reshape(-1, 1)
    return factors
