"""Softmax cross entropy: a classifier over the embeddings."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from pictrieve.finetune.losses._bases import LabelLoss
from pictrieve.finetune.losses._cosine_classes import CosineClasses, checked_smoothing, checked_weights
from pictrieve.finetune.losses._rows import checked_rows, full_precision


class Softmax(CosineClasses):
    """Normalised softmax (Zhai & Wu: Classification is a strong baseline for deep metric learning, arXiv:1811.12649).

    Cross entropy over `scale * cos(angle)` between a row and the directions of the classes: what it learns is what a
    search by cosine uses. Rows and directions are normalised here.

    Args:
        classes: How many classes there are.
        dim: Length of the rows.
        scale: Factor of the cosines, 1 / temperature.
        sub_centres: Directions per class, of which the nearest counts.
        label_smoothing: Share of the target that goes to all classes alike (Szegedy et al., arXiv:1512.00567).
        class_weights: `(classes,)` weights of the classes' rows; None for equal ones.
    """

    def target(self, cosines: Tensor) -> Tensor:
        """Leave the cosines."""
        return cosines


class LinearSoftmax(LabelLoss):
    """Cross entropy over a plain linear classifier, `rows @ weight.T + bias`. Rows are taken as they are.

    Args:
        classes: How many classes there are.
        dim: Length of the rows.
        bias: Whether the classifier has one.
        label_smoothing: Share of the target that goes to all classes alike (Szegedy et al., arXiv:1512.00567).
        class_weights: `(classes,)` weights of the classes' rows; None for equal ones.
    """

    weights: Tensor | None

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        bias: bool = True,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
    ) -> None:
        """See the class."""
        super().__init__(classes=classes, dim=dim)
        self.classifier = nn.Linear(dim, classes, bias)
        self.label_smoothing = checked_smoothing(label_smoothing)
        self.register_buffer("weights", checked_weights(class_weights, classes))

    def logits(self, embeddings: Tensor) -> Tensor:
        """Give the scores `(n, classes)` of new rows, to classify them."""
        rows = checked_rows("embeddings", embeddings, self.dim)
        with full_precision(rows):
            return self._scores(rows)

    def value(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Compute the cross entropy."""
        weights = None if self.weights is None else self.weights.to(rows.dtype)
        return functional.cross_entropy(self._scores(rows), labels, weights, label_smoothing=self.label_smoothing)

    def _scores(self, rows: Tensor) -> Tensor:
        bias = None if self.classifier.bias is None else self.classifier.bias.to(rows.dtype)
        return functional.linear(rows, self.classifier.weight.to(rows.dtype), bias)
