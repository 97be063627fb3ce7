"""One epoch of ResNet-50 on CIFAR-10 photos: the loss of every step beside torchvision's from the same start.

python benchmarks/fine_tuning_curve.py [folder of data sets]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from _labelled_sets import data_folder
from _pairing import say_machine

import pictrieve as pt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "conformance"))
from reference_torchvision import torchvision

BATCH, SIDE, RATE = 32, 64, 0.001


def photos(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Give pixels (n, 3, 64, 64) and classes of all photos, in one shuffled order."""
    paths = sorted((folder / "cifar10" / "images").glob("*/*.jpg"))
    names = sorted({path.parent.name for path in paths})
    preprocess = pt.Preprocess("imagenet", steps=("resize",), resize=(SIDE, SIDE), resize_mode="stretch")
    order = np.random.default_rng(0).permutation(len(paths))
    pixels = preprocess.apply([paths[i] for i in order])
    labels = [names.index(paths[i].parent.name) for i in order]
    return torch.from_numpy(pixels), torch.tensor(labels)


def losses(network: torch.nn.Module, pixels: torch.Tensor, labels: torch.Tensor) -> list[float]:
    """Train for one epoch and give the loss of every step."""
    optimiser = torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9)
    network.train()
    found = []
    for begin in range(0, len(pixels), BATCH):
        outputs = network(pixels[begin : begin + BATCH])
        scores = outputs["logits"] if isinstance(outputs, dict) else outputs
        loss = torch.nn.functional.cross_entropy(scores, labels[begin : begin + BATCH])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    return found


def main() -> None:
    """Train both and compare."""
    say_machine()
    pixels, labels = photos(data_folder())
    torch.manual_seed(0)
    reference = torchvision.models.resnet50(num_classes=10)
    ours = pt.finetune.network("resnet50", {"num_classes": 10}, weights="random")
    ours.load_layout(reference.state_dict())
    expected, found = losses(reference, pixels, labels), losses(ours, pixels, labels)
    for step, (theirs, mine) in enumerate(zip(expected, found, strict=True)):
        print(f"step {step:2d}: torchvision {theirs:.6f}, pictrieve {mine:.6f}")
    print(f"mean loss of the first and last 8 steps: {np.mean(found[:8]):.3f}, {np.mean(found[-8:]):.3f}")
    print(f"fine-tuning curve, largest difference: {np.abs(np.subtract(expected, found)).max():.2e}")


if __name__ == "__main__":
    main()
