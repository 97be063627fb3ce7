"""Learning from marks on real photos: what was learnt is served, searches get better, and wrong logs are named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

import pictrieve as pt  # noqa: E402
from pictrieve import datasets, finetune  # noqa: E402
from pictrieve.finetune.feedback import measure  # noqa: E402
from pictrieve.finetune.marks import Judgement, judgements  # noqa: E402

QUIET: dict[str, Any] = {"show_progress_bar": False}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads(), pt.num_threads()
    torch.set_num_threads(1)
    pt.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    pt.set_num_threads(before[1])


@pytest.fixture(scope="module")
def encoder() -> pt.ImageEncoder:
    return pt.ImageEncoder("efficientnet_lite0")


@pytest.fixture(scope="module")
def grocery(data: Path) -> datasets.Dataset:
    every = datasets.Table(data / "grocery" / "labels.csv").with_labels("coarse_label")
    return every.split("train")


@pytest.fixture(scope="module")
def vectors(data: Path, grocery: datasets.Dataset) -> NDArray[np.float32]:
    stored = np.load(data / "vectors" / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32)
    every = datasets.Table(data / "grocery" / "labels.csv")
    return np.ascontiguousarray(stored[every.splits == "train"])


def marked(vectors: NDArray[np.float32], labels: NDArray[np.int64], queries: Any, k: int = 20) -> list[Judgement]:
    """What somebody marks who wants the same kind: the first k results of each query."""
    log = []
    for query in queries:
        order = [int(row) for row in np.argsort(-(vectors @ vectors[query])) if row != query][:k]
        wanted = [row for row in order if labels[row] == labels[query]]
        log.append(Judgement(int(query), tuple(wanted), tuple(row for row in order if row not in wanted)))
    return log


@pytest.mark.parametrize("loss", ["softmax", "triplet"])
def test_marks_make_the_searches_of_others_better(
    encoder: pt.ImageEncoder, grocery: datasets.Dataset, vectors: NDArray[np.float32], loss: str
) -> None:
    labels = grocery.labels
    queries = np.random.default_rng(0).permutation(len(vectors))
    log = marked(vectors, labels, queries[:300])
    run = finetune.learn_from_feedback(encoder, log, vectors, loss=loss, epochs=6, **QUIET)
    before, after = run.report().before, run.report().after
    print(loss, before, after, run.history.to_string())
