"""Pictures as pixels: decoding, resampling, and the preparation that a network expects."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve._presets import PRESETS, Settings
from pictrieve._sources import as_sources, pixels_of

if TYPE_CHECKING:
    from pictrieve._sources import ImageInput as ImageInput

__all__ = ["Preprocess", "as_sources", "decode", "encode_jpeg", "encode_png", "read_bytes", "resize"]

MAX_PIXELS = 178_956_970


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: The path cannot be read.
    """
    return _core.read_file(os.fspath(path))


def decode(
    source: ImageInput, *, exif: bool = True, alpha: str = "white", max_pixels: int | None = None
) -> NDArray[np.uint8]:
    """Decode one picture to RGB.

    JPEG, PNG, GIF, WebP, TIFF, BMP and PNM, told by their bytes; of an animation the first frame. 16-bit
    samples keep their high byte, CMYK is converted as Pillow does; colour profiles and the alpha of grey
    TIFFs are ignored.

    Args:
        source: A path, encoded bytes, a Pillow image, or uint8 pixels (H, W), (H, W, 3) or (H, W, 4).
        exif: Turn the picture upright as its EXIF orientation says.
        alpha: What happens to transparent pixels: composed on "white" or "black", or "drop" the transparency.
        max_pixels: Refuse larger pictures before anything is allocated; 178,956,970 where not given.

    Returns:
        uint8 (H, W, 3).

    Raises:
        DecodeError: Not a picture of a supported format, or damaged, truncated or too large.
        OSError: The path cannot be read.
    """
    sources, single = as_sources(source, exif=exif)
    if not single:
        raise TypeError("decode: expected one picture, got several; decode them one by one")
    return _core.decode(sources, exif, alpha, MAX_PIXELS if max_pixels is None else max_pixels, 0)


def resize(image: NDArray[np.uint8], size: tuple[int, int], interpolation: str = "bilinear") -> NDArray[np.uint8]:
    """Resample pixels with antialias, byte for byte as Pillow's ``Image.resize``.

    Args:
        image: uint8 (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA.
        size: Height and width of the result (Pillow's order is the other one).
        interpolation: "nearest", "box", "bilinear", "bicubic" or "lanczos".

    Returns:
        uint8 of the new size, with as many dimensions and channels as ``image``.

    Raises:
        TypeError: Pixels of another type than uint8.
        ValueError: Another shape, a size below 1 or an unknown interpolation.

    Example:
        >>> import numpy as np, pictrieve as pt
        >>> pt.resize(np.zeros((480, 640, 3), np.uint8), (240, 320)).shape
        (240, 320, 3)
    """
    height, width = size
    return _core.resize(pixels_of(image), height, width, interpolation)


