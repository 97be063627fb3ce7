"""Writing a trained network where encoders, and the library that its checkpoint came from, find it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch import Tensor

from pictrieve import _core
from pictrieve.encoders.rows import write_json
from pictrieve.encoders.saving import copy_companions
from pictrieve.models import read_json

_HEAD = "ForImageClassification"  # how transformers ends the name of a network with a classifier


class Origin(NamedTuple):
    """Where a network's weights came from.

    Attributes:
        layout: Mark of the layout that they had; empty for our names.
        weights: Their file, or directory of shards; None for random ones.
        folder: Directory of the checkpoint; None without one.
        changes: Settings that differ from those of the checkpoint.
    """

    layout: str = ""
    weights: Path | None = None
    folder: Path | None = None
    changes: Mapping[str, Any] = {}


def save_network(
    folder: Path,
    kind: str,
    architecture: str,
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    others: Mapping[str, NDArray[Any]],
    origin: Origin,
) -> None:
    """Write weights, `others` beside those of `state`, and configuration into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    if origin.folder is None:
        name = "architecture" if kind == "image" else "model_type"
        write_json(folder / "config.json", {name: architecture, **config})
    else:
        copy_companions(origin.folder, folder)
        path = folder / "config.json"
        if path.is_file() and origin.changes:
            write_json(path, _changed(read_json(path), origin.changes))
    arrays = {name: array.copy() for name, array in others.items()}  # the file that they lie in may be replaced
    arrays |= {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in state.items()}
    _core.write_safetensors(str(folder / "model.safetensors"), arrays, {"format": "pt"})


def _changed(config: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Apply settings; names of classes that no longer fit go."""
    changed = {**config, **changes}
    classes = changes.get("num_classes")
    if classes is not None:
        changed.pop("labels", None)
        if "pretrained_cfg" in config:
            known = {name: value for name, value in config["pretrained_cfg"].items() if not name.startswith("label_")}
            changed["pretrained_cfg"] = known | {"num_classes": classes}
        if "model_type" in config:
            made = str((config.get("architectures") or [""])[0])
            changed["architectures"] = [made.removesuffix("Model") + _HEAD if made.endswith("Model") else made]
            changed["id2label"] = {str(i): f"LABEL_{i}" for i in range(classes)}
            changed["label2id"] = {f"LABEL_{i}": i for i in range(classes)}
    return changed
