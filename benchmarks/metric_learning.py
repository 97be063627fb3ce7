"""Metric learning on labelled photos: what fine-tuning gives on classes that it has seen, and on others.

Each fold holds out whole classes. Frozen features and a shrinkage-LDA head on them are what it has to beat. The sets:
`grocery` (products; coarse classes are held out) and `clothing` (two or three of its seven classes are held out).
Queries of unseen classes search the pictures of unseen classes, and "among all" those of every class.

python benchmarks/metric_learning.py [folder of data sets] [--sets grocery clothing] [--folds 4] [--epochs 8]
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _pairing import say_machine
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import pictrieve as pt
from pictrieve.datasets import Dataset
from pictrieve.evaluate.statistics import Units, bootstrap

EPOCHS = 8
SHRINKAGE = 0.9  # of the LDA head: the best of 0.1, 0.3, 0.5, 0.7 and 0.9 on held-out products
SPLIT_OF = {"grocery": ("coarse_label", 4), "clothing": (None, 3)}  # column whose classes are held out, folds
RECIPE: dict[str, Any] = {"loss": "supcon", "loss_settings": {"temperature": 0.1}, "freeze": ("norms", 0.5), "lr": 3e-4}
# Four or five classes teach little about others, and a bold rate makes the network forget what it knew about these.
CHANGES_OF: dict[str, dict[str, Any]] = {"grocery": {}, "clothing": {"lr": 1e-4, "epochs": 3}}


class Sides(NamedTuple):
    """Pictures of one fold: what is trained on, and queries and galleries of both kinds of classes."""

    train: Dataset
    seen: tuple[Dataset, Dataset]
    unseen: tuple[Dataset, Dataset]
    among_all: tuple[Dataset, Dataset]


def folds_of(folder: Path, name: str, folds: int | None) -> list[Sides]:
    """Hold out classes; within both parts the set's own test pictures are searched among its train pictures."""
    column, usual = SPLIT_OF[name]
    whole = pt.datasets.Table(folder / name / "labels.csv", name=name)
    found = []
    for fold in pt.datasets.hold_out_classes(whole, column, folds or usual):
        held_out = fold.splits == "test"
        queries = whole.splits == "test"
        parts = [(whole.subset(queries & side), whole.subset(~queries & side)) for side in (~held_out, held_out)]
        found.append(Sides(parts[0][1], parts[0], parts[1], (parts[1][0], whole.subset(~queries))))
    return found


def precisions(rows: list[NDArray[np.float32]], pair: tuple[Dataset, Dataset]) -> NDArray[np.float64]:
    """Average precision of every query."""
    report = pt.evaluate.embeddings(rows[0], rows[1], labels=pair[0].labels, gallery_labels=pair[1].labels)
    return report.per_query["map"]


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Scale to unit length."""
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def measured(sides: Sides, recipe: dict[str, Any]) -> tuple[dict[str, dict[str, NDArray[np.float64]]], float]:
    """Average precisions of the three systems on unseen and seen classes, and the CPU seconds of the training."""
    frozen = pt.ImageEncoder()
    pairs = {"unseen": sides.unseen, "unseen among all": sides.among_all, "seen": sides.seen}
    plain = {
        kind: [frozen.encode(part.images(), show_progress_bar=False) for part in pair] for kind, pair in pairs.items()
    }
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage=SHRINKAGE).fit(plain["seen"][1], sides.train.labels)
    began = time.process_time()
    run = pt.finetune.fit("efficientnet_lite0", sides.train, show_progress_bar=False, **recipe)
    taken = time.process_time() - began
    tuned = run.encoder
    found: dict[str, dict[str, NDArray[np.float64]]] = {"frozen": {}, "LDA": {}, "fine-tuned": {}}
    for kind, pair in pairs.items():
        found["frozen"][kind] = precisions(plain[kind], pair)
        found["LDA"][kind] = precisions([unit(lda.transform(rows)) for rows in plain[kind]], pair)
        found["fine-tuned"][kind] = precisions(
            [tuned.encode(part.images(), show_progress_bar=False) for part in pair], pair
        )
    return found, taken


def main() -> None:
    """Train every fold and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--sets", nargs="+", default=list(SPLIT_OF), choices=list(SPLIT_OF))
    parser.add_argument("--folds", type=int)
    parser.add_argument("--epochs", type=int)
    arguments = parser.parse_args()
    say_machine()
    for name in arguments.sets:
        totals: dict[str, dict[str, list[NDArray[np.float64]]]] = {}
        for number, sides in enumerate(folds_of(arguments.folder, name, arguments.folds)):
            recipe = {**RECIPE, "epochs": EPOCHS, **CHANGES_OF[name], "seed": number}
            if arguments.epochs:
                recipe["epochs"] = arguments.epochs
            found, seconds = measured(sides, recipe)
            for system, kinds in found.items():
                line = ", ".join(f"{kind} {values.mean():.3f}" for kind, values in kinds.items())
                print(f"{name} fold {number}, {system:10s}: mAP {line}", flush=True)
                for kind, values in kinds.items():
                    totals.setdefault(system, {}).setdefault(kind, []).append(values)
            print(f"{name} fold {number}: trained in {seconds / 60:.1f} CPU minutes", flush=True)
        for system, kinds in totals.items():
            for kind, values in kinds.items():
                mean = bootstrap(Units(np.concatenate(values), None))
                print(f"{name}, {kind} classes, {system:10s}: mAP {mean}")
        for kind, other in itertools.product(("unseen", "unseen among all"), ("frozen", "LDA")):
            gains = np.concatenate(totals["fine-tuned"][kind]) - np.concatenate(totals[other][kind])
            print(f"{name}, {kind}, fine-tuned less {other}: {bootstrap(Units(gains, None))}")


if __name__ == "__main__":
    main()
