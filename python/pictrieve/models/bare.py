"""Checkpoints without a configuration: the architecture is given by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictrieve import _core
from pictrieve.images import Preprocess
from pictrieve.models import own, preprocessing
from pictrieve.models.resolved import ResolvedModel, shapes_of

# where torchvision, timm, transformers and others keep the last layer; of two in one network the first is meant
_CLASSIFIERS = (
    "fc", "_fc", "last_linear", "head.fc", "heads.head", "head",
    "classifier.6", "classifier.3", "classifier.2", "classifier.1", "classifier",
)  # fmt: skip


def resolve(name: str, weights: str | Path | None) -> ResolvedModel:
    """Take an architecture by its name; torchvision's, timm's and our own preparation is known by it.

    Raises:
        ValueError: No weights are given.
        FileNotFoundError: They are not there.
    """
    if weights is None:
        raise ValueError(
            f'model {name!r}: it has no weights of its own; give weights="a file or directory", or weights="random"'
        )
    if name not in _core.image_architectures():
        return ResolvedModel(name, "text", name, Path())
    config = {} if weights == "random" else _told_by(name, existing(weights))
    return ResolvedModel(name, "image", name, Path(), config, preprocess=usual_preprocess(name, Path(weights).name))


def usual_preprocess(architecture: str, file_name: str = "", config: Mapping[str, Any] | None = None) -> Preprocess:
    """Give the preparation that an architecture is usually trained with; `config` holds the network's settings."""
    transforms = bool((config or {}).get("transform_input"))
    return own.usual_preprocess(architecture) or preprocessing.from_torchvision(architecture, file_name, transforms)


def parts_in(architecture: str, shapes: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings for parts that some checkpoints of a network lack: Inception's second classifier."""
    if architecture != "inception_v3":
        return {}
    return {} if any(name.startswith("AuxLogits.") for name in shapes) else {"aux_logits": False}


def existing(weights: str | Path) -> Path:
    """Give the path of weights that must be there."""
    if not isinstance(weights, str | os.PathLike):
        raise TypeError(
            f'weights: expected a path or "random", got {type(weights).__name__}; save a state dict to a file first'
        )
    if not Path(weights).exists():
        raise FileNotFoundError(f"weights: {weights}: no such file or directory")
    return Path(weights)


def _told_by(architecture: str, weights: Path) -> dict[str, Any]:
    """Give the settings that a checkpoint's shapes tell, where they are not the usual ones.

    A checkpoint without a classifier has 0 classes.
    """
    try:
        usual = _core.image_facts(architecture, {})[1]
    except ValueError:  # a family, which wants a configuration: loading says so
        return {}
    shapes = shapes_of(weights) if usual else {}
    heads = [shapes[f"{name}.weight"] for name in _CLASSIFIERS if f"{name}.weight" in shapes]
    classes = heads[0][0] if heads and heads[0] else 0
    settings = {"num_classes": classes} if usual and classes != usual else {}
    return settings | (parts_in(architecture, shapes) if classes else {})
