"""Recipes that need no labels, on real photos: what is trained is what is served, and it learns something."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pictrieve as pt  # noqa: E402
from pictrieve import datasets, finetune  # noqa: E402
from pictrieve.finetune.autoencoder import Autoencoder  # noqa: E402
from pictrieve.finetune.distill import least_squares  # noqa: E402
from pictrieve.finetune.embedder import Embedder  # noqa: E402
from pictrieve.finetune.gan import Adversaries, Discriminator, Generator  # noqa: E402
from pictrieve.finetune.pictures import numbered, shuffled, start_or_random  # noqa: E402
from pictrieve.finetune.self_supervised import Plan, TwoViews  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

QUIET: dict[str, Any] = {"show_progress_bar": False, "seed": 3}


@pytest.fixture(scope="module")
def photos(data: Path) -> datasets.Dataset:
    every = datasets.Table(data / "cifar10" / "labels.csv")
    return every.subset(np.arange(len(every)) % 100 < 12)


@pytest.fixture(scope="module")
def others(data: Path) -> datasets.Dataset:
    every = datasets.Table(data / "cifar10" / "labels.csv")
    return every.subset(np.arange(len(every)) % 100 >= 96)


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def weights_of(run: finetune.Run, prefix: str, best: bool = True) -> dict[str, Any]:
    name = "best.pt" if best else "checkpoint.pt"
    state = torch.load(run.path / name, weights_only=True)["modules"]
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def test_a_student_learns_its_teachers_vectors(photos: datasets.Dataset, others: datasets.Dataset) -> None:
    teacher = pt.ImageEncoder("efficientnet_lite0")
    run = finetune.distill(
        teacher,
        photos,
        "mobilenet_v3_small",
        size=48,
        epochs=3,
        batch_size=24,
        relational=0.5,
        validation=others,
        **QUIET,
    )
    assert run.encoder.dim == teacher.dim
    report = run.report()
    assert report.after["teacher_cosine"] > report.before["teacher_cosine"] + 0.03
    cosine = (run.encoder.encode(others.paths) * teacher.encode(others.paths)).sum(1).mean()
    assert abs(report.after["teacher_cosine"] - cosine) < 1e-6
    assert report.facts["teacher"]["map"] > report.after["map"]
    history = run.history
    direction, relations = history["direction_loss"], history["relational_loss"]
    np.testing.assert_allclose(history["loss"][1:], (direction + 0.5 * relations)[1:], rtol=1e-5)


def test_the_projection_of_a_student_starts_at_least_squares() -> None:
    chance = np.random.default_rng(0)
    rows = unit(chance.normal(size=(400, 8))).astype(np.float32)
    matrix = chance.normal(size=(5, 8))
    found = least_squares(rows, (rows @ matrix.T).astype(np.float32))
    assert np.abs(found.matrix - matrix).max() < 0.05 * np.abs(matrix).max()


def test_an_autoencoder_draws_photos_again_and_serves_its_code(
    photos: datasets.Dataset, others: datasets.Dataset, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"dim": 24, "width": 8, "size": 16, "batch_size": 16, "lr": 5e-3, **QUIET}
    run = finetune.autoencoder(photos, epochs=8, noise=0.1, out=tmp_path / "run", **given)
    losses = run.history["loss"]
    assert losses.iloc[-1] < 0.5 * losses.iloc[1]
    network = Autoencoder(24, 16, 8).eval()
    network.load_state_dict(weights_of(run, "", best=False))
    pixels = torch.from_numpy(run.encoder.preprocess.apply(others.paths))
    with torch.no_grad():
        expected = unit(network.encoder(pixels).numpy())
        error = (network(pixels) - pixels).square().mean()
    assert error < 0.75 * (pixels - pixels.mean((0, 2, 3), keepdim=True)).square().mean()  # better than grey
    assert np.abs(run.encoder.encode(others.paths) - expected).max() < 1e-5
    run.encoder.save_pretrained(tmp_path / "copy")
    assert pt.ImageEncoder(tmp_path / "copy").fingerprint == run.encoder.fingerprint
    (tmp_path / "copy" / "model.ts").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected the program model\.ts"):
        pt.ImageEncoder(tmp_path / "copy")
    again = finetune.autoencoder(photos, epochs=8, noise=0.1, out=tmp_path / "run", **given)
    assert again.encoder.fingerprint == run.encoder.fingerprint


def test_a_discriminators_features_are_served(photos: datasets.Dataset, tmp_path: Path) -> None:
    arrays = [pt.images.decode(path) for path in photos.paths]
    given: dict[str, Any] = {"width": 8, "size": 16, "latent": 10, "batch_size": 20, **QUIET}
    run = finetune.gan(arrays, epochs=2, out=tmp_path / "run", **given)
    assert {"discriminator_loss", "generator_loss"} <= set(run.history)
    encoder = run.encoder
    assert encoder.dim == 16 * (8 + 16)
    judge = Discriminator(16, 8)
    state = weights_of(run, "discriminator.", best=False)
    judge.load_state_dict(state)
    pixels = torch.from_numpy(encoder.preprocess.apply(arrays[:5]))
    with torch.no_grad():
        first = judge.eval().layers[0](pixels)
        second = judge.layers[1](first)
        pooled = [torch.nn.functional.max_pool2d(first, 2), second]
        expected = unit(torch.cat([part.flatten(1) for part in pooled], 1).numpy())
    assert np.abs(encoder.encode(arrays[:5]) - expected).max() < 1e-5
    assert encoder.fit_whitening(arrays, dim=12).encode(arrays[0]).shape == (12,)


def test_each_adversary_follows_its_own_loss(photos: datasets.Dataset) -> None:
    torch.manual_seed(0)
    task = Adversaries(Generator(6, 16, 4), Discriminator(16, 4), photos, None, 16, 12, "none", 0, {})
    batch = task.batches(0)[0]
    torch.manual_seed(1)
    task.backward(batch, lambda loss: loss, nullcontext)
    for part in ("discriminator", "generator"):
        torch.manual_seed(1)
        parameters = list(task.modules[part].parameters())
        expected = torch.autograd.grad(task.loss(batch)[f"{part}_loss"], parameters)
        for parameter, gradient in zip(parameters, expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["simclr", "simsiam"])
def test_two_views_of_a_photo_come_together(photos: datasets.Dataset, others: datasets.Dataset, method: str) -> None:
    run = finetune.self_supervised(
        "cifar_resnet20", photos, method=method, size=16, projection=16, batch_size=40, epochs=3, validation=others,
        lr=3e-3, **QUIET,
    )  # fmt: skip
    losses = run.history["loss"]
    assert losses.iloc[-1] < losses.iloc[1]
    encoder = run.encoder
    assert encoder.dim == 64
    state = torch.load(run.path / "best.pt", weights_only=True)["modules"]
    network = finetune.network("cifar_resnet20", {"num_classes": 0}, weights="random").eval()
    network.load_state_dict(
        {n.removeprefix("embedder.network."): t for n, t in state.items() if n.startswith("embedder.network.")}
    )
    with torch.no_grad():
        rows = network(torch.from_numpy(encoder.preprocess.apply(others.paths)))["features"].numpy()
    assert np.abs(encoder.encode(others.paths) - unit(rows)).max() < 1e-4


def test_views_are_compared_with_those_of_the_same_photo(photos: datasets.Dataset) -> None:
    start = start_or_random("cifar_resnet20", None, 0).at_size(16)
    augmentation = pt.Augmentation("none", preprocess=start.preprocess, views=2)
    seen: list[Any] = []

    class Kept(torch.nn.Module):
        def forward(self, first: Any, second: Any) -> Any:
            seen.extend([first, second])
            return (first - second).square().mean()

    plan = Plan(shuffled(numbered(photos), augmentation, 12, 0), None, 1.0, {})
    task = TwoViews(start, Embedder(start.network), Kept(), plan)
    task.modules.eval()
    with torch.no_grad():
        assert task.loss(task.batches(0)[0]) < 1e-10
    assert seen[0].shape == (12, 64)
    assert (seen[0][0] - seen[0][1]).abs().max() > 1e-3


def test_wrong_arguments_are_named(photos: datasets.Dataset) -> None:
    few = photos.paths[:4]
    for make, message in (
        (lambda: finetune.autoencoder([*few, "不存在.jpg"]), "1 of 5 pictures are not there: 不存在.jpg"),
        (lambda: finetune.autoencoder(few, size=24), "size: expected 8, 16, 32, 64, 128, ..., got 24"),
        (lambda: finetune.autoencoder([]), "expected pictures to learn from, got none"),
        (lambda: finetune.gan(few, augment="simclr"), "augment: expected a recipe that gives one view"),
        (lambda: finetune.self_supervised("cifar_resnet20", few, method="magic"), "method: expected one of simclr"),
        (lambda: finetune.self_supervised("cifar_resnet20", few[:1]), "expected 2 or more pictures in a batch, got 1"),
        (lambda: finetune.distill("efficientnet_lite0", few, relational=-1), "relational: expected a weight of 0"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            make()
