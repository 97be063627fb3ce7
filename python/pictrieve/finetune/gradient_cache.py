"""Large batches in little memory, with the large batch's own gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pictrieve.finetune.task import Precision


class InPrecision(nn.Module):
    """A tower that computes in the precision of the run, while its loss and backward stay outside of it.

    Args:
        module: The tower.
        precision: Gives the context to compute in.
    """

    def __init__(self, module: nn.Module, precision: Precision) -> None:
        """Hold both."""
        super().__init__()
        self.module, self.precision = module, precision

    def forward(self, *inputs: Tensor) -> Tensor:
        """Give the module's rows."""
        with self.precision():
            rows: Tensor = self.module(*inputs)
        return rows


class _Chunk(NamedTuple):
    inputs: Any
    processor: Tensor
    devices: dict[int, Tensor]


def cached_backward(
    loss: Callable[..., Tensor],
    *towers: tuple[nn.Module, Any],
    chunk_size: int,
    scale: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Do what `loss(tower(inputs), ...).backward()` does, holding the activations of `chunk_size` items only.

    Gradient caching (Gao et al., RepL4NLP 2021, arXiv:2101.06983): all chunks run without a graph; the loss of all rows
    gives each row its gradient; then each chunk runs again, with the random numbers that it had, and carries its rows'
    gradients back. Gradients are those of the whole batch within rounding, for about a third more time. They are added
    to `.grad`, so that accumulation, clipping and the optimiser's step stay as they are.

    Exact as long as rows do not depend on each other inside a network. Batch norms in training mode make them: they
    see chunks, as they would with smaller batches, and their running statistics move once per chunk. Freeze them where
    that matters. Hooks and other side effects of a forward happen twice.

    Args:
        loss: Called once, with the rows `(n, d)` of each tower in order; gives a scalar. Its own parameters get
            gradients too.
        towers: Pairs of a module, whose call gives rows `(n, d)`, and its inputs: a tensor `(n, ...)`, or a tuple, list
            or dict of such tensors (and None), which the module gets as arguments. Towers may share parameters or be
            the same module, and may have different numbers of rows.
        chunk_size: How many items run at once.
        scale: Applied to the loss before backward, such as `GradScaler.scale`, or a division for accumulation.

    Returns:
        The loss, without graph and not scaled.

    Raises:
        TypeError: A tower gives no tensor of rows.
        ValueError: The inputs of a tower are of different lengths, or the chunk size is below 1.

    Example:
        >>> from pictrieve.finetune.losses import InfoNCE
        >>> image, text = nn.Linear(6, 4), nn.Linear(5, 4)
        >>> value = cached_backward(InfoNCE(), (image, torch.rand(64, 6)), (text, torch.rand(64, 5)), chunk_size=8)
        >>> image.weight.grad.shape
        torch.Size([4, 6])
    """
    if chunk_size < 1:
        raise ValueError(f"chunk_size: expected 1 or more, got {chunk_size}")
    chunked = [_split(inputs, chunk_size) for _, inputs in towers]
    with _buffers_as_before([module for module, _ in towers]):
        first = [_without_graph(module, chunks) for (module, _), chunks in zip(towers, chunked, strict=True)]
    rows = [torch.cat([part for part, _ in parts]).requires_grad_() for parts in first]
    value = loss(*rows)
    torch.autograd.backward(value if scale is None else scale(value))
    for (module, _), parts, whole in zip(towers, first, rows, strict=True):
        gradient = torch.zeros_like(whole) if whole.grad is None else whole.grad
        pieces = torch.split(gradient, [len(part) for part, _ in parts])
        for i, ((_, chunk), piece) in enumerate(zip(parts, pieces, strict=True)):
            with _synchronised(module, last=i == len(parts) - 1), _random_state_of(chunk):
                torch.autograd.backward(_rows_of(module, chunk.inputs), piece)
    return value.detach()


def _without_graph(module: nn.Module, chunks: list[Any]) -> list[tuple[Tensor, _Chunk]]:
    """Run all chunks, remembering the state of the random generators before each."""
    parts = []
    for inputs in chunks:
        devices = {i: torch.cuda.get_rng_state(i) for i in _devices(module)}
        chunk = _Chunk(inputs, torch.get_rng_state(), devices)
        with torch.no_grad():
            parts.append((_rows_of(module, inputs), chunk))
    return parts


def _rows_of(module: nn.Module, inputs: Any) -> Tensor:
    if isinstance(inputs, dict):
        rows = module(**inputs)
    else:
        rows = module(*inputs) if isinstance(inputs, (tuple, list)) else module(inputs)
    if not isinstance(rows, Tensor):
        raise TypeError(f"tower: expected rows as a tensor, got {type(rows).__name__}; wrap the network in a module")
    return rows


def _split(inputs: Any, size: int) -> list[Any]:
    """Cut tensors, and containers of them, along their first dimension."""
    if isinstance(inputs, Tensor):
        return list(torch.split(inputs, size))
    names = list(inputs) if isinstance(inputs, dict) else range(len(inputs))
    lengths = {len(inputs[name]) for name in names if inputs[name] is not None}
    if len(lengths) != 1:
        raise ValueError(f"inputs: expected tensors of one length, got lengths {sorted(lengths)}")
    cuts = []
    for start in range(0, lengths.pop(), size):
        parts = [None if inputs[name] is None else inputs[name][start : start + size] for name in names]
        cuts.append(dict(zip(names, parts, strict=True)) if isinstance(inputs, dict) else tuple(parts))
    return cuts


@contextmanager
def _buffers_as_before(modules: list[nn.Module]) -> Iterator[None]:
    """Undo what running statistics learn: the second run of each chunk teaches it them."""
    buffers = {id(buffer): buffer for module in modules for buffer in module.buffers()}.values()
    before = [buffer.detach().clone() for buffer in buffers]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)


@contextmanager
def _random_state_of(chunk: _Chunk) -> Iterator[None]:
    """Draw the random numbers of the first run again, then go on as after it."""
    with torch.random.fork_rng(list(chunk.devices)):
        torch.set_rng_state(chunk.processor)
        for device, state in chunk.devices.items():
            torch.cuda.set_rng_state(state, device)
        yield


def _devices(module: nn.Module) -> set[int]:
    return {parameter.device.index for parameter in module.parameters() if parameter.device.type == "cuda"}


def _synchronised(module: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
    """Let DistributedDataParallel exchange gradients once, at a tower's last chunk."""
    later: Callable[[], AbstractContextManager[Any]] | None = getattr(module, "no_sync", None)
    return nullcontext() if last or later is None else later()
