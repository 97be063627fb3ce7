"""Pictures to unit vectors and class probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core, models
from pictrieve.encoders.rows import (
    RANDOM_SEED,
    ROW_TYPES,
    Floats,
    digest,
    finish,
    output_rows,
    require_supported,
    write_json,
)
from pictrieve.images import Preprocess, as_sources
from pictrieve.progress import Progress, progress_bar

if TYPE_CHECKING:
    from pictrieve.images import ImageInput

_CHUNK = 512  # pictures of a generator that are held at once


class EncodeError(NamedTuple):
    """One picture that could not be encoded: its place in the input, and why."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    reason: str


class EncodedImages(NamedTuple):
    """What `encode(..., on_error="skip")` gives.

    Attributes:
        embeddings: `(kept, dim)` float32, one row per readable picture.
        kept: `(kept,)` int64 positions of these pictures in the input.
        errors: One `(index, reason)` per unreadable picture.
    """

    embeddings: Any
    kept: NDArray[np.int64]
    errors: list[EncodeError]


class Look(NamedTuple):
    """What one pass of pictures through a network gave, without the unreadable ones.

    Attributes:
        features: `(kept, dim)` float32.
        probabilities: `(kept, classes)` float32; `(0, 0)` where they were not asked for.
        kept: `(kept,)` int64 positions of the readable pictures in the input.
        errors: One `(index, reason)` per unreadable picture.
        single: The input was one picture, not a collection.
    """

    features: Floats
    probabilities: Floats
    kept: NDArray[np.int64]
    errors: list[EncodeError]
    single: bool


class ImageEncoder:
    """Turns pictures into unit vectors with an image network.

    Args:
        model: A name from `list_models()`, or a directory written by `save_pretrained`.
        pooling: "avg" (global average pooling; the default and so far the only one).
        device: "cpu".
        precision: Type of the computation: "float32".
        preprocess: How pictures become the network's input; None takes the model's own.
        weights: None for the model's weights, "random" for an untrained network (its repr says RANDOM).

    Raises:
        ValueError: The model is unknown, its weights are not installed, or an argument is not supported.
        FormatError: The weights are damaged or belong to another network.

    Example:
        >>> import numpy as np
        >>> encoder = ImageEncoder("efficientnet_lite0")
        >>> encoder.encode(np.zeros((64, 64, 3), np.uint8)).shape
        (1280,)
    """

    def __init__(
        self,
        model: str | Path = "efficientnet_lite0",
        *,
        pooling: str | None = None,
        device: str = "cpu",
        precision: str = "float32",
        preprocess: Preprocess | None = None,
        weights: str | None = None,
    ) -> None:
        """Load the network; see the class for the arguments."""
        require_supported(pooling=(pooling, (None, "avg")), device=(device, ("cpu",)))
        require_supported(precision=(precision, ("float32",)), weights=(weights, (None, "random")))
        self._model = models.resolve(model, kind="image", need_weights=weights is None)
        self._random = weights == "random"
        self.name = self._model.name
        self.preprocess = preprocess or _own_preprocess(self._model)
        path = None if self._random else str(self._model.weights)
        network = _core.FrozenImageNetwork(self._model.architecture, path, RANDOM_SEED)
        self._core = _core.ImageEncoder(network, self.preprocess._core)

    @classmethod
    def from_pretrained(cls, path: str | Path) -> ImageEncoder:
        """Load an encoder from a directory of `save_pretrained`."""
        return cls(path)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._core.dim

    @property
    def num_threads(self) -> int:
        """Threads that encoding may use; see `set_num_threads`."""
        return _core.num_threads()

    @cached_property
    def labels(self) -> list[str]:
        """Names of the classes that `classify` tells apart, in the order of its columns."""
        own = self._model.config.get("labels")
        return [str(label) for label in own] if own else models.imagenet_labels()

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with all that changes vectors: network, weights, preprocessing, pooling."""
        return image_fingerprint(self._model, self.preprocess, random=self._random)

    def encode(
        self,
        inputs: ImageInput | Iterable[ImageInput],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        normalize_embeddings: bool = True,
        convert_to_tensor: bool = False,
        precision: str | None = None,
        on_error: str = "raise",
        out: Floats | None = None,
    ) -> Any:
        """Encode one picture, or many.

        Args:
            inputs: A path, encoded bytes, a PIL image or a uint8 array `(H, W[, 3 or 4])` in RGB; or a list, an array
                `(n, H, W, 3)` or a generator of these.
            batch_size: Accepted for familiarity: each thread takes one picture at a time, so memory does not grow with
                it.
            show_progress_bar: None shows a bar on a terminal once the work has lasted a second.
            normalize_embeddings: Scale rows to unit length.
            convert_to_tensor: Return a torch tensor that shares the array's memory (imports torch).
            precision: Type of the returned rows: "float32" or "float16".
            on_error: "raise", or "skip" to go on without unreadable pictures.
            out: `(n, dim)` float32 array to write into; the rows returned are views of it.

        Returns:
            `(dim,)` for one picture, `(n, dim)` for many; with on_error="skip" an `EncodedImages`.

        Raises:
            FileNotFoundError: A path does not exist.
            DecodeError: A picture is damaged or of an unknown format.
            TypeError, ValueError: An input is not a picture, or an argument is not as described.
        """
        require_supported(on_error=(on_error, ("raise", "skip")), precision=(precision, ROW_TYPES))
        skip = on_error == "skip"
        look = self.look(inputs, batch_size, show_progress_bar, normalize_embeddings, skip=skip, out=out)
        rows = finish(look.features, precision, convert_to_tensor)
        if skip:
            return EncodedImages(rows, look.kept, look.errors)
        return rows[0] if look.single else rows

    def classify(self, images: ImageInput | Iterable[ImageInput], batch_size: int = 32) -> Floats:
        """Give the probability of each class of `labels`: `(n, classes)` float32, or `(classes,)` for one picture."""
        look = self.look(images, batch_size, probabilities=True)
        return look.probabilities[0] if look.single else look.probabilities

    def look(
        self,
        inputs: ImageInput | Iterable[ImageInput],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        normalize_embeddings: bool = True,
        *,
        probabilities: bool = False,
        skip: bool = False,
        out: Floats | None = None,
    ) -> Look:
        """Take pictures through the network once, for features and, where wanted, class probabilities.

        Arguments are those of `encode`; `skip` leaves unreadable pictures out instead of raising.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        chunks, total, single = _in_chunks(inputs, self.preprocess.exif)
        classes = self._core.classes if probabilities else 0
        parts = []
        begin = 0
        with progress_bar(total, "images", show_progress_bar) as report:
            for chunk in chunks:
                features = output_rows(out, begin, len(chunk), self.dim)
                shares = np.empty((len(chunk) if classes else 0, classes), np.float32)
                failed = self._core.encode(
                    chunk,
                    features,
                    shares,
                    normalize=normalize_embeddings,
                    stop_at_failure=not skip,
                    first_index=begin,
                    progress=_from(begin, report) if report else None,
                )
                parts.append((begin, features, shares, failed))
                begin += len(chunk)
        return _join(parts, single, self.dim, classes)

    def save_pretrained(self, path: str | Path) -> None:
        """Write config.json, model.safetensors and preprocessor_config.json into the directory `path`."""
        if self._random:
            raise ValueError(f"{self!r}: expected trained weights to save, got random ones")
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        _core.write_safetensors(str(folder / "model.safetensors"), _core.read_weights(str(self._model.weights)), {})
        write_json(folder / "preprocessor_config.json", self.preprocess.to_dict())
        write_json(folder / "config.json", {"architecture": self._model.architecture, "labels": self.labels})

    def __repr__(self) -> str:
        """Say what the encoder is; RANDOM where its weights are."""
        weights = "RANDOM weights, " if self._random else ""
        return f"ImageEncoder({self.name!r}, {weights}dim={self.dim}, fingerprint={self.fingerprint[:12]})"


