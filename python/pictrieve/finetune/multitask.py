"""Several labels at once: one network, with a loss for each column of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.finetune import losses, rates
from pictrieve.finetune.batches import LabelledBatches, data_fingerprint, labelled, labels_of, sampler_of
from pictrieve.finetune.embedder import Embedder, Projection
from pictrieve.finetune.measuring import Search
from pictrieve.finetune.pictures import numbered, one_view, start_or_random
from pictrieve.finetune.starting import Model, Start, served
from pictrieve.finetune.task import Batches, Group, Loss, Task
from pictrieve.finetune.trainer import Run, Settings, Trainer
from pictrieve.images import Preprocess

LEARNED = "learned"


def multitask(
    model: Model,
    train: Dataset,
    columns: Mapping[str, str],
    *,
    weights: Mapping[str, float] | str | None = None,
    loss_settings: Mapping[str, Mapping[str, Any]] | None = None,
    validation: Dataset | None = None,
    sampler: str = "pk",
    batch_size: int = 32,
    per_class: int = 4,
    augment: Any = "standard",
    size: int | None = None,
    preprocess: Preprocess | None = None,
    freeze: rates.Freeze = "norms",
    head_rate: float = 10.0,
    epochs: int = 10,
    lr: float = 3e-4,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Fine-tune one image encoder on several columns of labels (Caruana 1997).

    Each column has its own loss, with its own head where the loss has one, on the same embeddings. What a picture's
    column does not say counts for the others only.

    Args:
        model: A name of `list_models()` (one without weights starts at random), a directory, a `Network` (which is
            copied) or an `ImageEncoder`.
        train: Pictures with the columns.
        columns: For each column the name of a loss of `losses.LABEL_LOSSES`; "softmax" is that over cosines,
            "linear_softmax" a plain classifier. The sampler follows the first column.
        weights: Of the losses by column; those not named weigh 1. "learned" learns them with the rest from how certain
            each task can be (Kendall et al. 2018, arXiv:1705.07115).
        loss_settings: Settings of the losses by column, such as `{"label": {"margin": 0.3}}`.
        validation: Pictures with the columns; "map" and "hit@1" of each come before the column's name, as in
            "label_map", and the best epoch is that of the mean, "map".
        sampler: "pk", "balanced" ("over"), "under" or "shuffled".
        batch_size: Pictures of a batch, of all processes together.
        per_class: Pictures of a class in a batch of "pk".
        augment: How pictures are disturbed: a recipe of `Augmentation` that mixes none, or "none".
        size: Side of the network's input; None for its own.
        preprocess: How pictures are prepared; None for the model's own way.
        freeze: What stays as it is; see `fit`.
        head_rate: Factor on the learning rate of the heads.
        epochs: Passes over the data.
        lr: Learning rate at its height.
        seed: Of everything random.
        out: Folder of the run, which a second call with the same arguments resumes.
        settings: Further fields of `trainer.Settings`.

    Returns:
        The run: `.encoder` gives the common embeddings.

    Raises:
        ValueError: A column or loss is unknown, or another argument is not as described.
        FileNotFoundError: Pictures are not there.

    Example:
        >>> run = multitask("efficientnet_lite0", train,
        ...                 {"label": "proxy_anchor", "coarse_label": "supcon"})       # doctest: +SKIP
    """
    known = Settings(epochs=epochs, lr=lr, seed=seed, out=out, **settings)
    _check_names(columns, weights, loss_settings or {})
    data = _columns_of(train, columns)
    start = start_or_random(model, preprocess, seed).at_size(size)
    augmentation = one_view(augment, start.preprocess, seed)
    torch.manual_seed(seed)
    embedder = Embedder(start.network, start.pooling, Projection(start.projection) if start.projection else None)
    rates.freeze(start.network, freeze)
    rates.freeze_classifier(start.network)
    heads = [
        losses.make(loss, classes=len(data[name].classes), dim=embedder.dim, **(loss_settings or {}).get(name, {}))
        for name, loss in columns.items()
    ]
    first = next(iter(data.values()))
    batches = sampler_of(sampler, first, batch_size, per_class, seed)
    plan = Plan(
        LabelledBatches(numbered(first), batches, augmentation),
        {name: torch.tensor(labels_of(one)) for name, one in data.items()},
        {name: Search(validation.with_labels(name)) for name in columns} if validation is not None else {},
        head_rate,
        {
            "model": start.name, "columns": dict(columns), "weights": weights, "loss_settings": str(loss_settings),
            "sampler": sampler, "batch_size": batch_size, "per_class": per_class, "augment": augmentation.to_dict(),
            "freeze": freeze, "head_rate": head_rate, "start": start.digest(),
            "train": {name: data_fingerprint(one) for name, one in data.items()},
        },
    )  # fmt: skip
    return Trainer(Several(start, embedder, Weighed(list(columns), heads, weights), plan), known).run()


