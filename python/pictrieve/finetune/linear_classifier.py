"""A linear classifier of a frozen encoder's vectors, whichever way it was fitted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core
from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.encoders.rows import Floats
from pictrieve.evaluate import Interval
from pictrieve.evaluate.statistics import Units, bootstrap
from pictrieve.finetune.cached import FeatureEncoder, Labelled, known_numbers, opened, rows_of


class Accuracy(NamedTuple):
    """How often a classifier is right.

    Attributes:
        accuracy: Share of right answers, with its 95 % bootstrap interval over pictures.
        per_class: Share of right answers for each class that has pictures (recall).
        confusion: `(classes, classes)` int64: pictures of the row's class that were taken for the column's.
    """

    accuracy: Interval
    per_class: dict[Any, float]
    confusion: NDArray[np.int64]

    @property
    def balanced(self) -> float:
        """Mean of `per_class`."""
        return float(np.mean(list(self.per_class.values())))

    def __str__(self) -> str:
        """Write the accuracy, and the classes that do worst."""
        worst = sorted(self.per_class, key=lambda name: self.per_class[name])[:3]
        named = ", ".join(f"{name} {self.per_class[name]:.2f}" for name in worst)
        return f"accuracy {self.accuracy}, balanced {self.balanced:.4f}; worst: {named}"


class LinearClassifier:
    """Scores `rows @ weights.T + bias` of unit rows; their softmax are the probabilities.

    Args:
        weights: `(classes, dim)`.
        bias: `(classes,)`.
        classes: Names of the classes, in the order of the rows of `weights`.
        encoder: Of pictures; None where only rows are classified.

    Attributes:
        classes: Names of the classes, in the order of the columns of `predict_proba`.

    Example:
        >>> import numpy as np
        >>> model = LinearClassifier(np.eye(2), np.zeros(2), ["x", "y"])
        >>> model.predict(np.array([[3.0, 1.0], [0.0, 2.0]]))
        ['x', 'y']
    """

    def __init__(
        self, weights: ArrayLike, bias: ArrayLike, classes: list[Any], encoder: ImageEncoder | None = None
    ) -> None:
        """Keep float32 copies."""
        self.weights: Floats = np.array(weights, np.float32)
        self.bias: Floats = np.array(bias, np.float32)
        self.classes, self.encoder = list(classes), encoder
        if self.weights.shape[:1] != (len(classes),) or self.bias.shape != (len(classes),):
            got = f"{self.weights.shape} and {self.bias.shape}"
            raise ValueError(
                f"weights, bias: expected a row and a number for each of {len(classes)} classes, got {got}"
            )

    def scores(self, inputs: Any) -> Floats:
        """Give `(n, classes)` scores of pictures, of a data set or of float rows `(n, dim)`."""
        rows = rows_of(self.encoder, inputs, self.weights.shape[1])
        scores: Floats = rows @ self.weights.T + self.bias
        return scores

    def predict_proba(self, inputs: Any) -> Floats:
        """Give `(n, classes)` probabilities; inputs as in `scores`."""
        scores = self.scores(inputs)
        powers: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
        powers /= powers.sum(axis=1, keepdims=True)
        return powers

    def predict(self, inputs: Any) -> list[Any]:
        """Give the most probable class of each; inputs as in `scores`."""
        return [self.classes[i] for i in self.scores(inputs).argmax(axis=1)]

    def report(self, test: Labelled) -> Accuracy:
        """Measure the accuracy over what is of the classes; a warning tells how much is of others and left out.

        Args:
            test: A labelled data set, or `(rows, labels)`.

        Raises:
            ValueError: Nothing has a label of the classes, or one picture alone.
        """
        if isinstance(test, Dataset):
            if test.labels is None or not (test.labels >= 0).any():
                raise ValueError(f"{test.name}: expected labels to measure the accuracy with, got none")
            kept = test.subset(test.labels >= 0)
            names, inputs = [kept.classes[label] for label in kept.labels.tolist()], kept  # type: ignore[union-attr]
        else:
            names, inputs = np.asarray(test[1]).tolist(), test[0]
        truth = known_numbers(names, self.classes)
        known = truth >= 0
        guessed = self.scores(inputs).argmax(axis=1)
        right = (guessed == truth)[known].astype(np.float64)
        confusion = np.zeros((len(self.classes), len(self.classes)), np.int64)
        np.add.at(confusion, (truth[known], guessed[known]), 1)
        there = np.flatnonzero(confusion.sum(axis=1))
        per_class = {self.classes[i]: float(confusion[i, i] / confusion[i].sum()) for i in there}
        return Accuracy(bootstrap(Units(right, None), resamples=2000), per_class, confusion)

    def save(self, path: str | Path) -> None:
        """Write one safetensors file; the encoder is not in it."""
        about = {"classes": json.dumps(self.classes, ensure_ascii=False)}
        about |= {"encoder": self.encoder.fingerprint} if self.encoder else {}
        note = np.frombuffer(json.dumps(about).encode(), np.uint8)
        parts: dict[str, NDArray[Any]] = {"weights": self.weights, "bias": self.bias, "about": note}
        _core.write_safetensors(str(path), parts, {})

    @classmethod
    def load(cls, path: str | Path, encoder: FeatureEncoder = None) -> LinearClassifier:
        """Read what `save` wrote.

        Args:
            path: The file.
            encoder: The one that it was fitted with, or its name or directory; None to classify rows alone.

        Raises:
            FormatError: `encoder` is another one.
        """
        parts = _core.read_weights(str(path))
        about = json.loads(bytes(parts["about"]))
        given = opened(encoder)
        if given is not None and about.get("encoder") not in (None, given.fingerprint):
            raise _core.FormatError(
                f"{path}: expected the encoder that it was fitted with (fingerprint {about['encoder'][:12]}), got "
                f"{given!r}"
            )
        return cls(parts["weights"], parts["bias"], json.loads(about["classes"]), given)

    def __repr__(self) -> str:
        """Say how much it tells apart."""
        return f"LinearClassifier({len(self.classes)} classes, dim={self.weights.shape[1]})"