def image_fingerprint(model: models.ResolvedModel, preprocess: Preprocess, *, random: bool = False) -> str:
    """Give the fingerprint of an encoder from its files: the network itself need not be loaded for it."""
    weights = "random" if random else _core.weights_fingerprint(str(model.weights))
    return digest(model.architecture, weights, preprocess.fingerprint, "avg")


def _from(begin: int, report: Progress) -> Progress:
    """Report progress of a later chunk as that of the whole."""
    return lambda done, total: report(begin + done, total)


def _own_preprocess(model: models.ResolvedModel) -> Preprocess:
    if model.directory is None:
        return Preprocess(model.architecture)
    return Preprocess.from_dict(models.read_json(model.directory / "preprocessor_config.json"))


def _in_chunks(inputs: ImageInput | Iterable[ImageInput], exif: bool) -> tuple[Iterable[list[Any]], int | None, bool]:
    """Split inputs into lists for the core: all at once where they are a collection, piecewise where a generator."""
    if isinstance(inputs, Iterator):
        return _chunks_of(inputs, exif), None, False
    sources, single = as_sources(inputs, exif=exif)
    return [sources], len(sources), single


def _chunks_of(inputs: Iterator[ImageInput], exif: bool) -> Iterator[list[Any]]:
    first = 0
    while chunk := list(islice(inputs, _CHUNK)):
        yield as_sources(chunk, exif=exif, first=first)[0]
        first += len(chunk)


def _join(parts: list[Any], single: bool, dim: int, classes: int) -> Look:
    """Put the parts of one look together, and drop the rows of unreadable pictures."""
    errors = [EncodeError(begin + index, reason) for begin, _, _, failed in parts for index, reason in failed]
    count = sum(len(features) for _, features, _, _ in parts)
    kept = np.setdiff1d(np.arange(count, dtype=np.int64), [error.index for error in errors])
    features = _one([part[1] for part in parts], dim)
    probabilities = _one([part[2] for part in parts], classes)
    if errors:
        features = features[kept]
        probabilities = probabilities[kept] if classes else probabilities
    return Look(features, probabilities, kept, errors, single)


def _one(arrays: list[Floats], cols: int) -> Floats:
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty((0, cols), np.float32)
