"""Labelled pictures as batches: which ones, in what order, and how they are read and disturbed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pictrieve import _core
from pictrieve.augment import Augmentation
from pictrieve.datasets import Dataset
from pictrieve.finetune.samplers import BalancedBatches, BatchSampler, PKBatches, ShuffledBatches
from pictrieve.finetune.task import Batches
from pictrieve.finetune.trainer.distributed import rank_and_world

SAMPLERS = ("pk", "balanced", "over", "under", "shuffled")
_NAMED = 5  # missing files in a message
_DAMAGED_NAMED = 50
_HEADER = 4096  # bytes of a file that nearly always have the size of its picture


def labelled(train: Dataset, least: int = 1) -> Dataset:
    """Give the pictures that have a label, their classes counted from 0 without gaps.

    Args:
        train: What the user gave.
        least: Classes that are needed.

    Raises:
        FileNotFoundError: Pictures of the table are not there; names the first ones.
        DecodeError: Files are no pictures; names them.
        TypeError: It is no data set.
        ValueError: There are no labels, or too few classes.
    """
    if not isinstance(train, Dataset):
        raise TypeError(
            f"train: expected a data set, such as datasets.ImageFolder(...) or datasets.Table(...), got {train!r}"
        )
    if train.labels is None:
        raise ValueError(f"{train.name}: expected labels to train with, got a data set without; see with_labels")
    kept = train.subset(train.labels >= 0).compact()
    if len(kept.classes) < least:
        raise ValueError(f"{train.name}: expected at least {least} classes with pictures, got {len(kept.classes)}")
    check_files(kept)
    return kept


def check_files(dataset: Dataset) -> None:
    """Find what would stop a training in its middle, as far as the headers of the files tell.

    A file that is cut off after its header is found by decoding it alone, when its turn comes.

    Raises:
        FileNotFoundError: Pictures are not there; names the first ones.
        DecodeError: Files are empty, no pictures, or end in their headers; names them and says why.
    """
    missing = dataset.missing()
    if len(missing):
        names = ", ".join(str(path) for path in missing.paths[:_NAMED])
        raise FileNotFoundError(
            f"{dataset.name}: {len(missing)} of {len(dataset)} pictures are not there: {names}"
            f"{', ...' if len(missing) > _NAMED else ''}; its existing() leaves them out"
        )
    paths = dict.fromkeys(dataset.paths) if dataset.contents is None else ()
    damaged = [(path, why) for path in paths if (why := _damage(path))]
    if damaged:
        names = "; ".join(f"{path} ({why})" for path, why in damaged[:_DAMAGED_NAMED])
        raise _core.DecodeError(
            f"{dataset.name}: {len(damaged)} of {len(paths)} files are no pictures: {names}"
            f"{'; ...' if len(damaged) > _DAMAGED_NAMED else ''}. Put good files in their place, or leave them out "
            "by the data set's filter(...)"
        )


def _damage(path: Path) -> str:
    """Say what is wrong with the header of a file, "" where it is well."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
        try:
            _core.probe(header)
        except _core.DecodeError:
            try:  # some have a preview or a colour profile first
                _core.probe(header + file.read())
            except _core.DecodeError as error:
                return str(error).removeprefix("picture: ")
    return ""


def count_shared(train: Dataset, other: Dataset) -> int:
    """Count the pictures of `other` that are in `train`, too: the same file, and the same box where there are boxes."""
    if train.contents is not None or other.contents is not None:
        return 0  # packed pictures are told apart by their packs, which the paths do not name
    known = set(_places(train))
    return sum(place in known for place in _places(other))


def _places(dataset: Dataset) -> list[tuple[str, str]]:
    boxes = (
        ["nan"] * len(dataset)
        if dataset.boxes is None
        else ["nan" if np.isnan(box).any() else str(box.tolist()) for box in dataset.boxes]
    )
    return [(os.path.abspath(path), box) for path, box in zip(dataset.paths, boxes, strict=True)]


def labels_of(dataset: Dataset) -> NDArray[np.int64]:
    """Give the labels of a data set that has them."""
    assert dataset.labels is not None
    return dataset.labels


def names_digest(dataset: Dataset) -> hashlib.blake2b:
    """Start a digest with the file names of a data set; folders may move."""
    digest = hashlib.blake2b(digest_size=16)
    for path in dataset.paths:
        digest.update(path.name.encode("utf-8", "surrogateescape") + b"\0")
    return digest


