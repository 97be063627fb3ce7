"""An exponential moving average of the weights (Polyak and Juditsky 1992): calmer than the last step's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average of a module's parameters over the steps.

    Args:
        module: What is averaged. Buffers are not: batch norms' statistics are averages already.
        decay: Weight of the past. Early steps have a smaller one, (1 + t) / (10 + t), which forgets the start.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        """Start from the weights as they are."""
        self._module = module
        self._decay = decay
        self._steps = 0
        self._average = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        for name, parameter in self._module.named_parameters():
            if name in self._average:
                self._average[name].lerp_(parameter, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average into the module for the time of the block."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def put(self) -> None:
        """Put the average into the module for good."""
        self._swap()

    def state_dict(self) -> dict[str, Tensor | int]:
        """Give what a checkpoint keeps."""
        return {"steps": self._steps, **{f"average.{name}": tensor for name, tensor in self._average.items()}}

    def load_state_dict(self, state: dict[str, Tensor | int]) -> None:
        """Go on from what `state_dict` gave."""
        self._steps = int(state["steps"])
        for name, tensor in self._average.items():
            stored = state[f"average.{name}"]
            tensor.copy_(torch.as_tensor(stored))

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._module.named_parameters():
            if name in self._average:
                held = parameter.detach().clone()
                parameter.copy_(self._average[name])
                self._average[name] = held