class Weighed(nn.Module):
    """Losses of the same embeddings, one for each column, and their weights.

    Args:
        names: The columns.
        heads: Their losses.
        weights: By column; "learned" for `exp(-s) * loss + s` with a trained s for each (Kendall et al. 2018; the
            classifier's form, their factors 1/2 left out).
    """

    def __init__(self, names: Sequence[str], heads: Sequence[nn.Module], weights: Mapping[str, float] | str | None):
        """Hold the losses."""
        super().__init__()
        self.heads = nn.ModuleList(heads)
        self.uncertainties = nn.Parameter(torch.zeros(len(names))) if weights == LEARNED else None
        self._names = list(names)
        given = weights if isinstance(weights, Mapping) else {}
        self._weights = [float(given.get(name, 1.0)) for name in names]

    def forward(self, rows: Tensor, labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give the sum as "loss", and each column's own; rows without a label of a column are left out there."""
        own = []
        for name, head in zip(self._names, self.heads, strict=True):
            known = labels[name] >= 0
            own.append(head(rows[known], labels[name][known]) if known.any() else rows.sum() * 0)
        if self.uncertainties is None:
            total = torch.stack([weight * loss for weight, loss in zip(self._weights, own, strict=True)]).sum()
        else:
            total = (torch.exp(-self.uncertainties) * torch.stack(own) + self.uncertainties).sum()
        return {"loss": total, **{f"{name}_loss": loss for name, loss in zip(self._names, own, strict=True)}}


@dataclass(frozen=True)
class Plan:
    """What `multitask` was asked for.

    Attributes:
        batches: Pixels and rows of pictures.
        labels: `(n,)` of each column, -1 where it says nothing.
        validation: What the report measures, by column.
        head_rate: Factor on the learning rate of the heads.
        facts: What must be the same for a run to be resumed.
    """

    batches: LabelledBatches
    labels: Mapping[str, Tensor]
    validation: Mapping[str, Search]
    head_rate: float
    facts: Mapping[str, Any]


class Several(Task):
    """One network, several columns; see `multitask`.

    Args:
        start: What it starts from; frozen parameters are frozen already.
        embedder: The network of `start`.
        objective: The losses.
        plan: Everything else.
    """

    def __init__(self, start: Start, embedder: Embedder, objective: Weighed, plan: Plan) -> None:
        """Join the parts."""
        self._start, self._embedder, self._objective, self._plan = start, embedder, objective, plan
        self.modules = nn.ModuleDict({"embedder": embedder, "objective": objective})

    def batches(self, epoch: int) -> Batches:
        """Give this process's share of the epoch."""
        return self._plan.batches.of_epoch(epoch)

    def loss(self, batch: Any) -> Loss:
        """Compute all losses."""
        pixels, rows = batch
        labels = {name: column[rows.cpu()].to(rows.device) for name, column in self._plan.labels.items()}
        found: dict[str, Tensor] = self._objective(self._embedder(pixels), labels)
        return found

    def parameter_groups(self, rate: float) -> list[Group]:
        """Give what is new its own rate."""
        head = rate * self._plan.head_rate
        new = rates.parameters_of(self._embedder.projection, self._objective)
        groups = rates.groups(self._embedder.network, rate, None, head)
        return [*groups, {"params": new, "lr": head}] if new else groups

    def evaluate(self) -> dict[str, float]:
        """Measure what the core serves: the mean over columns, then each."""
        if not self._plan.validation:
            return {}
        with served(self.export, ImageEncoder) as encoder:
            found = {name: search.measure(encoder) for name, search in self._plan.validation.items()}
        mean = sum(metrics["map"] for metrics in found.values()) / len(found)
        own = {f"{name}_{metric}": value for name, metrics in found.items() for metric, value in metrics.items()}
        return {"map": mean, **own}

    def export(self, folder: Path) -> None:
        """Write the encoder of the common embeddings."""
        projection = self._embedder.projection
        replace(self._start, projection=projection.parts() if projection is not None else None).save(folder)

    def fingerprint(self) -> dict[str, Any]:
        """Give the data, the settings and the start."""
        return dict(self._plan.facts)


def _columns_of(train: Dataset, columns: Mapping[str, str]) -> dict[str, Dataset]:
    """Give the data set by each column, over the pictures that the first one labels."""
    first = next(iter(columns))
    kept = train.with_labels(first)
    kept = kept.subset(labels_of(kept) >= 0)
    labelled(kept, least=2)
    return {name: kept.with_labels(name) for name in columns}


def _check_names(
    columns: Mapping[str, str], weights: Mapping[str, float] | str | None, settings: Mapping[str, Any]
) -> None:
    if not columns:
        raise ValueError("columns: expected at least one column with its loss, got none")
    for name, loss in columns.items():
        if loss not in losses.LABEL_LOSSES:
            known = ", ".join(sorted(losses.LABEL_LOSSES))
            raise ValueError(f"columns: {name!r}: expected one of {known}, got {loss!r}")
    if isinstance(weights, str) and weights != LEARNED:
        raise ValueError(f'weights: expected numbers by column, or "learned", got {weights!r}')
    for argument, given in (("weights", weights), ("loss_settings", settings)):
        unknown = [name for name in given if name not in columns] if isinstance(given, Mapping) else []
        if unknown:
            raise ValueError(f"{argument}: expected columns among {', '.join(columns)}, got {', '.join(unknown)}")
