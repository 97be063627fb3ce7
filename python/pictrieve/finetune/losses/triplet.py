"""Triplet loss: an anchor nearer to its own class than to others, by a margin."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from pictrieve.finetune.losses._bases import LabelPairLoss
from pictrieve.finetune.losses._rows import euclidean, mean_of_active, mean_or_zero, unit
from pictrieve.finetune.mining import PairMasks, Triplets, all_triplets, hard_triplets, semi_hard_triplets

_MINING = ("semi_hard", "hard", "all")


class Triplet(LabelPairLoss):
    """Triplet loss (Schroff et al., FaceNet, arXiv:1503.03832; Hermans et al., arXiv:1703.07737).

    With d the Euclidean distance, not squared, each triplet of anchor a, positive p and negative n gives
    `max(0, d(a, p) - d(a, n) + margin)`, or with a soft margin `log(1 + exp(d(a, p) - d(a, n)))`.

    Args:
        margin: How much nearer the positive shall be, or "soft".
        mining: "semi_hard": for each anchor and positive the nearest negative that is farther than the positive, within
            the margin. "hard": for each anchor its farthest positive and nearest negative; strong, may collapse without
            a soft margin or a warm-up. "all": every triplet; the mean is over those above zero.
        normalise: Whether rows are scaled to length 1 first, as FaceNet does (Hermans et al. do not).
        gather: In a distributed run, whether triplets reach across processes.

    Example:
        >>> import torch
        >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> round(Triplet(0.5, mining="hard")(rows, torch.tensor([0, 0, 1])).item(), 4)  # (1.9142 + 0.5) / 2
        1.2071
    """

    def __init__(
        self, margin: float | str = 0.2, *, mining: str = "semi_hard", normalise: bool = True, gather: bool = False
    ) -> None:
        """See the class."""
        super().__init__(gather=gather)
        if mining not in _MINING:
            raise ValueError(f"mining: expected one of {', '.join(_MINING)}, got {mining!r}")
        if margin != "soft" and (isinstance(margin, str) or margin <= 0):
            raise ValueError(f'margin: expected a number above 0 or "soft", got {margin!r}')
        self.margin = None if isinstance(margin, str) else margin
        self.mining, self.normalise = mining, normalise

    def between(self, rows: Tensor, references: Tensor, masks: PairMasks) -> Tensor:
        """Compute the loss of anchors against references."""
        distances = euclidean(unit(rows), unit(references)) if self.normalise else euclidean(rows, references)
        anchor, positive, negative = self._triplets(distances.detach(), masks)
        gaps = distances[anchor, positive] - distances[anchor, negative]
        if self.margin is None:
            return mean_or_zero(functional.softplus(gaps))
        losses = functional.relu(gaps + self.margin)
        return mean_of_active(losses) if self.mining == "all" else mean_or_zero(losses)

    def _triplets(self, distances: Tensor, masks: PairMasks) -> Triplets:
        if self.mining == "all":
            return all_triplets(masks)
        if self.mining == "hard":
            return hard_triplets(distances, masks)
        return semi_hard_triplets(distances, masks, float("inf") if self.margin is None else self.margin)
