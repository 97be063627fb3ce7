"""SigLIP: every pair of a batch is a yes-or-no question of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pictrieve.finetune.losses._bases import PairLoss
from pictrieve.finetune.losses._rows import unit
from pictrieve.finetune.losses._temperature import Temperature


class SigLIP(PairLoss):
    """Pairwise sigmoid loss (Zhai et al., ICCV 2023, arXiv:2303.15343).

    With s_ij the cosine of row i of a and row j of b, and z_ij 1 where they belong together, -1 elsewhere, the loss is
    `sum over i, j of log(1 + exp(-z_ij (s_ij / temperature + bias))) / n`. There is no softmax over the batch, so small
    batches do well. Rows need not be normalised, cosines are taken.

    Args:
        temperature: Divides the cosines.
        bias: Added to them; well below zero, as almost all pairs are negative.
        learn: Whether temperature (within 0.005 to 1) and bias are trained.
        gather: In a distributed run, whether pairs reach across processes.
    """

    def __init__(
        self, temperature: float = 0.1, bias: float = -10.0, *, learn: bool = True, gather: bool = False
    ) -> None:
        """See the class."""
        super().__init__(gather=gather)
        self.temperature = Temperature(temperature, learn, (0.005, 1.0))
        self.bias = nn.Parameter(torch.tensor(bias), requires_grad=learn)

    def value(self, a: Tensor, b: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss; rows belong together where their labels are equal."""
        logits = unit(a) @ unit(b).T * self.temperature() + self.bias
        together = labels[:, None] == labels[None]
        return functional.softplus(torch.where(together, -logits, logits)).sum() / len(a)
