"""Fine-tuning an image encoder on labelled pictures, in one call."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pictrieve.augment import Augmentation
from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.encoders.whitening import Whitening
from pictrieve.finetune import losses, rates
from pictrieve.finetune.adversarial import Adversarial, Attack, adversarial_of
from pictrieve.finetune.batches import LabelledBatches, count_shared, data_fingerprint, labelled, labels_of, sampler_of
from pictrieve.finetune.embedder import Embedder, Projection, lda_start, pca_start
from pictrieve.finetune.measuring import Search
from pictrieve.finetune.samplers import BatchSampler
from pictrieve.finetune.starting import Model, Start, served, start_from
from pictrieve.finetune.supervised import Objective, Plan, Supervised
from pictrieve.finetune.trainer import Run, Settings, Trainer
from pictrieve.finetune.trainer.distributed import rank_and_world
from pictrieve.images import Preprocess

CLASSIFIER = "softmax"
_PER_CLASS = ("arcface", "cosface", "centre", "linear_softmax")  # they need no two pictures of a class in a batch


def fit(
    model: Model,
    train: Dataset,
    *,
    loss: str | nn.Module = "proxy_anchor",
    loss_settings: Mapping[str, Any] | None = None,
    validation: Dataset | None = None,
    guard: Dataset | None = None,
    sampler: str | BatchSampler | None = None,
    batch_size: int = 32,
    per_class: int = 4,
    chunk_size: int | None = None,
    augment: Any = "standard",
    size: int | None = None,
    preprocess: Preprocess | None = None,
    dim: int | None = None,
    head: str = "pca",
    freeze: rates.Freeze = "norms",
    head_rate: float = 10.0,
    layer_decay: float | None = None,
    adversarial: str | Adversarial | None = None,
    epochs: int = 10,
    lr: float = 3e-4,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Fine-tune an image encoder on labelled pictures.

    Args:
        model: A name of `list_models()`, a directory, a `Network` (which is copied) or an `ImageEncoder`.
        train: Labelled pictures; those without a label are left out.
        loss: "softmax" trains the network's own classifier, and the encoder's `classify` knows the new classes; the
            others bring embeddings of a class together: a name of `losses.LABEL_LOSSES`, a name of
            `losses.PAIR_LOSSES` but "mse" (pictures of a class are taken two by two), or a module (which is copied)
            called with embeddings and labels.
        loss_settings: The loss's own, such as `{"margin": 0.3}`.
        validation: Labelled pictures, best of classes that are not in `train`, for the report, the best epoch and
            early stops: each is searched among the others, or its queries in its gallery.
        guard: Labelled pictures on which the encoder must not get worse: of the weights between the start and the end
            those are taken that keep its mAP there and are best on `validation`, or went furthest.
        sampler: "pk", "balanced" ("over"), "under", "shuffled" or a sampler of `finetune.samplers`; None takes what
            suits the loss.
        batch_size: Pictures of a batch, of all processes together.
        per_class: Pictures of a class in a batch of "pk".
        chunk_size: Pictures that run at once: gradients of the whole batch in the memory of a chunk.
        augment: How pictures are disturbed: a recipe of `Augmentation`, or one whose steps and views are taken; "none".
        size: Side of the network's input in training and afterwards; None for the model's own.
        preprocess: How pictures are prepared; None for the model's own way.
        dim: Length of the embeddings, by a trained projection that the encoder serves as its whitening; None for the
            network's own features.
        head: Where the projection starts: "pca", "lda" (both fitted to `train`) or "random".
        freeze: What stays as it is: patterns of parameter names, "backbone", a share of the depth (from the input on),
            "norms", or several of these. "norms" are the batch norms, whose statistics little data would spoil; () for
            nothing.
        head_rate: Factor on the learning rate of what is new: classifier, projection, proxies of the loss.
        layer_decay: Factor on the learning rate from each block to the one before it; None for one rate.
        adversarial: "fgsm", "pgd" or an `Adversarial`: train on attacked pictures, too.
        epochs: Passes over the data.
        lr: Learning rate at its height.
        seed: Of everything random. The result depends on it, not on the number of threads that read pictures.
        out: Folder of the run, which a second call with the same arguments resumes; None for one that is deleted when
            Python ends.
        settings: Further fields of `trainer.Settings`: amp, accumulate, clip_norm, patience, average, log, ...

    Returns:
        The run: `.encoder` is ready to use, `.report()` compares before and after.

    Raises:
        ValueError: An argument is not as described, or `out` holds a run of another setup.
        FileNotFoundError: Pictures are not there.
        DecodeError: Files are no pictures; those whose headers tell are all named before the training.
        FloatingPointError: The loss became NaN; the last good checkpoint stays.

    Warns:
        trainer.WorseWarning: `validation` is found worse after the training than before it.
        UserWarning: Pictures of `validation` are in `train`, too, or of classes that "softmax" does not learn.

    Example:
        >>> run = fit("efficientnet_lite0", train, validation=test, epochs=5, out="runs/a")     # doctest: +SKIP
        >>> run.report(), run.encoder.encode("shoe.jpg")                                          # doctest: +SKIP
    """
    known = _settings(
        {"epochs": epochs, "lr": lr, "seed": seed, "out": out, **settings}, watched=validation is not None
    )
    data = labelled(train, least=2)
    name = _word(loss)
    _check_together(name, data, dim, chunk_size, adversarial, augment)
    watched = _watched(validation, data, name, known.monitor, attacked=adversarial is not None)
    start = start_from(model, len(data.classes) if name == CLASSIFIER else None, preprocess, seed).at_size(size)
    embedder = Embedder(start.network, start.pooling, _projection(start, data, dim, head, seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objective = _objective(loss, data, embedder.dim, loss_settings or {})
    rates.freeze(start.network, freeze)
    chosen = _sampler(sampler, name, objective.pairs, per_class)
    _check_sampler(chosen, len(train), len(data))
    attack = adversarial_of(adversarial)
    plan = Plan(
        LabelledBatches(
            data,
            chosen if isinstance(chosen, BatchSampler) else sampler_of(chosen, data, batch_size, per_class, seed),
            _augmentation(augment, name, start, seed),
        ),
        data.classes,
        validation=watched,
        guard=Search(guard) if guard is not None else None,
        head_rate=head_rate,
        layer_decay=layer_decay,
        chunk_size=chunk_size,
        attack=Attack(attack, start.preprocess) if attack else None,
        facts={
            "model": start.name, "loss": name, "loss_settings": dict(loss_settings or {}), "sampler": _word(chosen),
            "batch_size": batch_size, "per_class": per_class, "augment": str(augment), "dim": dim, "head": head,
            "preprocess": start.preprocess.fingerprint, "freeze": freeze, "train": data_fingerprint(data),
            "validation": data_fingerprint(validation), "guard": data_fingerprint(guard),
            "head_rate": head_rate, "layer_decay": layer_decay, "adversarial": str(attack), "chunk_size": chunk_size,
        },
    )  # fmt: skip
    return Trainer(Supervised(start, embedder, objective, plan), known).run()


def _settings(given: Mapping[str, Any], *, watched: bool) -> Settings:
    """Make the trainer's settings; refuse what would stop it only after its first epoch."""
    known = {setting.name for setting in fields(Settings)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise TypeError(
            f"fit: expected its own arguments or settings among {', '.join(sorted(known))}, got {', '.join(unknown)}"
        )
    made = Settings(**given)
    if made.patience and not made.monitor and not watched:
        raise ValueError('patience: expected a metric to watch, got none; give validation= or monitor="loss"')
    return made


def _watched(
    validation: Dataset | None, train: Dataset, loss: str, monitor: str | None, *, attacked: bool
) -> Search | None:
    """Prepare what is measured after each epoch, warn of what makes its numbers mislead, and check the monitor."""
    names = ["loss", "plain_loss", "attacked_loss"] if attacked else ["loss"]
    search = None
    if validation is not None:
        search = Search(validation)
        names = [*search.metrics(train.classes if loss == CLASSIFIER else None), *names]
        if shared := count_shared(train, validation):
            warnings.warn(
                f"validation: {shared} of {len(validation)} pictures are in train, too, so its numbers are too good; "
                "hold out pictures, or whole classes: datasets.hold_out_classes",
                stacklevel=3,
            )
    if monitor not in (None, *names):
        raise ValueError(f"monitor: expected one of {', '.join(names)}, got {monitor!r}")
    return search


def _word(part: object) -> str:
    """Name a part in a setup; an object by its type, for its address changes with every run."""
    return part if isinstance(part, str) else type(part).__name__


def _check_together(
    loss: str, data: Dataset, dim: int | None, chunk_size: int | None, adversarial: Any, augment: Any
) -> None:
    """Refuse arguments that do not go together."""
    if loss == CLASSIFIER and (dim or chunk_size):
        raise ValueError('dim, chunk_size: loss="softmax" trains the network\'s own classifier, which takes neither')
    if chunk_size and adversarial:
        raise ValueError("chunk_size: expected None together with adversarial=, which needs whole batches")
    if loss not in (CLASSIFIER, *_PER_CLASS) and augment in (None, "none") and len(data) == len(data.classes):
        raise ValueError(
            f'{data.name}: every class has one picture, and augment="none" makes no second one of it: there is nothing '
            'to bring together; use augment="standard"'
        )


def _check_sampler(sampler: str | BatchSampler, given: int, labelled: int) -> None:
    """Refuse a sampler of the user's own that counts other rows, or shares batches in another way."""
    if isinstance(sampler, str):
        return
    if given != labelled:
        raise ValueError(
            f"sampler: its rows are those of all {given} pictures, of which {labelled} have a label; give fit the data "
            "set train.subset(train.labels >= 0), and make the sampler for that"
        )
    if (sampler.rank, sampler.world) != rank_and_world():
        raise ValueError(
            f"sampler: expected rank and world {rank_and_world()}, those of this process, got "
            f"{(sampler.rank, sampler.world)}"
        )


def _augmentation(recipe: Any, loss: str, start: Start, seed: int) -> Augmentation:
    views = None
    if isinstance(recipe, Augmentation):
        views = recipe.views
        recipe = [*recipe.steps, recipe.mixing] if recipe.mixing else recipe.steps
    made = Augmentation("none" if recipe is None else recipe, preprocess=start.preprocess, views=views, seed=seed)
    if made.mixing and loss != CLASSIFIER:
        raise ValueError(f'augment: mixed pictures have two labels, which loss="softmax" takes, got loss {loss}')
    return made


def _objective(loss: str | nn.Module, data: Dataset, dim: int, settings: Mapping[str, Any]) -> Objective:
    if not isinstance(loss, str):
        if not isinstance(loss, nn.Module):
            raise TypeError(f"loss: expected a name or a module, which is called with a batch, got {loss!r}")
        if settings:
            raise ValueError(
                f"loss_settings: expected none with a module, which has its own, got {', '.join(settings)}"
            )
        return Objective(copy.deepcopy(loss), pairs=isinstance(loss, losses.PairLoss))
    if loss == CLASSIFIER:
        if not set(settings) <= {"label_smoothing"}:
            raise ValueError(f"loss softmax: expected settings among label_smoothing, got {', '.join(settings)}")
        return Objective(None, **settings)
    known = (losses.LABEL_LOSSES | losses.PAIR_LOSSES) - {"mse"}  # which has nothing that keeps classes apart
    if loss not in known:
        raise ValueError(f"loss: expected one of {', '.join(sorted(known))} or a module, got {loss!r}")
    made = losses.make(loss, classes=len(data.classes), dim=dim, **settings)
    if rank_and_world()[1] > 1 and "gather" in inspect.signature(type(made)).parameters:
        made = losses.make(loss, classes=len(data.classes), dim=dim, **{"gather": True, **settings})
    return Objective(made, pairs=loss in losses.PAIR_LOSSES)


def _sampler(given: str | BatchSampler | None, loss: str, pairs: bool, per_class: int) -> str | BatchSampler:
    """Choose what suits the loss, or check what the user chose."""
    usual = "shuffled" if loss == CLASSIFIER or loss in _PER_CLASS else "pk"
    chosen = given or usual
    if pairs and (chosen != "pk" or per_class % 2):
        raise ValueError(f'loss {loss}: expected sampler="pk" with an even per_class, got {chosen!r} and {per_class}')
    return chosen


def _projection(start: Start, data: Dataset, dim: int | None, head: str, seed: int) -> Projection | None:
    """Make the projection where one is wanted, or go on with that of the model."""
    if head not in ("pca", "lda", "random"):
        raise ValueError(f'head: expected "pca", "lda" or "random", got {head!r}')
    if start.projection is not None:
        if dim not in (None, len(start.projection.matrix)):
            raise ValueError(f"dim: expected {len(start.projection.matrix)}, that of the model's projection, got {dim}")
        return Projection(start.projection)
    if dim is None:
        if head != "pca":
            raise ValueError(f"head: {head!r} starts a projection, which dim= asks for, got none")
        return None
    if head == "random":
        matrix = torch.empty(dim, start.network.dim, dtype=torch.float32)
        nn.init.orthogonal_(matrix, generator=torch.Generator().manual_seed(seed))
        return Projection(Whitening(np.zeros(start.network.dim, np.float32), matrix.numpy()))
    with served(start.save, ImageEncoder) as encoder:
        rows = encoder.encode(data.images())
    return Projection(pca_start(rows, dim) if head == "pca" else lda_start(rows, labels_of(data), dim))
