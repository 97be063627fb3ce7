"""One direction, or several, per class: what the cosine-based softmax losses share."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from pictrieve.finetune.losses._bases import LabelLoss
from pictrieve.finetune.losses._rows import checked_rows, full_precision, unit


class CosineClasses(LabelLoss):
    """Cross entropy over cosines of a row and its class's directions, times a scale.

    Args:
        classes: How many classes there are.
        dim: Length of the rows.
        scale: Factor of the cosines.
        sub_centres: Directions per class, of which the nearest counts (Deng et al., ECCV 2020): classes with several
            looks, or with wrong labels among them.
        label_smoothing: Share of the target that goes to all classes alike.
        class_weights: `(classes,)` weights of the classes' rows, see `class_weights`; None for equal ones.
    """

    weights: Tensor | None

    def __init__(
        self,
        classes: int,
        dim: int,
        scale: float = 20.0,
        *,
        sub_centres: int = 1,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
    ) -> None:
        """See the class."""
        super().__init__(classes=classes, dim=dim)
        if sub_centres < 1:
            raise ValueError(f"sub_centres: expected 1 or more, got {sub_centres}")
        if scale <= 0:
            raise ValueError(f"scale: expected a number above 0, got {scale}")
        self.scale, self.sub_centres = scale, sub_centres
        self.label_smoothing = checked_smoothing(label_smoothing)
        self.directions = nn.Parameter(nn.init.xavier_normal_(torch.empty(classes * sub_centres, dim)))
        self.register_buffer("weights", checked_weights(class_weights, classes))

    def cosines(self, rows: Tensor) -> Tensor:
        """Give the cosines `(n, classes)`."""
        every = unit(rows) @ unit(self.directions.to(rows.dtype)).T
        return every.reshape(len(rows), -1, self.sub_centres).amax(2)

    def logits(self, embeddings: Tensor) -> Tensor:
        """Give the scores `(n, classes)` of new rows, to classify them: scaled cosines without any margin."""
        rows = checked_rows("embeddings", embeddings, self.dim)
        with full_precision(rows):
            return self.scale * self.cosines(rows)

    @abstractmethod
    def target(self, cosines: Tensor) -> Tensor:
        """Make the cosines `(n,)` to the rows' own classes harder."""

    def value(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Compute the cross entropy."""
        cosines = self.cosines(rows)
        own = labels[:, None]
        logits = cosines.scatter(1, own, self.target(cosines.gather(1, own).squeeze(1))[:, None])
        weights = None if self.weights is None else self.weights.to(rows.dtype)
        return functional.cross_entropy(self.scale * logits, labels, weights, label_smoothing=self.label_smoothing)


def checked_weights(weights: Tensor | None, classes: int) -> Tensor | None:
    """Give class weights as they are, once they are known to be one number above 0 per class."""
    if weights is None:
        return None
    weights = torch.as_tensor(weights)
    if weights.shape != (classes,) or not bool((weights > 0).all()):
        raise ValueError(f"class_weights: expected {classes} numbers above 0, got {weights.tolist()}")
    return weights.float()


def checked_smoothing(smoothing: float) -> float:
    """Give a label smoothing from 0 up to, not including, 1."""
    if not 0 <= smoothing < 1:
        raise ValueError(f"label_smoothing: expected 0 <= label_smoothing < 1, got {smoothing}")
    return smoothing
