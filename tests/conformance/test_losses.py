"""Losses against the papers' formulas as plain loops, values and gradients, and against pytorch-metric-learning."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import naive_losses as naive
import numpy as np
import pytest

torch = pytest.importorskip("torch")
reference = pytest.importorskip("pytorch_metric_learning")

from pytorch_metric_learning import losses as theirs  # noqa: E402
from pytorch_metric_learning import miners, reducers  # noqa: E402
from pytorch_metric_learning.distances import LpDistance  # noqa: E402

from pictrieve.finetune import losses, mining  # noqa: E402
from pictrieve.finetune.memory_bank import MemoryBank  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES, DIM = 5, 4
# Even classes, uneven ones with single rows, one class alone, and a batch without positives.
LABELS = {
    "even": [0, 1, 2, 3] * 3,
    "uneven": [4, 0, 0, 2, 0, 1, 1, 3, 0, 4, 4],
    "one class": [2] * 5,
    "no positives": [0, 1, 2, 3, 4],
}


@pytest.fixture(params=LABELS, ids=str)
def labels(request: pytest.FixtureRequest) -> torch.Tensor:
    return torch.tensor(LABELS[request.param])


def rows_of(labels: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Random rows that lie somewhat by class, of unequal lengths."""
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(CLASSES, DIM))[labels.numpy()] + chance.normal(size=(len(labels), DIM))
    return torch.from_numpy(rows).requires_grad_()


def holds(loss: Any, rows: torch.Tensor, labels: torch.Tensor, expected: float) -> None:
    """Compare the value with the loop's, and the gradients of rows and parameters with differences of values."""
    loss = loss.double()
    value = loss(rows, labels)
    assert value.item() == pytest.approx(expected, rel=1e-11, abs=1e-12)
    parameters = [parameter for parameter in loss.parameters() if parameter.requires_grad]
    assert torch.autograd.gradcheck(lambda rows, *_: loss(rows, labels), (rows, *parameters))


