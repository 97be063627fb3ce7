"""P11: pt.evaluate.embeddings on a million rows against a million, and against NumPy and scikit-learn on 10,000.

Time and memory of 1,000,000 x 1,000,000 follow from a part of the queries: each is counted on its own, so the time of
all is in proportion, and no more memory is needed but for the values of each query, which are added here.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from _pairing import medians, say_machine
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

import pictrieve as pt
from pictrieve import evaluate

DIM = 64


def peak_mb() -> float:
    """The most memory this process has had."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1000


def clustered(rows: int, classes: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows around the centres of their classes, in pieces: no float64 copy of a million rows."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((classes, DIM), dtype=np.float32)
    labels = chance.integers(0, classes, rows)
    made = np.empty((rows, DIM), np.float32)
    for begin in range(0, rows, 50_000):
        part = slice(begin, begin + 50_000)
        made[part] = centres[labels[part]] + chance.standard_normal((len(labels[part]), DIM), dtype=np.float32)
    return made, labels


def by_numpy(rows: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean average precision by sorting each row of the whole matrix of scores."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1)[:, :-1]
    hits = labels[order] == labels[:, None]
    places = np.arange(1, hits.shape[1] + 1)
    precision = np.cumsum(hits, axis=1) / places
    relevant = hits.sum(axis=1)
    return float(((precision * hits).sum(axis=1)[relevant > 0] / relevant[relevant > 0]).mean())


def by_scikit_learn(rows: NDArray[np.float32], labels: NDArray[np.int64], queries: int) -> float:
    """The same of the first queries, row by row: its ties are other, but there are none here."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    others = np.arange(len(rows))
    values = []
    for query in range(queries):
        kept = others != query
        target = labels[kept] == labels[query]
        if target.any():
            values.append(average_precision_score(target, unit[kept] @ unit[query]))
    return float(np.mean(values))


def small(rows: int, repeats: int) -> None:
    """Compare with NumPy and scikit-learn, values first."""
    vectors, labels = clustered(rows, rows // 10)
    few = rows // 20
    report = evaluate.embeddings(vectors, labels=labels, ks=(1,), show_progress_bar=False)
    assert abs(report["map"] - by_numpy(vectors, labels)) < 1e-5, "NumPy's float32 products differ in the last digits"
    some = float(np.nanmean(report.per_query["map"][:few]))
    assert abs(some - by_scikit_learn(vectors, labels, few)) < 1e-4
    before = peak_mb()
    print(
        f"{rows:,} x {rows:,}: map {report['map']:.4f}; peak memory so far {before:.0f} MB, NumPy's matrices included"
    )
    taken = medians(
        {
            "pictrieve": lambda: evaluate.embeddings(vectors, labels=labels, ks=(1,), show_progress_bar=False),
            "NumPy": lambda: by_numpy(vectors, labels),
            f"scikit-learn, {few} queries": lambda: by_scikit_learn(vectors, labels, few),
        },
        repeats=repeats,
    )
    ours, numpy, sklearn = taken.values()
    print(f"evaluate {rows:,} x {rows:,} against scikit-learn: {sklearn * rows / few / ours:.1f}")
    print(f"evaluate {rows:,} x {rows:,} against NumPy: {numpy / ours:.2f}")


def large(rows: int, queries: int, classes: int) -> None:
    """A part of the queries against all rows, and what all would take."""
    vectors, labels = clustered(rows, classes)
    held = peak_mb()
    junk = [[i] for i in range(queries)]  # itself
    start = time.perf_counter()
    report = evaluate.embeddings(
        vectors[:queries], vectors, labels[:queries], labels, junk=junk, ks=(1, 10), show_progress_bar=False
    )
    taken = time.perf_counter() - start
    values = (
        sum(column.nbytes for column in report.per_query.values()) * 2 / queries * rows / 1e6
    )  # the core's and ours
    print(
        f"{queries:,} of {rows:,} queries x {rows:,} rows of {DIM}, {classes:,} classes, {pt.num_threads()} threads: "
        f"{taken:.1f} s, map {report['map']:.4f}, {taken / queries / rows * 1e9:.2f} ns a pair"
    )
    print(f"all {rows:,} queries: {taken / queries * rows / 60:.0f} minutes at this rate")
    print(
        f"memory: {held:.0f} MB of data before, peak {peak_mb():.0f} MB; with all queries {peak_mb() + values:.0f} MB"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--classes", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    say_machine()
    large(arguments.rows, arguments.queries, arguments.classes)
    small(arguments.small, arguments.repeats)


if __name__ == "__main__":
    main()
