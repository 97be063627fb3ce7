"""CosFace: a margin on the cosine to the class's direction."""

from __future__ import annotations

from torch import Tensor

from pictrieve.finetune.losses._cosine_classes import CosineClasses


class CosFace(CosineClasses):
    """Large margin cosine loss (Wang et al., CVPR 2018, arXiv:1801.09414).

    Cross entropy over `scale * cos(angle)` where the row's own class has `cos(angle) - margin` instead.
    Rows and directions are normalised here.

    Args:
        classes: How many classes there are.
        dim: Length of the rows.
        margin: Subtracted from the cosine, 0 to below 1.
        scale: Factor of the cosines.
        sub_centres: Directions per class, of which the nearest counts.
        label_smoothing: Share of the target that goes to all classes alike.
        class_weights: `(classes,)` weights of the classes' rows; None for equal ones.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        margin: float = 0.35,
        scale: float = 64.0,
        *,
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
        if not 0 <= margin < 1:
            raise ValueError(f"margin: expected 0 to below 1, got {margin}")
        self.margin = margin

    def target(self, cosines: Tensor) -> Tensor:
        """Subtract the margin."""
        return cosines - self.margin