def agree(ours: Any, other: Callable[..., Any], rows: torch.Tensor, *arguments: Any) -> None:
    """Compare values and gradients with another implementation's."""
    mine, his = ours.double()(rows, *arguments), other(rows, *arguments)
    assert mine.item() == pytest.approx(his.item(), rel=1e-9, abs=1e-12)
    if his.requires_grad and mine.item():
        gradients = [torch.autograd.grad(value, rows)[0] for value in (mine, his)]
        torch.testing.assert_close(*gradients, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("normalise", [True, False])
def test_contrastive(labels: torch.Tensor, power: int, normalise: bool) -> None:
    rows = rows_of(labels)
    near, far = (0.3, 1.1) if normalise else (1.0, 4.0)
    loss = losses.Contrastive(near, far, power=power, normalise=normalise)
    holds(loss, rows, labels, naive.contrastive(rows.detach().numpy(), labels, near, far, power, normalise))
    if power == 1:
        agree(
            loss, theirs.ContrastiveLoss(near, far, distance=LpDistance(normalize_embeddings=normalise)), rows, labels
        )


@pytest.mark.parametrize("kind", ["all", "hard", "semi_hard"])
@pytest.mark.parametrize("margin", [0.2, 0.7, "soft"])
@pytest.mark.parametrize("normalise", [True, False])
def test_triplet(labels: torch.Tensor, kind: str, margin: float | str, normalise: bool) -> None:
    rows = rows_of(labels)
    loss = losses.Triplet(margin, mining=kind, normalise=normalise)
    holds(loss, rows, labels, naive.triplet(rows.detach().numpy(), labels, margin, kind, normalise))


@pytest.mark.parametrize(("kind", "margin"), [("all", 0.2), ("all", "soft"), ("hard", 0.3), ("hard", "soft")])
def test_triplet_as_theirs(labels: torch.Tensor, kind: str, margin: float | str) -> None:
    smooth = margin == "soft"
    reducer = None if kind == "all" and not smooth else reducers.MeanReducer()
    other = theirs.TripletMarginLoss(0.0 if smooth else margin, smooth_loss=smooth, reducer=reducer)
    miner = miners.BatchHardMiner() if kind == "hard" else None
    agree(
        losses.Triplet(margin, mining=kind),
        lambda rows, labels: other(rows, labels, miner(rows, labels) if miner else None),
        rows_of(labels),
        labels,
    )


def test_semi_hard_triplets_are_the_nearest_of_theirs(labels: torch.Tensor) -> None:
    rows = torch.nn.functional.normalize(rows_of(labels).detach())
    distances = torch.cdist(rows, rows)
    found = mining.semi_hard_triplets(distances, mining.pair_masks(labels), 0.6)
    nearest: dict[tuple[int, int], tuple[float, int]] = {}
    for a, p, n in zip(
        *(part.tolist() for part in miners.TripletMarginMiner(0.6, "semihard")(rows, labels)), strict=True
    ):
        nearest[a, p] = min(nearest.get((a, p), (math.inf, -1)), (float(distances[a, n]), n))
    assert {(int(a), int(p)): int(n) for a, p, n in zip(*found, strict=True)} == {
        pair: n for pair, (_, n) in nearest.items()
    }


@pytest.mark.parametrize("epsilon", [None, 0.1, -0.2])
def test_multi_similarity(labels: torch.Tensor, epsilon: float | None) -> None:
    rows = rows_of(labels)
    loss = losses.MultiSimilarity(2.0, 40.0, 0.4, epsilon=epsilon)
    expected = naive.multi_similarity(rows.detach().numpy(), labels, 2.0, 40.0, 0.4, epsilon)
    holds(loss, rows, labels, expected)
    other = theirs.MultiSimilarityLoss(2.0, 40.0, 0.4)
    miner = None if epsilon is None else miners.MultiSimilarityMiner(epsilon)
    agree(loss, lambda rows, labels: other(rows, labels, miner(rows, labels) if miner else None), rows, labels)


def test_supcon(labels: torch.Tensor) -> None:
    rows = rows_of(labels)
    loss = losses.SupCon(0.2, learn_temperature=True)
    holds(loss, rows, labels, naive.supcon(rows.detach().numpy(), labels, temperature_of(loss)))
    if len(set(labels.tolist())) > 1:  # theirs gives zero without negatives
        agree(losses.SupCon(0.2), theirs.SupConLoss(0.2), rows, labels)


def temperature_of(loss: Any) -> float:
    """Give the temperature that the loss starts with: a float32 parameter, so not quite the one asked for."""
    return math.exp(-float(loss.temperature.log_scale.detach()))


def pairs(n: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    chance = np.random.default_rng(1)
    a = chance.normal(size=(n, DIM))
    return torch.from_numpy(a).requires_grad_(), torch.from_numpy(a + chance.normal(size=a.shape)).requires_grad_()


def pair_holds(loss: Any, expected: float, labels: torch.Tensor | None = None) -> None:
    a, b = pairs()
    loss = loss.double()
    given = () if labels is None else (labels,)
    assert loss(a, b, *given).item() == pytest.approx(expected, rel=1e-12)
    parameters = [parameter for parameter in loss.parameters() if parameter.requires_grad]
    assert torch.autograd.gradcheck(lambda a, b, *_: loss(a, b, *given), (a, b, *parameters))


SAME = torch.tensor([0, 1, 0, 3, 1, 0, 6])


@pytest.mark.parametrize("labels", [None, SAME], ids=["each its own", "captions of one picture"])
def test_losses_of_pairs(labels: torch.Tensor | None) -> None:
    a, b = (rows.detach().numpy() for rows in pairs())
    pair_holds(infonce := losses.InfoNCE(0.1), naive.infonce(a, b, temperature_of(infonce), labels), labels)
    pair_holds(siglip := losses.SigLIP(0.2, -3.0), naive.siglip(a, b, temperature_of(siglip), -3.0, labels), labels)
    both = np.tile(np.arange(len(a)) if labels is None else labels.numpy(), 2)
    pair_holds(losses.NTXent(0.3), naive.supcon(np.concatenate([a, b]), both, 0.3), labels)


def test_pair_losses_as_theirs_and_as_cross_entropy() -> None:
    a, b = pairs()
    twice = torch.arange(len(a)).repeat(2)
    agree(losses.NTXent(0.3), lambda a, b: theirs.NTXentLoss(0.3)(torch.cat([a, b]), twice), a, b)
    scores = torch.cosine_similarity(a[:, None], b[None], dim=2) / 0.1
    entropy = partial(torch.nn.functional.cross_entropy, target=torch.arange(len(a)))
    agree(losses.InfoNCE(0.1, learn_temperature=False), lambda *_: (entropy(scores) + entropy(scores.T)) / 2, a, b)


def test_mse() -> None:
    a, b = pairs()
    pair_holds(losses.MSE(), float(((a - b) ** 2).detach().numpy().mean()))
    cosines = [naive.cosine(x, y) for x, y in zip(a.detach().numpy(), b.detach().numpy(), strict=True)]
    pair_holds(losses.MSE(normalise=True), naive.mean([2 - 2 * c for c in cosines]))


def arc(margin: float, easy: bool, cosine: float) -> float:
    angle = math.acos(cosine)
    if easy:
        return math.cos(angle + margin) if cosine > 0 else cosine
    return math.cos(angle + margin) if angle < math.pi - margin else cosine - margin * math.sin(margin)


@pytest.mark.parametrize("sub_centres", [1, 3])
@pytest.mark.parametrize("name", ["arcface", "easy", "wide", "cosface", "softmax"])
def test_margins_on_cosines(labels: torch.Tensor, name: str, sub_centres: int) -> None:
    made: dict[str, tuple[Any, Callable[[float], float]]] = {
        "arcface": (losses.ArcFace(CLASSES, DIM, scale=16, sub_centres=sub_centres), partial(arc, 0.5, False)),
        "easy": (
            losses.ArcFace(CLASSES, DIM, 0.7, 16, easy_margin=True, sub_centres=sub_centres),
            partial(arc, 0.7, True),
        ),
        "wide": (losses.ArcFace(CLASSES, DIM, 1.5, 16, sub_centres=sub_centres), partial(arc, 1.5, False)),
        "cosface": (losses.CosFace(CLASSES, DIM, scale=16, sub_centres=sub_centres), lambda cosine: cosine - 0.35),
        "softmax": (losses.Softmax(CLASSES, DIM, 16, sub_centres=sub_centres), lambda cosine: cosine),
    }
    loss, change = made[name]
    loss, rows = loss.double(), rows_of(labels)
    centres = loss.directions.detach().numpy()
    holds(loss, rows, labels, naive.margin_softmax(rows.detach().numpy(), labels, centres, change, 16, sub_centres))


@pytest.mark.parametrize("name", ["arcface", "subcentres", "cosface", "softmax"])
def test_margins_on_cosines_as_theirs(labels: torch.Tensor, name: str) -> None:
    ours, other = {
        "arcface": (losses.ArcFace(CLASSES, DIM), theirs.ArcFaceLoss(CLASSES, DIM, margin=math.degrees(0.5))),
        "subcentres": (
            losses.ArcFace(CLASSES, DIM, sub_centres=3),
            theirs.SubCenterArcFaceLoss(num_classes=CLASSES, embedding_size=DIM, margin=math.degrees(0.5)),
        ),
        "cosface": (losses.CosFace(CLASSES, DIM), theirs.CosFaceLoss(CLASSES, DIM)),
        "softmax": (losses.Softmax(CLASSES, DIM, 20), theirs.NormalizedSoftmaxLoss(CLASSES, DIM, 1 / 20)),
    }[name]
    with torch.no_grad():
        other.W.copy_(ours.directions.T)
    agree(ours, other.double(), rows_of(labels), labels)


def test_smoothing_and_weights_of_classes() -> None:
    labels = torch.tensor(LABELS["uneven"])
    rows = rows_of(labels)
    smooth = losses.Softmax(CLASSES, DIM, 8, label_smoothing=0.1).double()
    centres, array = smooth.directions.detach().numpy(), rows.detach().numpy()
    holds(smooth, rows, labels, naive.margin_softmax(array, labels, centres, float, 8, smoothing=0.1))
    weights = losses.class_weights(labels, CLASSES)
    weighted = losses.Softmax(CLASSES, DIM, 8, class_weights=weights).double()
    centres, shares = weighted.directions.detach().numpy(), weights.double().numpy()
    holds(weighted, rows, labels, naive.margin_softmax(array, labels, centres, float, 8, weights=shares))


def test_linear_softmax(labels: torch.Tensor) -> None:
    loss, rows = losses.LinearSoftmax(CLASSES, DIM, label_smoothing=0.2).double(), rows_of(labels)
    logits = (rows @ loss.classifier.weight.T + loss.classifier.bias).tolist()
    entropies = [naive.entropy(row, int(label), 0.2) for row, label in zip(logits, labels, strict=True)]
    holds(loss, rows, labels, naive.mean(entropies))


def test_proxy_anchor(labels: torch.Tensor) -> None:
    loss, rows = losses.ProxyAnchor(CLASSES, DIM, 8.0, 0.2).double(), rows_of(labels)
    proxies = loss.proxies.detach().numpy()
    holds(loss, rows, labels, naive.proxy_anchor(rows.detach().numpy(), labels, proxies, 8.0, 0.2))
    other = theirs.ProxyAnchorLoss(CLASSES, DIM, margin=0.2, alpha=8.0).double()
    with torch.no_grad():
        other.proxies.copy_(loss.proxies)
    agree(loss, other, rows, labels)


def test_centre(labels: torch.Tensor) -> None:
    loss = losses.Centre(CLASSES, DIM, weight=0.5, softmax=False).double()
    rows = rows_of(labels)
    array, centres = rows.detach().numpy(), np.zeros((CLASSES, DIM))
    for _ in range(3):
        assert loss(rows, labels).item() == pytest.approx(0.5 * naive.centre(array, labels, centres), rel=1e-12)
        centres = naive.moved_centres(array, labels.numpy(), centres, 0.5)
        np.testing.assert_allclose(loss.centres.numpy(), centres, rtol=1e-12)
    holds(loss.eval(), rows, labels, 0.5 * naive.centre(array, labels, centres))
    both = losses.Centre(CLASSES, DIM, weight=0.5).double().eval()
    both.centres.copy_(loss.centres)
    holds(both, rows, labels, (both.softmax(rows, labels) + loss(rows, labels)).item())


@pytest.mark.parametrize("size", [11, 30, 200])
def test_memory_bank_as_theirs(size: int) -> None:
    for alone, other in (
        (losses.Contrastive(0.1, 0.9, power=1), theirs.ContrastiveLoss(0.1, 0.9)),
        (losses.SupCon(0.2), theirs.SupConLoss(0.2)),  # to which a row's own copy in the memory would matter
    ):
        ours, memory = MemoryBank(alone, DIM, size).double(), theirs.CrossBatchMemory(other, DIM, size)
        for step in range(6):
            labels = torch.tensor(LABELS["uneven"])
            agree(ours, lambda *batch, a=alone, m=memory: a(*batch) + m(*batch), rows_of(labels, step), labels)
