"""Batches of queries from several threads, whose first pass goes by codes, while a writer changes the rows."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt

DIM, STABLE, QUERIES = 64, 8500, 300


def vectors(ids: NDArray[np.int64], version: int = 0) -> NDArray[np.float32]:
    """Give the vector of each id and version: around a few centres far from 0, as networks have them."""
    centres = np.random.default_rng(7).normal(size=(20, DIM)) + 1
    noise = np.random.default_rng(version).normal(size=(12_000, DIM))
    return (centres[ids % 20] + 0.3 * noise[ids]).astype(np.float32)


def exact_scores(metric: str, queries: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    one, other = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "l2":
        squared = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
        return -np.sqrt(np.maximum(squared, 0))
    if metric == "cosine":
        one, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (one, other))
    return one @ other.T


def change(index: pt.Index, held: dict[int, int], gone: set[int], rounds: int) -> None:
    """Add, replace and remove rows behind the stable ones; `held` says which version of which id is in at the end."""
    for number in range(rounds):
        fresh = np.arange(500) + STABLE + 500 * number
        index.add(vectors(fresh), fresh)
        renewed = fresh[::3]
        index.upsert(vectors(renewed, 1), renewed)
        held |= dict.fromkeys(fresh.tolist(), 0) | dict.fromkeys(renewed.tolist(), 1)
        lost = fresh[1::2]
        index.remove(lost)
        gone |= set(lost.tolist())
        for one in lost.tolist():
            del held[one]
        if number % 3 == 1:
            index.compact()


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_readers_see_whole_rows_while_a_writer_changes_them(metric: str, tmp_path: Path) -> None:
    stable = np.arange(STABLE)
    made = pt.Index(DIM, metric=metric, factory="Flat")
    made.add(vectors(stable), stable)
    made.save(tmp_path / "index")
    index = pt.Index.load(tmp_path / "index", mmap=True)
    queries = vectors(stable[:QUERIES])
    held, gone, errors, done = dict.fromkeys(stable.tolist(), 0), set[int](), list[str](), threading.Event()
    counts = [0, 0, 0]
    first = exact_scores(metric, queries, vectors(stable)).max(axis=1)  # what comes later only raises it

    def read(reader: int) -> None:
        while not done.is_set() or counts[reader] < 3:
            before = set(gone)
            ids, scores = index.search(queries, 1 + 4 * reader)
            counts[reader] += 1
            if before & set(ids.ravel().tolist()):
                errors.append("a removed row was found")
            if metric != "ip" and not np.array_equal(ids[:, 0], stable[:QUERIES]):
                errors.append("a row did not find itself")
            if (scores[:, 0] < first - 1e-4).any() or (np.diff(scores, axis=1) > 0).any():
                errors.append("a better row was missed")

    readers = [threading.Thread(target=read, args=(number,)) for number in range(3)]
    for thread in readers:
        thread.start()
    try:
        change(index, held, gone, rounds=4)
    finally:
        done.set()
        for thread in readers:
            thread.join(timeout=60)
    assert not errors
    assert min(counts) >= 3
    ids, scores = index.search(queries, 10)
    info = index._core.info()
    assert info.bytes_vectors >= (len(index) + info.removed) * DIM * 5  # codes of one byte beside the numbers
    assert sorted(index.ids.tolist()) == sorted(held)
    numbers = np.array(sorted(held))
    versions = np.array([held[one] for one in numbers.tolist()])
    rows = np.where(versions[:, None] == 1, vectors(numbers, 1), vectors(numbers))
    true = exact_scores(metric, queries, rows)
    best = np.argsort(-true, axis=1, kind="stable")[:, :10]
    ranked = np.take_along_axis(true, best, axis=1)
    assert np.allclose(scores, ranked, rtol=1e-5, atol=1e-3 if metric == "l2" else 1e-5)
    clear = np.diff(ranked, axis=1, prepend=np.inf, append=-np.inf)
    apart = (clear[:, :-1] < -1e-4) & (np.append(clear[:, 1:-1], np.full((QUERIES, 1), -1.0), axis=1) < -1e-4)
    assert np.array_equal(ids[apart], numbers[best][apart])
