"""Changes of fixed strength, to see what a search withstands; pictures keep their own sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve.augment.augmentation import numbers_of
from pictrieve.augment.steps import (
    Blur,
    CentreCrop,
    ColourJitter,
    CutMix,
    HorizontalFlip,
    Jpeg,
    Mixup,
    Noise,
    Rotate,
    VerticalFlip,
)
from pictrieve.images import Preprocess, as_sources

if TYPE_CHECKING:
    from pictrieve.augment.step import Fill, Step
    from pictrieve.images import ImageInput


def transform(
    images: ImageInput | Iterable[ImageInput],
    steps: Sequence[Step],
    *,
    indices: Sequence[int] | NDArray[np.integer[Any]] | None = None,
    epoch: int = 0,
    seed: int = 0,
) -> Any:
    """Take pictures through steps of any kind, whatever sizes come out; JPEGs are decoded in full.

    Args:
        images: One picture, or many: paths, encoded bytes, Pillow images or uint8 arrays.
        steps: Steps of `pictrieve.augment`, except `Mixup` and `CutMix`.
        indices: Number of each picture, which random steps draw for; None counts from 0.
        epoch: Another number draws anew.
        seed: Of random steps.

    Returns:
        RGB uint8 `(H, W, 3)` for one picture, a list of these for many.

    Raises:
        DecodeError: A picture cannot be decoded; says which.
        OSError: A path cannot be read.
        ValueError: A parameter is out of range.

    Example:
        >>> import numpy as np, pictrieve as pt
        >>> photo = np.zeros((48, 64, 3), np.uint8)
        >>> pt.augment.transform(photo, [pt.augment.Blur(1.5), pt.augment.Jpeg(50)]).shape
        (48, 64, 3)
    """
    if any(isinstance(step, Mixup | CutMix) for step in steps):
        raise ValueError("transform: expected steps on single pictures, got one that mixes; use Augmentation.batch")
    preprocess = Preprocess("imagenet", decode="exact")
    core = _core.Augmentation(preprocess._core, [step.core() for step in steps], seed)
    sources, single = as_sources(images)
    changed = core.transform(sources, numbers_of(indices, len(sources)), epoch)
    return changed[0] if single else changed


def blur(images: ImageInput | Iterable[ImageInput], sigma: float) -> Any:
    """Blur with a standard deviation of `sigma` pixels; see `transform`."""
    return transform(images, [Blur(sigma)])


def jpeg(images: ImageInput | Iterable[ImageInput], quality: int) -> Any:
    """Write as a JPEG of quality 1 to 100, and read back; see `transform`."""
    return transform(images, [Jpeg(quality)])


def rotate(images: ImageInput | Iterable[ImageInput], degrees: float, fill: Fill = 0) -> Any:
    """Turn against the clock, in the picture's own size; see `transform`."""
    return transform(images, [Rotate(degrees, fill)])


def centre_crop(images: ImageInput | Iterable[ImageInput], fraction: float) -> Any:
    """Keep the middle, `fraction` of either side; see `transform`."""
    return transform(images, [CentreCrop(fraction)])


def noise(images: ImageInput | Iterable[ImageInput], deviation: float, seed: int = 0) -> Any:
    """Add normal noise of `deviation` levels of 0 to 255; see `transform`."""
    return transform(images, [Noise(deviation)], seed=seed)


def flip(images: ImageInput | Iterable[ImageInput], axis: str = "horizontal") -> Any:
    """Mirror, "horizontal" or "vertical"; see `transform`."""
    if axis not in ("horizontal", "vertical"):
        raise ValueError(f'axis: expected "horizontal" or "vertical", got {axis!r}')
    return transform(images, [HorizontalFlip(1.0) if axis == "horizontal" else VerticalFlip(1.0)])


def adjust(
    images: ImageInput | Iterable[ImageInput],
    *,
    brightness: float = 1.0,
    contrast: float = 1.0,
    saturation: float = 1.0,
    hue: float = 0.0,
) -> Any:
    """Change colours, in the order of the arguments; 1 (hue: 0) changes nothing; see `transform` and `ColourJitter`."""
    steps = [
        ColourJitter(brightness=brightness),
        ColourJitter(contrast=contrast),
        ColourJitter(saturation=saturation),
        ColourJitter(hue=hue),
    ]
    return transform(images, steps)
