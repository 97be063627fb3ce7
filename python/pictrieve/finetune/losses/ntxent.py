"""NT-Xent: two views of each picture find each other among all views of the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from pictrieve.finetune.losses._bases import PairLoss
from pictrieve.finetune.losses._rows import softmax_contrast, unit
from pictrieve.finetune.losses._temperature import Temperature
from pictrieve.finetune.mining import pair_masks


class NTXent(PairLoss):
    """Normalised temperature-scaled cross entropy (Chen et al., SimCLR, ICML 2020, arXiv:2002.05709).

    The 2 n rows of both sets are anchors; each one's partner is told from the 2 n - 2 other rows by a softmax over
    cosines divided by the temperature, and the loss is the mean cross entropy. Unlike InfoNCE, rows of the same set
    are negatives too. With labels it is the supervised contrastive loss of all views. Rows need not be normalised.

    Args:
        temperature: Divides the cosines.
        learn_temperature: Whether it is trained, within 0.01 to 1.
        gather: In a distributed run, whether pairs reach across processes.
    """

    def __init__(self, temperature: float = 0.1, *, learn_temperature: bool = False, gather: bool = False) -> None:
        """See the class."""
        super().__init__(gather=gather)
        self.temperature = Temperature(temperature, learn_temperature)

    def value(self, a: Tensor, b: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss; rows belong together where their labels are equal."""
        rows = unit(torch.cat([a, b]))
        positive, negative = pair_masks(labels.repeat(2))
        return softmax_contrast(rows @ rows.T * self.temperature(), positive, positive | negative)
