"""InfoNCE: each row finds its partner among those of the batch, both ways."""

from __future__ import annotations

from torch import Tensor

from pictrieve.finetune.losses._bases import PairLoss
from pictrieve.finetune.losses._rows import softmax_contrast, unit
from pictrieve.finetune.losses._temperature import Temperature


class InfoNCE(PairLoss):
    """Symmetric InfoNCE (van den Oord et al., arXiv:1807.03748; both ways as CLIP, arXiv:2103.00020).

    With s_ij the cosine of row i of a and row j of b divided by the temperature, the loss is the mean of the cross
    entropy of each row of s with target i and that of each column. With labels, every row of the same label is a target
    with equal share. Rows need not be normalised, cosines are taken.

    Args:
        temperature: Divides the cosines.
        learn_temperature: Whether it is trained, within 0.01 (CLIP's bound) to 1.
        gather: In a distributed run, whether pairs reach across processes.

    Example:
        >>> import torch
        >>> rows = torch.eye(3)
        >>> round(InfoNCE(temperature=1.0)(rows, rows).item(), 4)  # log(1 + 2 / e)
        0.5514
    """

    def __init__(self, temperature: float = 0.07, *, learn_temperature: bool = True, gather: bool = False) -> None:
        """See the class."""
        super().__init__(gather=gather)
        self.temperature = Temperature(temperature, learn_temperature)

    def value(self, a: Tensor, b: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss; rows belong together where their labels are equal."""
        logits = unit(a) @ unit(b).T * self.temperature()
        positive = labels[:, None] == labels[None]
        return (softmax_contrast(logits, positive) + softmax_contrast(logits.T, positive)) / 2
