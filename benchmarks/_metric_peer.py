"""Metric learning as one writes it with pytorch-metric-learning, torch, timm and torchvision, and the clock of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from metric_learning import RECIPE, unit
from numpy.typing import NDArray
from PIL import Image

from pictrieve.datasets import Dataset
from pictrieve.finetune import Network, rates
from pictrieve.finetune.trainer import schedules

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "conformance"))
import reference_torchvision  # noqa: F401  # before timm, which looks for torchvision
import timm
from pytorch_metric_learning.losses import SupConLoss
from pytorch_metric_learning.samplers import MPerClassSampler
from torch.utils.data import DataLoader
from torchvision.transforms import v2

SIDE, BATCH, PER_CLASS = 224, 32, 4  # the last two are the defaults of `fit`
BICUBIC = v2.InterpolationMode.BICUBIC
NORMALISED = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([127 / 255] * 3, [128 / 255] * 3)]
STANDARD = v2.Compose([  # tensors: a tenth faster than Pillow's pictures
    v2.ToImage(), v2.RandomResizedCrop(SIDE, scale=(0.5, 1.0), interpolation=BICUBIC), v2.RandomHorizontalFlip(),
    v2.ColorJitter((0.8, 1.2), (0.8, 1.2), (0.8, 1.2)), *NORMALISED,
])  # fmt: skip
SERVED = v2.Compose([
    lambda image: v2.functional.center_crop(image, [int(0.875 * min(image.size))] * 2),
    v2.Resize((SIDE, SIDE), interpolation=BICUBIC), v2.ToImage(), *NORMALISED,
])  # fmt: skip


class Clock:
    """Wall and CPU seconds of training alone, and what was reached by when."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.seconds = np.zeros(2)
        self.steps: list[float] = []
        self.curve: list[tuple[float, NDArray[np.float64]]] = []

    def start(self) -> None:
        """Begin an epoch."""
        self._last = self._now()

    def lap(self) -> None:
        """Count the time since the last call."""
        now = self._now()
        self.seconds += now - self._last
        self._last = now

    def step(self) -> None:
        """Count a step of the optimiser."""
        began = self._last[0]
        self.lap()
        self.steps.append(self._last[0] - began)

    @staticmethod
    def _now() -> NDArray[np.float64]:
        return np.array([time.perf_counter(), sum(os.times()[:4])])  # CPU: of threads, and of processes that ended


class Photos(torch.utils.data.Dataset):
    """Pictures as pixels, and their labels."""

    def __init__(self, data: Dataset, transform: Callable[[Image.Image], torch.Tensor]) -> None:
        """Hold the files."""
        self.data, self.transform = data, transform

    def __len__(self) -> int:
        """Count them."""
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        """Read one."""
        with Image.open(self.data.paths[i]) as image:
            return self.transform(image.convert("RGB")), int(self.data.labels[i])


class Peer:
    """What one writes without us."""

    def __init__(self, train: Dataset, start: Network, steps: tuple[int, int], workers: int) -> None:
        """Build network, loss, batches and optimiser for `steps`: epochs, and batches of each."""
        self.clock = Clock()
        self.network = timm.create_model("tf_efficientnet_lite0", num_classes=0)
        self.network.load_state_dict(start.state_dict())
        self.network.to(memory_format=torch.channels_last)
        for name in rates.freeze(start, RECIPE["freeze"]):
            self.network.get_parameter(name).requires_grad_(False)
        learnt = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(learnt, lr=RECIPE["lr"], weight_decay=0.01)  # filters only: norms are frozen
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: schedules.share("cosine", (step + 0.5) / (steps[0] * steps[1]), 0.05)
        )
        self.loss = SupConLoss(**RECIPE["loss_settings"])
        sampler = MPerClassSampler(train.labels, PER_CLASS, BATCH, steps[1] * BATCH)
        self.batches = DataLoader(Photos(train, STANDARD), BATCH, sampler=sampler, num_workers=workers)

    def epoch(self, number: int) -> None:
        """Train for one epoch; `fit` has set the global generators, so they are set here."""
        torch.manual_seed(number)
        np.random.seed(number)
        self.network.train()
        for module in self.network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        self.clock.start()
        for pixels, labels in self.batches:
            loss = self.loss(self.network(pixels.contiguous(memory_format=torch.channels_last)), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            self.clock.step()
        self.clock.lap()  # the workers end

    def encode(self, data: Dataset) -> NDArray[np.float32]:
        """Embed pictures as unit vectors."""
        self.network.eval()
        batches = DataLoader(Photos(data, SERVED), BATCH)
        with torch.inference_mode():
            rows = [self.network(pixels.contiguous(memory_format=torch.channels_last)) for pixels, _ in batches]
        return unit(torch.cat(rows).numpy())
