"""What all losses promise: clear errors, batches with nothing to teach, half precision, names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pictrieve.finetune import losses  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES, DIM = 4, 8
PAIRS_OF_LABELS = ["contrastive", "multi_similarity", "supcon", "triplet"]


def make(name: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    return losses.make(name, classes=CLASSES, dim=DIM, **settings)


def batch(n: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)).requires_grad_()
    return rows, torch.arange(n) % CLASSES


def second(name: str, rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Give the second argument of a loss: labels, or other rows."""
    return labels if name in losses.LABEL_LOSSES else rows.detach().flip(0)


@pytest.mark.parametrize("name", sorted(losses.LABEL_LOSSES | losses.PAIR_LOSSES))
class TestEveryLoss:
    def test_half_precision_costs_only_the_rounding_of_the_rows(self, name: str) -> None:
        loss = make(name).eval()
        for width in (torch.bfloat16, torch.float16):
            rows, labels = batch()
            narrow = (50 * rows.detach()).to(width).requires_grad_()
            exact = narrow.detach().float().requires_grad_()
            with torch.autocast("cpu", torch.bfloat16):
                value = loss(narrow, second(name, narrow, labels))
            expected = loss(exact, second(name, exact, labels))
            assert value.dtype == torch.float32
            assert torch.equal(value, expected)
            value.backward()
            expected.backward()
            torch.testing.assert_close(narrow.grad.float(), exact.grad.to(width).float())

    def test_a_few_steps_lower_it(self, name: str) -> None:
        loss = make(name, **({"mining": "all"} if name == "triplet" else {}))  # semi-hard triplets change at each step
        rows, labels = batch()
        rows = rows.detach().requires_grad_()
        optimiser = torch.optim.Adam([rows, *loss.parameters()], lr=0.02)
        values = []
        for _ in range(40):
            optimiser.zero_grad()
            value = loss(rows, labels if name in losses.LABEL_LOSSES else rows.detach().roll(CLASSES, 0))
            value.backward()
            optimiser.step()
            values.append(value.item())
        assert values[-1] < values[0]

    def test_equal_rows_and_rows_of_zeros_have_finite_gradients(self, name: str) -> None:
        for rows in (torch.ones(8, DIM), torch.zeros(8, DIM)):
            given = rows.requires_grad_()
            loss = make(name)
            value = loss(given, second(name, given, torch.arange(8) % 2))
            value.backward()
            assert math.isfinite(value.item())
            assert torch.isfinite(given.grad).all()
            assert all(p.grad is None or torch.isfinite(p.grad).all() for p in loss.parameters())

    def test_one_class_one_row_and_no_positives(self, name: str) -> None:
        for labels in (torch.zeros(6, dtype=torch.int64), torch.tensor([1]), torch.arange(CLASSES)):
            rows = batch(len(labels))[0]
            value = make(name)(rows, second(name, rows, labels))
            value.backward()
            assert math.isfinite(value.item())
            assert rows.grad is not None
            assert torch.isfinite(rows.grad).all()

    def test_huge_rows_overflow_nothing(self, name: str) -> None:
        if name in {"mse", "centre", "linear_softmax"}:
            return  # they take rows as they are
        rows, labels = batch()
        far = (1e15 * rows.detach()).requires_grad_()
        value = make(name)(far, second(name, far, labels))
        value.backward()
        assert math.isfinite(value.item())
        assert torch.isfinite(far.grad).all()

    def test_wrong_rows_are_refused(self, name: str) -> None:
        loss = make(name)
        rows, labels = batch()
        with pytest.raises(
            TypeError, match=r"(embeddings|a): expected a tensor of floats, got a tensor of torch.int64"
        ):
            loss(rows.long(), second(name, rows, labels))
        with pytest.raises(TypeError, match="expected a tensor of floats, got ndarray"):
            loss(rows.detach().numpy(), second(name, rows, labels))
        with pytest.raises(ValueError, match=r"expected shape \(n, d\).*got \(12, 2, 4\)"):
            loss(rows.reshape(12, 2, 4), second(name, rows, labels))
        with pytest.raises(ValueError, match=r"expected shape \(n, d\).*got \(0, 8\)"):
            loss(rows[:0], second(name, rows, labels)[:0])
        with pytest.raises(ValueError, match=r"(labels|b): expected shape \(12"):
            loss(rows, second(name, rows, labels)[:11])

    def test_unknown_settings_are_named(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"loss {name}: expected settings among .*, got marging"):
            make(name, marging=1)

    def test_state_dict_restores_it(self, name: str) -> None:
        loss, rows_labels = make(name), batch()
        rows, labels = rows_labels[0].detach(), rows_labels[1]
        for parameter in loss.parameters():
            parameter.data += 0.05
        torch.manual_seed(9)
        other = losses.make(name, classes=CLASSES, dim=DIM)
        other.load_state_dict(loss.state_dict())
        again = [one.eval()(rows, second(name, rows, labels)) for one in (loss, other)]
        assert torch.equal(*again)


@pytest.mark.parametrize("name", sorted(losses.LABEL_LOSSES))
def test_wrong_labels_are_refused(name: str) -> None:
    loss = make(name)
    rows, labels = batch()
    for wrong in (labels.float(), labels > 1, labels.tolist()):
        with pytest.raises(TypeError, match="labels: expected a tensor of integers"):
            loss(rows, wrong)
    with pytest.raises(ValueError, match="labels: expected 0 or more, got -1"):
        loss(rows, labels - 1)
    assert torch.equal(make(name).eval()(rows, labels.to(torch.uint8)), make(name).eval()(rows, labels))
    if name not in PAIRS_OF_LABELS:
        with pytest.raises(ValueError, match="labels: expected less than 4, the classes of the loss, got 7"):
            loss(rows, labels + 4)
        with pytest.raises(ValueError, match="embeddings: expected rows of length 8, got 5"):
            loss(rows[:, :5], labels)


