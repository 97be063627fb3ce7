"""Pictures to what a network is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve.augment.recipes import steps_of
from pictrieve.augment.step import Step
from pictrieve.augment.steps import CutMix
from pictrieve.encoders.image_parts import scaled
from pictrieve.encoders.look import EncodeError
from pictrieve.images import Preprocess, as_sources

if TYPE_CHECKING:
    from pictrieve.images import ImageInput


class Batch(NamedTuple):
    """Augmented pictures.

    Attributes:
        pixels: Float32 `(kept, 3, height, width)`, or uint8 `(kept, height, width, 3)`; with several views these come
            first: `(views, kept, ...)`.
        kept: `(kept,)` int64 positions of the readable pictures in the input.
        errors: One `(index, reason)` for each unreadable picture.
        partner: `(kept,)` int64 row that each picture was mixed with; None where the recipe mixes nothing.
        weight: `(kept,)` float32 share of the picture's own label; the partner's is 1 - weight.
    """

    pixels: NDArray[Any]
    kept: NDArray[np.int64]
    errors: list[EncodeError]
    partner: NDArray[np.int64] | None
    weight: NDArray[np.float32] | None


class Augmentation:
    """Random changes that make a network see more than the pictures there are.

    What a picture becomes depends on the seed, the recipe, the epoch, its index and the number of the view, on nothing
    else: not on threads, workers, the order of calls, or what shares its batch (mixing apart, which depends on which
    pictures these are). There is no hidden state, so a run that goes on after a stop sees what it would have seen.
    Decoding, resampling and all steps run in the core, on all threads (`set_num_threads`), without the GIL.

    Args:
        recipe: "none" prepares as in serving. "standard" crops 50 to 100 % of the area, flips, and changes colours a
            little. "strong" adds rotation, blur, JPEG and erasing. "simclr" gives two views (Chen et al., 2020). Or a
            list of steps of `pictrieve.augment`, in their order, or of their dictionaries. Where no step sets the size,
            `AsServed` comes last.
        size: Side, or (height, width), of the result; None takes that of `preprocess`.
        preprocess: Of the network: size, resampling, mean and deviation; an encoder has it as `encoder.preprocess`.
            None takes `Preprocess("imagenet")`.
        views: Independent looks at each picture; None means 2 for "simclr", else 1.
        output: "float32" gives the network's input, "uint8" RGB pixels.
        seed: At least 0, below 2 ** 64.

    Raises:
        ValueError: An unknown recipe, a parameter out of range, or steps that leave another size than the network's.

    Example:
        >>> import numpy as np, pictrieve as pt
        >>> augmentation = pt.Augmentation("standard", size=96, seed=7)
        >>> photos = [np.zeros((120, 160, 3), np.uint8)] * 4
        >>> augmentation.apply(photos, indices=[3, 1, 4, 15], epoch=2).shape
        (4, 3, 96, 96)
    """

    def __init__(
        self,
        recipe: str | Sequence[Step | Mapping[str, Any]] = "standard",
        *,
        size: int | tuple[int, int] | None = None,
        preprocess: Preprocess | None = None,
        views: int | None = None,
        output: str = "float32",
        seed: int = 0,
    ) -> None:
        """Make it; see the class for the arguments."""
        if output not in ("float32", "uint8"):
            raise ValueError(f'output: expected "float32" or "uint8", got {output!r}')
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed: expected at least 0, below 2 ** 64, got {seed}")
        self.steps, self.mixing = steps_of(recipe)
        self.preprocess = _of_size(preprocess or Preprocess("imagenet"), size)
        self.views = (2 if recipe == "simclr" else 1) if views is None else views
        self.output = output
        self.seed = seed
        if self.views < 1:
            raise ValueError(f"views: expected at least 1, got {views}")
        if self.mixing and self.views > 1:
            raise ValueError(f"views: expected 1 where pictures are mixed, got {views}")
        self._core = _core.Augmentation(self.preprocess._core, [step.core() for step in self.steps], seed)
        if not self._core.fits_network:
            raise ValueError(
                f"recipe: expected an end at {self.size[0]} x {self.size[1]} pixels for every picture; set the size in "
                "the last step that changes it, or leave it out there"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.preprocess.size

    def apply(
        self,
        images: ImageInput | Iterable[ImageInput],
        indices: Sequence[int] | NDArray[np.integer[Any]] | None = None,
        epoch: int = 0,
    ) -> NDArray[Any]:
        """Augment pictures.

        Args:
            images: One picture, or many, as `Preprocess.apply` takes them.
            indices: Number of each picture in its data set; None counts from 0.
            epoch: Which pass over the data set this is: each sees other changes.

        Returns:
            Float32 `(n, 3, height, width)`, ready for the network, or uint8 `(n, height, width, 3)`; with several views
            `(views, n, ...)`.

        Raises:
            DecodeError: A picture cannot be decoded; says which.
            OSError: A path cannot be read.
            ValueError: The recipe mixes pictures, whose labels only `batch` tells; or indices do not fit.
        """
        if self.mixing:
            raise ValueError("apply: expected a recipe that mixes no pictures; use batch(), which gives their partners")
        return self.batch(images, indices, epoch).pixels

    def batch(
        self,
        images: ImageInput | Iterable[ImageInput],
        indices: Sequence[int] | NDArray[np.integer[Any]] | None = None,
        epoch: int = 0,
        on_error: str = "raise",
    ) -> Batch:
        """Augment pictures, and tell what became of each; arguments are those of `apply`.

        Args:
            images: One picture, or many.
            indices: Number of each picture in its data set.
            epoch: Which pass over the data set this is.
            on_error: "raise", or "skip" to go on without unreadable pictures.
        """
        if on_error not in ("raise", "skip"):
            raise ValueError(f'on_error: expected "raise" or "skip", got {on_error!r}')
        if not 0 <= epoch < 2**32:
            raise ValueError(f"epoch: expected at least 0, below 2 ** 32, got {epoch}")
        sources, _ = as_sources(images, exif=self.preprocess.exif)
        numbers = numbers_of(indices, len(sources))
        pixels, failed = self._core.apply(
            sources, numbers, epoch, self.views, self.output == "float32", on_error == "raise"
        )
        kept = np.arange(len(sources), dtype=np.int64)
        if failed:
            kept = np.setdiff1d(kept, [index for index, _ in failed])
            pixels = pixels[:, kept]
        pixels = pixels if self.views > 1 else pixels[0]
        errors = [EncodeError(*failure) for failure in failed]
        if not self.mixing:
            return Batch(pixels, kept, errors, None, None)
        mixing = self.mixing
        mixed, partner, weight = _core.mix(
            pixels, numbers[kept], isinstance(mixing, CutMix), mixing.alpha, mixing.probability, self.seed, epoch
        )
        return Batch(mixed, kept, errors, partner, weight)

    def to_dict(self) -> dict[str, Any]:
        """Give every setting, as JSON can store it; a named recipe as its steps."""
        mixing = (self.mixing,) if self.mixing else ()
        return {
            "recipe": [step.to_dict() for step in (*self.steps, *mixing)],
            "preprocess": self.preprocess.to_dict(),
            "views": self.views,
            "output": self.output,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Augmentation:
        """Make one again from what `to_dict` gave."""
        known = {"recipe", "preprocess", "views", "output", "seed"}
        if set(settings) != known:
            raise ValueError(f"augmentation settings: expected {sorted(known)}, got {sorted(settings)}")
        return cls(**{**settings, "preprocess": Preprocess.from_dict(settings["preprocess"])})

    def __repr__(self) -> str:
        """Show the steps."""
        mixing = (self.mixing,) if self.mixing else ()
        lines = "".join(f"\n  {step!r}," for step in (*self.steps, *mixing))
        return f"Augmentation([{lines}\n], size={self.size}, views={self.views}, seed={self.seed})"


def numbers_of(indices: Sequence[int] | NDArray[np.integer[Any]] | None, count: int) -> NDArray[np.int64]:
    """Give the number of each of `count` pictures."""
    if indices is None:
        return np.arange(count, dtype=np.int64)
    numbers = np.asarray(indices)
    if numbers.shape != (count,) or (count and numbers.dtype.kind not in "iu"):
        raise ValueError(
            f"indices: expected one whole number for each of {count} pictures, got {numbers.dtype} {numbers.shape}"
        )
    return np.ascontiguousarray(numbers, np.int64)


def _of_size(preprocess: Preprocess, size: int | tuple[int, int] | None) -> Preprocess:
    """Give the preparation for another size of the network's input."""
    height, width = preprocess.size
    wanted = preprocess.size if size is None else (size, size) if isinstance(size, int) else tuple(size)
    if wanted == (height, width):
        return preprocess
    if len(wanted) == 2 and min(wanted) > 0 and wanted[0] * width == wanted[1] * height:
        changed = scaled(preprocess, wanted[0] / height)
        if changed.size == wanted:
            return changed
    raise ValueError(
        f"size: expected {height} x {width} times some factor, got {size}; give a preprocess of that size instead"
    )
