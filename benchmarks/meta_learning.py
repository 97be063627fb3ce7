"""Meta-learning on grocery products: what it gives where new classes are learnt from 1 or 5 pictures of each.

A third of the coarse classes is held out. On the same episodes of held-out products, three starts (the model as it is,
the meta-learnt one, and what `fit` makes of the same products) learn in two ways: by prototypes, and by a few steps on
the network.

python benchmarks/meta_learning.py [folder of data sets] [--shots 1 5] [--episodes 160] [--test 200] [--size 96]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from _pairing import say_machine
from numpy.typing import NDArray

import pictrieve as pt
from pictrieve import finetune
from pictrieve.augment import Augmentation
from pictrieve.datasets import Dataset
from pictrieve.evaluate.statistics import Units, bootstrap
from pictrieve.finetune.adapt import embedder_of
from pictrieve.finetune.inner_loop import InnerLoop
from pictrieve.finetune.meta import Drawn
from pictrieve.finetune.starting import served, start_from

WAYS, QUERIES = 5, 5
FREEZE = ("norms", 0.7)
LOOP = InnerLoop(steps=3, lr=0.03, head="prototypes", scale=10.0)


def accuracies(model: str | Path, test: Dataset, size: int, shots: int, count: int) -> dict[str, NDArray[np.float64]]:
    """Accuracy of each test episode, by prototypes and after the inner steps."""
    start = start_from(model, None).at_size(size)
    sizes = {"ways": WAYS, "shots": shots, "queries": QUERIES, "count": count, "seed": 0}
    with served(start.save, pt.ImageEncoder) as encoder:
        plain = finetune.episodes(encoder, test, **sizes).per_episode  # type: ignore[arg-type]
    embedder = embedder_of(start, FREEZE).eval()
    episodes = Drawn(test, (WAYS, shots, QUERIES), count, Augmentation("none", preprocess=start.preprocess, seed=0))
    found = []
    for episode in episodes.of_epoch(0):
        support, (asked, wanted) = episodes.parts(episode)
        learner, _ = LOOP.run(embedder, *support)
        with torch.no_grad():
            found.append(float((LOOP.scores(embedder, learner, asked).argmax(1) == wanted).float().mean()))
    return {"prototypes": plain, "adapted": np.array(found)}


def main() -> None:
    """Train a start for each number of shots and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--shots", nargs="+", type=int, default=[1, 5])
    parser.add_argument("--episodes", type=int, default=160)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--algorithm", default="fomaml")
    parser.add_argument("--lr", type=float, default=3e-4)
    arguments = parser.parse_args()
    say_machine()
    whole = pt.datasets.Table(arguments.folder / "grocery" / "labels.csv", name="grocery")
    fold = pt.datasets.hold_out_classes(whole, "coarse_label", 3)[0]
    train, test = fold.split("train").compact(), fold.split("test").compact()
    tuned = finetune.fit(
        "efficientnet_lite0", train, loss="supcon", loss_settings={"temperature": 0.1}, size=arguments.size,
        freeze=FREEZE, lr=arguments.lr, epochs=4, show_progress_bar=False,
    )  # fmt: skip
    for shots in arguments.shots:
        began = time.process_time()
        run = finetune.meta_learn(
            "efficientnet_lite0", train, algorithm=arguments.algorithm, ways=WAYS, shots=shots, queries=QUERIES,
            inner_steps=LOOP.steps, inner_lr=LOOP.lr, head=LOOP.head, scale=LOOP.scale, size=arguments.size,
            freeze=FREEZE, episodes=arguments.episodes, epochs=1, lr=arguments.lr, show_progress_bar=False,
        )  # fmt: skip
        taken = (time.process_time() - began) / 60
        print(f"{shots}-shot: {arguments.episodes} episodes in {taken:.1f} CPU minutes", flush=True)
        models = {"as it is": "efficientnet_lite0", "meta-learnt": run.model, "fit": tuned.model}
        found = {
            f"{name} + {way}": values
            for name, model in models.items()
            for way, values in accuracies(model, test, arguments.size, shots, arguments.test).items()
        }
        usual = found["as it is + prototypes"]
        for name, values in found.items():
            gain = "" if values is usual else f", less the first {bootstrap(Units(values - usual, None))}"
            print(f"{shots}-shot, {name:24s}: {bootstrap(Units(values, None))}{gain}", flush=True)


if __name__ == "__main__":
    main()
