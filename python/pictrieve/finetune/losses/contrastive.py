"""Contrastive loss: pairs of one class near, pairs of different classes apart."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from pictrieve.finetune.losses._bases import LabelPairLoss
from pictrieve.finetune.losses._rows import euclidean, mean_of_active, unit
from pictrieve.finetune.mining import PairMasks


class Contrastive(LabelPairLoss):
    """Contrastive loss (Hadsell, Chopra, LeCun: Dimensionality reduction by learning an invariant mapping, CVPR 2006).

    With d the Euclidean distance, the loss is the mean over positive pairs of `max(0, d - positive_margin) ** power`
    plus the mean over negative pairs of `max(0, negative_margin - d) ** power`, each mean over the pairs that are not
    zero already. The paper has power 2, positive margin 0, a factor of 1/2 and sums.

    Args:
        positive_margin: Distance up to which a positive pair is near enough.
        negative_margin: Distance from which a negative pair is far enough; rows of length 1 are at most 2 apart.
        power: 2 as in the paper, or 1, whose gradient does not fade as pairs get near their margin.
        normalise: Whether rows are scaled to length 1 first (the paper does not; search by cosine does).
        gather: In a distributed run, whether pairs reach across processes.

    Example:
        >>> import torch
        >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> round(Contrastive()(rows, torch.tensor([0, 0, 1])).item(), 4)  # 2 of the positive pair, 1 of the equal rows
        3.0
    """

    def __init__(
        self,
        positive_margin: float = 0.0,
        negative_margin: float = 1.0,
        *,
        power: int = 2,
        normalise: bool = True,
        gather: bool = False,
    ) -> None:
        """See the class."""
        super().__init__(gather=gather)
        if not 0 <= positive_margin < negative_margin:
            raise ValueError(
                f"margins: expected 0 <= positive_margin < negative_margin, got {positive_margin} and {negative_margin}"
            )
        if power not in (1, 2):
            raise ValueError(f"power: expected 1 or 2, got {power!r}")
        self.positive_margin, self.negative_margin = positive_margin, negative_margin
        self.power, self.normalise = power, normalise

    def between(self, rows: Tensor, references: Tensor, masks: PairMasks) -> Tensor:
        """Compute the loss of anchors against references."""
        distances = euclidean(unit(rows), unit(references)) if self.normalise else euclidean(rows, references)
        near = functional.relu(distances - self.positive_margin).masked_fill(~masks.positive, 0)
        far = functional.relu(self.negative_margin - distances).masked_fill(~masks.negative, 0)
        return mean_of_active(near**self.power) + mean_of_active(far**self.power)
