"""Accuracy per minute of fine-tuning: `finetune.fit` beside pytorch-metric-learning on torch, timm and torchvision.

The same products (fold 0 of metric_learning.py), starting weights, loss, P x K batches, number of steps, AdamW with its
schedule, and frozen parts. Both train in one process, an epoch of each in turn, so that what else the machine does hits
both alike; after each epoch, off the clock, products never trained on are searched with each side's own encoder. Both
take the same steps, so the ratio of their seconds, the last line, says most; one run's mAP goes up and down by chance.

python benchmarks/metric_learning_peer.py [folder of data sets] [--epochs 8] [--threads 2] [--workers 2]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _metric_peer import BATCH, PER_CLASS, Clock, Peer
from _pairing import say_machine
from metric_learning import RECIPE, Sides, folds_of, precisions
from numpy.typing import NDArray

import pictrieve as pt
from pictrieve.datasets import Dataset
from pictrieve.finetune.samplers import PKBatches
from pictrieve.finetune.starting import Start, served, start_from
from pictrieve.finetune.trainer import Callback, files


class ClockedBatches(PKBatches):
    """Batches of ours that tell when an epoch begins: the trainer asks for its batches first of all."""

    clock: Clock

    def set_epoch(self, epoch: int) -> None:
        """Start the clock."""
        super().set_epoch(epoch)
        self.clock.start()


class Turns(Callback):
    """Measures us after each epoch, then lets the peer train for one, and measures it."""

    def __init__(self, start: Start, peer: Peer, sides: Sides, epochs: int) -> None:
        """Take both sides."""
        self.start, self.peer, self.sides, self.clock = start, peer, sides, Clock()
        self.thorough = (epochs // 2, epochs)

    def on_start(self, folder: Path, setup: Mapping[str, Any], step: int) -> None:
        """Remember where the weights are."""
        self.weights = folder / files.CHECKPOINT

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        """Count the step."""
        self.clock.step()

    def on_epoch(self, row: Mapping[str, Any]) -> None:
        """Measure, train, measure."""
        stored = torch.load(self.weights, weights_only=True)["modules"]
        prefix = "embedder.network."
        self.start.network.load_state_dict({name.removeprefix(prefix): tensor for name, tensor in stored.items()})
        with served(self.start.save, pt.ImageEncoder) as encoder:
            self.measure(self.clock, "pictrieve", row["epoch"], lambda data: encoded(encoder, data))
        self.peer.epoch(row["epoch"])
        self.measure(self.peer.clock, "peer", row["epoch"], self.peer.encode)

    def measure(self, clock: Clock, name: str, epoch: int, encode: Callable[[Dataset], NDArray[np.float32]]) -> None:
        """Search the unseen products; halfway and at the end the trained ones too."""
        pairs = {"unseen": self.sides.unseen, "seen": self.sides.seen}
        found = {
            kind: precisions([encode(part) for part in pair], pair).mean()
            for kind, pair in pairs.items()
            if kind == "unseen" or epoch in self.thorough
        }
        clock.curve.append((found["unseen"], clock.seconds.copy()))
        shown = ", ".join(f"{kind} {value:.3f}" for kind, value in found.items())
        wall, cpu = clock.seconds / 60
        print(f"epoch {epoch}, {name:9s}: {wall:.2f} minutes, {cpu:.2f} of CPU: mAP {shown}", flush=True)


def encoded(encoder: pt.ImageEncoder, data: Dataset) -> NDArray[np.float32]:
    """Embed with ours."""
    return encoder.encode(data.images(), show_progress_bar=False)


def same_start(peer: Peer, queries: Dataset) -> None:
    """Refuse sides that do not embed pictures alike, or whose losses differ."""
    ours, theirs = encoded(pt.ImageEncoder(), queries), peer.encode(queries)
    lowest = float((ours * theirs).sum(1).min())
    rows, labels = torch.from_numpy(theirs), torch.tensor(queries.labels)
    mine = pt.finetune.losses.make(RECIPE["loss"], **RECIPE["loss_settings"])
    apart = abs(float(mine(rows, labels)) - float(peer.loss(rows, labels)))
    print(f"before training: lowest cosine of both sides' embeddings {lowest:.6f}, losses differ by {apart:.1e}")
    if lowest < 0.9999 or apart > 1e-4:
        raise SystemExit("metric_learning_peer: expected the same embeddings and loss on both sides")


def reached(clock: Clock, target: float) -> NDArray[np.float64]:
    """Give the seconds after which no epoch was below a target: single epochs go up and down by chance."""
    found = clock.seconds
    for value, seconds in reversed(clock.curve):
        if value < target:
            break
        found = seconds
    return found


def say_ratios(ours: Clock, theirs: Clock) -> None:
    """Print how long both took to what the weaker of them ended with, and how long for a step."""
    target = min(clock.curve[-1][0] for clock in (ours, theirs))
    for name, clock in (("pictrieve", ours), ("peer", theirs)):
        wall, cpu = reached(clock, target) / 60
        print(
            f"{name:9s}: step {statistics.median(clock.steps):.3f} s (median), "
            f"{clock.seconds[1] / len(clock.steps):.3f} s of CPU (mean); "
            f"unseen mAP {target:.3f} for good after {wall:.2f} minutes, {cpu:.2f} of CPU"
        )
    wall, cpu = reached(theirs, target) / reached(ours, target)
    print(f"metric_learning_peer, to the same mAP: {wall:.2f}, of CPU {cpu:.2f}")
    print(f"metric_learning_peer, CPU of a step: {theirs.seconds[1] / ours.seconds[1]:.2f}")
    print(f"metric_learning_peer: {statistics.median(theirs.steps) / statistics.median(ours.steps):.2f}")


def main() -> None:
    """Train both in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="processes that read the peer's pictures")
    arguments = parser.parse_args()
    say_machine()
    torch.set_num_threads(arguments.threads)
    pt.set_num_threads(arguments.threads)
    sides = folds_of(arguments.folder, "grocery", None)[0]
    start = start_from("efficientnet_lite0", None)
    batches = ClockedBatches(sides.train.labels, BATCH // PER_CLASS, PER_CLASS)
    peer = Peer(sides.train, start.network, (arguments.epochs, len(batches)), arguments.workers)
    same_start(peer, sides.unseen[0])
    turns = Turns(start, peer, sides, arguments.epochs)
    batches.clock = turns.clock
    with tempfile.TemporaryDirectory() as folder:  # whose checkpoint has the weights of each epoch
        pt.finetune.fit(
            "efficientnet_lite0", sides.train, sampler=batches, epochs=arguments.epochs, callbacks=[turns],
            out=folder, show_progress_bar=False, **RECIPE,
        )  # fmt: skip
    say_ratios(turns.clock, peer.clock)


if __name__ == "__main__":
    main()