def data_fingerprint(dataset: Dataset | None) -> dict[str, Any] | None:
    """Give what must be the same for a run to be resumed; None for no data."""
    if dataset is None:
        return None
    digest = names_digest(dataset)
    digest.update(labels_of(dataset).tobytes())
    if dataset.boxes is not None:
        digest.update(dataset.boxes.tobytes())
    return {"pictures": len(dataset), "classes": list(dataset.classes), "names and labels": digest.hexdigest()}


def sampler_of(name: str, dataset: Dataset, batch_size: int, per_class: int, seed: int) -> BatchSampler:
    """Make a sampler by name.

    Args:
        name: "pk": `batch_size / per_class` classes with `per_class` pictures each; "balanced" or "over": all classes
            alike, small ones repeated; "under": all classes alike, large ones cut; "shuffled": every picture once.
        dataset: Labelled pictures.
        batch_size: Pictures of a batch, of all processes together.
        per_class: Pictures of a class in a batch of "pk".
        seed: Of the order.

    Raises:
        ValueError: The name is unknown, or a batch of "pk" is too small for two classes.
    """
    rank, world = rank_and_world()
    labels = labels_of(dataset)
    if name == "pk":
        return pk_batches(labels, len(dataset.classes), batch_size, per_class, seed)
    if name in ("balanced", "over", "under"):
        mode = "under" if name == "under" else "over"
        return BalancedBatches(labels, batch_size, mode, seed, rank=rank, world=world)
    if name == "shuffled":
        return ShuffledBatches(
            len(labels), batch_size, seed, drop_last=len(labels) >= batch_size, rank=rank, world=world
        )
    raise ValueError(f"sampler: expected one of {', '.join(SAMPLERS)} or a sampler of finetune.samplers, got {name!r}")


def check_two_classes(batch_size: int, per_class: int) -> None:
    """Raise ValueError where a batch is too small for `per_class` pictures of two classes."""
    if per_class < 1 or batch_size < 2 * per_class:
        raise ValueError(
            f"batch_size: expected at least two classes of per_class pictures, got {batch_size} and {per_class}"
        )


def pk_batches(labels: NDArray[np.int64], classes: int, batch_size: int, per_class: int, seed: int) -> PKBatches:
    """Make this process's share of batches of `batch_size / per_class` classes with `per_class` pictures each."""
    check_two_classes(batch_size, per_class)
    rank, world = rank_and_world()
    drawn = min(batch_size // per_class, classes)
    return PKBatches(labels, drawn - drawn % world, per_class, seed, rank=rank, world=world)


def whole_batches(count: int, batch_size: int, seed: int) -> ShuffledBatches:
    """Make this process's share of shuffled batches that are all of one size, at most `batch_size`."""
    rank, world = rank_and_world()
    size = min(batch_size, count)
    return ShuffledBatches(count, size - size % world, seed, drop_last=True, rank=rank, world=world)


class LabelledBatches:
    """Batches of pixels and labels.

    Args:
        dataset: Labelled pictures.
        sampler: Which of them make a batch.
        augmentation: Reads, disturbs and prepares them.
    """

    def __init__(self, dataset: Dataset, sampler: BatchSampler, augmentation: Augmentation) -> None:
        """Hold the parts."""
        self._pictures = dataset.images()
        self._labels = labels_of(dataset)
        self._sampler = sampler
        self._augmentation = augmentation

    def of_epoch(self, epoch: int) -> Batches:
        """Give the batches of an epoch.

        A picture that comes twice in an epoch is disturbed in another way each time: the random numbers follow its
        place in the epoch, which is the same on any number of processes.
        """
        sampler = self._sampler
        sampler.set_epoch(epoch)
        order = []
        begin = 0
        for rows in sampler:
            order.append((rows, begin + sampler.rank * len(rows), epoch))
            begin += sampler.world * len(rows)
        return Batches(order, self._load)

    def _load(self, batch: tuple[Sequence[int], int, int]) -> tuple[Tensor, ...]:
        """Read a batch: pixels and labels; where pictures are mixed also the other labels and the first ones' share."""
        rows, begin, epoch = batch
        places = np.arange(begin, begin + len(rows), dtype=np.int64)
        made = self._augmentation.batch([self._pictures[row] for row in rows], places, epoch)
        labels = self._labels[list(rows)]
        pixels = torch.from_numpy(made.pixels)
        if pixels.ndim == 5:  # views of a picture come one after the other
            pixels = pixels.transpose(0, 1).flatten(0, 1)
        pixels = pixels.contiguous(memory_format=torch.channels_last)  # which convolutions take a third less time for
        if made.partner is not None:
            return pixels, *map(torch.from_numpy, (labels, labels[made.partner], made.weight))
        return pixels, torch.from_numpy(labels.repeat(len(pixels) // len(labels)))
