"""Pictures to binary codes, to be compared by Hamming distance: 64 bits where a vector has thousands of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core, models
from pictrieve._portable import Portable
from pictrieve.encoders.image import EncodedImages, ImageEncoder
from pictrieve.encoders.kept import keep, reopen
from pictrieve.encoders.rows import Floats, digest, require_supported, write_json
from pictrieve.encoders.whitening import Whitening, load, save

if TYPE_CHECKING:
    from pictrieve.images import ImageInput

_FILE, _HEAD = "binary.json", "head.safetensors"


class BinaryEncoder(Portable):
    """Turns pictures into packed bits: the signs of a linear head on an image encoder's unit vectors.

    Args:
        path: A directory of `finetune.hashing` or `save_pretrained`.

    Raises:
        FormatError: Its files do not fit together.

    Example:
        >>> encoder = BinaryEncoder("runs/codes/model")                                       # doctest: +SKIP
        >>> index = Index(encoder.bits, metric="hamming", factory="BFlat")                    # doctest: +SKIP
        >>> index.add(encoder.encode(paths))                                                  # doctest: +SKIP
    """

    _remade: ClassVar = ("image_encoder", "_head", "fingerprint")
    _weights = None  # the encoder knows its own

    def __init__(self, path: str | Path) -> None:
        """Read the head."""
        self._folder = Path(path).absolute()
        self._note = models.read_json(self._folder / _FILE)
        self.name = str(path) if isinstance(path, str) else path.name
        self._connect()

    def _connect(self) -> None:
        self._head = load(self._folder / _HEAD)
        if self._head.matrix.ndim != 2 or self._head.matrix.shape[1:] != self._head.mean.shape or self.bits % 8:
            raise _core.FormatError(f"{self._folder / _HEAD}: expected a head of 8, 16, ... bits, got damaged parts")

    def _identity(self) -> str:
        return self.fingerprint

    @classmethod
    def from_pretrained(cls, path: str | Path) -> BinaryEncoder:
        """Load an encoder from a directory."""
        return cls(path)

    @cached_property
    def image_encoder(self) -> ImageEncoder:
        """What gives the vectors; loaded when it is first needed."""
        encoder: ImageEncoder = reopen(ImageEncoder, self._folder, self._note)
        return encoder

    @property
    def bits(self) -> int:
        """Length of a code in bits: the `dim` of an index."""
        return len(self._head.matrix)

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with all that changes codes."""
        return digest("binary", self._note["fingerprint"], _core.weights_fingerprint(str(self._folder / _HEAD)))

    def encode(
        self,
        inputs: ImageInput | Iterable[ImageInput],
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        on_error: str = "raise",
    ) -> Any:
        """Encode one picture to `(bits / 8,)` bytes, many to `(n, bits / 8)` uint8; arguments as in `ImageEncoder`."""
        require_supported(on_error=(on_error, ("raise", "skip")))
        skip = on_error == "skip"
        look = self.image_encoder.look(inputs, batch_size, show_progress_bar, skip=skip)
        codes = self.codes(look.features)
        if skip:
            return EncodedImages(codes, look.kept, look.errors)
        return codes[0] if look.single else codes

    def project(self, rows: Floats) -> Floats:
        """Give `(n, bits)` float32 of unit rows `(n, dim)` of `image_encoder`; the bits are their signs."""
        centred: Floats = rows - self._head.mean
        projected: Floats = centred @ self._head.matrix.T
        return projected

    def codes(self, rows: Floats) -> NDArray[np.uint8]:
        """Give the codes of rows as in `project`: `(n, bits / 8)` uint8, a number above 0 being a bit that is set."""
        return np.packbits(self.project(rows) > 0, axis=1)

    def save_pretrained(self, path: str | Path) -> None:
        """Write a directory that `from_pretrained` reads."""
        write(Path(path), self.image_encoder, self._head)

    def __repr__(self) -> str:
        """Say how long a code is."""
        return f"BinaryEncoder({self.name!r}, bits={self.bits}, fingerprint={self.fingerprint[:12]})"


def write(folder: Path, image_encoder: ImageEncoder, head: Whitening) -> None:
    """Write what `BinaryEncoder` reads: the head, and the encoder by name or as a copy."""
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / _HEAD, head)
    write_json(folder / _FILE, keep(image_encoder, folder / "encoder"))
