"""The classes of ImageNet-1k."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

_TABLE = Path(__file__).parent.parent / "data" / "imagenet1k.tsv"


class ImageClass(NamedTuple):
    """One class of ImageNet-1k, with what WordNet says of it.

    Attributes:
        wnid: WordNet 3.0 id, such as "n01440764".
        name: The class name, such as "tench".
        kind: What it is a kind of: the first hypernym, such as "cyprinid".
        gloss: First clause of its definition.
    """

    wnid: str
    name: str
    kind: str
    gloss: str


@cache
def imagenet_classes() -> tuple[ImageClass, ...]:
    """Give the 1000 classes of ImageNet-1k, in the order of the networks' outputs."""
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    return tuple(ImageClass(*line.split("\t")) for line in lines)


def imagenet_labels() -> list[str]:
    """Give the 1000 class names of ImageNet-1k, in the order of the networks' outputs."""
    return [row.name for row in imagenet_classes()]
