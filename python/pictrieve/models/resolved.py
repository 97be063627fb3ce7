"""What is known of a model once its files have been found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pictrieve import _core
from pictrieve.images import Preprocess


@dataclass(frozen=True)
class ResolvedModel:
    """Where a model's parts are, and what its files say of them.

    Attributes:
        name: The model's name, or that of its directory or file.
        kind: "image" or "text".
        architecture: Name of the network in the core; "torchscript" for a program of its own.
        weights: The weights: a file, or a directory of shards.
        config: Settings of the network.
        directory: Folder with the files that belong to the weights (tokenizer, configuration); None without any.
        preprocess: How pictures are prepared; None where nothing says so.
        labels: Names of the classes; None where nothing names them.
        pooling: What becomes of a text's token vectors; None leaves it to the network.
        max_length: Tokens of a text at most; None leaves it to the network.
        scales: Sizes at which pictures are looked at, relative to that of `preprocess`.
        dense: Folders within `directory` of the linear layers that follow a text's pooling.
    """

    name: str
    kind: str
    architecture: str
    weights: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    directory: Path | None = None
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None
    pooling: str | None = None
    max_length: int | None = None
    scales: tuple[float, ...] = (1.0,)
    dense: tuple[str, ...] = ()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an error names the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: expected a JSON object, got {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def read_json_if_there(path: Path) -> dict[str, Any]:
    """Read a JSON object, or give an empty one where there is no such file."""
    return read_json(path) if path.is_file() else {}


_SINGLE = ("model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin", "open_clip_pytorch_model.bin")


def find_weights(folder: Path) -> Path:
    """Find the weights in a folder: one file, or the folder itself where they lie in shards.

    Raises:
        FileNotFoundError: There are none.
        ValueError: There are several checkpoints, and nothing says which one is meant.
    """
    for name in _SINGLE:
        if (folder / name).is_file():
            return folder / name
    if (folder / "model.safetensors.index.json").is_file():
        return folder
    found = sorted(path for path in folder.iterdir() if path.suffix in (".pth", ".pt", ".safetensors"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ValueError(f"{folder}: expected one checkpoint, got {names}; give the path as weights=")
    if not found:
        raise FileNotFoundError(f"{folder}: expected model.safetensors (or shards, pytorch_model.bin, *.pth), got none")
    return found[0]


def shapes_of(weights: Path) -> dict[str, tuple[int, ...]]:
    """Give the shape of every tensor of a checkpoint; their bytes are not read."""
    return {name: array.shape for name, array in _core.read_weights(weights).items()}