@pytest.mark.parametrize("name", PAIRS_OF_LABELS)
def test_nothing_to_teach_is_zero_with_a_graph(name: str) -> None:
    rows = torch.eye(DIM)[:CLASSES].requires_grad_()  # classes at right angles, and no positives
    loss = make(name, **({"beta": 1e6} if name == "multi_similarity" else {}))
    value = loss(rows, torch.arange(CLASSES))
    assert value.item() == 0
    value.backward()
    assert torch.equal(rows.grad, torch.zeros_like(rows))


@pytest.mark.parametrize("name", ["infonce", "siglip", "ntxent"])
def test_rows_with_equal_labels_attract_each_other(name: str) -> None:
    loss = losses.make(name)
    a, b = torch.eye(DIM)[:4], torch.eye(DIM)[:4].roll(1, 1).requires_grad_()
    labels = torch.tensor([0, 0, 1, 2])
    (pulled,) = torch.autograd.grad(loss(a, b, labels), b)
    (pushed,) = torch.autograd.grad(loss(a, b), b)
    assert (pulled[1] @ a[0]).item() < 0 < (pushed[1] @ a[0]).item()
    assert torch.equal(loss(a, b, torch.tensor([7, 3, 5, 0])), loss(a, b))  # all different: each its own
    with pytest.raises(ValueError, match="labels: expected 0 or more"):
        loss(a, b, -labels)


def test_make_names_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"loss: expected one of arcface, centre, .*, got 'arc'"):
        losses.make("arc")
    for name in ("arcface", "cosface", "proxy_anchor", "softmax", "linear_softmax", "centre"):
        with pytest.raises(ValueError, match=f"loss {name}: expected dim=, got none"):
            losses.make(name, classes=3)
        with pytest.raises(ValueError, match="classes: expected 1 or more, got 0"):
            losses.make(name, classes=0, dim=3)
    assert set(PAIRS_OF_LABELS) < losses.LABEL_LOSSES
    assert not losses.LABEL_LOSSES & losses.PAIR_LOSSES


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("arcface", {"margin": 28.6}, "margin: expected radians"),
        ("arcface", {"sub_centres": 0}, "sub_centres: expected 1 or more"),
        ("cosface", {"scale": 0.0}, "scale: expected a number above 0"),
        ("cosface", {"margin": 1.0}, "margin: expected 0 to below 1"),
        ("softmax", {"label_smoothing": 1.0}, "label_smoothing: expected 0 <= label_smoothing < 1"),
        ("softmax", {"class_weights": torch.tensor([1.0, 0, 1, 1])}, "class_weights: expected 4 numbers above 0"),
        ("triplet", {"mining": "easy"}, "mining: expected one of semi_hard, hard, all"),
        ("triplet", {"margin": "hard"}, "margin: expected a number above 0 or"),
        ("contrastive", {"positive_margin": 2.0}, "margins: expected 0 <= positive_margin < negative_margin"),
        ("contrastive", {"power": 3}, "power: expected 1 or 2, got 3"),
        ("multi_similarity", {"alpha": 0.0}, "alpha, beta: expected numbers above 0"),
        ("proxy_anchor", {"alpha": -1.0}, "alpha, margin: expected"),
        ("centre", {"rate": 2.0}, "weight, rate: expected"),
        ("infonce", {"temperature": 2.0}, "temperature: expected 0.01 to 1.0"),
        ("supcon", {"temperature": 0.0}, "temperature: expected 0.01 to 1.0"),
    ],
)
def test_settings_out_of_range_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(name, **settings)


def test_the_temperature_stays_within_its_bounds() -> None:
    loss = losses.InfoNCE(0.02)
    rows = 3 + torch.eye(DIM)
    optimiser = torch.optim.Adam(loss.parameters(), lr=0.1)
    for _ in range(50):
        optimiser.zero_grad()
        loss(rows, rows).backward()
        optimiser.step()
    assert loss.temperature().item() == pytest.approx(100, rel=1e-6)
    for _ in range(50):  # and comes back once it should
        optimiser.zero_grad()
        loss(rows, rows.roll(1, 0)).backward()
        optimiser.step()
    assert loss.temperature().item() < 99
    assert not list(losses.InfoNCE(learn_temperature=False).parameters())


def test_class_weights() -> None:
    labels = [0] * 90 + [1] * 9 + [2] + [-1] * 5
    np.testing.assert_allclose(losses.class_weights(labels, 3) / losses.class_weights(labels, 3)[0], [1, 10, 90], 1e-6)
    effective = np.array([1 / sum(0.9**i for i in range(n)) for n in (90, 9, 1)])  # 1 / effective number of rows
    found = losses.class_weights(labels, 3, "effective", beta=0.9).numpy()
    np.testing.assert_allclose(found, effective / effective.mean(), 1e-6)
    assert losses.class_weights(labels, 4)[3] == losses.class_weights(labels, 4)[2]
    with pytest.raises(ValueError, match="labels: expected less than 2, the classes, got 2"):
        losses.class_weights(labels, 2)
    with pytest.raises(ValueError, match="mode: expected inverse or effective"):
        losses.class_weights(labels, 3, "sqrt")
    with pytest.raises(ValueError, match="beta: expected 0 to below 1"):
        losses.class_weights(labels, 3, "effective", beta=1.0)
