"""One space for pictures and words, made of an image classifier and a sentence encoder without any training.

Both sides are written as a soft distribution over the classifier's own classes, minus its mean:

    picture   u = unit(softmax(logits / T_i) - 1/C)
    text      v = unit(softmax(E q / T_t) - 1/C)        q: vector of "a photo of <text>", E: of the class descriptions
    score     u . v, the Pearson correlation of the two distributions

Comparing in the space of classes follows Lampert et al. 2009 (attributes) and Torresani et al. 2010 (classemes); ConSE
(Norouzi et al. 2014, arXiv:1312.5650) uses the same parts the other way round and did worse on every set we measured.
The mean is taken off because it makes hubs, vectors that are near to everything (Suzuki et al. 2013).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import models
from pictrieve.encoders.image import EncodedImages, EncodeError, ImageEncoder, image_fingerprint
from pictrieve.encoders.rows import Floats, digest, finish, require_supported
from pictrieve.encoders.text import TextEncoder, list_of_texts
from pictrieve.images import Preprocess

if TYPE_CHECKING:
    from pictrieve.images import ImageInput

# Both lie on a plateau: 3..4 and 0.08..0.10 are within noise of each other on three sets of captioned pictures.
PROMPT = "a photo of "  # what a text is read as: the classes are described in the same words
IMAGE_TEMPERATURE = 3.0
TEXT_TEMPERATURE = 0.1


class BothVectors(NamedTuple):
    """What one look at pictures gives: rows of both spaces for the readable ones, and the failures.

    Attributes:
        features: `(kept, dim)` float32 unit rows of the picture encoder.
        dual: `(kept, classes)` float32 unit rows of the shared space.
        kept: `(kept,)` int64 positions of the readable pictures in the input.
        errors: `(index, reason)` of each unreadable picture.
    """

    features: Floats
    dual: Floats
    kept: NDArray[np.int64]
    errors: list[EncodeError]


class DualEncoder:
    """Pictures and sentences as unit vectors of one space, to be compared by cosine.

    The default pairs EfficientNet-Lite0 with all-MiniLM-L6-v2 by way of the 1000 ImageNet classes. It sees the whole
    picture, stretched to the network's square, since what a sentence names may stand at the edge. Each side is loaded
    when it is first needed.

    Args:
        model: `"<image classifier>+<text encoder>"`: names of `list_models()`.

    Example:
        >>> dual = DualEncoder()
        >>> dual.encode_texts(["a sleeping cat", "a rocket"]).shape
        (2, 1000)
    """

    def __init__(self, model: str = models.DEFAULT_DUAL) -> None:
        """Name the two sides."""
        image, plus, text = model.partition("+")
        if not plus:
            raise ValueError(
                f"model: expected '<image model>+<text model>' such as {models.DEFAULT_DUAL!r}, got {model!r}"
            )
        self.name = model
        self._image_name, self._text_name = image, text
        self._image_model = models.resolve(image, kind="image")
        models.resolve(text, kind="text")

    @cached_property
    def image_encoder(self) -> ImageEncoder:
        """The picture side."""
        return ImageEncoder(self._image_name, preprocess=_whole_picture())

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """The sentence side."""
        return TextEncoder(self._text_name)

    @property
    def dim(self) -> int:
        """Length of a vector: the number of classes."""
        return len(models.imagenet_classes())

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with all that changes vectors."""
        recipe = f"label space {PROMPT!r} {IMAGE_TEMPERATURE} {TEXT_TEMPERATURE}"
        image = image_fingerprint(self._image_model, _whole_picture())  # a search by words needs no picture network
        return digest(image, self.text_encoder.fingerprint, recipe, *self._descriptions())

    def encode_images(
        self,
        images: ImageInput | Iterable[ImageInput],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        convert_to_tensor: bool = False,
        on_error: str = "raise",
    ) -> Any:
        """Encode one picture to `(dim,)`, many to `(n, dim)` float32 unit rows; arguments as in `ImageEncoder`."""
        require_supported(on_error=(on_error, ("raise", "skip")))
        skip = on_error == "skip"
        look = self.image_encoder.look(images, batch_size, show_progress_bar, probabilities=True, skip=skip)
        rows = finish(self._from_probabilities(look.probabilities), None, convert_to_tensor)
        if skip:
            return EncodedImages(rows, look.kept, look.errors)
        return rows[0] if look.single else rows

    def encode_images_both(
        self,
        images: Iterable[ImageInput],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        on_error: str = "skip",
    ) -> BothVectors:
        """Encode pictures once for both spaces: the picture encoder's features and the shared one."""
        require_supported(on_error=(on_error, ("raise", "skip")))
        look = self.image_encoder.look(
            images, batch_size, show_progress_bar, probabilities=True, skip=on_error == "skip"
        )
        return BothVectors(look.features, self._from_probabilities(look.probabilities), look.kept, look.errors)

    def encode_texts(
        self,
        texts: str | Iterable[str],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        convert_to_tensor: bool = False,
    ) -> Any:
        """Encode one text to `(dim,)`, many to `(n, dim)` float32 unit rows; arguments as in `TextEncoder.encode`."""
        single = isinstance(texts, str)
        prompts = [PROMPT + text for text in list_of_texts([texts] if isinstance(texts, str) else texts)]
        sentences = self.text_encoder.encode(prompts, batch_size, show_progress_bar)
        rows = _centred(_softmax(sentences @ self._class_vectors.T / TEXT_TEMPERATURE))
        rows = finish(rows, None, convert_to_tensor)
        return rows[0] if single else rows

    def __repr__(self) -> str:
        """Say which two encoders share the space."""
        return f"DualEncoder({self.name!r}, dim={self.dim})"

    def _from_probabilities(self, probabilities: Floats) -> Floats:
        """Soften: softmax(logits / T) is proportional to softmax(logits) ** (1 / T)."""
        soft = probabilities ** np.float32(1 / IMAGE_TEMPERATURE)
        return _centred(soft / np.maximum(soft.sum(axis=1, keepdims=True), np.float32(1e-30)))

    @staticmethod
    def _descriptions() -> list[str]:
        """Two texts per class, classes in order: what is in a photo of it, and what it is."""
        return [
            text
            for row in models.imagenet_classes()
            for text in (_photo_of(row.name, row.kind), f"{row.name}: {row.gloss}")
        ]

    @cached_property
    def _class_vectors(self) -> Floats:
        """E of the formula, `(classes, dim of the text encoder)`; kept in the user's cache, since it costs seconds."""
        texts = self._descriptions()
        path = cache_folder() / f"classes-{digest(self.text_encoder.fingerprint, *texts)[:32]}.npy"
        shape = (self.dim, self.text_encoder.dim)
        cached = _read_matrix(path, shape)
        if cached is not None:
            return cached
        both: Floats = self.text_encoder.encode(texts, show_progress_bar=False).reshape(shape[0], 2, shape[1])
        vectors: Floats = both.sum(axis=1)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        _keep_matrix(path, vectors)
        return vectors


