"""New classes from a few pictures of each, by a few steps on the network itself."""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import replace
from pathlib import Path

import torch

from pictrieve.augment import Augmentation
from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.finetune import rates
from pictrieve.finetune.batches import labelled, labels_of
from pictrieve.finetune.embedder import Embedder, Projection
from pictrieve.finetune.inner_loop import InnerLoop
from pictrieve.finetune.linear_classifier import LinearClassifier
from pictrieve.finetune.starting import Model, Start, start_from


def adapt(
    model: Model,
    support: Dataset,
    *,
    steps: int = 5,
    lr: float = 0.03,
    head: str = "prototypes",
    scale: float = 10.0,
    size: int | None = None,
    freeze: rates.Freeze = "norms",
) -> LinearClassifier:
    """Learn classes from a few pictures of each: what `meta_learn` makes a network a good start for.

    All pictures are shown at once, `steps` times, and network and classifier go down the gradient. `prototypes` leaves
    the network alone and is faster by far; compare both.

    Args:
        model: The encoder of `meta_learn`'s run, or any other: a name of `list_models()`, a directory, a `Network`
            (which is copied).
        support: A few labelled pictures of every class.
        steps: As `inner_steps` of `meta_learn`.
        lr: As `inner_lr` of `meta_learn`.
        head: As in `meta_learn`.
        scale: As in `meta_learn`.
        size: Side of the network's input from now on; None for the encoder's own.
        freeze: As in `meta_learn`.

    Returns:
        A classifier of the new classes. Its `encoder` is the network after the steps.

    Raises:
        ValueError: An argument is not as described, or there are fewer than 2 classes.
        FileNotFoundError: Pictures are not there.

    Example:
        >>> cups = datasets.ImageFolder("five_pictures_of_each_cup")            # doctest: +SKIP
        >>> adapt(run.encoder, cups).predict(["new.jpg"])                       # doctest: +SKIP
        ['blue']
    """
    loop = InnerLoop(steps, lr, head, scale)
    data = labelled(support, least=2)
    start = start_from(model, None).at_size(size)
    embedder = embedder_of(start, freeze).eval()
    pixels = Augmentation("none", preprocess=start.preprocess).apply(data.images())
    learner, _ = loop.run(embedder, torch.from_numpy(pixels), torch.tensor(labels_of(data)))
    with torch.no_grad():
        for name, value in learner.parameters.items():
            embedder.get_parameter(name).copy_(value)
    weights, bias = (scale * part.detach().numpy() for part in (learner.weights, learner.bias))
    return LinearClassifier(weights, bias, list(data.classes), _opened(start, embedder))


def embedder_of(start: Start, freeze: rates.Freeze) -> Embedder:
    """Make what learns in an episode: the network of `start`, less what is frozen, and its projection."""
    rates.freeze(start.network, freeze)
    rates.freeze_classifier(start.network)
    return Embedder(start.network, start.pooling, Projection(start.projection) if start.projection else None)


def save(start: Start, embedder: Embedder, folder: Path) -> None:
    """Write the network of `start` and the embedder's projection where `ImageEncoder` serves them."""
    projection = embedder.projection
    replace(start, projection=projection.parts() if projection is not None else None).save(folder)


def _opened(start: Start, embedder: Embedder) -> ImageEncoder:
    """Serve an embedder from a folder that lasts as long as the encoder."""
    folder = tempfile.TemporaryDirectory(prefix="pictrieve-")
    save(start, embedder, Path(folder.name, "adapted"))
    encoder = ImageEncoder(Path(folder.name, "adapted"))
    weakref.finalize(encoder, folder.cleanup)
    return encoder
