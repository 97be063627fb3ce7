"""Self-supervised learning: two looks at each picture shall give the same vector, and no labels are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pictrieve.augment import Augmentation
from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.finetune import rates
from pictrieve.finetune.batches import LabelledBatches
from pictrieve.finetune.embedder import Embedder
from pictrieve.finetune.losses import NTXent
from pictrieve.finetune.measuring import Search
from pictrieve.finetune.pictures import (
    PictureSet,
    numbered,
    pictures_fingerprint,
    shuffled,
    start_or_random,
)
from pictrieve.finetune.starting import Model, Start, served
from pictrieve.finetune.task import Batches, Group, Loss, Task
from pictrieve.finetune.trainer import Run, Settings, Trainer
from pictrieve.finetune.trainer.distributed import rank_and_world
from pictrieve.images import Preprocess

METHODS = ("simclr", "simsiam")


def self_supervised(
    model: Model,
    pictures: PictureSet,
    *,
    method: str = "simclr",
    temperature: float = 0.2,
    projection: int = 128,
    validation: Dataset | None = None,
    batch_size: int = 64,
    augment: Any = "simclr",
    size: int | None = None,
    preprocess: Preprocess | None = None,
    freeze: rates.Freeze = (),
    head_rate: float = 1.0,
    epochs: int = 20,
    lr: float = 1e-3,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train an image network on pictures alone.

    "simclr" (Chen et al. 2020, arXiv:2002.05709): both views of a picture find each other among all views of the batch,
    by the rows that a small network makes of the features; large batches teach more. "simsiam" (Chen and He 2021,
    arXiv:2011.10566): one view predicts the other, which gets no gradient; it needs no other pictures, so small batches
    do. In either way the small networks behind the features are dropped in the end.

    Args:
        model: A name of `list_models()` (one without weights starts at random), a directory, a `Network` (which is
            copied) or an `ImageEncoder`, whose own projection is dropped.
        pictures: A data set, whose labels are not looked at, or pictures as `ImageEncoder.encode` takes them.
        method: "simclr" or "simsiam".
        temperature: Of "simclr": divides the cosines.
        projection: Length of the rows that are compared.
        validation: Labelled pictures, for "map" and "hit@1" of the features and the best epoch.
        batch_size: Pictures of a batch, of all processes together; each is seen twice.
        augment: A recipe of `Augmentation` that mixes none; its random changes are what the features learn to ignore.
        size: Side of the network's input; None for its own.
        preprocess: How pictures are prepared; None for the model's own way.
        freeze: What stays as it is; see `fit`.
        head_rate: Factor on the learning rate of the small networks.
        epochs: Passes over the pictures.
        lr: Learning rate at its height.
        seed: Of everything random.
        out: Folder of the run, which a second call with the same arguments resumes.
        settings: Further fields of `trainer.Settings`.

    Returns:
        The run: `.encoder` gives the features.

    Raises:
        ValueError: An argument is not as described, or `out` holds a run of another setup.
        FileNotFoundError: Pictures are not there.

    Example:
        >>> run = self_supervised("efficientnet_lite0", photos, batch_size=128)      # doctest: +SKIP
        >>> run.encoder.encode("cat.jpg").shape                                      # doctest: +SKIP
        (1280,)
    """
    known = Settings(epochs=epochs, lr=lr, seed=seed, out=out, **settings)
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    start = start_or_random(model, preprocess, seed).at_size(size)
    start = Start(start.name, start.network, start.preprocess, start.pooling)
    augmentation = Augmentation(augment, preprocess=start.preprocess, views=2, seed=seed)
    shown = numbered(pictures)
    if min(batch_size, len(shown)) < 2 * rank_and_world()[1]:
        raise ValueError(f"batch_size: expected 2 or more pictures in a batch, got {min(batch_size, len(shown))}")
    rates.freeze(start.network, freeze)
    rates.freeze_classifier(start.network)
    torch.manual_seed(seed)
    embedder = Embedder(start.network, start.pooling)
    objective = (
        SimCLR(embedder.dim, projection, temperature) if method == "simclr" else SimSiam(embedder.dim, projection)
    )
    plan = Plan(
        shuffled(shown, augmentation, batch_size, seed),
        Search(validation) if validation is not None else None,
        head_rate,
        {
            "model": start.name, "method": method, "temperature": temperature, "projection": projection,
            "pictures": pictures_fingerprint(shown), "augment": augmentation.to_dict(), "batch_size": batch_size,
            "freeze": freeze, "head_rate": head_rate, "start": start.digest(),
        },
    )  # fmt: skip
    return Trainer(TwoViews(start, embedder, objective, plan), known).run()


