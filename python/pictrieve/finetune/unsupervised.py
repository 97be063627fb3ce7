"""What the recipes for small networks of one's own share: batches of pictures in, a TorchScript encoder out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.finetune.batches import LabelledBatches
from pictrieve.finetune.measuring import Search
from pictrieve.finetune.pictures import PictureSet, numbered, one_view, pictures_fingerprint, shuffled
from pictrieve.finetune.script import save_script, square
from pictrieve.finetune.starting import served
from pictrieve.finetune.task import Batches, Task

_GRID = 4  # side of the last feature map of the networks here


class Unsupervised(Task):
    """A small network of torch that learns from pictures alone.

    Args:
        pictures: A data set, whose labels are not looked at, or pictures as `ImageEncoder.encode` takes them.
        validation: Labelled pictures, for "map" and "hit@1" of the features; None for no measure.
        size: Side of the network's input.
        batch_size: Pictures of a batch, of all processes together.
        augment: How pictures are disturbed.
        seed: Of everything random.
        facts: What else must be the same for a run to be resumed.
    """

    def __init__(
        self,
        pictures: PictureSet,
        validation: Dataset | None,
        size: int,
        batch_size: int,
        augment: Any,
        seed: int,
        facts: Mapping[str, Any],
    ) -> None:
        """Prepare the batches; subclasses set `modules`."""
        shown = numbered(pictures)
        self.preprocess = square(size)
        augmentation = one_view(augment, self.preprocess, seed)
        self._batches: LabelledBatches = shuffled(shown, augmentation, batch_size, seed)
        self._search = None if validation is None else Search(validation)
        self._facts = {
            **facts, "pictures": pictures_fingerprint(shown), "size": size, "batch_size": batch_size,
            "augment": augmentation.to_dict(),
        }  # fmt: skip

    @property
    def features(self) -> nn.Module:
        """What is served: pixels `(n, 3, size, size)` to rows."""
        raise NotImplementedError

    def batches(self, epoch: int) -> Batches:
        """Give this process's share of the epoch."""
        return self._batches.of_epoch(epoch)

    def evaluate(self) -> dict[str, float]:
        """Measure what the core serves."""
        if self._search is None:
            return {}
        with served(self.export, ImageEncoder) as encoder:
            return self._search.measure(encoder)

    def export(self, folder: Path) -> None:
        """Write the features as a program of TorchScript."""
        save_script(self.features, self.preprocess, folder)

    def fingerprint(self) -> dict[str, Any]:
        """Give the data and the settings."""
        return dict(self._facts)


def stages(size: int) -> int:
    """Count the halvings from `size` to the last feature map.

    Raises:
        ValueError: The size is not 4 times a power of two, 8 or more.
    """
    count = (size // _GRID).bit_length() - 1
    if count < 1 or size != _GRID << count:
        raise ValueError(f"size: expected 8, 16, 32, 64, 128, ..., got {size}")
    return count
