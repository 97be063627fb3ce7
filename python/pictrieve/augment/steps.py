"""The steps of an augmentation: parameters, and how likely each is.

A parameter of type `Span` is a pair `(low, high)` from which each picture draws its own number, each as likely as the
other, or one number that all get. A `Size` is a side, a pair (height, width), or None for the network's input. A `Fill`
is a grey level or a colour (red, green, blue), 0 to 255. What is out of range is refused when an
`Augmentation` is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pictrieve.augment.step import Fill, Size, Span, Step


@dataclass(frozen=True)
class RandomResizedCrop(Step):
    """A part of the picture with a random share of its area and a random width / height, brought to the size.

    Szegedy et al., "Going deeper with convolutions", 2015. Drawn as torchvision draws it.
    """

    name: ClassVar[str] = "random_resized_crop"
    area: Span = (0.08, 1.0)
    aspect: Span = (3 / 4, 4 / 3)
    size: Size = None
    probability: float = 1.0


@dataclass(frozen=True)
class Resize(Step):
    """The whole picture to one size: "stretch"; "pad", which fills up both sides; or "crop", which cuts them off."""

    name: ClassVar[str] = "resize"
    mode: str = "crop"
    size: Size = None
    fill: Fill = 0
    probability: float = 1.0


@dataclass(frozen=True)
class CentreCrop(Step):
    """The middle: `fraction` of either side where that is above 0, else `size`, filled up where there is less."""

    name: ClassVar[str] = "centre_crop"
    fraction: float = 0.0
    size: Size = None
    fill: Fill = 0
    probability: float = 1.0


@dataclass(frozen=True)
class RandomCrop(Step):
    """A window of `size` at a random place of the picture, which gets a border of `padding` pixels first."""

    name: ClassVar[str] = "random_crop"
    padding: int = 0
    size: Size = None
    fill: Fill = 0
    probability: float = 1.0


@dataclass(frozen=True)
class AsServed(Step):
    """Resize and crop as the network's `Preprocess` does."""

    name: ClassVar[str] = "as_served"
    probability: float = 1.0


@dataclass(frozen=True)
class HorizontalFlip(Step):
    """Left and right change sides."""

    name: ClassVar[str] = "horizontal_flip"
    probability: float = 0.5


@dataclass(frozen=True)
class VerticalFlip(Step):
    """Top and bottom change sides."""

    name: ClassVar[str] = "vertical_flip"
    probability: float = 0.5


@dataclass(frozen=True)
class Affine(Step):
    """Turned against the clock (degrees), sheared (degrees) and scaled about the centre, then moved, in its own size.

    Shifts are parts of width and height. Bilinear, with the bytes of Pillow's `transform`; the matrix is that of
    torchvision's `affine`, whose angle counts with the clock.
    """

    name: ClassVar[str] = "affine"
    degrees: Span = 0.0
    shift_x: Span = 0.0
    shift_y: Span = 0.0
    scale: Span = 1.0
    shear_x: Span = 0.0
    shear_y: Span = 0.0
    fill: Fill = 0
    probability: float = 1.0


@dataclass(frozen=True)
class Rotate(Step):
    """Turned against the clock about the centre, in its own size: Pillow's `rotate(angle, BILINEAR)`."""

    name: ClassVar[str] = "rotate"
    degrees: Span = (-15.0, 15.0)
    fill: Fill = 0
    probability: float = 1.0


@dataclass(frozen=True)
class ColourJitter(Step):
    """Brightness, contrast, saturation (factors, 1 changes nothing) and hue (part of the circle), in random order.

    Definitions are torchvision's: the first three have the bytes of Pillow's ImageEnhance; the hue turns in floating
    point. A pair is the range itself: what torchvision calls brightness=0.4 is (0.6, 1.4) here.
    """

    name: ClassVar[str] = "colour_jitter"
    brightness: Span = 1.0
    contrast: Span = 1.0
    saturation: Span = 1.0
    hue: Span = 0.0
    probability: float = 1.0


@dataclass(frozen=True)
class Greyscale(Step):
    """Colours go; three equal channels stay."""

    name: ClassVar[str] = "greyscale"
    probability: float = 1.0


@dataclass(frozen=True)
class Blur(Step):
    """Gaussian blur with a standard deviation of `sigma` pixels."""

    name: ClassVar[str] = "blur"
    sigma: Span = (0.1, 2.0)
    probability: float = 1.0


@dataclass(frozen=True)
class Jpeg(Step):
    """Written as a JPEG of a random quality, 1 to 100, and read back."""

    name: ClassVar[str] = "jpeg"
    quality: Span = (30, 95)
    probability: float = 1.0


@dataclass(frozen=True)
class Noise(Step):
    """Normal noise with a standard deviation of that many levels of 0 to 255, on each level by itself."""

    name: ClassVar[str] = "noise"
    deviation: Span = (0.0, 10.0)
    probability: float = 1.0


@dataclass(frozen=True)
class Erase(Step):
    """A rectangle with a random share of the area is filled with "noise", the data's "mean", or a colour.

    Zhong et al., "Random erasing data augmentation", 2020, whose numbers are the defaults.
    """

    name: ClassVar[str] = "erase"
    area: Span = (0.02, 0.4)
    aspect: Span = (0.3, 1 / 0.3)
    fill: Fill | str = "noise"
    probability: float = 0.5


@dataclass(frozen=True)
class Solarise(Step):
    """Levels from the threshold on are inverted."""

    name: ClassVar[str] = "solarise"
    threshold: Span = 128.0
    probability: float = 1.0


@dataclass(frozen=True)
class Posterise(Step):
    """Only the highest bits of each level stay."""

    name: ClassVar[str] = "posterise"
    bits: Span = (4, 8)
    probability: float = 1.0


@dataclass(frozen=True)
class Mixup(Step):
    """The last step: each picture becomes a weighted mean with another of its batch (Zhang et al., 2018).

    Weights are drawn of Beta(alpha, alpha), for each picture its own.
    """

    name: ClassVar[str] = "mixup"
    alpha: float = 0.2
    probability: float = 1.0


@dataclass(frozen=True)
class CutMix(Step):
    """The last step: each picture gets a rectangle of another of its batch (Yun et al., 2019).

    Its share of the area is drawn of Beta(alpha, alpha).
    """

    name: ClassVar[str] = "cutmix"
    alpha: float = 1.0
    probability: float = 1.0
