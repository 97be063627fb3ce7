"""Aligning EfficientNet-Lite0 and MiniLM with captions: recall on 150 photos, and agreement with human judgements.

python benchmarks/align.py [folder of data sets]
"""

from __future__ import annotations

import csv
import time
from typing import Any

import numpy as np
from _labelled_sets import data_folder
from _pairing import say_machine

import pictrieve as pt

SEEDS = (0, 1, 2)


def cached_pairs() -> tuple[np.ndarray[Any, Any], list[list[str]]]:
    """Stored features and captions of 5,854 photos, none of them near to a test photo."""
    folder = data_folder() / "flickr8k_features"
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        captions = [[row[f"caption_{i}"] for i in range(5)] for row in csv.DictReader(file)]
    features = np.load(folder / "features_u8.npy").astype(np.float32) * np.load(folder / "scale.npy")
    return features, captions


def agreement(dual: pt.DualEncoder, photos: pt.datasets.Dataset) -> float:
    """Spearman correlation of cosine and mean expert judgement, over pairs whose photo is none of the training's."""
    folder = data_folder() / "flickr8k"
    kept = {f"images/{path.name}" for path in photos.paths}
    with (folder / "expert_judgments.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["image"] in kept]
    names = sorted({row["image"] for row in rows})
    images = dual.encode_images([folder / name for name in names])[[names.index(row["image"]) for row in rows]]
    texts = dual.encode_texts([row["caption"] for row in rows])
    truth = [float(row["mean_1_to_4"]) for row in rows]
    return pt.evaluate.correlation((images * texts).sum(axis=1), truth).spearman.mean


def line(name: str, dual: pt.DualEncoder, test: pt.datasets.Dataset, judged: pt.datasets.Dataset) -> list[float]:
    """Print and give what one encoder reaches."""
    owner = np.repeat(np.arange(len(test)), [len(texts) for texts in test.captions])
    texts = [text for some in test.captions for text in some]
    found = pt.evaluate.image_text(dual.encode_images(test.paths), dual.encode_texts(texts), owner)
    values = [found.text_to_image[f"recall@{k}"] for k in (1, 5, 10)]
    values += [found.image_to_text["recall@1"], agreement(dual, judged)]
    print(f"{name:34s} " + "  ".join(f"{value:6.3f}" for value in values), f" dim {dual.dim}", flush=True)
    return values


def main() -> None:
    """Train both ways with three seeds each."""
    say_machine()
    photos = pt.datasets.Table(data_folder() / "flickr8k" / "captions.csv")
    train, test = photos.split("train"), photos.split("test")
    judged = photos.subset(photos.splits != "train")
    print(f"{'':34s} text->image recall@1 @5 @10, image->text recall@1, Spearman with experts")
    line("label space, no training", pt.DualEncoder(), test, judged)
    for name, pairs in (("640 photos", train), ("5,854 feature rows", cached_pairs())):
        every = []
        for seed in SEEDS:
            start = time.perf_counter()
            dual = pt.finetune.align(pt.ImageEncoder(), "minilm", pairs, seed=seed)
            seconds = time.perf_counter() - start
            every.append(line(f"{name}, seed {seed} ({seconds:.0f} s)", dual, test, judged))
        print(f"align, {name}: mean recall@10 {np.mean(every, axis=0)[2]:.3f} (lowest {np.min(every, axis=0)[2]:.3f})")


if __name__ == "__main__":
    main()
