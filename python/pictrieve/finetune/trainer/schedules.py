"""How the learning rate goes: a share of its height, from how far the training has come."""

from __future__ import annotations

import math


def share(schedule: str, progress: float, warmup: float) -> float:
    """Give the learning rate's share of its height.

    It depends on nothing but its arguments, so there is no state to resume. "cosine" is that of Loshchilov and Hutter
    2017 without restarts.

    Args:
        schedule: "constant", "linear" or "cosine".
        progress: Share of the training that is done, 0 to 1; a step's own middle, so that neither the first nor the
            last one is lost.
        warmup: Share of the training during which the rate rises linearly.

    Example:
        >>> share("cosine", 0.05, 0.1), share("cosine", 0.55, 0.1), round(share("linear", 0.91, 0.1), 9)
        (0.5, 0.5, 0.1)
    """
    if progress < warmup:
        return progress / warmup
    if schedule == "constant":
        return 1.0
    rest = (progress - warmup) / (1 - warmup)
    return round(0.5 * (1 + math.cos(math.pi * rest)), 15) if schedule == "cosine" else 1 - rest
