"""Classes from a few pictures each, by nearest mean or linear discriminants; and episodes that measure how well."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve.encoders.rows import Floats
from pictrieve.finetune.cached import FeatureEncoder, Features, Labelled, features_of, opened
from pictrieve.finetune.linear_classifier import LinearClassifier
from pictrieve.finetune.linear_probe import linear_probe
from pictrieve.finetune.samplers import EpisodeBatches

_HEADS = ("mean", "lda", "probe")


def prototypes(
    encoder: FeatureEncoder,
    train: Labelled,
    *,
    head: str = "mean",
    shrinkage: float = 0.1,
    show_progress_bar: bool | None = None,
) -> LinearClassifier:
    """Describe each class by the mean of its unit vectors; nothing is trained, and one picture of a class will do.

    Args:
        encoder: A name of `list_models()`, a directory or an encoder; None where `train` holds rows.
        train: A labelled data set; or `(rows, labels)`, `(n, d)` floats, which are scaled to unit length.
        head: "mean" takes the class whose mean is nearest by squared Euclidean distance (prototypical networks, Snell
            et al. 2017, arXiv:1703.05175); "lda" measures that distance by the spread within classes (linear
            discriminant analysis, Fisher 1936; Rao 1948), classes having the prior probability of their share.
        shrinkage: Of "lda": share of the identity in the covariance within classes, which is scaled to its trace.
        show_progress_bar: As in `ImageEncoder.encode`.

    Raises:
        ValueError: There are fewer than 2 classes, or "lda" has no class with two different pictures.

    Example:
        >>> import numpy as np
        >>> rows = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> prototypes(None, (rows, ["east", "north"])).predict(np.array([[0.3, 0.9]]))
        ['north']
    """
    if head not in ("mean", "lda"):
        raise ValueError(f'head: expected "mean" or "lda", got {head!r}')
    if not 0 < shrinkage <= 1:
        raise ValueError(f"shrinkage: expected above 0 and at most 1, got {shrinkage}")
    given = opened(encoder)
    features = features_of(given, train, show_progress_bar=show_progress_bar)
    weights, bias = _nearest_mean(features) if head == "mean" else _discriminant(features, shrinkage)
    return LinearClassifier(weights, bias, features.classes, given)


class Episodes(NamedTuple):
    """Accuracy over episodes.

    Attributes:
        accuracy: Mean.
        half_width: Of its 95 % interval, 1.96 standard errors.
        per_episode: `(episodes,)` accuracies.
    """

    accuracy: float
    half_width: float
    per_episode: NDArray[np.float64]

    def __str__(self) -> str:
        """Write as papers do."""
        return f"{100 * self.accuracy:.2f} ± {100 * self.half_width:.2f} % over {len(self.per_episode)} episodes"


def episodes(
    encoder: FeatureEncoder,
    data: Labelled,
    *,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    count: int = 600,
    head: str = "mean",
    seed: int = 0,
) -> Episodes:
    """Measure few-shot classification: N ways, K shots (Vinyals et al. 2016; Snell et al. 2017).

    Each episode draws classes, and of each class pictures to learn from and other pictures to ask for.

    Args:
        encoder: A name of `list_models()`, a directory or an encoder; None where `data` holds rows.
        data: A labelled data set, best of classes that the encoder was not trained on; or `(rows, labels)`.
        ways: Classes of an episode.
        shots: Pictures of a class to learn from.
        queries: Pictures of a class to ask for.
        count: Episodes.
        head: "mean" or "lda" of `prototypes`, or "probe" for `linear_probe`.
        seed: Of the draws.

    Raises:
        ValueError: Fewer than `ways` classes have `shots + queries` pictures.
    """
    if head not in _HEADS:
        raise ValueError(f"head: expected one of {', '.join(_HEADS)}, got {head!r}")
    features = features_of(opened(encoder), data)
    drawn = EpisodeBatches(features.labels, ways, shots, queries, count, seed)
    values = np.array([_right(features, np.array(rows), (ways, shots, queries), head) for rows in drawn])
    error = values.std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
    return Episodes(float(values.mean()), float(1.96 * error), values)


def _right(features: Features, rows: NDArray[np.int64], sizes: tuple[int, int, int], head: str) -> float:
    """Give the share of an episode's queries that are taken for what they are."""
    ways, shots, queries = sizes
    support, asked = np.split(rows, [ways * shots])
    train = features.rows[support], np.repeat(np.arange(ways), shots)
    model = linear_probe(None, train) if head == "probe" else prototypes(None, train, head=head)
    return float(np.mean(model.scores(features.rows[asked]).argmax(axis=1) == np.repeat(np.arange(ways), queries)))


def _means(features: Features) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    counts = np.bincount(features.labels, minlength=len(features.classes))
    sums = np.zeros((len(counts), features.rows.shape[1]))
    np.add.at(sums, features.labels, features.rows)
    return sums / counts[:, None], counts


def _nearest_mean(features: Features) -> tuple[Floats, Floats]:
    means, _ = _means(features)
    return (2 * means).astype(np.float32), -np.square(means).sum(axis=1).astype(np.float32)


def _discriminant(features: Features, shrinkage: float) -> tuple[Floats, Floats]:
    means, counts = _means(features)
    within = features.rows - means[features.labels]
    covariance = within.T @ within / len(within)
    size = np.trace(covariance) / len(covariance)
    if not size > 0:
        raise ValueError('head "lda": expected a class with two different pictures, got none; use head="mean"')
    covariance = (1 - shrinkage) * covariance
    covariance[np.diag_indices_from(covariance)] += shrinkage * size
    weights = np.linalg.solve(covariance, means.T).T
    bias = np.log(counts / counts.sum()) - (weights * means).sum(axis=1) / 2
    return weights.astype(np.float32), bias.astype(np.float32)
