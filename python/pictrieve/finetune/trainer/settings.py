"""What a trainer can be told, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pictrieve.finetune.trainer.callbacks import Callback

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("constant", "linear", "cosine")
PRECISIONS = (None, "bfloat16", "float16")

# They change where a run writes and how often, never what it learns: a resumed run may have others.
_ABOUT_THE_RUN = ("out", "log", "callbacks", "resume", "save_every", "device", "show_progress_bar")


@dataclass(frozen=True)
class Settings:
    """Settings of a `Trainer`.

    Attributes:
        epochs: Passes over the training data.
        lr: Learning rate at its height; a task may give parts of a network a share of it.
        optimizer: "adamw", "adam" or "sgd" (with momentum 0.9).
        weight_decay: Applied to matrices and filters, not to biases and norms.
        schedule: "constant", "linear" or "cosine": how the rate falls after the warm-up, to 0 at the end.
        warmup: Share of the training during which the rate rises linearly.
        amp: "bfloat16" or "float16" (CUDA only, with a loss scale): the type of the matrix products; None for float32.
        accumulate: Batches whose gradients are averaged into one step.
        clip_norm: Largest norm of a step's gradient; None leaves it as it is.
        monitor: Name of the metric of which the best epoch's weights are kept; None takes the task's first one, and
            the last epoch where the task has none.
        mode: "max", "min" or None: "min" for a monitor whose name has "loss" or "error" in it.
        patience: Epochs without a better value before the training stops; None never stops early.
        average: Decay of an exponential moving average of the weights (such as 0.999), which is what is evaluated and
            exported; None for the weights themselves.
        seed: Of all randomness.
        out: Folder of the run; None for one that is deleted when Python ends, and keeps no checkpoints.
        resume: Go on with the run that `out` holds; False starts over.
        save_every: Steps between two checkpoints; None saves once a minute. The end of an epoch always saves.
        log: "tensorboard", "wandb" or both in a list.
        callbacks: Further `Callback`s.
        device: Where torch computes: "cpu", "cuda".
        show_progress_bar: None shows a bar on a terminal once the work has lasted a second.
    """

    epochs: int = 10
    lr: float = 1e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "cosine"
    warmup: float = 0.05
    amp: str | None = None
    accumulate: int = 1
    clip_norm: float | None = None
    monitor: str | None = None
    mode: str | None = None
    patience: int | None = None
    average: float | None = None
    seed: int = 0
    out: str | Path | None = None
    resume: bool = True
    save_every: int | None = None
    log: str | Sequence[str] | None = None
    callbacks: Sequence[Callback] = field(default=())
    device: str = "cpu"
    show_progress_bar: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        _one_of(self.optimizer, "optimizer", OPTIMIZERS)
        _one_of(self.schedule, "schedule", SCHEDULES)
        _one_of(self.amp, "amp", PRECISIONS)
        _one_of(self.mode, "mode", (None, "max", "min"))
        for name in ("epochs", "accumulate", "patience", "save_every"):
            _at_least_one(name, getattr(self, name))
        if not (isinstance(self.lr, int | float) and 0 < self.lr < float("inf")):
            raise ValueError(f"lr: expected a positive number, got {self.lr!r}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay: expected 0 or more, got {self.weight_decay!r}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup: expected a share of the training from 0 to below 1, got {self.warmup!r}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm: expected a positive number, got {self.clip_norm!r}")
        if self.average is not None and not 0 < self.average < 1:
            raise ValueError(f"average: expected a decay between 0 and 1 such as 0.999, got {self.average!r}")
        if self.amp == "float16" and not self.device.startswith("cuda"):
            raise ValueError(f'amp: "float16" needs device="cuda", got {self.device!r}; use "bfloat16"')

    def fingerprint(self) -> dict[str, Any]:
        """Give the settings that a resumed run must share."""
        names = (setting.name for setting in fields(self) if setting.name not in _ABOUT_THE_RUN)
        return {name: getattr(self, name) for name in names}

    def mode_of(self, monitor: str) -> str:
        """Say whether the "max" or the "min" of a metric is its best."""
        return self.mode or ("min" if "loss" in monitor or "error" in monitor else "max")

    def worse(self, before: Mapping[str, float], after: Mapping[str, float]) -> str:
        """Say by how much, and what to try, where the monitored metric is worse than before; "" where it is not."""
        name = self.monitor or next(iter(after), "")
        if name not in before or name not in after:
            return ""
        gain = (after[name] - before[name]) * (1 if self.mode_of(name) == "max" else -1)
        if gain >= 0:
            return ""
        numbers = f"{name} is {after[name]:.4f} after the training, {before[name]:.4f} before"
        return f"{numbers}; try a smaller lr, fewer epochs, more pictures, or guard= where there is one"


def _one_of(value: Any, name: str, known: tuple[Any, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, known))}, got {value!r}")


def _at_least_one(name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, int) or value < 1):
        raise ValueError(f"{name}: expected a whole number from 1, got {value!r}")
