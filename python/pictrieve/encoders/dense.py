"""The linear layers that sentence-transformers puts behind pooling (its module `Dense`), as in LaBSE and distiluse."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve._core import FormatError
from pictrieve.models import read_json

Floats = NDArray[np.float32]

_ACTIVATIONS = {"Tanh": np.tanh, "Identity": None}


class Dense(NamedTuple):
    """A linear layer and what follows it.

    Attributes:
        weight: `(out, in)` float32.
        bias: `(out,)` float32, or None.
        activation: "Tanh" or "Identity".
    """

    weight: Floats
    bias: Floats | None
    activation: str

    @property
    def dim(self) -> int:
        """Length of a vector behind it."""
        return int(self.weight.shape[0])

    def __call__(self, rows: Floats) -> Floats:
        """Take `(n, in)` float32 rows to `(n, out)`."""
        out = rows @ self.weight.T
        if self.bias is not None:
            out += self.bias
        function = _ACTIVATIONS[self.activation]
        return out if function is None else function(out, out=out)


def load(folder: Path, wide: int) -> Dense:
    """Read a folder of sentence-transformers' Dense.

    Args:
        folder: Holds config.json, and model.safetensors or pytorch_model.bin.
        wide: Length of the vectors that reach it.

    Raises:
        ValueError: It computes what we do not have; the message names the setting.
        FormatError: The weights are damaged or of another shape.
        FileNotFoundError: A file is missing.
    """
    path = folder / "config.json"
    config = read_json(path)
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        raise ValueError(f"{path}: activation_function: expected {' or '.join(_ACTIVATIONS)}, got {activation!r}")
    if config.get("use_residual"):
        raise ValueError(f"{path}: use_residual: expected false, got true, which is not supported")
    for name in ("module_input_name", "module_output_name"):
        if config.get(name) not in (None, "sentence_embedding"):
            raise ValueError(f"{path}: {name}: expected 'sentence_embedding', got {config[name]!r}")
    tensors = _core.read_weights(str(folder))
    weight, bias = tensors.get("linear.weight"), tensors.get("linear.bias")
    shape = (config.get("out_features"), wide)
    if weight is None or weight.shape != shape or (bias is not None and bias.shape != shape[:1]):
        got = {name: array.shape for name, array in tensors.items()}
        raise FormatError(f"{folder}: expected a linear.weight {shape} and a linear.bias that fits, got {got}")
    return Dense(weight.astype(np.float32), None if bias is None else bias.astype(np.float32), activation)


def load_all(folders: Iterable[Path], wide: int) -> tuple[Dense, ...]:
    """Read layers that follow one another, the first of which reads vectors of length `wide`."""
    layers: list[Dense] = []
    for folder in folders:
        layers.append(load(folder, layers[-1].dim if layers else wide))
    return tuple(layers)


def identity(folder: Path) -> str:
    """Give a text that changes with the layer; its weights are not loaded for it."""
    return _core.weights_fingerprint(str(folder)) + str(read_json(folder / "config.json").get("activation_function"))


def apply(layers: Iterable[Dense], rows: Floats, out: Floats, normalize: bool) -> None:
    """Take pooled vectors `(n, in)` through all layers into `out`, `(n, dim)`, as unit vectors where wanted."""
    for layer in layers:
        rows = layer(rows)
    if normalize:
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
    out[:] = rows


def save(folder: Path, source: Path) -> None:
    """Copy a layer; its configuration is copied with the others."""
    folder.mkdir(parents=True, exist_ok=True)
    _core.copy_weights(str(source), str(folder / "model.safetensors"), {"format": "pt"})
