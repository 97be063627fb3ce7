"""Recipes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pictrieve.augment.step import Step
from pictrieve.augment.steps import (
    AsServed,
    Blur,
    CentreCrop,
    ColourJitter,
    CutMix,
    Erase,
    Greyscale,
    HorizontalFlip,
    Jpeg,
    Mixup,
    RandomCrop,
    RandomResizedCrop,
    Resize,
    Rotate,
)

RECIPES: dict[str, tuple[Step, ...]] = {
    "none": (AsServed(),),
    "standard": (
        RandomResizedCrop(area=(0.5, 1.0)),
        HorizontalFlip(),
        ColourJitter(brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2)),
    ),
    "strong": (
        RandomResizedCrop(area=(0.2, 1.0)),
        HorizontalFlip(),
        Rotate(degrees=(-15.0, 15.0), probability=0.3),
        ColourJitter(
            brightness=(0.6, 1.4), contrast=(0.6, 1.4), saturation=(0.6, 1.4), hue=(-0.1, 0.1), probability=0.8
        ),
        Greyscale(probability=0.1),
        Blur(sigma=(0.1, 2.0), probability=0.2),
        Jpeg(quality=(40, 95), probability=0.2),
        Erase(area=(0.02, 0.25), fill="mean", probability=0.25),
    ),
    # Chen et al., "A simple framework for contrastive learning of visual representations", 2020, appendix A.
    "simclr": (
        RandomResizedCrop(area=(0.08, 1.0)),
        HorizontalFlip(),
        ColourJitter(
            brightness=(0.2, 1.8), contrast=(0.2, 1.8), saturation=(0.2, 1.8), hue=(-0.2, 0.2), probability=0.8
        ),
        Greyscale(probability=0.2),
        Blur(sigma=(0.1, 2.0), probability=0.5),
    ),
}
_SIZING = (AsServed, CentreCrop, RandomCrop, RandomResizedCrop, Resize)


def steps_of(recipe: str | Sequence[Step | Mapping[str, Any]]) -> tuple[tuple[Step, ...], Mixup | CutMix | None]:
    """Give the steps of a recipe on single pictures, and what mixes them.

    Raises:
        ValueError: The name is unknown, or pictures are mixed before the end.
        TypeError: Something else than steps.
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ValueError(f"recipe: expected one of {', '.join(RECIPES)}, or a list of steps, got {recipe!r}")
        return RECIPES[recipe], None
    steps = tuple(Step.from_dict(step) if isinstance(step, Mapping) else step for step in recipe)
    for step in steps:
        if not isinstance(step, Step):
            raise TypeError(f"recipe: expected steps such as pictrieve.augment.Blur(1.5), got {step!r}")
    mixing = steps[-1] if steps and isinstance(steps[-1], Mixup | CutMix) else None
    single = steps[:-1] if mixing else steps
    if any(isinstance(step, Mixup | CutMix) for step in single):
        raise ValueError("recipe: expected one Mixup or CutMix, as the last step: it mixes finished pictures")
    if not any(isinstance(step, _SIZING) for step in single):
        single = (*single, AsServed())
    return single, mixing
