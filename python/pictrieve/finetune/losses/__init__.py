"""Losses for retrieval, one per file, each with its formula and paper.

Label losses take embeddings and labels, pair losses two sets of rows that belong together. All compute in float32
whatever autocast says, refuse wrong shapes and labels, and give zero with a graph where a batch has nothing to teach.
"""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from pictrieve.finetune.losses._bases import LabelLoss, LabelPairLoss, PairLoss
from pictrieve.finetune.losses.arcface import ArcFace
from pictrieve.finetune.losses.centre import Centre
from pictrieve.finetune.losses.class_balance import class_weights
from pictrieve.finetune.losses.contrastive import Contrastive
from pictrieve.finetune.losses.cosface import CosFace
from pictrieve.finetune.losses.infonce import InfoNCE
from pictrieve.finetune.losses.mse import MSE
from pictrieve.finetune.losses.multi_similarity import MultiSimilarity
from pictrieve.finetune.losses.ntxent import NTXent
from pictrieve.finetune.losses.proxy_anchor import ProxyAnchor
from pictrieve.finetune.losses.siglip import SigLIP
from pictrieve.finetune.losses.softmax import LinearSoftmax, Softmax
from pictrieve.finetune.losses.supcon import SupCon
from pictrieve.finetune.losses.triplet import Triplet

_LABEL: dict[str, type[nn.Module]] = {
    "contrastive": Contrastive,
    "triplet": Triplet,
    "multi_similarity": MultiSimilarity,
    "supcon": SupCon,
    "arcface": ArcFace,
    "cosface": CosFace,
    "proxy_anchor": ProxyAnchor,
    "softmax": Softmax,
    "linear_softmax": LinearSoftmax,
    "centre": Centre,
}
_PAIR: dict[str, type[nn.Module]] = {"infonce": InfoNCE, "ntxent": NTXent, "siglip": SigLIP, "mse": MSE}

LABEL_LOSSES = frozenset(_LABEL)
PAIR_LOSSES = frozenset(_PAIR)


def make(name: str, *, classes: int | None = None, dim: int | None = None, **settings: Any) -> nn.Module:
    """Make a loss by name.

    Args:
        name: One of `LABEL_LOSSES`, whose call is `loss(embeddings (n, d), labels (n,))`, or of `PAIR_LOSSES`, whose
            call is `loss(a (n, d), b (n, d))`.
        classes: How many classes there are; a loss that keeps nothing per class ignores it.
        dim: Length of the rows; likewise.
        settings: The loss's own, such as `margin=0.3`.

    Raises:
        ValueError: The name or a setting is unknown, or the loss needs classes and dim.

    Example:
        >>> make("arcface", classes=10, dim=64, margin=0.3).margin
        0.3
    """
    kinds = _LABEL | _PAIR
    if name not in kinds:
        raise ValueError(f"loss: expected one of {', '.join(sorted(kinds))}, got {name!r}")
    known = inspect.signature(kinds[name]).parameters
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"loss {name}: expected settings among {', '.join(known)}, got {', '.join(unknown)}")
    for size, value in (("classes", classes), ("dim", dim)):
        if size in known:
            if value is None:
                raise ValueError(
                    f"loss {name}: expected {size}=, got none; it keeps a row of length dim for each class"
                )
            settings[size] = value
    return kinds[name](**settings)


__all__ = [
    "LABEL_LOSSES",
    "MSE",
    "PAIR_LOSSES",
    "ArcFace",
    "Centre",
    "Contrastive",
    "CosFace",
    "InfoNCE",
    "LabelLoss",
    "LabelPairLoss",
    "LinearSoftmax",
    "MultiSimilarity",
    "NTXent",
    "PairLoss",
    "ProxyAnchor",
    "SigLIP",
    "Softmax",
    "SupCon",
    "Triplet",
    "class_weights",
    "make",
]
