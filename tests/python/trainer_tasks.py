"""A small task for the tests of the trainer, which other processes import as well."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pictrieve.finetune.samplers import ShuffledBatches
from pictrieve.finetune.task import Batches, Task
from pictrieve.finetune.trainer import Settings, Trainer
from pictrieve.finetune.trainer.distributed import rank_and_world

CLASSES = ["cat", "dog", "鸟"]


class Sums(Task):
    """Learns sums, with all that a resumed run could get wrong: batch norm, dropout, draws from three generators."""

    def __init__(self, *, noisy: bool = True, classes: list[str] = CLASSES, batch_size: int = 8) -> None:
        chance = torch.Generator().manual_seed(1)
        self.x = torch.randn(64, 6, generator=chance)
        self.y = self.x.sum(1, keepdim=True)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            layers = [nn.BatchNorm1d(16), nn.Dropout(0.2)] if noisy else []
            self.modules = nn.Sequential(nn.Linear(6, 16), *layers, nn.ReLU(), nn.Linear(16, 1))
        self.noisy, self.classes, self.batch_size = noisy, classes, batch_size
        self.kill_at, self.interrupt_at, self.nan_at = 0, 0, 0
        self.calls = 0

    def batches(self, epoch: int) -> Batches:
        rank, world = rank_and_world()
        sampler = ShuffledBatches(len(self.x), self.batch_size, seed=5, rank=rank, world=world)
        sampler.set_epoch(epoch)
        return Batches(sampler, lambda rows: {"x": self.x[rows], "y": self.y[rows]})

    def loss(self, batch: Any) -> dict[str, torch.Tensor]:
        self.calls += 1
        if self.calls == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.calls == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)
        error = (self.modules(batch["x"]) - batch["y"]).square().mean()
        noise = random.random() + np.random.random() + torch.rand(()) if self.noisy else torch.ones(())
        return {"loss": error * noise * (float("nan") if self.calls == self.nan_at else 1), "error": error}

    def evaluate(self) -> dict[str, float]:
        random.random(), np.random.random(), torch.rand(())  # must not change what the training draws
        return {"fit_error": float((self.modules(self.x) - self.y).square().mean())}

    def export(self, folder: Path) -> None:
        torch.save(self.modules.state_dict(), folder / "weights.pt")

    def fingerprint(self) -> dict[str, Any]:
        return {"classes": self.classes}


def settings(out: Path, **others: Any) -> Settings:
    """All that has a state: momentum, schedule, average of the weights, accumulation."""
    kept = {"epochs": 3, "lr": 0.02, "average": 0.9, "accumulate": 3, "save_every": 1, "show_progress_bar": False}
    return Settings(out=out, **(kept | others))


if __name__ == "__main__":  # folder, and at which batch of this process it dies
    torch.set_num_threads(1)
    task = Sums()
    task.kill_at = int(sys.argv[2])
    Trainer(task, settings(Path(sys.argv[1]))).run()
