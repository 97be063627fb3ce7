"""What a trainer trains: one interface that every recipe of fine-tuning implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

Group = dict[str, Any]
Loss = Tensor | Mapping[str, Tensor]
Scale = Callable[[Tensor], Tensor]
Precision = Callable[[], AbstractContextManager[Any]]


class EpochOfBatches(Sized, Iterable[Any], Protocol):
    """The batches of one epoch, in order. Where it can be indexed too, a resumed run starts at its batch at once."""


class Batches(Sequence[Any]):
    """Batches that are loaded when they are asked for, so that a resumed run skips those it has seen at no cost.

    Args:
        order: What each batch is made from, such as the rows of an epoch of a batch sampler.
        load: Makes a batch from one of these: tensors, or tuples, lists and dicts of these. It runs in another thread,
            one batch ahead, so it must not draw from the global random generators.
    """

    def __init__(self, order: Iterable[Any], load: Callable[[Any], Any]) -> None:
        """Take the order; see the class for the arguments."""
        self._order = list(order)
        self._load = load

    def __len__(self) -> int:
        """Count the batches."""
        return len(self._order)

    def __getitem__(self, i: Any) -> Any:
        """Load batch `i`; a slice gives the batches of that part of the epoch, not loaded."""
        return Batches(self._order[i], self._load) if isinstance(i, slice) else self._load(self._order[i])

    def __iter__(self) -> Iterator[Any]:
        """Load one batch after the other."""
        return (self._load(rows) for rows in self._order)


class Task(ABC):
    """One thing to learn. A `Trainer` brings the optimiser, precision, checkpoints, resume, processes and reports.

    Attributes:
        modules: Holds everything that has parameters or buffers, those of the loss included: it is moved to the
            device, switched between training and evaluation mode, and checkpointed. What a task must remember beyond
            one step, such as a memory bank, belongs into a buffer of it.
        encoder: What `export` writes and `Run.encoder` opens: "image", "text" or "dual".

    Example:
        >>> import torch
        >>> class Line(Task):
        ...     def __init__(self):
        ...         self.modules = torch.nn.Linear(1, 1)
        ...     def batches(self, epoch):
        ...         return [(torch.ones(4, 1), torch.ones(4, 1))]
        ...     def loss(self, batch):
        ...         return (self.modules(batch[0]) - batch[1]).square().mean()
        ...     def export(self, folder):
        ...         torch.save(self.modules.state_dict(), folder / "line.pt")
        >>> Line().parameter_groups(0.1)[0]["lr"]
        0.1
    """

    modules: nn.Module
    encoder: str = "image"

    @abstractmethod
    def batches(self, epoch: int) -> EpochOfBatches:
        """Give the batches of an epoch, counted from 0, best as `Batches`.

        What they hold depends on the task's seed and the epoch alone: this is what an exact resume rests on. Of
        several processes each gives its own share, as many batches as the others.
        """

    @abstractmethod
    def loss(self, batch: Any) -> Loss:
        """Compute the loss of a batch, whose tensors are on the device by now.

        Returns:
            A scalar; or scalars by name, of which "loss" is trained on and the others only written to the history.
        """

    @abstractmethod
    def export(self, folder: Path) -> None:
        """Write what was learnt into a folder, which exists, so that the core serves it."""

    def backward(self, batch: Any, scale: Scale, precision: Precision) -> Mapping[str, Tensor]:
        """Add the gradients of a batch's loss to the parameters'; override it where `loss` cannot be computed at once.

        Args:
            batch: The batch, on the device.
            scale: Applied to the loss before its backward.
            precision: Gives a context in which networks compute in the wanted type; the backward goes outside of it.

        Returns:
            The losses by name, "loss" among them.
        """
        with precision():
            losses = self.loss(batch)
        named = {"loss": losses} if isinstance(losses, Tensor) else losses
        if "loss" not in named or named["loss"].ndim:
            got = f"shape {tuple(named['loss'].shape)}" if "loss" in named else f"only {', '.join(named) or 'nothing'}"
            raise ValueError(f'loss: expected a scalar, or scalars by name with "loss" among them, got {got}')
        scale(named["loss"]).backward()  # type: ignore[no-untyped-call]
        return named

    def parameter_groups(self, rate: float) -> list[Group]:
        """Give the optimiser's groups, each with its own "lr"; by default all that requires a gradient, at `rate`."""
        return [{"params": [p for p in self.modules.parameters() if p.requires_grad], "lr": rate}]

    def evaluate(self) -> dict[str, float]:
        """Measure the task in evaluation mode, without gradients: metrics by name, for the history and early stops."""
        return {}

    def fingerprint(self) -> dict[str, Any]:
        """Give, as JSON values by name, what must be the same for a run to be resumed: settings, classes, data."""
        return {}

    def baseline(self) -> dict[str, float]:
        """Measure what the training starts from, for the report; by default `evaluate` as it is at the start."""
        return self.evaluate()

    def finish(self) -> dict[str, Any]:
        """Do what follows the last epoch, with the best weights in place and before the export.

        Returns:
            What the report says of it, by name, as JSON values; anything but an empty dict means that the weights have
            changed, and they are evaluated again.
        """
        return {}

    def examples(self) -> list[dict[str, Any]]:
        """Give the worst queries of the trained state for the report: fields of `trainer.Example`."""
        return []