def encode_jpeg(image: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Encode uint8 (H, W), (H, W, 3) or (H, W, 4; composed on white) pixels as a JPEG of quality 1 to 100."""
    return _core.encode_jpeg(pixels_of(image), quality)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encode uint8 (H, W), (H, W, 3) or (H, W, 4) pixels as a PNG, without loss."""
    return _core.encode_png(pixels_of(image))


class Preprocess:
    """From any picture to the numbers that a network expects.

    Geometry, in the order of ``steps``, on 8-bit pixels; then ``(pixel / divisor - mean) / std`` per channel.
    Immutable and safe to share between threads. Pictures are prepared in parallel (`set_num_threads`).

    Args:
        name: Whose conventions to start from; what is given besides replaces single settings.
            "efficientnet_lite0": centre crop of 0.875 of the short side, bicubic to 224, (pixel - 127) / 128.
            "imagenet": short side to 256, crop 224, ImageNet mean and deviation (torchvision's).
            "clip": short side to 224 bicubic, crop 224. "siglip": stretched to 224 bicubic, to -1..1.
            "inception": stretched to 299, to -1..1. "caffe": like "imagenet", but B, G, R minus mean.
        steps: "resize" and "crop" in the order in which they happen.
        resize: Side, or (height, width), of the resize step.
        resize_mode: "shortest" brings the short side to ``resize`` and keeps the shape, "stretch" goes to
            exactly that size, "pad" fits the whole picture in and fills the rest with ``pad_value``.
        crop: Side or (height, width) of the centre crop in pixels, or as a float the fraction of the short
            side.
        interpolation: "nearest", "box", "bilinear", "bicubic" or "lanczos".
        antialias: Widen the filter when shrinking, byte for byte as Pillow; False resembles OpenCV
            (bilinear and bicubic only).
        decode: "scaled" decodes JPEGs that are far larger than needed at 1/2, 1/4 or 1/8; "exact" decodes in
            full. Where a fraction is cropped, it is then a fraction of the reduced picture.
        divisor: Pixels are divided by this before ``mean`` and ``std``: 255 where these are meant for 0..1.
        mean: Three numbers, in the order of the output channels.
        std: Three numbers, in the order of the output channels.
        order: "rgb" or "bgr" channels in the output.
        exif: Turn pictures upright as their EXIF orientation says.
        alpha: Transparent pixels are composed on "white" or "black", or "drop" forgets the transparency.
        pad_value: 0 to 255, for ``resize_mode="pad"``.

    Raises:
        ValueError: An unknown name or word, or steps that do not end at one size for all pictures.

    Example:
        >>> import numpy as np, pictrieve as pt
        >>> pt.Preprocess("imagenet").apply(np.zeros((480, 640, 3), np.uint8)).shape
        (1, 3, 224, 224)
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        steps: Sequence[str] | None = None,
        resize: int | tuple[int, int] | None = None,
        resize_mode: str | None = None,
        crop: int | float | tuple[int, int] | None = None,
        interpolation: str | None = None,
        antialias: bool = True,
        decode: str = "scaled",
        divisor: float | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        order: str | None = None,
        exif: bool = True,
        alpha: str = "white",
        pad_value: int = 0,
    ) -> None:
        if name is not None and name not in PRESETS:
            raise ValueError(f"Preprocess: expected one of {', '.join(PRESETS)}, got {name!r}")
        settings = (PRESETS[name] if name is not None else Settings()).replaced(
            steps=steps, resize=resize, resize_mode=resize_mode, crop=crop, interpolation=interpolation,
            divisor=divisor, mean=mean, std=std, order=order,
        )  # fmt: skip
        if decode not in ("scaled", "exact"):
            raise ValueError(f'decode: expected "scaled" or "exact", got {decode!r}')
        self.exif = exif
        options = settings.numbers() | {
            "antialias": antialias, "scaled_decode": decode == "scaled", "exif": exif, "alpha": alpha,
        }  # fmt: skip
        self._core = _core.Preprocess(settings.core_steps(pad_value), settings.interpolation, options)
        self._arguments = dataclasses.asdict(settings) | {
            "antialias": antialias, "decode": decode, "exif": exif, "alpha": alpha, "pad_value": pad_value,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Preprocess:
        """Make one again from what `to_dict` gave; JSON turned its pairs into lists, which is fine."""
        pairs: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
        }
        try:
            return cls(**pairs)
        except TypeError as error:
            raise ValueError(f"preprocessor settings: expected those of Preprocess, got {sorted(settings)}") from error

    def to_dict(self) -> dict[str, Any]:
        """Give every setting, as JSON can store it."""
        return dict(self._arguments)

    def apply(
        self,
        images: ImageInput | Iterable[ImageInput],
        *,
        progress: Callable[[int, int], object] | None = None,
    ) -> NDArray[np.float32]:
        """Prepare one or more pictures.

        Args:
            images: A path, encoded bytes, a Pillow image, uint8 pixels (H, W), (H, W, 3) or (H, W, 4); or a
                list, generator or array (N, H, W, C) of these.
            progress: Called as ``progress(done, total)`` several times a second.

        Returns:
            float32 (n, 3, height, width); n is 1 for a single picture.

        Raises:
            DecodeError: A picture cannot be decoded; says which.
            OSError: A path cannot be read.
            TypeError, ValueError: Something that is no picture.
        """
        sources, _ = as_sources(images, exif=self.exif)
        return self._core.apply(sources, progress)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self._core.height, self._core.width

    @property
    def fingerprint(self) -> str:
        """Text of every setting that changes numbers: equal texts give equal results."""
        return self._core.fingerprint

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle every setting."""
        return type(self).from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        """Show the fingerprint."""
        return f"Preprocess({self.fingerprint})"
