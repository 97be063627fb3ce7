"""Which pairs and triplets of a batch a loss looks at: all, the hard ones, the semi-hard ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class PairMasks(NamedTuple):
    """Which references share an anchor's label.

    Attributes:
        positive: `(n, m)` bool, true where the labels are equal; false for an anchor's own row.
        negative: `(n, m)` bool, true where they differ.
    """

    positive: Tensor
    negative: Tensor


class Triplets(NamedTuple):
    """Triplets as three int64 tensors of one length.

    Attributes:
        anchor: Rows of the distances.
        positive: Columns of the distances with the anchor's label.
        negative: Columns of the distances with another label.
    """

    anchor: Tensor
    positive: Tensor
    negative: Tensor


def pair_masks(labels: Tensor, references: Tensor | None = None, own: Tensor | None = None) -> PairMasks:
    """Tell positives from negatives.

    Args:
        labels: `(n,)` integers of the anchors.
        references: `(m,)` of the rows that they are compared with; None for the anchors themselves.
        own: `(n,)` int64, the reference that is the anchor itself, which is no pair; -1 where there is none. Without
            references it is 0, 1, 2, ...

    Example:
        >>> pair_masks(torch.tensor([0, 0, 1])).positive.int().tolist()
        [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    if references is None:
        references, own = labels, torch.arange(len(labels), device=labels.device)
    same = labels[:, None] == references[None]
    others = same
    if own is not None:
        others = same & (torch.arange(len(references), device=labels.device)[None] != own[:, None])
    return PairMasks(others, ~same)


def all_triplets(masks: PairMasks) -> Triplets:
    """Give every triplet: each anchor with each of its positives and each of its negatives."""
    anchor, positive = masks.positive.nonzero(as_tuple=True)
    pair, negative = masks.negative[anchor].nonzero(as_tuple=True)
    return Triplets(anchor[pair], positive[pair], negative)


def hard_triplets(distances: Tensor, masks: PairMasks) -> Triplets:
    """Give each anchor's farthest positive and nearest negative ("batch hard", Hermans et al., arXiv:1703.07737).

    Anchors without a positive or without a negative have no triplet.

    Args:
        distances: `(n, m)`, smaller is nearer.
        masks: Of `pair_masks`.
    """
    infinity = float("inf")
    anchor = (masks.positive.any(1) & masks.negative.any(1)).nonzero().flatten()
    farthest = distances.masked_fill(~masks.positive, -infinity)[anchor].argmax(1)
    nearest = distances.masked_fill(~masks.negative, infinity)[anchor].argmin(1)
    return Triplets(anchor, farthest, nearest)


def semi_hard_triplets(distances: Tensor, masks: PairMasks, margin: float = float("inf")) -> Triplets:
    """Give each anchor and positive the nearest negative that is farther than the positive (FaceNet, arXiv:1503.03832).

    Args:
        distances: `(n, m)`, smaller is nearer.
        masks: Of `pair_masks`.
        margin: A negative that is farther than the positive by this much or more teaches nothing and makes no triplet.
    """
    anchor, positive = masks.positive.nonzero(as_tuple=True)
    reach = distances[anchor, positive][:, None]
    candidates = distances[anchor]
    fits = masks.negative[anchor] & (candidates > reach) & (candidates < reach + margin)
    kept = fits.any(1).nonzero().flatten()
    negative = candidates[kept].masked_fill(~fits[kept], float("inf")).argmin(1)
    return Triplets(anchor[kept], positive[kept], negative)


def informative_pairs(similarities: Tensor, masks: PairMasks, epsilon: float) -> PairMasks:
    """Keep the pairs that contradict the order wanted (the miner of Wang et al., multi-similarity, arXiv:1904.06627).

    A negative stays if it is more similar than the anchor's least similar positive less `epsilon`, a positive if it is
    less similar than the anchor's most similar negative plus `epsilon`. Anchors need both kinds.

    Args:
        similarities: `(n, m)`, larger is nearer.
        masks: Of `pair_masks`.
        epsilon: Slack of the comparison.
    """
    infinity = float("inf")
    least = similarities.masked_fill(~masks.positive, infinity).amin(1, keepdim=True)
    most = similarities.masked_fill(~masks.negative, -infinity).amax(1, keepdim=True)
    both = masks.positive.any(1, keepdim=True) & masks.negative.any(1, keepdim=True)
    positive = masks.positive & both & (similarities - epsilon < most)
    return PairMasks(positive, masks.negative & both & (similarities + epsilon > least))
