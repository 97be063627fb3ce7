"""Training in several processes that `torchrun` started: each computes a share of every batch."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from datetime import timedelta
from importlib import import_module
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

_PATIENCE = timedelta(days=1)  # while the first process evaluates and exports; torchrun ends those whose peers died


def rank_and_world() -> tuple[int, int]:
    """Give the number of this process and how many there are; (0, 1) outside `torchrun`."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def connect() -> None:
    """Connect the processes of `torchrun` until they end, where nobody has connected them yet."""
    if rank_and_world()[1] > 1 and not dist.is_initialized():
        import_module("torch._dynamo")  # optimisers do, and after the group it would keep the group's threads: an abort
        with_cuda = torch.cuda.is_available()
        if with_cuda:  # "cuda" is another device in each process of a machine
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        dist.init_process_group("cpu:gloo,cuda:nccl" if with_cuda else "gloo", timeout=_PATIENCE)
        atexit.register(_disconnect)


def _disconnect() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def connected() -> bool:
    """Say whether there are other processes to talk to."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def share_weights(module: nn.Module) -> None:
    """Give all processes the parameters and buffers of the first."""
    if connected():
        for tensor in (*module.parameters(), *module.buffers()):
            dist.broadcast(tensor.detach(), 0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their mean over the processes, in one message.

    A parameter that no process used has no gradient and is left alone; one that some used counts as 0 in the others.
    """
    if not connected():
        return
    trained = list(parameters)
    used = torch.tensor([parameter.grad is not None for parameter in trained], dtype=torch.int32)
    used = used.to(trained[0].device)
    dist.all_reduce(used, dist.ReduceOp.MAX)
    shared = [parameter for parameter, flag in zip(trained, used.tolist(), strict=True) if flag]
    for parameter in shared:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in shared if parameter.grad is not None]
    if not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(gradients, torch.split(flat, [gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def mean_of(values: Tensor) -> Tensor:
    """Give the mean of a tensor over the processes."""
    if connected():
        values = values.clone()
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return values


def from_first(value: Any) -> Any:
    """Give all processes what the first one has."""
    if not connected():
        return value
    box = [value]
    dist.broadcast_object_list(box, 0)
    return box[0]
