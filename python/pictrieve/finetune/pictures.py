"""Pictures without labels: what recipes learn from that need none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pictrieve import _core, models
from pictrieve._sources import as_sources
from pictrieve.augment import Augmentation
from pictrieve.datasets import Dataset
from pictrieve.finetune.batches import LabelledBatches, labelled, names_digest
from pictrieve.finetune.network import network
from pictrieve.finetune.samplers import ShuffledBatches
from pictrieve.finetune.starting import Model, Start, start_from
from pictrieve.finetune.trainer.distributed import rank_and_world
from pictrieve.images import Preprocess
from pictrieve.models import bundled

PictureSet = Dataset | Iterable[Any]


def numbered(pictures: PictureSet) -> Dataset:
    """Give pictures as a data set in which each is a class of its own: labels are the numbers of the rows.

    Args:
        pictures: A data set, whose labels are not looked at, or pictures as `ImageEncoder.encode` takes them.

    Raises:
        ValueError: There are no pictures.
        FileNotFoundError: Some are not there; names the first ones.
    """
    if not isinstance(pictures, Dataset):
        given: Any = pictures
        sources, _ = as_sources(given)
        names = [source if isinstance(source, str) else f"picture {i}" for i, source in enumerate(sources)]
        contents = None if all(isinstance(source, str) for source in sources) else sources
        pictures = Dataset(names, name="pictures", contents=contents)
    if not len(pictures):
        raise ValueError(f"{pictures.name}: expected pictures to learn from, got none")
    rows = np.arange(len(pictures))
    same = Dataset(
        pictures.paths, name=pictures.name, labels=rows, classes=list(map(str, rows)), boxes=pictures.boxes,
        contents=pictures.contents,
    )  # fmt: skip
    return labelled(same)


def one_view(recipe: Any, preprocess: Preprocess, seed: int) -> Augmentation:
    """Make the augmentation of a recipe that looks at each picture once, by itself; None is "none"."""
    made = Augmentation("none" if recipe is None else recipe, preprocess=preprocess, seed=seed)
    if made.mixing or made.views > 1:
        raise ValueError(f"augment: expected a recipe that gives one view and mixes no pictures, got {recipe!r}")
    return made


def shuffled(pictures: Dataset, augmentation: Augmentation, batch_size: int, seed: int) -> LabelledBatches:
    """Give batches in which every picture comes once an epoch: pixels, and the rows of the pictures.

    Args:
        pictures: What `numbered` gave.
        augmentation: Reads, disturbs and prepares them; several views of a picture come one after the other.
        batch_size: Pictures of a batch, of all processes together.
        seed: Of the order.
    """
    rank, world = rank_and_world()
    count = len(pictures)
    sampler = ShuffledBatches(count, batch_size, seed, drop_last=count >= batch_size, rank=rank, world=world)
    return LabelledBatches(pictures, sampler, augmentation)


def pictures_fingerprint(pictures: Dataset) -> dict[str, Any]:
    """Give what must be the same for a run to be resumed."""
    digest = names_digest(pictures)
    if pictures.boxes is not None:
        digest.update(pictures.boxes.tobytes())
    if isinstance(pictures.contents, list):  # in memory; what is packed in an archive is known by its name
        for content in pictures.contents:
            digest.update(content.encode() if isinstance(content, str) else memoryview(content))
    return {"pictures": len(pictures), "names": digest.hexdigest()}


def start_or_random(model: Model, preprocess: Preprocess | None, seed: int) -> Start:
    """Make the network that a training starts from; an architecture without weights of its own starts at random."""
    bare = isinstance(model, str) and model in _core.image_architectures() and model not in bundled.PACKAGES
    if bare and not Path(models.locate(str(model))).exists():
        model = network(str(model), {"num_classes": 0}, kind="image", weights="random", seed=seed)
    return start_from(model, None, preprocess, seed)
