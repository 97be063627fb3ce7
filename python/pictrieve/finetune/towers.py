"""Linear heads on the vectors of two frozen encoders, and the loss that brings them together."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pictrieve.encoders.aligned import Heads
from pictrieve.encoders.rows import Floats
from pictrieve.encoders.whitening import Whitening
from pictrieve.finetune.losses import InfoNCE
from pictrieve.finetune.pairs import Pairs


class Head(nn.Module):
    """y = W dropout(scale (x - mean)), of unit rows x.

    Args:
        rows: `(n, d)` rows to take mean and scale from.
        dim: Length of y.
        dropout: Share of dropped inputs.
        each: Whether each input gets its own scale, the inverse of its deviation; else all get one.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, rows: Floats, dim: int, dropout: float, *, each: bool) -> None:
        """Measure the rows; W is drawn at random."""
        super().__init__()
        spread = rows.std(axis=0, dtype=np.float64)
        spread = spread + 0.01 * spread.mean() if each else np.full_like(spread, np.sqrt(np.square(spread).mean()))
        self.register_buffer("mean", torch.from_numpy(rows.mean(axis=0, dtype=np.float64).astype(np.float32)))
        self.register_buffer("scale", torch.from_numpy((1 / np.maximum(spread, 1e-12)).astype(np.float32)))
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(rows.shape[1], dim, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Project `(n, d)`."""
        made: Tensor = self.linear(self.dropout((rows - self.mean) * self.scale))
        return made

    def parts(self) -> Whitening:
        """Give what an encoder computes: mean, and a matrix with the scale in it."""
        matrix = (self.linear.weight * self.scale).detach().float().cpu().contiguous().numpy()
        return Whitening(self.mean.float().cpu().numpy().copy(), matrix)


class Towers(nn.Module):
    """Two heads and their loss.

    Args:
        pairs: What mean and scale are taken from.
        dim: Length of the vectors.
        dropout: Share of dropped inputs.
        gather: Whether pairs reach across processes.
    """

    def __init__(self, pairs: Pairs, dim: int, dropout: float, *, gather: bool = False) -> None:
        """Make the heads."""
        super().__init__()
        self.image = Head(pairs.images, dim, dropout, each=True)
        self.text = Head(pairs.texts, dim, dropout, each=False)
        self.loss = InfoNCE(gather=gather)

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        """Compute the loss of rows that belong together."""
        value: Tensor = self.loss(self.image(images), self.text(texts))
        return value

    def heads(self, label_weight: float) -> Heads:
        """Give what is served."""
        return Heads(self.image.parts(), self.text.parts(), label_weight)
