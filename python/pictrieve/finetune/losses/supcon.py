"""Supervised contrastive loss: InfoNCE where all rows of a class are each other's positives."""

from __future__ import annotations

from torch import Tensor

from pictrieve.finetune.losses._bases import LabelPairLoss
from pictrieve.finetune.losses._rows import softmax_contrast, unit
from pictrieve.finetune.losses._temperature import Temperature
from pictrieve.finetune.mining import PairMasks


class SupCon(LabelPairLoss):
    """Supervised contrastive loss, the form "out" (Khosla et al., NeurIPS 2020, arXiv:2004.11362).

    With s the cosine divided by the temperature, P the anchor's positives and A all rows but the anchor, the loss is
    the mean over anchors that have positives of `-(1 / |P|) sum over p in P of (s_p - log sum over a in A of exp s_a)`.
    Rows need not be normalised, cosines are taken. A batch of one class still spreads evenly, as the formula says.

    Args:
        temperature: Divides the cosines.
        learn_temperature: Whether it is trained, within 0.01 to 1.
        gather: In a distributed run, whether pairs reach across processes.
    """

    def __init__(self, temperature: float = 0.1, *, learn_temperature: bool = False, gather: bool = False) -> None:
        """See the class."""
        super().__init__(gather=gather)
        self.temperature = Temperature(temperature, learn_temperature)

    def between(self, rows: Tensor, references: Tensor, masks: PairMasks) -> Tensor:
        """Compute the loss of anchors against references."""
        logits = unit(rows) @ unit(references).T * self.temperature()
        return softmax_contrast(logits, masks.positive, masks.positive | masks.negative)
