"""Adapters and meta-learning on cached features of real photos, measured on classes that were not learnt."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pictrieve as pt  # noqa: E402
from pictrieve import finetune  # noqa: E402
from pictrieve.finetune.adapter import Residual  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

Array = np.ndarray[Any, Any]
Rows = tuple[Array, Array]
QUIET: dict[str, Any] = {"show_progress_bar": False}


@pytest.fixture(scope="module")
def grocery(data: Path) -> dict[str, Rows]:
    """Rows and products: half of the coarse classes "learnt", the other half "held"."""
    with (data / "grocery" / "labels.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    rows = np.load(data / "vectors" / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels, coarse = (np.array([row[name] for row in table]) for name in ("label", "coarse_label"))
    held = np.isin(coarse, np.random.default_rng(0).permutation(np.unique(coarse))[:14])
    return {"learnt": (rows[~held], labels[~held]), "held": (rows[held], labels[held])}


def unit(rows: Array) -> Array:
    return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def precisions(rows: Array, labels: Array) -> Array:
    """Average precision of each row's search among the others."""
    report = pt.evaluate.embeddings(np.ascontiguousarray(rows), labels=np.unique(labels, return_inverse=True)[1])
    return np.asarray(report.per_query["map"])


def projected(rows: Array, folder: Path) -> Array:
    """What the encoder of a run computes from rows of the frozen one."""
    head = pt.encoders.whitening.load(folder / "model" / "whitening.safetensors")
    return unit((rows - head.mean) @ head.matrix.T)


def test_an_adapter_finds_products_that_it_never_saw_better(grocery: dict[str, Rows], tmp_path: Path) -> None:
    (rows, labels), (test, truth) = grocery["learnt"], grocery["held"]
    run = finetune.adapter(pt.ImageEncoder(), (rows, labels), epochs=15, lr=1e-3, out=tmp_path / "run", **QUIET)
    gains = precisions(projected(test, run.path), truth) - precisions(test, truth)
    means = np.random.default_rng(0).choice(gains, (2000, len(gains))).mean(axis=1)
    assert np.quantile(means, 0.025) > 0, "the 95 % bootstrap interval over pictures is above zero"
    gains = precisions(projected(rows, run.path), labels) - precisions(rows, labels)
    assert gains.mean() > 0.1, "of what it was trained on, far more"
    assert not run.report().after, "nothing is measured where there is nothing to measure with"


def test_what_is_served_is_what_was_trained(grocery: dict[str, Rows], tmp_path: Path) -> None:
    """Behind a projection too; and it starts at the frozen encoder."""
    rows, labels = grocery["learnt"]
    picture = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    plain, short = pt.ImageEncoder(), pt.ImageEncoder().fit_whitening(rows, 16)
    assert short._whitening is not None
    mean, matrix = short._whitening
    for name, image, train in (("plain", plain, rows), ("short", short, unit((rows - mean) @ matrix.T))):
        run = finetune.adapter(
            image, (train, labels), validation=(train[::3], labels[::3]), loss="softmax", rank=8, ratio=0.5, epochs=3,
            lr=1e-2, out=tmp_path / name, **QUIET,
        )  # fmt: skip
        learnt = torch.load(tmp_path / name / "best.pt", weights_only=True)["modules"]
        up, down = (learnt[f"residual.{part}.weight"] for part in ("up", "down"))
        before = image.encode(picture)
        expected = unit(before + 0.5 * before @ (up @ down).T.numpy())
        assert run.encoder.dim == image.dim
        assert np.abs(run.encoder.encode(picture) - expected).max() < 1e-5
        assert np.abs(expected - before).max() > 1e-3
        report = run.report()
        assert report.before["map"] == pytest.approx(precisions(train[::3], labels[::3]).mean(), abs=1e-6)
        assert report.after["map"] > report.before["map"]
    start = Residual(rows.shape[1], 4, 1.0).behind(None)
    assert np.array_equal(start.matrix, np.eye(rows.shape[1], dtype=np.float32))


def test_wrong_arguments_are_named(grocery: dict[str, Rows]) -> None:
    image, few = pt.ImageEncoder(), (grocery["learnt"][0][:60], grocery["learnt"][1][:60])
    for call, message in (
        (lambda: finetune.adapter(image, few, rank=0), "rank, ratio: expected 1 to 1280"),
        (lambda: finetune.adapter(image, few, ratio=0), "rank, ratio: expected 1 to 1280 and a number above 0"),
        (lambda: finetune.adapter(image, few, loss="infonce"), "loss: expected one of arcface, centre"),
        (lambda: finetune.adapter(image, few, batch_size=7), "batch_size: expected at least two classes"),
        (lambda: finetune.adapter(image, (few[0], few[0][:, 0] * 0)), "expected at least 2 classes, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