def cache_folder() -> Path:
    """Give the folder for what can be computed again: $PICTRIEVE_CACHE, or pictrieve in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("PICTRIEVE_CACHE") or Path(base) / "pictrieve")


def _whole_picture() -> Preprocess:
    return Preprocess("efficientnet_lite0", steps=("resize",), resize=(224, 224))


def _photo_of(name: str, kind: str) -> str:
    article = "an" if name[0].lower() in "aeiou" else "a"
    return f"{PROMPT}{article} {name}" + (f", a kind of {kind}" if kind else "")


def _softmax(rows: Floats) -> Floats:
    powers: Floats = np.exp(rows - rows.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def _centred(rows: Floats) -> Floats:
    """Take off the mean of a distribution, and scale to unit length."""
    centred: Floats = rows - np.float32(1 / rows.shape[1])
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.float32(1e-30))
    return centred


def _read_matrix(path: Path, shape: tuple[int, int]) -> Floats | None:
    try:
        matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return matrix if matrix.shape == shape and matrix.dtype == np.float32 and np.isfinite(matrix).all() else None


def _keep_matrix(path: Path, matrix: Floats) -> None:
    """Write at once, so that a reader never sees a part; a folder that cannot be written to is no error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
            np.save(file, matrix)
        Path(file.name).replace(path)
    except OSError:
        return
