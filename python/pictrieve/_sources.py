"""Pictures as users have them, brought into the kinds that the core reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    ImageInput: TypeAlias = "str | os.PathLike[str] | bytes | PillowImage | NDArray[np.uint8]"

_ORIENTATION = 274  # EXIF tag


def as_sources(
    images: ImageInput | Iterable[ImageInput], *, exif: bool = True, first: int = 0
) -> tuple[list[str | bytes | NDArray[np.uint8]], bool]:
    """Bring pictures of any kind into the three kinds that the core reads.

    Paths become str, buffers become bytes, Pillow images become arrays (upright where ``exif`` is true);
    arrays stay as they are unless their pixels are not stored one after another, which is copied.

    Args:
        images: One picture, or a list, generator or uint8 array (N, H, W, C) of them.
        exif: Turn Pillow images upright as their EXIF orientation says.
        first: Number of the first picture in the caller's own list, for messages.

    Returns:
        The list, and whether ``images`` was a single picture.

    Raises:
        TypeError: Something that is no picture, or pixels of another type than uint8.
        ValueError: An array of another shape than (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
    """
    batch = isinstance(images, np.ndarray) and images.ndim == 4
    one = _as_source(images, exif) if not batch else None
    if one is not None:
        return [one], True
    if not isinstance(images, Iterable):
        raise TypeError(_not_a_picture(images))
    sources = []
    for position, image in enumerate(images, first):
        source = _as_source(image, exif)
        if source is None:
            raise TypeError(f"image {position}: {_not_a_picture(image)}")
        sources.append(source)
    return sources, False


def _as_source(image: object, exif: bool) -> str | bytes | NDArray[np.uint8] | None:
    if isinstance(image, (bytes, str)):
        return image
    if isinstance(image, os.PathLike):
        return os.fsdecode(image)
    if isinstance(image, (bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, (np.ndarray, np.generic)):
        return pixels_of(image)
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(image, pillow.Image):
        return _pillow_pixels(image, exif)
    return None


def _not_a_picture(image: object) -> str:
    return (
        "expected a path, encoded bytes, a Pillow image or a uint8 array (H, W), (H, W, 3) or (H, W, 4), "
        f"got {type(image).__module__}.{type(image).__qualname__}"
    )


def pixels_of(image: Any) -> NDArray[np.uint8]:
    """Check that an array is a picture; copy it only where its pixels are not stored one after another."""
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image: expected a uint8 array, got {type(image).__name__}; use np.asarray(image)")
    if image.dtype != np.uint8:
        remedy = {
            "f": "scale to 0..255, round and cast: (image * 255).round().astype(np.uint8)",
            "b": "cast: image.astype(np.uint8) * 255",
        }.get(image.dtype.kind, "bring it into 0..255 and cast: image.astype(np.uint8)")
        raise TypeError(f"image: expected uint8 pixels, got {image.dtype} {image.shape}; {remedy}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        planar = image.ndim == 3 and image.shape[0] in (1, 3, 4)
        remedy = "; channels come last: image.transpose(1, 2, 0)" if planar else ""
        raise ValueError(f"image: expected shape (H, W), (H, W, 3) or (H, W, 4), got {image.shape}{remedy}")
    inner = image.strides[1:]
    channels = 1 if image.ndim == 2 else image.shape[2]
    dense = inner == (channels, 1)[: image.ndim - 1] and image.strides[0] >= image.shape[1] * channels
    return image if dense else np.ascontiguousarray(image)


def _pillow_pixels(image: PillowImage, exif: bool) -> NDArray[np.uint8]:
    if exif and image.getexif().get(_ORIENTATION, 1) != 1:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return (np.asarray(image) >> 8).astype(np.uint8)  # the high byte, as when decoding
    if image.mode in ("I", "F"):
        raise TypeError(
            f"image: expected 8 or 16 bits per sample, got a Pillow image of mode {image.mode}; "
            'scale it to 0..255 and convert("L") first'
        )
    transparent = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if transparent else "RGB"))
