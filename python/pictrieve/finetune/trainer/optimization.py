"""One step of the optimiser: precision, accumulation, clipping, several processes, and losses that are no numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pictrieve.finetune.task import Group, Task
from pictrieve.finetune.trainer.averaging import WeightAverage
from pictrieve.finetune.trainer.distributed import average_gradients, mean_of, rank_and_world
from pictrieve.finetune.trainer.progress import Progress
from pictrieve.finetune.trainer.randomness import seed_all
from pictrieve.finetune.trainer.schedules import share
from pictrieve.finetune.trainer.settings import Settings

_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Optimization:
    """The optimiser of a task and what belongs to it."""

    def __init__(self, task: Task, settings: Settings) -> None:
        """Make the optimiser; the task's modules are on their device already."""
        self._task = task
        self._settings = settings
        groups = split_by_decay(task.parameter_groups(settings.lr), settings.weight_decay)
        self._peaks = [group["lr"] for group in groups]
        self._optimizer = _make(settings.optimizer, groups)
        self.trained: list[nn.Parameter] = [parameter for group in groups for parameter in group["params"]]
        self._scaler = torch.amp.GradScaler("cuda", enabled=settings.amp == "float16")
        self.average = WeightAverage(task.modules, settings.average) if settings.average else None

    def step(self, batches: list[Any], progress: Progress, epoch_length: int) -> dict[str, float]:
        """Take a step with the mean gradient of the batches; `progress` moves on.

        Returns:
            The means of the losses, "lr" and "gradient_norm".

        Raises:
            FloatingPointError: A loss or a gradient is not finite; parameters are as they were.
        """
        self._optimizer.zero_grad(set_to_none=True)
        middle = progress.epoch + (progress.batch + len(batches) / 2) / epoch_length
        factor = share(self._settings.schedule, middle / self._settings.epochs, self._settings.warmup)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor
        losses = [self._backward(batch, progress, i, len(batches)) for i, batch in enumerate(batches)]
        average_gradients(self.trained)
        norm = self._gradient_norm(progress, len(batches))
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self.average:
            self.average.update()
        progress.step += 1
        for values in losses:
            progress.add(values)
        means = {name: sum(values[name] for values in losses) / len(losses) for name in losses[0]}
        return means | {"lr": self._settings.lr * factor, "gradient_norm": norm}

    def _backward(self, batch: Any, progress: Progress, i: int, count: int) -> dict[str, float]:
        """Add the gradient of one of a step's batches."""
        settings = self._settings
        seed_all(settings.seed, rank_and_world()[0], progress.epoch, progress.batch + i)
        batch = to_device(batch, settings.device)
        losses = self._task.backward(batch, lambda loss: self._scaler.scale(loss / count), self._precision)
        values = mean_of(torch.stack([loss.detach().float() for loss in losses.values()])).tolist()
        for name, value in zip(losses, values, strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(_not_finite(name, value, progress, i))
        return dict(zip(losses, values, strict=True))

    def _precision(self) -> torch.autocast:
        settings = self._settings
        kind = torch.device(settings.device).type
        return torch.autocast(kind, dtype=_TYPES.get(settings.amp or ""), enabled=settings.amp is not None)

    def _gradient_norm(self, progress: Progress, count: int) -> float:
        self._scaler.unscale_(self._optimizer)
        gradients = [parameter.grad for parameter in self.trained if parameter.grad is not None]
        if not gradients:
            raise ValueError("loss: it depends on no parameter that is trained; is everything frozen?")
        norm = nn.utils.get_total_norm(gradients)
        if self._settings.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(self.trained, self._settings.clip_norm, norm)
        if not self._scaler.is_enabled() and not norm.isfinite():  # the scaler leaves such a step out by itself
            raise FloatingPointError(_not_finite("gradient norm", norm.item(), progress, count - 1))
        return norm.item()

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint keeps."""
        average = self.average.state_dict() if self.average else {}
        return {
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "average": average,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        if self.average:
            self.average.load_state_dict(state["average"])


def split_by_decay(groups: Iterable[Group], weight_decay: float) -> list[Group]:
    """Split groups into matrices and filters, which decay, and biases and norms, which do not.

    Raises:
        ValueError: Nothing is left to train.
    """
    split: list[Group] = []
    for group in groups:
        if "weight_decay" in group:
            split.append(dict(group))
            continue
        params = list(group["params"])
        for matrices in (True, False):
            chosen = [p for p in params if (p.ndim > 1) == matrices]
            if chosen:
                split.append({**group, "params": chosen, "weight_decay": weight_decay if matrices else 0.0})
    if not any(len(list(group["params"])) for group in split):
        raise ValueError("parameters: expected some to train, got none; is everything frozen?")
    return split


def to_device(batch: Any, device: str) -> Any:
    """Move the tensors of a batch, in tuples, lists and dicts, to a device."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {name: to_device(value, device) for name, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


def _make(name: str, groups: list[Group]) -> torch.optim.Optimizer:
    if name == "sgd":
        return torch.optim.SGD(groups, momentum=0.9)
    return (torch.optim.AdamW if name == "adamw" else torch.optim.Adam)(groups)


def _not_finite(name: str, value: float, progress: Progress, i: int) -> str:
    return (
        f"{name}: expected a finite number, got {value} in epoch {progress.epoch + 1}, batch {progress.batch + i + 1} "
        f"(step {progress.step + 1})"
    )
