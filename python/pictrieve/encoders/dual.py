"""Pictures and sentences as vectors of one space."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core, models
from pictrieve._portable import Portable
from pictrieve.encoders.aligned import AlignedSpace
from pictrieve.encoders.image import EncodedImages, EncodeError, ImageEncoder
from pictrieve.encoders.label_space import LabelSpace
from pictrieve.encoders.look import Look
from pictrieve.encoders.rows import Floats, digest, finish, require_supported
from pictrieve.encoders.text import TextEncoder, list_of_texts
from pictrieve.models.own import ALIGNED

if TYPE_CHECKING:
    from pictrieve.images import ImageInput


class JointSpace:
    """Two networks that were trained together: CLIP, SigLIP. Each is loaded when it is first needed."""

    needs_probabilities = False

    def __init__(self, model: str | Path) -> None:
        """Remember the directory."""
        self._model = Path(model).absolute()

    @cached_property
    def image_encoder(self) -> ImageEncoder:
        """The picture side."""
        return ImageEncoder(self._model)

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """The sentence side."""
        return TextEncoder(self._model)

    @property
    def dim(self) -> int:
        """Length of a vector of either side."""
        return self.image_encoder.dim

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits."""
        return digest(self.image_encoder.fingerprint, self.text_encoder.fingerprint)

    def identity(self) -> str:
        """Give a text that changes with the weights; neither side is loaded for it."""
        return _core.weights_fingerprint(str(models.resolve(self._model, "image").weights))

    def __getstate__(self) -> dict[str, object]:
        """Leave out what can be computed again."""
        return {name: value for name, value in vars(self).items() if name != "fingerprint"}

    def pictures(self, look: Look) -> Floats:
        """Give the vectors as they are: unit vectors of the joint space."""
        return look.features

    def texts(self, texts: list[str], batch_size: int, show_progress_bar: bool | None) -> Floats:
        """Encode sentences."""
        rows: Floats = self.text_encoder.encode(texts, batch_size, show_progress_bar)
        return rows


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


class DualEncoder(Portable):
    """Pictures and sentences as unit vectors of one space, to be compared by cosine.

    Copies share the networks; pickles hold the settings and the place of the weights.

    The default pairs EfficientNet-Lite0 with all-MiniLM-L6-v2 by way of the 1000 ImageNet classes; see `label_space`.

    Args:
        model: `"<image classifier>+<text encoder>"`, names of `list_models()`; or a directory of CLIP or SigLIP, in the
            layout of transformers or open_clip, or of `finetune.align`; or a file of OpenAI's CLIP beside its
            tokenizer.
        allow_download: Fetch an unknown model from the Hugging Face Hub.

    Example:
        >>> dual = DualEncoder()
        >>> dual.encode_texts(["a sleeping cat", "a rocket"]).shape
        (2, 1000)
    """

    _remade: ClassVar = ()
    _weights = None  # each side knows its own

    def __init__(self, model: str | Path = models.DEFAULT_DUAL, *, allow_download: bool = False) -> None:
        """Name the two sides."""
        found = models.locate(model, allow_download)
        if not models.is_dual(found) and "+" not in str(model):
            raise ValueError(
                f"model: expected '<image model>+<text model>' such as {models.DEFAULT_DUAL!r}, or a directory of "
                f"CLIP, SigLIP or finetune.align, got {str(model)!r}"
            )
        self.name = str(model) if isinstance(model, str) else model.name
        self._space: JointSpace | LabelSpace | AlignedSpace
        if not models.is_dual(found):
            self._space = LabelSpace(str(model))
        else:
            self._space = AlignedSpace(found) if (Path(found) / ALIGNED).is_file() else JointSpace(found)

    def _connect(self) -> None:
        """Leave both sides until they are needed."""

    def _identity(self) -> str:
        return self._space.identity()

    @classmethod
    def from_pretrained(cls, path: str | Path, *, allow_download: bool = False) -> DualEncoder:
        """Load CLIP, SigLIP or an aligned pair from a directory."""
        return cls(path, allow_download=allow_download)

    @property
    def image_encoder(self) -> ImageEncoder:
        """The picture side."""
        return self._space.image_encoder

    @property
    def text_encoder(self) -> TextEncoder:
        """The sentence side."""
        return self._space.text_encoder

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._space.dim

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with all that changes vectors."""
        return self._space.fingerprint

    def save_pretrained(self, path: str | Path) -> None:
        """Write a directory of CLIP or SigLIP, which the library that made the weights can read as well.

        Of an aligned pair it is a directory of ours: the heads, and both encoders but for models that come with us.

        Raises:
            ValueError: The space is made of two models without any training; save these.
        """
        if isinstance(self._space, LabelSpace):
            raise ValueError(f"{self!r}: expected one model to save, got two; save image_encoder and text_encoder")
        if isinstance(self._space, AlignedSpace):
            self._space.save(Path(path))
        else:
            self.image_encoder.save_pretrained(path)

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
        look = self._look(images, batch_size, show_progress_bar, skip)
        rows = finish(self._space.pictures(look), None, convert_to_tensor)
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
        look = self._look(images, batch_size, show_progress_bar, on_error == "skip")
        return BothVectors(look.features, self._space.pictures(look), look.kept, look.errors)

    def encode_texts(
        self,
        texts: str | Iterable[str],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        convert_to_tensor: bool = False,
    ) -> Any:
        """Encode one text to `(dim,)`, many to `(n, dim)` float32 unit rows; arguments as in `TextEncoder.encode`."""
        single = isinstance(texts, str)
        listed = list_of_texts([texts] if isinstance(texts, str) else texts)
        rows = finish(self._space.texts(listed, batch_size, show_progress_bar), None, convert_to_tensor)
        return rows[0] if single else rows

    def __repr__(self) -> str:
        """Say which two encoders share the space."""
        return f"DualEncoder({self.name!r}, dim={self.dim})"

    def _look(
        self, images: ImageInput | Iterable[ImageInput], batch_size: int, show_progress_bar: bool | None, skip: bool
    ) -> Look:
        wanted = self._space.needs_probabilities
        return self.image_encoder.look(images, batch_size, show_progress_bar, probabilities=wanted, skip=skip)
