"""Centre loss: rows near the running centre of their class, beside a classifier that keeps classes apart."""

from __future__ import annotations

import torch
from torch import Tensor

from pictrieve.finetune.losses._bases import LabelLoss
from pictrieve.finetune.losses.softmax import LinearSoftmax


class Centre(LabelLoss):
    """Centre loss (Wen et al.: A discriminative feature learning approach for deep face recognition, ECCV 2016).

    The term is `sum over rows of |row - centre of its class| ** 2 / (2 n)`; alone it would pull all classes into one
    point, so that the loss is, as in the paper, the cross entropy of a linear classifier plus `weight` times the term.
    In training each batch moves the centres of its classes, by no gradient, by
    `rate * sum over rows of (row - centre) / (1 + number of rows)`. Rows are taken as they are, not normalised.

    Args:
        classes: How many classes there are.
        dim: Length of the rows.
        weight: Of the term.
        rate: Of the centres, 0 to 1.
        softmax: Whether the classifier is part of the loss; False gives `weight` times the term, to add to another.
        gather: In a distributed run, whether the rows of all processes move the centres, which keeps these the same.
    """

    centres: Tensor

    def __init__(
        self,
        classes: int,
        dim: int,
        weight: float = 0.003,
        rate: float = 0.5,
        *,
        softmax: bool = True,
        gather: bool = False,
    ) -> None:
        """See the class."""
        super().__init__(classes=classes, dim=dim, gather=gather)
        if weight <= 0 or not 0 <= rate <= 1:
            raise ValueError(f"weight, rate: expected above 0 and 0 to 1, got {weight} and {rate}")
        self.weight, self.rate = weight, rate
        self.softmax = LinearSoftmax(classes, dim) if softmax else None
        self.register_buffer("centres", torch.zeros(classes, dim))

    def value(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss, then move the centres."""
        term = (rows - self.centres[labels]).square().sum() / (2 * len(rows))
        loss = self.weight * term
        if self.softmax is not None:
            loss = loss + self.softmax.value(rows, labels)
        if self.training and torch.is_grad_enabled():
            self._move(rows.detach().to(self.centres.dtype), labels)
        return loss

    def _move(self, rows: Tensor, labels: Tensor) -> None:
        counts = torch.bincount(labels, minlength=len(self.centres))[:, None]
        sums = torch.zeros_like(self.centres).index_add_(0, labels, rows - self.centres[labels])
        self.centres.add_(sums / (1 + counts), alpha=self.rate)
