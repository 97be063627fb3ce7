"""Fine-tuning that does not unlearn: weights between the start and the end, chosen on a guard set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

SHARES = tuple(i / 10 for i in range(10, -1, -1))


def interpolate(module: nn.Module, start: Mapping[str, Tensor], end: Mapping[str, Tensor], share: float) -> None:
    """Set a module's tensors to (1 - share) start + share end (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903).

    Tensors of `end` that the start lacks, and whole numbers, are those of the end.
    """
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name in start and tensor.is_floating_point():
                tensor.copy_(torch.lerp(start[name].to(tensor), end[name].to(tensor), share))
            else:
                tensor.copy_(end[name])


def choose_share(
    module: nn.Module,
    start: Mapping[str, Tensor],
    guard: Callable[[], float],
    floor: float,
    gain: Callable[[], float] | None,
) -> dict[str, Any]:
    """Leave a module with the weights on the way from the start that the guard set lets through.

    Args:
        module: Holds the trained weights.
        start: The tensors that it started from.
        guard: Measures the module as it is on the guard set; larger is better.
        floor: What that must not fall below.
        gain: Measures what the training was for: of the allowed weights the best are taken. None takes those that went
            furthest.

    Returns:
        "share" of the way gone, "guard" there and "guard_before"; the share is 0 where nothing else is allowed.
    """
    end = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    allowed: list[tuple[float, float, float]] = []
    for share in SHARES:
        interpolate(module, start, end, share)
        quality = guard()
        if quality >= floor or share == 0:
            allowed.append((gain() if gain else share, share, quality))
            if not gain:
                break
    _, share, quality = max(allowed)
    interpolate(module, start, end, share)
    return {"share": share, "guard": quality, "guard_before": floor}