class SimCLR(nn.Module):
    """Both views of a picture find each other among all views of the batch.

    Args:
        dim: Length of the features.
        projection: Length of the rows that are compared.
        temperature: Divides the cosines.
    """

    def __init__(self, dim: int, projection: int, temperature: float) -> None:
        """Build the small network."""
        super().__init__()
        self.projector = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, projection))
        self.loss = NTXent(temperature, gather=rank_and_world()[1] > 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Give the loss of features `(n, dim)` of both views."""
        loss: Tensor = self.loss(self.projector(first), self.projector(second))
        return loss


class SimSiam(nn.Module):
    """One view predicts the other, which gets no gradient: minus the mean cosine.

    Args:
        dim: Length of the features.
        projection: Length of the rows that are compared.
    """

    def __init__(self, dim: int, projection: int) -> None:
        """Build the small networks."""
        super().__init__()
        self.projector = nn.Sequential(
            nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(),
            nn.Linear(dim, projection, bias=False), nn.BatchNorm1d(projection, affine=False),
        )  # fmt: skip
        narrow = max(projection // 4, 1)
        self.predictor = nn.Sequential(
            nn.Linear(projection, narrow, bias=False), nn.BatchNorm1d(narrow), nn.ReLU(), nn.Linear(narrow, projection)
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Give the loss of features `(n, dim)` of both views."""
        one, other = self.projector(first), self.projector(second)
        forth = functional.cosine_similarity(self.predictor(one), other.detach())
        back = functional.cosine_similarity(self.predictor(other), one.detach())
        return -(forth.mean() + back.mean()) / 2


@dataclass(frozen=True)
class Plan:
    """What `self_supervised` was asked for.

    Attributes:
        batches: Pixels of both views, one after the other.
        validation: What the report measures; None for nothing.
        head_rate: Factor on the learning rate of the small networks.
        facts: What must be the same for a run to be resumed.
    """

    batches: LabelledBatches
    validation: Search | None
    head_rate: float
    facts: Mapping[str, Any]


class TwoViews(Task):
    """Two looks at each picture; see `self_supervised`.

    Args:
        start: What it starts from; frozen parameters are frozen already.
        embedder: The network of `start`.
        objective: Called with the features of both views.
        plan: Everything else.
    """

    def __init__(self, start: Start, embedder: Embedder, objective: nn.Module, plan: Plan) -> None:
        """Join the parts."""
        self._start, self._embedder, self._objective, self._plan = start, embedder, objective, plan
        self.modules = nn.ModuleDict({"embedder": embedder, "objective": objective})

    def batches(self, epoch: int) -> Batches:
        """Give this process's share of the epoch."""
        return self._plan.batches.of_epoch(epoch)

    def loss(self, batch: Any) -> Loss:
        """Compare both views."""
        pixels, _ = batch
        features = self._embedder(pixels)  # as one batch: statistics of batch norms are those of both views
        loss: Tensor = self._objective(features[0::2], features[1::2])
        return loss

    def parameter_groups(self, rate: float) -> list[Group]:
        """Give what is new its own rate."""
        head = rate * self._plan.head_rate
        groups = rates.groups(self._embedder.network, rate, None, head)
        return [*groups, {"params": rates.parameters_of(self._objective), "lr": head}]

    def evaluate(self) -> dict[str, float]:
        """Measure what the core serves."""
        if self._plan.validation is None:
            return {}
        with served(self.export, ImageEncoder) as encoder:
            return self._plan.validation.measure(encoder)

    def export(self, folder: Path) -> None:
        """Write the network without what followed it in training."""
        self._start.save(folder)

    def fingerprint(self) -> dict[str, Any]:
        """Give the data, the settings and the start."""
        return dict(self._plan.facts)
