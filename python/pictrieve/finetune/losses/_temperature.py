"""A temperature that can be learnt and stays within bounds."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Temperature(nn.Module):
    """Gives 1 / temperature, the factor of the similarities.

    Its logarithm is what is learnt, as in CLIP (arXiv:2103.00020), whose bound is the default: a factor above 100 makes
    training unstable. Like there, a value that a step took out of bounds is put back, here at the next forward.

    Args:
        start: First temperature.
        learn: Whether it is a parameter; else it stays as it is.
        bounds: Least and greatest temperature.
    """

    def __init__(self, start: float, learn: bool, bounds: tuple[float, float] = (0.01, 1.0)) -> None:
        """See the class."""
        super().__init__()
        least, most = bounds
        if not 0 < least <= start <= most:
            raise ValueError(f"temperature: expected {least} to {most}, within its bounds and above 0, got {start}")
        self.start, self.bounds = start, (-math.log(most), -math.log(least))
        self.log_scale = nn.Parameter(torch.tensor(-math.log(start))) if learn else None

    def forward(self) -> Tensor | float:
        """Give the factor."""
        if self.log_scale is None:
            return 1 / self.start
        with torch.no_grad():
            self.log_scale.clamp_(*self.bounds)
        return self.log_scale.exp()
