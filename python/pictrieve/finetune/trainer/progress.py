"""How far a run has come."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Progress:
    """Everything that a run remembers beside tensors.

    Attributes:
        epoch: Epochs that are done.
        batch: Batches of the current epoch that are done; all of them while it is being evaluated.
        step: Steps of the optimiser so far.
        totals: Sums of the current epoch's losses over its batches, by name.
        seconds: Time spent on the current epoch.
        best: Best value of the monitored metric.
        best_epoch: Its epoch, counted from 1; 0 before any.
        stale: Epochs since then.
        kept: Metrics of the best epoch; of the last one where nothing is monitored.
        rows: The history.
        trained: The last epoch is done.
        finished: The model has been written.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    best: float | None = None
    best_epoch: int = 0
    stale: int = 0
    kept: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    trained: bool = False
    finished: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for a checkpoint."""
        return asdict(self)

    def add(self, losses: dict[str, float]) -> None:
        """Count one batch and its losses."""
        self.batch += 1
        for name, value in losses.items():
            self.totals[name] = self.totals.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        """Give the mean of each loss over the epoch's batches so far."""
        return {name: total / max(self.batch, 1) for name, total in self.totals.items()}

    def next_epoch(self) -> None:
        """Go on to the next epoch."""
        self.epoch += 1
        self.batch, self.totals, self.seconds = 0, {}, 0.0

    def is_better(self, value: float, mode: str) -> bool:
        """Take in the monitored metric of the epoch that ends; say whether it is the best one so far; NaN never is."""
        better = self.best is None or (value > self.best if mode == "max" else value < self.best)
        better = better and not math.isnan(value)
        if better:
            self.best, self.best_epoch, self.stale = value, self.epoch + 1, 0
        else:
            self.stale += 1
        return better
