"""Proxy anchor: one learnt row per class, which gathers its own and pushes away the others of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pictrieve.finetune.losses._bases import LabelLoss
from pictrieve.finetune.losses._rows import log_one_plus_sum_exp, mean_or_zero, unit


class ProxyAnchor(LabelLoss):
    """Proxy anchor loss (Kim et al., CVPR 2020, arXiv:2003.13911).

    With s the cosine of a row and a proxy, the loss is the mean over proxies that have rows in the batch of
    `log(1 + sum over their rows of exp(-alpha (s - margin)))`, plus the mean over all proxies of
    `log(1 + sum over rows of other classes of exp(alpha (s + margin)))`.
    Rows and proxies are normalised here. The proxies want a higher rate than the network, 100 times in the paper.

    Args:
        classes: How many classes there are.
        dim: Length of the rows.
        alpha: Sharpness.
        margin: On the cosine.
        gather: In a distributed run, whether a proxy sees the rows of all processes.
    """

    def __init__(
        self, classes: int, dim: int, alpha: float = 32.0, margin: float = 0.1, *, gather: bool = False
    ) -> None:
        """See the class."""
        super().__init__(classes=classes, dim=dim, gather=gather)
        if alpha <= 0 or margin < 0:
            raise ValueError(f"alpha, margin: expected above 0 and at least 0, got {alpha} and {margin}")
        self.alpha, self.margin = alpha, margin
        self.proxies = nn.Parameter(nn.init.kaiming_normal_(torch.empty(classes, dim), mode="fan_out"))

    def value(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss."""
        cosines = unit(rows) @ unit(self.proxies.to(rows.dtype)).T
        own = labels[:, None] == torch.arange(len(self.proxies), device=labels.device)
        near = log_one_plus_sum_exp(-self.alpha * (cosines - self.margin), own, 0)
        far = log_one_plus_sum_exp(self.alpha * (cosines + self.margin), ~own, 0)
        return mean_or_zero(near[own.any(0)]) + far.mean()
