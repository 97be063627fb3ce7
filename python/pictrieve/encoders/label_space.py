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
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from pictrieve import _core, models
from pictrieve.encoders.image import ImageEncoder, image_fingerprint
from pictrieve.encoders.look import Look
from pictrieve.encoders.rows import Floats, digest
from pictrieve.encoders.text import TextEncoder
from pictrieve.images import Preprocess

# Both lie on a plateau: 3..4 and 0.08..0.10 are within noise of each other on three sets of captioned pictures.
PROMPT = "a photo of "  # what a text is read as: the classes are described in the same words
IMAGE_TEMPERATURE = 3.0
TEXT_TEMPERATURE = 0.1


class LabelSpace:
    """The space of the classes of ImageNet. Each side is loaded when it is first needed."""

    needs_probabilities = True

    def __init__(self, name: str) -> None:
        """Name the two sides: "<image classifier>+<text encoder>"."""
        self._image_name, _, self._text_name = name.partition("+")
        self._image_model = models.resolve(self._image_name, kind="image")
        self._text_model = models.resolve(self._text_name, kind="text")

    @cached_property
    def image_encoder(self) -> ImageEncoder:
        """The picture side. It sees the whole picture, since what a sentence names may stand at the edge."""
        return ImageEncoder(self._image_name, preprocess=self._whole_picture())

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
        """64 hexadecimal digits; a search by words needs no picture network for them."""
        recipe = f"label space {PROMPT!r} {IMAGE_TEMPERATURE} {TEXT_TEMPERATURE}"
        image = image_fingerprint(self._image_model, self._whole_picture())
        return digest(image, self.text_encoder.fingerprint, recipe, *self._descriptions())

    def identity(self) -> str:
        """Give a text that changes with the files of both sides; neither is loaded for it."""
        image = image_fingerprint(self._image_model, self._whole_picture())
        return digest(image, _core.weights_fingerprint(str(self._text_model.weights)))

    def __getstate__(self) -> dict[str, object]:
        """Leave out what can be computed again."""
        return {name: value for name, value in vars(self).items() if name not in ("fingerprint", "_class_vectors")}

    def pictures(self, look: Look) -> Floats:
        """Soften: softmax(logits / T) is proportional to softmax(logits) ** (1 / T)."""
        soft = look.probabilities ** np.float32(1 / IMAGE_TEMPERATURE)
        return _centred(soft / np.maximum(soft.sum(axis=1, keepdims=True), np.float32(1e-30)))

    def texts(self, texts: list[str], batch_size: int, show_progress_bar: bool | None) -> Floats:
        """Compare with the descriptions of the classes."""
        sentences = self.text_encoder.encode([PROMPT + text for text in texts], batch_size, show_progress_bar)
        return _centred(_softmax(sentences @ self._class_vectors.T / TEXT_TEMPERATURE))

    def _whole_picture(self) -> Preprocess:
        """Give the model's own preparation, but stretched to the network's input."""
        own = self._image_model.preprocess or Preprocess("imagenet")
        return Preprocess.from_dict(
            own.to_dict() | {"steps": ("resize",), "resize": own.size, "resize_mode": "stretch"}
        )

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
