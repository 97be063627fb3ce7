"""Autoencoder and GAN features against raw pixels: mAP of each CIFAR-10 photo among the others, no labels learnt from.

Both networks are trained on all the photos, which are what is searched; labels only measure. Lengths are shortened by
principal components where a row says so, for a comparison at one length.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from _pairing import say_machine
from numpy.typing import NDArray

import pictrieve as pt
from pictrieve import datasets, finetune
from pictrieve.finetune.script import square

Rows = NDArray[np.float32]


def unit(rows: Rows) -> Rows:
    """Scale rows to length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def shortened(rows: Rows, dim: int) -> Rows:
    """Give the first principal components."""
    _, _, directions = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    return unit((rows - rows.mean(0)) @ directions[:dim].T)


def figures(rows: Rows, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Give mAP and hit@1, each row searched among the others."""
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
    relevant = [np.flatnonzero((labels == label) & (np.arange(len(labels)) != i)) for i, label in enumerate(labels)]
    report = pt.evaluate.retrieval(ranked, relevant, ks=(1,))
    return float(np.mean(report.per_query["map"])), float(np.mean(report.per_query["hit@1"]))


def main() -> None:
    """Train both for each seed, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("data", type=Path, nargs="?", default=data, help="folder of data sets")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dim", type=int, default=64)
    arguments = parser.parse_args()
    say_machine()
    photos = datasets.Table(arguments.data / "cifar10" / "labels.csv")
    pixels = unit(square(32).apply(photos.images()).reshape(len(photos), -1))
    features: dict[str, list[Rows]] = {"raw pixels": [pixels], f"raw pixels, {arguments.dim} components": []}
    features[f"raw pixels, {arguments.dim} components"].append(shortened(pixels, arguments.dim))
    for seed in range(arguments.seeds):
        for name, recipe, settings in (
            ("autoencoder", finetune.autoencoder, {"dim": arguments.dim}),
            ("gan", finetune.gan, {}),
        ):
            started = time.monotonic()
            run = recipe(photos, epochs=arguments.epochs, seed=seed, show_progress_bar=False, **settings)
            print(f"{name}, seed {seed}: {time.monotonic() - started:.0f} s", flush=True)
            rows = run.encoder.encode(photos.images(), show_progress_bar=False)
            features.setdefault(name, []).append(rows)
            if name == "gan":
                features.setdefault(f"gan, {arguments.dim} components", []).append(shortened(rows, arguments.dim))
    print(f"{'features':28s} {'numbers':>8s} {'mAP':>16s} {'hit@1':>16s}")
    for name, all_rows in features.items():
        found = np.array([figures(rows, photos.labels) for rows in all_rows])
        means, spreads = found.mean(0), found.std(0)
        cells = "".join(f" {mean:8.4f} +- {spread:.4f}" for mean, spread in zip(means, spreads, strict=True))
        print(f"{name:28s} {all_rows[0].shape[1]:8d}{cells}")


if __name__ == "__main__":
    main()
