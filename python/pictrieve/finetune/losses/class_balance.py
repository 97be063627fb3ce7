"""Weights for classes of different sizes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor


def class_weights(labels: ArrayLike, classes: int, mode: str = "inverse", *, beta: float = 0.999) -> Tensor:
    """Give each class a weight that makes up for its size; their mean is 1.

    Args:
        labels: `(n,)` integers of the training set; negative ones, which mean none, are left out.
        classes: How many classes there are. A class without rows gets the weight of one with a single row.
        mode: "inverse": 1 / rows. "effective": (1 - beta) / (1 - beta ** rows), milder, as rows of a class repeat each
            other (Cui et al., class-balanced loss, CVPR 2019, arXiv:1901.05555).
        beta: Of "effective", 0 (all alike) to below 1 (as "inverse").

    Returns:
        `(classes,)` float32, for the `class_weights` of a loss.

    Raises:
        ValueError: A label is not below `classes`, or mode or beta is unknown.

    Example:
        >>> class_weights([0, 0, 0, 1], 2).tolist()
        [0.5, 1.5]
    """
    given = np.asarray(labels).reshape(-1)
    given = given[given >= 0].astype(np.int64)
    if given.size and given.max() >= classes:
        raise ValueError(f"labels: expected less than {classes}, the classes, got {given.max()}")
    if mode not in ("inverse", "effective"):
        raise ValueError(f"mode: expected inverse or effective, got {mode!r}")
    if not 0 <= beta < 1:
        raise ValueError(f"beta: expected 0 to below 1, got {beta}")
    counts = np.maximum(np.bincount(given, minlength=classes), 1).astype(np.float64)
    weights = 1 / counts if mode == "inverse" else (1 - beta) / (1 - beta**counts)
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))
