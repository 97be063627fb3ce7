"""Linear probe: multinomial logistic regression on the vectors of a frozen encoder."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pictrieve.finetune.cached import FeatureEncoder, Features, Labelled, features_of, numbers_of, opened
from pictrieve.finetune.linear_classifier import LinearClassifier

_HISTORY = 20  # steps that L-BFGS remembers
_AGREES = 1e-6  # of the loss's gradient at the start: what is left of it counts as none


def linear_probe(
    encoder: FeatureEncoder,
    train: Labelled,
    *,
    c: float | Sequence[float] = 100.0,
    validation: Labelled | None = None,
    balanced: bool = False,
    max_iterations: int = 1000,
    show_progress_bar: bool | None = None,
) -> LinearClassifier:
    """Fit logistic regression to unit vectors of pictures, by L-BFGS in float64.

    What is minimised is convex, so the result depends on the data alone: as in scikit-learn's LogisticRegression
    `c * sum_i weight_i * cross_entropy_i + |W|^2 / 2`, the bias being free.

    Args:
        encoder: A name of `list_models()`, a directory or an encoder; None where `train` holds rows.
        train: A labelled data set; or `(rows, labels)`, `(n, d)` floats, which are scaled to unit length.
        c: How far the data counts against the penalty; of several, the one that is best on `validation`.
        validation: In the same form; needed for several c.
        balanced: Whether all classes count alike, however many pictures they have.
        max_iterations: Of L-BFGS.
        show_progress_bar: As in `ImageEncoder.encode`.

    Raises:
        ValueError: There are fewer than 2 classes, or several c without `validation`.

    Example:
        >>> import numpy as np
        >>> rows = np.array([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]])
        >>> linear_probe(None, (rows, ["east", "east", "west", "west"])).predict(np.array([[2.0, 1.0]]))
        ['east']
    """
    given = opened(encoder)
    features = features_of(given, train, show_progress_bar=show_progress_bar)
    choices = [c] if isinstance(c, int | float) else sorted(c)
    if not choices or not all(0 < value < float("inf") for value in choices):
        raise ValueError(f"c: expected numbers above 0, got {c!r}")
    if len(choices) > 1 and validation is None:
        raise ValueError(f"validation: expected data to choose among {len(choices)} values of c with, got None")
    checked = None if validation is None else features_of(given, validation, least=1)
    start = torch.zeros(len(features.classes), features.rows.shape[1] + 1, dtype=torch.float64)
    best, best_share = LinearClassifier(start[:, :-1].numpy(), start[:, -1].numpy(), features.classes, given), -1.0
    for value in choices:  # from strong to weak penalties, each from the one before
        start = _minimised(start, features, value, balanced, max_iterations)
        fitted = LinearClassifier(start[:, :-1].numpy(), start[:, -1].numpy(), features.classes, given)
        share = 0.0 if checked is None else _share_right(fitted, checked)
        if share > best_share:
            best, best_share = fitted, share
    return best


def _minimised(start: Tensor, features: Features, c: float, balanced: bool, max_iterations: int) -> Tensor:
    """Give `(classes, d + 1)` weights and bias; the loss is divided by c * n, so that its size does not matter."""
    rows = torch.from_numpy(features.rows).double()
    labels = torch.tensor(features.labels)  # a copy: those of a data set are read-only
    n = len(rows)
    weights = None
    if balanced:
        counts = torch.bincount(labels, minlength=len(features.classes)).double()
        weights = (n / (len(features.classes) * counts))[labels]
    both = start.clone().requires_grad_(True)

    def closure() -> Tensor:
        both.grad = None
        each = functional.cross_entropy(rows @ both[:, :-1].T + both[:, -1], labels, reduction="none")
        loss = ((each if weights is None else each * weights).sum() + both[:, :-1].square().sum() / (2 * c)) / n
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    closure()
    assert both.grad is not None
    tolerance = _AGREES * max(both.grad.abs().max().item(), 1e-3)
    solver = torch.optim.LBFGS(
        [both], max_iter=max_iterations, max_eval=2 * max_iterations, history_size=_HISTORY,
        tolerance_grad=tolerance, tolerance_change=1e-14, line_search_fn="strong_wolfe",
    )  # fmt: skip
    solver.step(closure)  # type: ignore[no-untyped-call]
    closure()
    if both.grad.abs().max() > 100 * tolerance:
        warnings.warn(f"linear_probe: not converged after {max_iterations} iterations; give more", stacklevel=3)
    return both.detach()


def _share_right(model: LinearClassifier, checked: Features) -> float:
    truth = numbers_of([checked.classes[label] for label in checked.labels], model.classes)
    return float(np.mean(model.scores(checked.rows).argmax(axis=1) == truth))
