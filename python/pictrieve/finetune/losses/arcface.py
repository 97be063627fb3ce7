"""ArcFace: a margin on the angle to the class's direction."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pictrieve.finetune.losses._cosine_classes import CosineClasses


class ArcFace(CosineClasses):
    """Additive angular margin loss (Deng et al., CVPR 2019, arXiv:1801.07698; sub-centres ECCV 2020).

    Cross entropy over `scale * cos(angle)` where the row's own class has `cos(angle + margin)` instead. Where that
    would turn upwards again, beyond `angle = pi - margin`, it goes on as `cos(angle) - margin * sin(margin)`.
    Rows and directions are normalised here.

    Args:
        classes: How many classes there are.
        dim: Length of the rows.
        margin: In radians; 0.5 is 28.6 degrees.
        scale: Factor of the cosines; 64 suits many thousands of classes, around 30 suits hundreds.
        easy_margin: Whether the margin applies to angles below 90 degrees only, which starts more gently.
        sub_centres: Directions per class, of which the nearest counts.
        label_smoothing: Share of the target that goes to all classes alike.
        class_weights: `(classes,)` weights of the classes' rows; None for equal ones.

    Raises:
        ValueError: A setting is out of range, such as a margin in degrees.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        margin: float = 0.5,
        scale: float = 64.0,
        *,
        easy_margin: bool = False,
        sub_centres: int = 1,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
    ) -> None:
        """See the class."""
        super().__init__(
            classes,
            dim,
            scale,
            sub_centres=sub_centres,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
        )
        if not 0 <= margin < math.pi / 2:
            raise ValueError(f"margin: expected radians from 0 to below pi / 2, got {margin}")
        self.margin, self.easy_margin = margin, easy_margin

    def target(self, cosines: Tensor) -> Tensor:
        """Add the margin to the angles."""
        sines = (1 - cosines.square()).clamp_min(1e-7).sqrt()  # the slope of an arc cosine at 1 is infinite
        turned = cosines * math.cos(self.margin) - sines * math.sin(self.margin)
        if self.easy_margin:
            return torch.where(cosines > 0, turned, cosines)
        beyond = cosines - self.margin * math.sin(self.margin)
        return torch.where(cosines > -math.cos(self.margin), turned, beyond)
