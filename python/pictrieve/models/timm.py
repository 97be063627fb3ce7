"""Directories of timm: `config.json` with an architecture and its `pretrained_cfg`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictrieve import _core
from pictrieve.models import preprocessing
from pictrieve.models.resolved import ResolvedModel, find_weights


def resolve(folder: Path, config: Mapping[str, Any]) -> ResolvedModel:
    """Read a directory of timm.

    Raises:
        ValueError: We do not have the architecture, or its pictures are prepared in a way that we do not have.
    """
    source = str(folder / "config.json")
    architecture = str(config["architecture"]).partition(".")[0]
    if architecture not in _core.image_architectures():
        raise ValueError(f"{source}: expected an architecture of list_models(), got {architecture!r}")
    facts = {**config, **(config.get("pretrained_cfg") or {})}
    settings = {name: value for name, value in (config.get("model_args") or {}).items() if name != "img_size"}
    for given, ours in (("num_classes", "num_classes"), ("global_pool", "global_pool")):
        if config.get(given) is not None:
            settings[ours] = config[given]
    if "img_size" in (config.get("model_args") or {}):
        settings["image_size"] = config["model_args"]["img_size"]
    labels = facts.get("label_names")
    return ResolvedModel(
        folder.name, "image", architecture, find_weights(folder), settings, folder,
        preprocessing.from_timm(facts, source), tuple(map(str, labels)) if labels else None,
    )  # fmt: skip
