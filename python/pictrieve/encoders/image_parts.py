"""What an image encoder is made of, and the text that tells two of them apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pictrieve import _core, models
from pictrieve.encoders import whitening
from pictrieve.encoders.rows import RANDOM_SEED, digest
from pictrieve.images import Preprocess
from pictrieve.models.own import WHITENING

POOLINGS = ("avg", "max", "gem", "rmac", "spoc", "flatten")
_CLASS_TOKENS = ("dinov2", "dinov2_with_registers", "clip_vision_model")


def image_fingerprint(
    model: models.ResolvedModel, preprocess: Preprocess, pooling: str | None = None, *, random: bool = False
) -> str:
    """Give the fingerprint of an encoder from its files: the network itself need not be loaded for it."""
    weights = "random" if random else _core.weights_fingerprint(str(model.weights))
    # The first networks had no settings and one pooling: galleries made by them still open.
    settings = [json.dumps(dict(model.config), sort_keys=True, default=str)] if model.config else []
    own = "avg" if model.architecture.startswith("efficientnet") else "own"
    return digest(model.architecture, weights, preprocess.fingerprint, pooling or own, *settings)


def in_place(model: models.ResolvedModel) -> models.ResolvedModel:
    """Give a model whose paths stay right wherever the program, or another one, goes."""
    weights = model.weights if model.weights == Path() else model.weights.absolute()  # none of an architecture's name
    return replace(model, weights=weights, directory=model.directory and model.directory.absolute())


def scaled(preprocess: Preprocess, scale: float) -> Preprocess:
    """Give the same preparation for an input of `scale` times the size."""
    if scale == 1:
        return preprocess
    if not scale > 0:
        raise ValueError(f"scales: expected positive numbers, got {scale}")
    settings = preprocess.to_dict()
    for name in ("resize", "crop"):
        size = settings[name]
        if isinstance(size, int):
            settings[name] = round(size * scale)
        elif not isinstance(size, float):
            settings[name] = tuple(round(side * scale) for side in size)
    return Preprocess.from_dict(settings)


def load_network(
    model: models.ResolvedModel, pooling: str | None, *, random: bool
) -> _core.FrozenImageNetwork | _core.ScriptNetwork:
    if model.architecture == "torchscript":
        return _core.ScriptNetwork(str(model.weights))
    config = dict(model.config)
    if pooling == "cls":
        if "vit" not in model.architecture.lower() and model.architecture not in _CLASS_TOKENS:
            raise ValueError(f'pooling: expected a network with a class token for "cls", got {model.architecture}')
        config["global_pool"] = "token"
    return _core.FrozenImageNetwork(model.architecture, config, None if random else str(model.weights), RANDOM_SEED)


def stored_whitening(model: models.ResolvedModel) -> whitening.Whitening | None:
    path = None if model.directory is None else model.directory / WHITENING
    return whitening.load(path) if path and path.is_file() else None


def known_scales(scales: Sequence[float]) -> tuple[float, ...]:
    """Give the sizes to look at; one number is not a sequence of them."""
    if not isinstance(scales, Iterable) or isinstance(scales, str):
        raise TypeError(f"scales: expected a sequence of numbers such as (0.7, 1.0), got {scales!r}")
    numbers = tuple(float(scale) for scale in scales)
    if not numbers:
        raise ValueError("scales: expected at least one number, got none")
    return numbers


def known_preprocess(preprocess: Preprocess | None, model: models.ResolvedModel) -> Preprocess:
    """Give the preparation, which the user or the model's files must name."""
    if not isinstance(preprocess, Preprocess | None):
        raise TypeError(f'preprocess: expected a Preprocess such as Preprocess("imagenet"), got {preprocess!r}')
    if preprocess is None:
        raise ValueError(
            f"preprocess: {model.name!r} does not say how its pictures are prepared; give a Preprocess, such as "
            'Preprocess("imagenet")'
        )
    return preprocess
