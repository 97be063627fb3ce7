"""Arithmetic that the losses share: checked input, float32 whatever autocast says, stable sums."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_TINY = 1e-12  # a squared distance below it has no direction, so no gradient


def checked_rows(name: str, rows: Tensor, dim: int | None = None) -> Tensor:
    """Give rows `(n, d)` as float32, or float64 if they are.

    Raises:
        TypeError: Not a tensor of floats.
        ValueError: Not two-dimensional, no row, or not of length `dim`.
    """
    if not isinstance(rows, Tensor) or not rows.is_floating_point():
        raise TypeError(f"{name}: expected a tensor of floats, got {_kind(rows)}")
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(f"{name}: expected shape (n, d) with n and d at least 1, got {tuple(rows.shape)}")
    if dim is not None and rows.shape[1] != dim:
        raise ValueError(f"{name}: expected rows of length {dim}, got {rows.shape[1]}; make the loss with that dim")
    return rows if rows.dtype == torch.float64 else rows.float()


def checked_labels(labels: Tensor, rows: Tensor, classes: int | None = None) -> Tensor:
    """Give labels `(n,)` as int64.

    Raises:
        TypeError: Not a tensor of integers.
        ValueError: Not one label a row, negative, or not below `classes`.
    """
    if (
        not isinstance(labels, Tensor)
        or labels.is_floating_point()
        or labels.is_complex()
        or labels.dtype == torch.bool
    ):
        raise TypeError(f"labels: expected a tensor of integers, got {_kind(labels)}")
    if labels.shape != rows.shape[:1]:
        raise ValueError(f"labels: expected shape ({len(rows)},), one a row, got {tuple(labels.shape)}")
    if labels.device != rows.device:
        raise ValueError(f"labels: expected device {rows.device}, that of the embeddings, got {labels.device}")
    least, most = (int(value) for value in labels.aminmax())
    if least < 0:
        raise ValueError(f"labels: expected 0 or more, got {least}; leave out rows without a label")
    if classes is not None and most >= classes:
        raise ValueError(f"labels: expected less than {classes}, the classes of the loss, got {most}")
    return labels.long()


def full_precision(rows: Tensor) -> torch.autocast:
    """Turn autocast off: exponentials and small differences need float32."""
    return torch.autocast(rows.device.type, enabled=False)


def unit(rows: Tensor) -> Tensor:
    """Scale rows to length 1; a row of zeros stays."""
    return functional.normalize(rows, dim=1, eps=1e-6)


def euclidean(a: Tensor, b: Tensor) -> Tensor:
    """Give the distances `(n, m)` of rows, whose gradient is zero, not NaN, where two rows are equal."""
    squared = a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T
    return squared.clamp_min(_TINY).sqrt()


def mean_or_zero(values: Tensor) -> Tensor:
    """Give the mean; of nothing 0, which still has a graph."""
    return values.sum() / max(values.numel(), 1)


def mean_of_active(values: Tensor) -> Tensor:
    """Give the mean of those above zero; 0 without any."""
    return values.sum() / (values > 0).sum().clamp_min(1)


def log_one_plus_sum_exp(values: Tensor, kept: Tensor, dim: int) -> Tensor:
    """Give log(1 + sum of exp) over the `kept` values along a dimension."""
    hidden = values.masked_fill(~kept, torch.finfo(values.dtype).min)
    one = torch.zeros_like(hidden.narrow(dim, 0, 1))
    return torch.cat([hidden, one], dim).logsumexp(dim)


def softmax_contrast(logits: Tensor, positive: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Give the mean over rows with a positive of -(1/|P|) sum over P of log softmax over the allowed columns.

    Args:
        logits: `(n, m)`.
        positive: `(n, m)` bool, a row's set P.
        allowed: `(n, m)` bool, what the softmax runs over; None for all.
    """
    shown = logits if allowed is None else logits.masked_fill(~allowed, torch.finfo(logits.dtype).min)
    logs = (logits - shown.logsumexp(1, keepdim=True)).masked_fill(~positive, 0).sum(1)
    counts = positive.sum(1)
    return mean_or_zero(-(logs / counts.clamp_min(1))[counts > 0])


def _kind(value: object) -> str:
    return f"a tensor of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
