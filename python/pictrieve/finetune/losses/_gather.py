"""Rows of all processes, with gradients: a loss over pairs sees the whole batch of a distributed run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, rows)
        ctx.count = len(rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.narrow(0, distributed.get_rank() * ctx.count, ctx.count)


def gather_rows(rows: Tensor) -> Tensor:
    """Give the rows of all processes, in the order of their ranks; in a run of one process the rows themselves.

    Every process then computes the loss of the whole batch. A row's gradient is the sum over processes, and
    DistributedDataParallel takes the mean over processes: what arrives at the parameters is the whole batch's gradient.

    Raises:
        ValueError: The processes have different numbers of rows.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return rows
    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(distributed.get_world_size())]
    distributed.all_gather(counts, counts[0].new_tensor([len(rows)]))
    sizes = [int(count) for count in counts]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"gather: expected as many rows in every process, got {sizes}; use a sampler with rank and world"
        )
    gathered: Tensor = _Gather.apply(rows.contiguous())  # type: ignore[no-untyped-call]
    return gathered
