"""Adversarial training: pictures changed by a little in the direction that confuses the network most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from pictrieve.images import Preprocess


@dataclass(frozen=True)
class Adversarial:
    """How pictures are attacked in training.

    Attributes:
        method: "fgsm", one step along the gradient's sign (Goodfellow et al. 2015, arXiv:1412.6572); or "pgd", several
            smaller ones from a random place (Madry et al. 2018, arXiv:1706.06083).
        epsilon: Largest change of a pixel, where 1 is the way from black to white.
        steps: Of "pgd".
        step_size: Of each of them; None for 2.5 epsilon / steps.
        share: Weight of the attacked pictures' loss; the rest is that of the pictures as they are.
    """

    method: str = "fgsm"
    epsilon: float = 2 / 255
    steps: int = 3
    step_size: float | None = None
    share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what is no attack."""
        if self.method not in ("fgsm", "pgd"):
            raise ValueError(f'adversarial: expected "fgsm" or "pgd", got {self.method!r}')
        if not self.epsilon > 0 or self.steps < 1 or not 0 < self.share <= 1:
            raise ValueError(f"adversarial: expected epsilon above 0, steps from 1 and a share up to 1, got {self}")

    def to_dict(self) -> dict[str, Any]:
        """Give every setting."""
        return asdict(self)


class Attack:
    """Attacks prepared pixels.

    Args:
        settings: How.
        preprocess: Says what black, white and epsilon are in the network's input.
    """

    def __init__(self, settings: Adversarial, preprocess: Preprocess) -> None:
        """Bring the limits to the network's numbers."""
        self.settings = settings
        facts = preprocess.to_dict()
        white = 255.0 / facts["divisor"]
        self._low = _channels([-mean / std for mean, std in zip(facts["mean"], facts["std"], strict=True)])
        self._high = _channels([(white - mean) / std for mean, std in zip(facts["mean"], facts["std"], strict=True)])

    def __call__(self, pixels: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
        """Give pixels `(n, 3, H, W)` at most epsilon away whose loss is larger.

        Args:
            pixels: As the network takes them.
            loss: The loss of such pixels, whose gradient leads the way; gradients of parameters are not touched.
        """
        low, high = (limit.to(pixels) for limit in (self._low, self._high))
        epsilon = self.settings.epsilon * (high - low)
        attacked = pixels.detach()
        count, size = 1, epsilon
        if self.settings.method == "pgd":
            count = self.settings.steps
            size = (
                epsilon * (2.5 / count) if self.settings.step_size is None else self.settings.step_size * (high - low)
            )
            attacked = attacked + epsilon * (2 * torch.rand_like(attacked) - 1)
        for _ in range(count):
            attacked = attacked.detach().requires_grad_()
            (slope,) = torch.autograd.grad(loss(attacked), attacked)
            moved = attacked.detach() + size * slope.sign()
            moved = torch.clamp(moved, pixels - epsilon, pixels + epsilon)
            # what augmentation left outside of black and white is not pulled in
            attacked = torch.clamp(moved, torch.minimum(pixels, low), torch.maximum(pixels, high))
        return attacked.detach()


def adversarial_of(what: str | Adversarial | None) -> Adversarial | None:
    """Give the settings that a name stands for."""
    return Adversarial(what) if isinstance(what, str) else what


def _channels(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1)
