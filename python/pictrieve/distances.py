"""All rows of one matrix against all rows of another: distances or scores, in one matrix or streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve.sizes import as_bytes

__all__ = ["Kind", "PairwiseMetric", "pairwise", "pairwise_blocks"]

PairwiseMetric = Literal[
    "cosine", "ip", "l2", "l1", "chi2", "intersection", "jaccard", "hamming", "pearson", "hellinger"
]
Kind = Literal["distance", "score"]
Rows = NDArray[np.float32] | NDArray[np.uint8]

_FLOAT_BYTES = 4


def pairwise(
    x: Rows,
    y: Rows | None = None,
    metric: PairwiseMetric = "cosine",
    *,
    kind: Kind = "distance",
    max_memory: int | str = "1GB",
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Compare every row of x with every row of y.

    Distances (smaller is better) and scores (larger is better) of rows a and b:

    ==============  ============================================  ======================================
    metric          distance                                      score
    ==============  ============================================  ======================================
    `cosine`        1 - cosine                                    a.b / (|a| |b|), in [-1, 1]
    `pearson`       1 - correlation                               cosine of the rows less their means
    `ip`            -a.b                                          a.b
    `l2`            Euclidean, |a - b|                            -|a - b|
    `l1`            sum |a - b|                                   minus the distance
    `chi2`          sum (a - b)^2 / (a + b), where 0 / 0 is 0     minus the distance
    `intersection`  -sum min(a, b)                                sum min(a, b) (Swain and Ballard, 1991)
    `jaccard`       1 - score                                     sum min(a, b) / sum max(a, b)
    `hellinger`     sqrt(1 - score)                               sum sqrt(a b) / sqrt(sum a sum b),
                                                                  the Bhattacharyya coefficient
    `hamming`       differing bits                                minus the distance
    ==============  ============================================  ======================================

    Equal rows are exactly 0 apart under every metric but `ip` and `intersection`, and the cosine of equal rows is
    exactly 1. A row of zeros (under `pearson`: of one number all over) has cosine 0 with every row, so distance 1, as
    in `Index`; two rows of zeros are alike under `jaccard`. Distances are those of float64 to about 1e-6 of their
    size, also between nearly equal rows. The number of threads does not change a result.

    Args:
        x: `(n, dim) float32`, C-contiguous. For `hamming` and, as sets of bits, for `jaccard`: `(n, bytes) uint8` as
            `np.packbits` makes them. `chi2`, `intersection`, `jaccard` and `hellinger` take numbers >= 0 only.
        y: `(m, dim)` of the same kind; None compares x with itself.
        metric: See above.
        kind: `"distance"` or `"score"`.
        max_memory: The most memory that the result may take, as bytes or as text such as `"500MB"` or `"2GiB"`; not
            asked with `out`. What is needed besides is about 32 MB, however many rows there are.
        out: `(n, m) float32`, C-contiguous, to be filled and returned.

    Returns:
        `(n, m) float32`.

    Raises:
        ValueError: Another metric, kind, dtype or shape; a row with NaN, infinity or, under a metric of histograms,
            a negative number, named; a result larger than `max_memory`.

    Example:
        >>> pairwise(np.float32([[3, 4]]), np.float32([[0, 0], [3, 4]]), metric="l2")
        array([[5., 0.]], dtype=float32)
    """
    x, y = _matrix(x, "x"), _matrix(x if y is None else y, "y")
    score = _is_score(kind)
    needed = len(x) * len(y) * _FLOAT_BYTES
    if out is None and needed > as_bytes(max_memory, "max_memory"):
        raise ValueError(
            f"max_memory: expected at least the {needed / 1e9:.3g} GB of a ({len(x)}, {len(y)}) float32 result, got "
            f"{max_memory}; raise it, or take the rows in blocks with pt.pairwise_blocks(x, y, {metric!r})"
        )
    return _core.pairwise(x, y, metric, score, out)


def pairwise_blocks(
    x: Rows,
    y: Rows | None = None,
    metric: PairwiseMetric = "cosine",
    *,
    kind: Kind = "distance",
    max_memory: int | str = "1GB",
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Compare every row of x with every row of y, some rows of x at a time, for results beyond the memory.

    Args:
        x: As for `pairwise`.
        y: As for `pairwise`.
        metric: As for `pairwise`.
        kind: As for `pairwise`.
        max_memory: The most memory that two results may take: the one in your hands and the one being made.

    Yields:
        The rows of x as a slice, and their `(rows, m) float32` matrix, from the first row to the last.

    Raises:
        ValueError: As `pairwise`, at once; and where `max_memory` does not hold even one row of results.

    Example:
        >>> a = np.float32([[0], [1], [3]])
        >>> [(rows.start, block.tolist()) for rows, block in pairwise_blocks(a, metric="l1", max_memory=24)]
        [(0, [[0.0, 1.0, 3.0]]), (1, [[1.0, 0.0, 2.0]]), (2, [[3.0, 2.0, 0.0]])]
    """
    x, y = _matrix(x, "x"), _matrix(x if y is None else y, "y")
    _core.pairwise(x[:1], y[:1], metric, _is_score(kind), None)  # refuses wrong arguments now, not at the first block
    step = as_bytes(max_memory, "max_memory") // (2 * _FLOAT_BYTES * max(len(y), 1))
    if step == 0:
        raise ValueError(
            f"max_memory: expected at least {2 * _FLOAT_BYTES * len(y)} bytes, two rows of {len(y)} float32 results, "
            f"got {max_memory}; raise it or give fewer rows of y at a time"
        )
    return _blocks(x, y, metric, _is_score(kind), step)


def _blocks(
    x: Rows, y: Rows, metric: PairwiseMetric, score: bool, step: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    for begin in range(0, len(x), step):
        rows = slice(begin, min(begin + step, len(x)))
        try:
            block = _core.pairwise(x[rows], y, metric, score, None)
        except ValueError as error:  # a bad row of x is counted from the start of its block
            raise ValueError(f"rows {rows.start} to {rows.stop - 1} of {error}") from None
        yield rows, block


def _matrix(x: Any, name: str) -> Rows:
    """Refuse what is not an array: a list or a tensor would be copied without anyone seeing it."""
    if isinstance(x, np.ndarray) and x.ndim == 2:
        return x
    got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
    error = ValueError if isinstance(x, np.ndarray) else TypeError
    raise error(
        f"{name}: expected a float32 array (rows, dim) or packed bits as uint8, got {got}; "
        f"convert with np.ascontiguousarray({name}, dtype=np.float32)"
    )


def _is_score(kind: str) -> bool:
    if kind not in ("distance", "score"):
        raise ValueError(f"kind: expected 'distance' or 'score', got {kind!r}")
    return kind == "score"
