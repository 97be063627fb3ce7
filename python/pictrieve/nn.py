"""Bare networks: arrays in, feature maps or hidden states out, without preprocessing or tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core, models
from pictrieve._portable import Portable


class ImageNetwork(Portable):
    """An image network with frozen weights. Copies share it; pickles hold the place of the weights.

    Attributes:
        architecture: Name of the network.
        dim: Length of the pooled features.
        classes: Number of classes of its classifier.
        config: What the model's `config.json` says.

    Example:
        >>> import numpy as np, pictrieve as pt
        >>> network = pt.nn.load("efficientnet_lite0")
        >>> network(np.zeros((1, 3, 64, 64), np.float32)).shape
        (1, 1280, 2, 2)
    """

    def __init__(self, architecture: str, weights: Path | None, config: dict[str, Any], seed: int = 0) -> None:
        """Read the weights, or draw random ones where `weights` is None."""
        self.architecture = architecture
        self.config = config
        self._weights = None if weights is None else Path(weights).absolute()
        self._seed = seed
        self._connect()

    def _connect(self) -> None:
        self._core = _core.FrozenImageNetwork(self.architecture, self.config, self._weights_path, self._seed)
        self.dim = self._core.dim
        self.classes = self._core.classes

    def __call__(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the last feature map.

        Args:
            pixels: `(n, 3, H, W)` float32, C-contiguous, already preprocessed. Any size.

        Returns:
            `(n, channels, h, w)` float32.

        Raises:
            ValueError: `pixels` has another dtype, shape or layout.
        """
        return self._core.run(pixels, ["feature_map"])[0]

    def features(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the feature map's mean over height and width, `(n, dim)` float32, not normalised."""
        return self._core.run(pixels, ["features"])[0]

    def logits(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the classifier's scores, `(n, classes)` float32, before softmax."""
        return self._core.run(pixels, ["logits"])[0]

    def __repr__(self) -> str:
        random = " RANDOM" if self._random else ""
        return f"ImageNetwork({self.architecture!r}{random}, dim={self.dim}, classes={self.classes})"


class TextNetwork(Portable):
    """A text network with frozen weights. Copies share it; pickles hold the place of the weights.

    Attributes:
        architecture: Name of the network.
        dim: Length of each token's vector.
        max_tokens: Longest text, special tokens included.
        config: What the model's `config.json` says.

    Example:
        >>> import numpy as np, pictrieve as pt
        >>> network = pt.nn.load("minilm")
        >>> network(np.array([[101, 7592, 102, 0]]), mask=np.array([[1, 1, 1, 0]])).shape
        (1, 4, 384)
    """

    def __init__(self, architecture: str, weights: Path | None, config: dict[str, Any], seed: int = 0) -> None:
        """Read the weights, or draw random ones where `weights` is None."""
        self.architecture = architecture
        self.config = config
        self._weights = None if weights is None else Path(weights).absolute()
        self._seed = seed
        self._connect()

    def _connect(self) -> None:
        self._core = _core.FrozenTextNetwork(self.architecture, self.config, self._weights_path, self._seed)
        self.dim = self._core.hidden_size
        self.max_tokens = self._core.max_tokens

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[Any] | None = None) -> NDArray[np.float32]:
        """Compute the last hidden state of each token.

        Padding costs nothing: masked tokens are left out, not computed and dropped.

        Args:
            ids: `(n, L)` int64 token ids, special tokens included. All tokens are of segment 0.
            mask: `(n, L)` bool or integer, non-zero for the tokens that count, which must come first in each
                row; None if all count.

        Returns:
            `(n, L, dim)` float32; zeros where the mask is zero.

        Raises:
            ValueError: A shape, dtype, id or mask is not as above, or a text is longer than `max_tokens`.
        """
        if not isinstance(ids, np.ndarray) or ids.ndim != 2 or ids.dtype != np.int64:
            raise ValueError(f"ids: expected int64 (n, L), got {_describe(ids)}")
        counted = np.ones(ids.shape, bool) if mask is None else _checked_mask(mask, ids.shape)
        if ids.size and (ids.min() < 0 or ids.max() >= 2**31):
            raise ValueError(f"ids: expected token ids, got {ids.min()} to {ids.max()}")
        lengths = counted.sum(axis=1)
        offsets = np.concatenate([[0], np.cumsum(lengths[lengths > 0])]).astype(np.int64)
        hidden = np.zeros((*ids.shape, self.dim), np.float32)
        hidden[counted] = self._core.hidden_states(ids[counted].astype(np.int32), offsets)
        return hidden

    def __repr__(self) -> str:
        random = " RANDOM" if self._random else ""
        layers = self.config.get("num_hidden_layers")
        return (
            f"TextNetwork({self.architecture!r}{random}, layers={layers}, dim={self.dim}, max_tokens={self.max_tokens})"
        )


def load(
    model: str | Path,
    *,
    kind: str | None = None,
    weights: str | Path | None = None,
    allow_download: bool = False,
) -> ImageNetwork | TextNetwork:
    """Load a bare network.

    Args:
        model: A name of `list_models()`, or a directory of any maker that encoders understand.
        kind: "image" or "text", to choose one tower of a model that has both.
        weights: A file or directory of weights for the architecture that `model` names, or "random".
        allow_download: Fetch an unknown model from the Hugging Face Hub.

    Returns:
        `ImageNetwork` or `TextNetwork`, as the model's configuration says.

    Raises:
        ValueError: The name is unknown, or the network is of an unsupported kind.
        FormatError: The weights do not fit the network.
        FileNotFoundError: A part of the directory is missing.
    """
    found = models.resolve(model, kind, weights, allow_download)
    if found.architecture == "torchscript":
        raise ValueError(f"model: expected a network of list_models(), got the TorchScript {found.name!r}")
    path = None if weights == "random" else found.weights
    if found.kind == "text":
        return TextNetwork(found.architecture, path, dict(found.config))
    return ImageNetwork(found.architecture, path, dict(found.config))


def _describe(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _checked_mask(mask: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Read the mask as bool; tokens that count must come first in each row."""
    if not isinstance(mask, np.ndarray) or mask.shape != shape or mask.dtype.kind not in "biu":
        raise ValueError(f"mask: expected bool or integer {shape}, got {_describe(mask)}")
    counted = mask.astype(bool)
    if counted.shape[1] > 1 and bool((counted[:, 1:] & ~counted[:, :-1]).any()):
        raise ValueError("mask: expected the tokens that count to come first in each row; move padding to the end")
    return counted
