"""What kinds of losses there are: of rows with labels, of pairs among such rows, and of rows that belong together."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from pictrieve.finetune.losses._gather import gather_rows
from pictrieve.finetune.losses._rows import checked_labels, checked_rows, full_precision
from pictrieve.finetune.mining import PairMasks, pair_masks


class LabelLoss(nn.Module, ABC):
    """A loss of embeddings `(n, d)` with one label each.

    Args:
        classes: How many classes there are, where the loss keeps something for each.
        dim: Length of the rows, where it must be known.
        gather: In a distributed run, whether the loss is that of the rows of all processes.
    """

    def __init__(self, *, classes: int | None = None, dim: int | None = None, gather: bool = False) -> None:
        """See the class."""
        super().__init__()
        for name, value in (("classes", classes), ("dim", dim)):
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected 1 or more, got {value}")
        self.classes, self.dim, self.gather = classes, dim, gather

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Give the loss, a float32 scalar (float64 if the embeddings are).

        Args:
            embeddings: `(n, d)` floats of any width, as a network gives them.
            labels: `(n,)` integers from 0.

        Raises:
            TypeError: Embeddings are not floats, or labels not integers.
            ValueError: Shapes do not fit, or a label is out of range.
        """
        rows, labels = self.prepare(embeddings, labels)
        with full_precision(rows):
            return self.value(rows, labels)

    def prepare(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Check a batch, widen it to float32 and, if asked to, bring the rows of all processes together."""
        rows = checked_rows("embeddings", embeddings, self.dim)
        labels = checked_labels(labels, rows, self.classes)
        return (gather_rows(rows), gather_rows(labels)) if self.gather else (rows, labels)

    @abstractmethod
    def value(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss of checked rows and labels."""


class LabelPairLoss(LabelLoss):
    """A loss of the pairs among rows with labels; `MemoryBank` lets it look at rows of earlier batches too.

    Args:
        gather: In a distributed run, whether pairs reach across processes.
    """

    def __init__(self, *, gather: bool = False) -> None:
        """See the class."""
        super().__init__(gather=gather)

    def value(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss of all pairs within the rows."""
        return self.between(rows, rows, pair_masks(labels))

    @abstractmethod
    def between(self, rows: Tensor, references: Tensor, masks: PairMasks) -> Tensor:
        """Compute the loss of anchors `(n, d)` against references `(m, d)`."""


class PairLoss(nn.Module, ABC):
    """A loss of two sets of rows `(n, d)`, where row i of one belongs to row i of the other.

    Args:
        gather: In a distributed run, whether pairs reach across processes.
    """

    def __init__(self, *, gather: bool = False) -> None:
        """See the class."""
        super().__init__()
        self.gather = gather

    def forward(self, a: Tensor, b: Tensor, labels: Tensor | None = None) -> Tensor:
        """Give the loss, a float32 scalar (float64 if the rows are).

        Args:
            a: `(n, d)` floats of any width, such as pictures.
            b: `(n, d)`, such as their captions.
            labels: `(n,)` integers from 0, equal where rows belong together too: two captions of one picture.

        Raises:
            TypeError: Rows are not floats, or labels not integers.
            ValueError: Shapes do not fit, or a label is negative.
        """
        a, b = checked_pair(a, b)
        if labels is not None:
            labels = checked_labels(labels, a)
        if self.gather:
            a, b = gather_rows(torch.stack([a, b], 1)).unbind(1)  # one exchange, so that ranks cannot mix up two
            labels = None if labels is None else gather_rows(labels)
        if labels is None:
            labels = torch.arange(len(a), device=a.device)
        with full_precision(a):
            return self.value(a, b, labels)

    @abstractmethod
    def value(self, a: Tensor, b: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss; rows belong together where their labels are equal."""


def checked_pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Give two sets of rows of one shape, widened to float32; errors as `checked_rows`."""
    a, b = checked_rows("a", a), checked_rows("b", b)
    if a.shape != b.shape:
        raise ValueError(f"b: expected shape {tuple(a.shape)}, that of a, got {tuple(b.shape)}")
    common = torch.promote_types(a.dtype, b.dtype)
    return a.to(common), b.to(common)
