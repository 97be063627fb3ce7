"""Rows of earlier batches as further pairs: many negatives at the cost of a small batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pictrieve.finetune.losses import LabelPairLoss
from pictrieve.finetune.losses._rows import checked_rows, full_precision
from pictrieve.finetune.mining import pair_masks


class MemoryBank(nn.Module):
    """Cross-batch memory (Wang et al., XBM, CVPR 2020, arXiv:1912.06798) around a loss of pairs.

    In training a batch's rows go into the memory, the oldest leave it, and the loss is the batch's own plus `weight`
    times that of the batch against the memory, where a row's own copy is no pair. Rows in memory have no gradient. They
    are those of an earlier state of the network, which has to move slowly: `start` keeps the first, fast steps out.
    In evaluation mode or without gradients the memory rests and the loss is the batch's own.

    The memory is part of the state dict: a resumed run goes on with it. In a distributed run each process remembers its
    own rows, or with a loss that gathers those of all.

    Args:
        loss: Contrastive, Triplet, MultiSimilarity, SupCon or a `LabelPairLoss` of your own.
        dim: Length of the rows.
        size: How many rows are remembered; at least a batch, up to the whole training set.
        weight: Of the loss against the memory.
        start: After how many batches rows begin to be remembered.

    Example:
        >>> from pictrieve.finetune.losses import Contrastive
        >>> bank = MemoryBank(Contrastive(), dim=2, size=100)
        >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> for _ in range(3):
        ...     value = bank(rows, torch.tensor([0, 1]))
        >>> len(bank)
        6
    """

    rows: Tensor
    labels: Tensor
    seen: Tensor

    def __init__(self, loss: LabelPairLoss, dim: int, size: int, *, weight: float = 1.0, start: int = 0) -> None:
        """See the class."""
        super().__init__()
        if not isinstance(loss, LabelPairLoss):
            raise TypeError(
                f"loss: expected a loss of pairs with labels, such as Contrastive, got {type(loss).__name__}"
            )
        if dim < 1 or size < 1:
            raise ValueError(f"dim, size: expected 1 or more, got {dim} and {size}")
        self.loss, self.size, self.weight, self.start = loss, size, weight, start
        self.register_buffer("rows", torch.zeros(size, dim))
        self.register_buffer("labels", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(2, dtype=torch.int64))  # batches, and rows that were remembered

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Give the loss of a batch, and remember it.

        Args:
            embeddings: `(n, dim)` floats, n at most `size`.
            labels: `(n,)` integers from 0.

        Raises:
            TypeError: Embeddings are not floats, or labels not integers.
            ValueError: Shapes do not fit, a label is negative, or the batch is larger than the memory.
        """
        checked_rows("embeddings", embeddings, self.rows.shape[1])
        rows, labels = self.loss.prepare(embeddings, labels)
        with full_precision(rows):
            value = self.loss.value(rows, labels)
            if not (self.training and torch.is_grad_enabled()):
                return value
            self.seen[0] += 1
            if self.seen[0] <= self.start:
                return value
            own = self._remember(rows.detach(), labels)
            held = len(self)  # copied, as the next batch overwrites what backward still needs
            masks = pair_masks(labels, self.labels[:held], own)
            references = self.rows[:held].to(rows.dtype, copy=True)
            return value + self.weight * self.loss.between(rows, references, masks)

    def __len__(self) -> int:
        """How many rows are remembered now."""
        return min(int(self.seen[1]), self.size)

    def reset(self) -> None:
        """Forget all rows."""
        self.seen.zero_()

    def _remember(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Overwrite the oldest rows; give the places of the new ones."""
        if len(rows) > self.size:
            raise ValueError(f"size: expected at least the batch's {len(rows)} rows, got a memory of {self.size}")
        places = (self.seen[1] + torch.arange(len(rows), device=rows.device)) % self.size
        self.rows[places] = rows.to(self.rows.dtype)
        self.labels[places] = labels
        self.seen[1] += len(rows)
        return places
