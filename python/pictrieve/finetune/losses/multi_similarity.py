"""Multi-similarity loss: pairs weighted by how they compare with the anchor's other pairs."""

from __future__ import annotations

from torch import Tensor

from pictrieve.finetune.losses._bases import LabelPairLoss
from pictrieve.finetune.losses._rows import log_one_plus_sum_exp, unit
from pictrieve.finetune.mining import PairMasks, informative_pairs


class MultiSimilarity(LabelPairLoss):
    """Multi-similarity loss with its miner (Wang et al., CVPR 2019, arXiv:1904.06627).

    With s the cosine, the loss is the mean over anchors of
    `log(1 + sum over positives of exp(-alpha (s - base))) / alpha`
    `+ log(1 + sum over negatives of exp(beta (s - base))) / beta`.
    Rows need not be normalised, cosines are taken.

    Args:
        alpha: Sharpness for positives.
        beta: Sharpness for negatives.
        base: Cosine around which pairs begin to count.
        epsilon: Slack of the miner, see `mining.informative_pairs`; None looks at all pairs.
        gather: In a distributed run, whether pairs reach across processes.
    """

    def __init__(
        self,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        *,
        epsilon: float | None = 0.1,
        gather: bool = False,
    ) -> None:
        """See the class."""
        super().__init__(gather=gather)
        if alpha <= 0 or beta <= 0:
            raise ValueError(f"alpha, beta: expected numbers above 0, got {alpha} and {beta}")
        self.alpha, self.beta, self.base, self.epsilon = alpha, beta, base, epsilon

    def between(self, rows: Tensor, references: Tensor, masks: PairMasks) -> Tensor:
        """Compute the loss of anchors against references."""
        cosines = unit(rows) @ unit(references).T
        kept = masks if self.epsilon is None else informative_pairs(cosines.detach(), masks, self.epsilon)
        shifted = cosines - self.base
        near = log_one_plus_sum_exp(-self.alpha * shifted, kept.positive, 1) / self.alpha
        far = log_one_plus_sum_exp(self.beta * shifted, kept.negative, 1) / self.beta
        return (near + far).mean()
