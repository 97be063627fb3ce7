"""Sentences to unit vectors."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pictrieve import _core, models
from pictrieve._portable import Portable
from pictrieve.encoders import dense
from pictrieve.encoders.image_parts import in_place
from pictrieve.encoders.rows import (
    RANDOM_SEED,
    ROW_TYPES,
    Floats,
    digest,
    finish,
    output_rows,
    require_supported,
)
from pictrieve.encoders.saving import save_directory, write_modules
from pictrieve.progress import progress_bar
from pictrieve.text import Tokenizer, load_tokenizer

POOLINGS = ("mean", "cls", "max", "last", "weighted_mean")


class TruncationWarning(UserWarning):
    """Texts were longer than the encoder's limit, and their ends were cut."""


class TextEncoder(Portable):
    """Turns texts into unit vectors with a transformer; texts run without padding.

    Copies share the network; pickles hold the settings and the place of weights and tokenizer.

    Args:
        model: A name from `list_models()`, or a directory of transformers, sentence-transformers or open_clip.
        pooling: Of the token vectors the "mean", the "max", the "weighted_mean" (the i-th token weighs i), "cls" for
            the first or "last"; None takes the checkpoint's own.
        max_length: Tokens per text at most, special tokens included; None takes the checkpoint's limit (MiniLM: 256).
        device: "cpu".
        precision: Type of the computation: "float32".
        weights: None for the model's weights, "random" for an untrained network (its repr says RANDOM), or a file or
            directory of weights for the same network.
        allow_download: Fetch an unknown model from the Hugging Face Hub.

    Attributes:
        truncated: `(texts, tokens)` that the last call of `encode` had to cut.

    Example:
        >>> encoder = TextEncoder("minilm")
        >>> cat, kitten, tax = encoder.encode(["a cat", "a kitten", "a tax return"])
        >>> bool(cat @ kitten > cat @ tax)
        True
    """

    _remade: ClassVar = ("_core", "_dense", "tokenizer", "fingerprint")

    def __init__(
        self,
        model: str | Path = "minilm",
        *,
        pooling: str | None = None,
        max_length: int | None = None,
        device: str = "cpu",
        precision: str = "float32",
        weights: str | Path | None = None,
        allow_download: bool = False,
    ) -> None:
        """Load tokenizer and network; see the class for the arguments."""
        require_supported(pooling=(pooling, (None, *POOLINGS)), device=(device, ("cpu",)))
        require_supported(precision=(precision, ("float32",)))
        if max_length is not None and not hasattr(max_length, "__index__"):
            raise TypeError(f"max_length: expected a number of tokens, got {max_length!r}")
        self._model = in_place(models.resolve(model, "text", weights, allow_download))
        self._weights = None if weights == "random" else self._model.weights
        self._folder = tokenizer_folder(self._model)
        self.name = self._model.name
        self.truncated = (0, 0)
        network = self._load_network()
        self.pooling = pooling or self._model.pooling or network.pooling
        limit = self._model.max_length or self.tokenizer.max_length or network.max_tokens
        self.max_length = min(limit, network.max_tokens) if max_length is None else max_length
        self._core = self._assemble(network)

    def _load_network(self) -> _core.FrozenTextNetwork:
        config = dict(self._model.config)
        return _core.FrozenTextNetwork(self._model.architecture, config, self._weights_path, RANDOM_SEED)

    def _assemble(self, network: _core.FrozenTextNetwork) -> _core.TextEncoder:
        made = _core.TextEncoder(network, self.tokenizer._core, self.pooling, self.max_length)
        self._dense = dense.load_all(self._dense_folders, made.dim)
        return made

    def _connect(self) -> None:
        self._core = self._assemble(self._load_network())

    @property
    def _dense_folders(self) -> list[Path]:
        return [self._folder / name for name in self._model.dense]

    def _identity(self) -> str:
        return self.fingerprint

    @classmethod
    def from_pretrained(cls, path: str | Path, **arguments: Any) -> TextEncoder:
        """Load an encoder from a directory in the layout of Hugging Face; `arguments` are those of the class."""
        return cls(path, **arguments)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """What turns texts into ids."""
        return load_tokenizer(self._folder)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dense[-1].dim if self._dense else self._core.dim

    @property
    def num_threads(self) -> int:
        """Threads that encoding may use; see `set_num_threads`."""
        return _core.num_threads()

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with all that changes vectors: weights, tokenizer, pooling, limit."""
        weights = "random" if self._random else _core.weights_fingerprint(str(self._model.weights))
        config = json.dumps(dict(self._model.config), sort_keys=True)
        tokenizer = digest(*self.tokenizer.identity())
        layers = [dense.identity(folder) for folder in self._dense_folders]
        return digest(weights, config, tokenizer, self.pooling, str(self.max_length), *layers)

    def encode(
        self,
        inputs: str | Iterable[str],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        normalize_embeddings: bool = True,
        convert_to_tensor: bool = False,
        precision: str | None = None,
        on_error: str = "raise",
        out: Floats | None = None,
    ) -> Any:
        """Encode one text, or many.

        Args:
            inputs: A text, or texts. Their order does not matter for the speed.
            batch_size: Accepted for familiarity; texts are packed by the number of their tokens.
            show_progress_bar: None shows a bar on a terminal once the work has lasted a second.
            normalize_embeddings: Scale rows to unit length.
            convert_to_tensor: Return a torch tensor that shares the array's memory (imports torch).
            precision: Type of the returned rows: "float32" or "float16".
            on_error: "raise"; there is no text that a tokenizer cannot read.
            out: `(n, dim)` float32 array to write into; the rows returned are views of it.

        Returns:
            `(dim,)` for one text, `(n, dim)` for many.

        Raises:
            TypeError: An input is not a str.

        Warns:
            TruncationWarning: Texts were longer than `max_length`; `truncated` says how many and by how much.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        require_supported(precision=(precision, ROW_TYPES), on_error=(on_error, ("raise",)))
        single = isinstance(inputs, str)
        texts = [inputs] if isinstance(inputs, str) else list_of_texts(inputs)
        rows = output_rows(out, 0, len(texts), self.dim)
        with progress_bar(len(texts), "texts", show_progress_bar) as report:
            self.truncated = self._run(texts, rows, normalize_embeddings, report)
        if self.truncated[0]:
            warnings.warn(
                f"{self.truncated[0]} of {len(texts)} texts are longer than {self.max_length} tokens; "
                f"their last {self.truncated[1]} tokens in all were cut",
                TruncationWarning,
                stacklevel=2,
            )
        finished = finish(rows, precision, convert_to_tensor)
        return finished[0] if single else finished

    def _run(self, texts: list[str], rows: Floats, normalize: bool, report: Any) -> tuple[int, int]:
        """Fill rows; give `truncated`."""
        if not self._dense:
            return self._core.encode(texts, rows, normalize=normalize, progress=report)
        pooled = np.empty((len(texts), self._core.dim), np.float32)
        truncated = self._core.encode(texts, pooled, normalize=False, progress=report)
        dense.apply(self._dense, pooled, rows, normalize)
        return truncated

    def save_pretrained(self, path: str | Path) -> None:
        """Write a directory in the layout of Hugging Face, which sentence-transformers can read as well."""
        if self._random:
            raise ValueError(f"{self!r}: expected trained weights to save, got random ones")
        chosen = {"pooling": self.pooling, "max_length": self.max_length}
        notes = {name: value for name, value in chosen.items() if value != getattr(self._model, name)}
        folder = save_directory(Path(path), self._model, self._model.config, None, notes)
        if not models.is_dual(folder):  # sentence-transformers has a class of its own for CLIP
            write_modules(folder, self._core.dim, self.pooling, self.max_length)
        for name in self._model.dense:
            dense.save(folder / name, self._folder / name)

    def __repr__(self) -> str:
        """Say what the encoder is; RANDOM where its weights are."""
        weights = "RANDOM weights, " if self._random else ""
        return (
            f"TextEncoder({self.name!r}, {weights}dim={self.dim}, pooling={self.pooling!r}, "
            f"max_length={self.max_length}, fingerprint={self.fingerprint[:12]})"
        )


def tokenizer_folder(model: models.ResolvedModel) -> Path:
    """Give the folder of a model's files, or else that of its weights; an architecture alone has neither."""
    if model.directory is None and model.weights == Path():
        raise ValueError(
            f"model {model.name!r}: expected a directory with a tokenizer, got the name of an architecture; "
            "pictrieve.nn.load takes it without one"
        )
    return model.directory or model.weights.parent


def list_of_texts(inputs: Iterable[str]) -> list[str]:
    """Make a list of exactly str; bytes and numbers are refused by place."""
    if isinstance(inputs, bytes | bytearray):
        raise TypeError("inputs: expected a str or an iterable of str, got bytes; decode them first")
    texts = list(inputs)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"inputs[{i}]: expected str, got {type(text).__name__}")
    return [str(text) for text in texts] if any(type(text) is not str for text in texts) else texts
