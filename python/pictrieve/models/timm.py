"""Directories of timm: `config.json` with an architecture and its `pretrained_cfg`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pictrieve import _core
from pictrieve.models import preprocessing
from pictrieve.models.bare import parts_in
from pictrieve.models.resolved import ResolvedModel, shapes_of

_RENAMED = {"img_size": "image_size"}
_RENAMED_IN_EFFICIENTNETS = {"drop_rate": "dropout_rate", "drop_path_rate": "drop_connect_rate"}


def resolve(folder: Path, config: Mapping[str, Any], find: Callable[[], Path]) -> ResolvedModel:
    """Read a directory of timm, whose weights `find` finds.

    Raises:
        ValueError: We do not have the architecture, or its pictures are prepared in a way that we do not have.
    """
    source = str(folder / "config.json")
    architecture = str(config["architecture"]).partition(".")[0]
    if architecture not in _core.image_architectures():
        raise ValueError(f"{source}: expected an architecture of list_models(), got {architecture!r}")
    facts = {**config, **(config.get("pretrained_cfg") or {})}
    labels = facts.get("label_names")
    weights, settings = find(), _settings(architecture, config)
    if architecture == "inception_v3" and weights != Path():
        settings |= parts_in(architecture, shapes_of(weights))
    return ResolvedModel(
        folder.name, "image", architecture, weights, settings, folder,
        preprocessing.from_timm(facts, source), tuple(map(str, labels)) if labels else None,
    )  # fmt: skip


def _settings(architecture: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Give timm's arguments under our names; others are the same."""
    settings: dict[str, Any] = {}
    if architecture.startswith("efficientnet_lite"):  # our network of this name is timm's tf_efficientnet_lite
        settings = {"padding": "symmetric", "batch_norm_eps": 1e-5}
    renamed = _RENAMED | (_RENAMED_IN_EFFICIENTNETS if "efficientnet" in architecture else {})
    for name, value in (config.get("model_args") or {}).items():
        settings[renamed.get(name, name)] = value
    settings.update({name: config[name] for name in ("num_classes", "global_pool") if config.get(name) is not None})
    return settings
