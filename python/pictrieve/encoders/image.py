"""Pictures to unit vectors and class probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pictrieve import _core, models, regions
from pictrieve._portable import Portable
from pictrieve.encoders import whitening
from pictrieve.encoders.image_parts import (
    POOLINGS,
    image_fingerprint,
    in_place,
    known_preprocess,
    known_scales,
    load_network,
    scaled,
    stored_whitening,
)
from pictrieve.encoders.look import EncodedImages, EncodeError, Look, from_item, in_chunks, join
from pictrieve.encoders.rows import ROW_TYPES, Floats, digest, finish, output_rows, require_supported
from pictrieve.encoders.saving import save_directory
from pictrieve.encoders.whitening import Whitening
from pictrieve.images import Preprocess
from pictrieve.models.own import WHITENING
from pictrieve.progress import progress_bar

if TYPE_CHECKING:
    from pictrieve.images import ImageInput
    from pictrieve.regions import Detector, Regions

__all__ = ["EncodeError", "EncodedImages", "ImageEncoder", "image_fingerprint"]


class ImageEncoder(Portable):
    """Turns pictures into unit vectors with an image network.

    Copies share the network; pickles hold the settings and the place of the weights.

    Args:
        model: A name from `list_models()`; a directory of transformers, timm, open_clip, torchvision or
            `save_pretrained`; a TorchScript file, or a directory with one as model.ts, whose program is run, so name
            only what you trust; or one of OpenAI's CLIP files, whose program is not.
        pooling: None for what the network itself gives for a picture; or how to pool its last feature map: "avg",
            "max", "gem" (generalised mean of power 3), "rmac", "spoc" or "flatten"; or "cls", the class token of a
            vision transformer.
        device: "cpu".
        precision: Type of the computation: "float32".
        preprocess: How pictures become the network's input; None takes the model's own.
        weights: None for the model's weights, "random" for an untrained network (its repr says RANDOM), or a file or
            directory of weights for the architecture that `model` names.
        scales: Look at each picture at these sizes, relative to the model's own, and take the mean of the unit vectors;
            None takes the model's own scales, which are (1.0,) unless it was saved with others.
        allow_download: Fetch an unknown model from the Hugging Face Hub.

    Raises:
        ValueError: The model is unknown, its weights are not installed, or an argument is not supported.
        FormatError: The weights are damaged or belong to another network.

    Example:
        >>> import numpy as np
        >>> encoder = ImageEncoder("efficientnet_lite0")
        >>> encoder.encode(np.zeros((64, 64, 3), np.uint8)).shape
        (1280,)
    """

    _remade: ClassVar = ("_core", "_network", "_views", "fingerprint")

    def __init__(
        self,
        model: str | Path = "efficientnet_lite0",
        *,
        pooling: str | None = None,
        device: str = "cpu",
        precision: str = "float32",
        preprocess: Preprocess | None = None,
        weights: str | Path | None = None,
        scales: Sequence[float] | None = None,
        allow_download: bool = False,
    ) -> None:
        """Load the network; see the class for the arguments."""
        require_supported(pooling=(pooling, (None, "cls", *POOLINGS)), device=(device, ("cpu",)))
        require_supported(precision=(precision, ("float32",)))
        self._model = in_place(models.resolve(model, "image", weights, allow_download))
        self._weights = None if weights == "random" else self._model.weights
        self.name = self._model.name
        self.preprocess = known_preprocess(preprocess or self._model.preprocess, self._model)
        self.pooling = pooling or self._model.pooling
        self.scales = known_scales(self._model.scales if scales is None else scales)
        self._whitening = stored_whitening(self._model)
        self._connect()

    def _connect(self) -> None:
        self._network = load_network(self._model, self.pooling, random=self._random)
        self._views = [scaled(self.preprocess, scale)._core for scale in self.scales]
        self._core = self._assemble(self._whitening)

    def _identity(self) -> str:
        return self.fingerprint

    def _assemble(self, whitening: Whitening | None) -> _core.ImageEncoder:
        pooling = self.pooling if self.pooling in POOLINGS else ""
        return _core.ImageEncoder(self._network, self._views, pooling or "", *(whitening or (None, None)))

    @classmethod
    def from_pretrained(cls, path: str | Path, **arguments: Any) -> ImageEncoder:
        """Load an encoder from a directory; `arguments` are those of the class."""
        return cls(path, **arguments)

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
        if self._model.labels:
            return list(self._model.labels)
        classes = self._core.classes
        return models.imagenet_labels() if classes == 1000 else [f"class {i}" for i in range(classes)]

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with all that changes vectors: network, weights, preprocessing, pooling."""
        plain = image_fingerprint(self._model, self.preprocess, self.pooling, random=self._random)
        extras = [] if self.scales == (1.0,) else [repr(self.scales)]
        if self._whitening:
            extras += [part.tobytes().hex() for part in self._whitening]
        return digest(plain, *extras) if extras else plain

    def fit_whitening(self, images: Iterable[ImageInput] | Floats, dim: int | None = None) -> ImageEncoder:
        """Fit PCA whitening, through which all vectors go from now on; `save_pretrained` keeps it.

        Args:
            images: Pictures like those to be searched, or their vectors `(n, dim)` float32 as `encode` gave them
                before.
            dim: How many of the strongest directions to keep; None keeps all in which the vectors vary.

        Returns:
            This encoder; its `dim` and `fingerprint` have changed.

        Raises:
            ValueError: The vectors vary in fewer directions than `dim`, or have another length.
        """
        if isinstance(images, np.ndarray) and images.ndim == 2 and images.dtype == np.float32:
            rows = images / np.maximum(np.linalg.norm(images, axis=1, keepdims=True), np.float32(1e-30))
        else:
            self._core, before = self._assemble(None), self._core
            try:
                rows = self.encode(images)
            finally:
                self._core = before
        fitted = whitening.fit(rows, dim)
        self._core = self._assemble(fitted)
        self._whitening = fitted
        self.__dict__.pop("fingerprint", None)
        return self

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
        chunks, total, single = in_chunks(inputs, self.preprocess.exif)
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
                    progress=from_item(begin, report) if report else None,
                )
                parts.append((begin, features, shares, failed))
                begin += len(chunk)
        return join(parts, single, self.dim, classes)

    def encode_regions(self, image: ImageInput, boxes: Any = None, *, detector: Detector | None = None) -> Regions:
        """Encode parts of a picture, to search by each object in it.

        Args:
            image: One picture, as `encode` takes them.
            boxes: `(n, 4)` numbers x1, y1, x2, y2 in pixels of the upright picture; every pixel that a box touches
                belongs to it.
            detector: Finds the parts where no boxes are given.

        Returns:
            `Regions`: boxes, labels and scores of the detector, and one vector for each part.

        Raises:
            ValueError: Neither or both of `boxes` and `detector` are given, or a box holds no pixel of the picture.
        """
        return regions.encode_regions(self, image, boxes, detector)

    def save_pretrained(self, path: str | Path) -> None:
        """Write a directory that `from_pretrained` reads, and the library that the weights came from as well.

        The tensors keep their types and their names; configuration files are copied, and what differs from them
        (preprocessing, pooling, scales, whitening) is noted in pictrieve.json.
        """
        if self._random:
            raise ValueError(f"{self!r}: expected trained weights to save, got random ones")
        config = {**self._model.config, "architecture": self._model.architecture, "labels": self.labels}
        notes: dict[str, Any] = {}
        if self.preprocess.fingerprint != (self._model.preprocess and self._model.preprocess.fingerprint):
            notes["preprocess"] = self.preprocess.to_dict()
        if self.pooling:
            notes["pooling"] = self.pooling
        if self.scales != (1.0,):
            notes["scales"] = self.scales
        folder = save_directory(Path(path), self._model, config, self.preprocess, notes)
        if self._whitening:
            whitening.save(folder / WHITENING, self._whitening)

    def __repr__(self) -> str:
        """Say what the encoder is; RANDOM where its weights are."""
        weights = "RANDOM weights, " if self._random else ""
        pooling = f"pooling={self.pooling!r}, " if self.pooling else ""
        return f"ImageEncoder({self.name!r}, {weights}{pooling}dim={self.dim}, fingerprint={self.fingerprint[:12]})"
