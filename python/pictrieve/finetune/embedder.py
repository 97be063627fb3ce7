"""A network with an optional projection, in training exactly what an encoder computes when it is served."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pictrieve.encoders.rows import Floats
from pictrieve.encoders.whitening import Whitening
from pictrieve.finetune.network import Network

POOLINGS = (None, "cls", "avg", "max", "gem")


class Projection(nn.Module):
    """y = matrix (x - mean) of unit vectors x, trained; an encoder serves it as its whitening.

    Args:
        start: Where it starts.
    """

    def __init__(self, start: Whitening) -> None:
        """Take a copy of the start."""
        super().__init__()
        self.mean = nn.Parameter(torch.tensor(start.mean))
        self.matrix = nn.Parameter(torch.tensor(start.matrix))

    def forward(self, features: Tensor) -> Tensor:
        """Project `(n, dim of x)` of any length."""
        return functional.linear(functional.normalize(features, eps=1e-30) - self.mean, self.matrix)

    def parts(self) -> Whitening:
        """Give mean and matrix as arrays."""
        mean, matrix = (part.detach().float().cpu().contiguous().numpy() for part in (self.mean, self.matrix))
        return Whitening(mean.copy(), matrix.copy())


class Embedder(nn.Module):
    """Pictures to embeddings.

    Args:
        network: The network.
        pooling: How its feature map becomes one vector: "avg", "max", "gem"; None or "cls" for its own features.
        projection: Applied to the vector; None for none.

    Attributes:
        dim: Length of an embedding.
    """

    def __init__(self, network: Network, pooling: str | None = None, projection: Projection | None = None) -> None:
        """Join the parts."""
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling: expected one that can be trained, {POOLINGS}, got {pooling!r}")
        self.network, self.projection, self.pooling = network, projection, pooling
        self.dim = len(projection.matrix) if projection is not None else network.dim

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed preprocessed pixels `(n, 3, H, W)` as float32 `(n, dim)`, not of unit length."""
        return self.of_outputs(self.network(pixels))

    def of_outputs(self, outputs: dict[str, Tensor]) -> Tensor:
        """Do what follows the network."""
        vectors = _pooled(outputs, self.pooling)
        with torch.autocast(vectors.device.type, enabled=False):
            vectors = vectors.float()
            return vectors if self.projection is None else self.projection(vectors)


def pca_start(rows: Floats, dim: int) -> Whitening:
    """Give the `dim` directions in which unit vectors `(n, d)` are longest: cosines change as little as they can."""
    few = len(rows) < rows.shape[1]  # then any directions across theirs come last
    _, _, directions = np.linalg.svd(rows.astype(np.float64), full_matrices=few)
    return _whitening_of(directions, dim)


def lda_start(rows: Floats, labels: NDArray[np.int64], dim: int, shrinkage: float = 0.1) -> Whitening:
    """Give directions that tell classes of unit vectors apart best, scaled to unit spread within classes.

    Linear discriminant analysis (Fisher 1936; Rao 1948), its within-class covariance shrunk towards a multiple of the
    identity by a fixed share.

    Args:
        rows: `(n, d)` unit vectors.
        labels: `(n,)` class of each.
        dim: How many directions; beyond the number of classes the rest are those of the largest spread left.
        shrinkage: Share of the identity.
    """
    x = rows.astype(np.float64)
    mean = x.mean(axis=0)
    _, number = np.unique(labels, return_inverse=True)
    counts = np.bincount(number)[:, None]
    centres = np.zeros((len(counts), x.shape[1]))
    np.add.at(centres, number, x)
    centres /= counts
    within = x - centres[number]
    covariance = within.T @ within / len(x)
    covariance = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / len(covariance) * np.eye(x.shape[1])
    spread, axes = np.linalg.eigh(covariance)
    white = axes / np.sqrt(spread)
    _, _, directions = np.linalg.svd(np.sqrt(counts) * (centres - mean) @ white, full_matrices=True)
    return Whitening(mean.astype(np.float32), _whitening_of(directions @ white.T, dim).matrix)


def _whitening_of(directions: NDArray[np.float64], dim: int) -> Whitening:
    if not 1 <= dim <= len(directions):
        raise ValueError(f"dim: expected 1 to {len(directions)}, the length of the network's features, got {dim}")
    matrix = np.ascontiguousarray(directions[:dim], np.float32)
    return Whitening(np.zeros(matrix.shape[1], np.float32), matrix)


def _pooled(outputs: dict[str, Tensor], pooling: str | None) -> Tensor:
    if pooling in (None, "cls"):
        return outputs["features"]
    values = outputs["feature_map"].float().flatten(2)
    if pooling == "gem":  # the core's: generalised mean of power 3
        return values.clamp_min(1e-6).pow(3).mean(2).pow(1 / 3)
    return values.mean(2) if pooling == "avg" else values.amax(2)
