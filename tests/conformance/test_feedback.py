"""Feedback against scikit-learn's classifiers and against formulas written in NumPy's float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.svm import LinearSVC

import pictrieve as pt
from pictrieve import _core
from pictrieve.rank import Feedback, combine_queries

# Examples x dimensions; the last has more examples than dimensions.
SHAPES = [(6, 1280), (60, 1280), (300, 1280), (150, 40)]


def examples(n: int, dim: int) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float64]]:
    chance = np.random.default_rng(n)
    rows = chance.normal(size=(n, dim)) + 0.3
    rows[::2, :5] += 1
    targets = np.where(np.arange(n) % 2 == 0, 1, -1).astype(np.int8)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit.astype(np.float32), targets, chance.uniform(0.1, 1, n)


def cosine(a: Any, b: Any) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def losses(name: str, margins: NDArray[np.float64]) -> NDArray[np.float64]:
    slack = np.maximum(0, 1 - margins)
    by_name = {"logistic": np.logaddexp(0, -margins), "hinge": slack, "squared_hinge": slack**2}
    values: NDArray[np.float64] = by_name[name]
    return values


@pytest.mark.parametrize(("n", "dim"), SHAPES)
@pytest.mark.parametrize("l2", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared_hinge"])
def test_scikit_learn(n: int, dim: int, l2: float, loss: str) -> None:
    rows, targets, weights = examples(n, dim)
    w, bias, coefficients, objective, _, _ = _core.fit_linear(rows, targets, weights, loss, l2, None, 0.0, 0)
    exact = rows.astype(np.float64)
    if loss == "logistic":
        model: Any = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=10_000, solver="newton-cg")
    else:
        model = LinearSVC(C=1 / l2, loss=loss, tol=1e-7, max_iter=1_000_000, dual=True, random_state=0)
    model.fit(exact, targets, sample_weight=weights)
    theirs, their_bias = model.coef_[0], float(model.intercept_[0])

    def value(v: Any, b: float) -> float:
        penalised = v @ v + (0 if loss == "logistic" else b * b)
        return float(l2 / 2 * penalised + weights @ losses(loss, targets * (exact @ v + b)))

    assert cosine(w, theirs) > 0.9999
    assert abs(objective - value(w, bias)) < 1e-9 * max(1, objective)
    assert value(w, bias) - value(theirs, their_bias) < 1e-6
    assert abs(value(w, bias) - value(theirs, their_bias)) < 1e-6 * max(1, objective)
    np.testing.assert_allclose(coefficients @ exact, w, atol=1e-9 * max(1, np.abs(w).max()))


def test_logistic_gradient_is_zero() -> None:
    rows, targets, weights = examples(80, 1280)
    w, bias, *_ = _core.fit_linear(rows, targets, weights, "logistic", 0.1, None, 0.0, 0)
    pull = weights * targets * expit(-targets * (rows.astype(np.float64) @ w + bias))
    assert np.abs(0.1 * w - pull @ rows).max() < 1e-9
    assert abs(pull.sum()) < 1e-9


def test_feedback_is_that_classifier() -> None:
    """Query, marks and random rows, put together by hand."""
    rows, _, _ = examples(60, 64)
    index = pt.Index(64)
    index.add(rows)
    feedback = Feedback(index, rows[0], seed=3)
    wanted, unwanted = [2, 4, 6], [1, 3]
    feedback.mark(wanted, unwanted)
    random = [i for i in range(60) if i not in wanted + unwanted]  # 100 rows are more than there are: all
    x = np.concatenate([rows[:1], rows[wanted], rows[unwanted], rows[random]]).astype(np.float64)
    y = np.array([1] * 4 + [-1] * (2 + len(random)))
    weights = np.array([1.0] * 6 + [5 / len(random)] * len(random))
    model = LogisticRegression(C=10, tol=1e-10, max_iter=10_000, solver="newton-cg").fit(x, y, sample_weight=weights)
    assert cosine(feedback.query.astype(np.float64), model.coef_[0]) > 1 - 1e-10


def test_rocchio_formula() -> None:
    rows, _, _ = examples(60, 1280)
    feedback = Feedback(None, rows[0], method="rocchio", alpha=1, beta=0.75, gamma=0.15)
    feedback.mark(relevant=rows[1:5], irrelevant=rows[5:12])
    exact = rows.astype(np.float64)
    expected = exact[0] + 0.75 * exact[1:5].mean(axis=0) - 0.15 * exact[5:12].mean(axis=0)
    np.testing.assert_allclose(feedback.query, expected / np.linalg.norm(expected), atol=1e-7)
    combined = exact[:2].T @ [0.25, 0.75] - 0.5 * exact[5:7].mean(axis=0)
    ours = combine_queries(rows[:2], rows[5:7], weights=[1, 3])
    np.testing.assert_allclose(ours, combined / np.linalg.norm(combined), atol=1e-7)


def test_silhouette() -> None:
    rows, targets, _ = examples(60, 30)
    ones = np.ones(60)
    for labels in (np.arange(60) % 3, (targets > 0).astype(np.int64)):
        expected = silhouette_score(rows.astype(np.float64), labels, metric="cosine")
        assert abs(_core.silhouette(rows, ones, labels.astype(np.int64)) - expected) < 1e-6
