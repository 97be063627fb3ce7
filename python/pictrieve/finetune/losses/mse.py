"""Mean squared error: rows equal to given ones, as a teacher's."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from pictrieve.finetune.losses._bases import checked_pair
from pictrieve.finetune.losses._rows import full_precision, unit


class MSE(nn.Module):
    """Mean squared error of rows, for distillation and for rows that shall meet.

    The mean of `(a - b) ** 2` over all numbers; normalised, the mean over rows of `|a / |a| - b / |b|| ** 2`, which is
    `2 - 2 cos` (Grill et al., BYOL, arXiv:2006.07733): only directions count, which is what a search by cosine needs.
    A teacher's rows are computed without gradient, under `torch.no_grad()`.

    Args:
        normalise: Whether only directions count.
    """

    def __init__(self, *, normalise: bool = False) -> None:
        """See the class."""
        super().__init__()
        self.normalise = normalise

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Give the loss, a float32 scalar (float64 if the rows are).

        Args:
            a: `(n, d)` floats, such as a student's rows.
            b: `(n, d)`, such as a teacher's.

        Raises:
            TypeError: Rows are not floats.
            ValueError: Shapes differ.
        """
        a, b = checked_pair(a, b)
        with full_precision(a):
            if self.normalise:
                return (unit(a) - unit(b)).square().sum() / len(a)
            return functional.mse_loss(a, b)
