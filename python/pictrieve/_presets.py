"""Preprocessing conventions by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the conventions differ in; `Preprocess` explains each."""

    steps: Sequence[str] = ("resize", "crop")
    resize: int | tuple[int, int] = 256
    resize_mode: str = "shortest"
    crop: int | float | tuple[int, int] = 224
    interpolation: str = "bilinear"
    divisor: float = 255.0
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    order: str = "rgb"

    def replaced(self, **given: Any) -> Settings:
        """Return a copy with the settings that are not None."""
        return dataclasses.replace(self, **{name: value for name, value in given.items() if value is not None})

    def core_steps(self, pad_value: int) -> list[tuple[Any, ...]]:
        """Return the steps as the core takes them."""
        return [self._core_step(step, pad_value) for step in self.steps]

    def _core_step(self, step: str, pad_value: int) -> tuple[Any, ...]:
        if step == "resize":
            if self.resize_mode == "shortest" and not isinstance(self.resize, int):
                raise ValueError(
                    f'resize: expected one number for resize_mode="shortest", got {self.resize!r}; '
                    'use resize_mode="stretch" or "pad" for a height and a width'
                )
            return ("resize", self.resize_mode, *_pair(self.resize, "resize"), pad_value)
        if step == "crop":
            return ("crop", self.crop) if isinstance(self.crop, float) else ("crop", *_pair(self.crop, "crop"))
        raise ValueError(f'steps: expected "resize" and "crop", got {step!r}')

    def numbers(self) -> dict[str, Any]:
        """Return the settings of the step from pixels to floats."""
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3:
                raise ValueError(f"{name}: expected 3 numbers, got {len(values)}")
        if self.order not in ("rgb", "bgr"):
            raise ValueError(f'order: expected "rgb" or "bgr", got {self.order!r}')
        return {
            "divisor": self.divisor,
            "mean": [float(value) for value in self.mean],
            "std": [float(value) for value in self.std],
            "bgr": self.order == "bgr",
        }


def _pair(side: int | tuple[int, int], name: str) -> tuple[int, int]:
    """Return (height, width) of a side or a pair."""
    if isinstance(side, int):
        return side, side
    if len(side) != 2:
        raise ValueError(f"{name}: expected a side or (height, width), got {side!r}")
    return side[0], side[1]


PRESETS = {
    "efficientnet_lite0": Settings(
        steps=("crop", "resize"), crop=0.875, resize=224, resize_mode="stretch", interpolation="bicubic",
        divisor=1.0, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0),
    ),
    "imagenet": Settings(),
    "clip": Settings(
        resize=224, interpolation="bicubic",
        mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711),
    ),
    "siglip": Settings(
        steps=("resize",), resize=224, resize_mode="stretch", interpolation="bicubic",
        mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
    ),
    "inception": Settings(
        steps=("resize",), resize=299, resize_mode="stretch", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
    ),
    "caffe": Settings(divisor=1.0, mean=(103.939, 116.779, 123.68), std=(1.0, 1.0, 1.0), order="bgr"),
}  # fmt: skip
