"""From a query and marked examples to a direction: what `pictrieve.rank.Feedback` learns with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from pictrieve import _core
from pictrieve.index import Index
from pictrieve.rank._examples import Floats, Key, index_rows

_QUERY = b""  # the key of the first query among the examples
_BACKGROUND_ROWS = 100

Examples = Mapping[Key, tuple[bool, Floats]]


class Direction(NamedTuple):
    """A unit query, and the score at which relevant turns into irrelevant, where that is known."""

    query: Floats
    boundary: float | None


@dataclass(frozen=True)
class Options:
    """The options of `Feedback`, checked."""

    method: str
    alpha: float
    beta: float
    gamma: float
    l2: float
    loss: str
    background: float
    seed: int

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.method not in ("logistic", "svm", "rocchio"):
            raise ValueError(f"method: expected logistic, svm or rocchio, got {self.method!r}")
        if self.loss not in ("squared_hinge", "hinge"):
            raise ValueError(f"loss: expected squared_hinge or hinge, got {self.loss!r}")
        for name in (one.name for one in fields(self) if one.type == "float"):
            value = getattr(self, name)
            if not np.isfinite(value) or value < 0 or (name == "l2" and value == 0):
                raise ValueError(f"{name}: expected a number {'above' if name == 'l2' else 'from'} 0, got {value}")
        if not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise ValueError(f"seed: expected a whole number from 0, got {self.seed!r}")


class Learner:
    """Fits directions, each from where the last fit ended."""

    def __init__(self, options: Options) -> None:
        """Know nothing yet."""
        self._options = options
        self._background: dict[Key, Floats] | None = None
        self._coefficients: dict[Key, float] = {}  # of the last fit
        self._bias = 0.0

    def fit(self, query: Floats | None, examples: Examples, index: Index | None) -> Direction:
        """Learn from the examples; without any the query itself is the direction."""
        wanted = {key: row for key, (relevant, row) in examples.items() if relevant}
        unwanted = {key: row for key, (relevant, row) in examples.items() if not relevant}
        if query is None and not wanted:
            raise ValueError("feedback: nothing is wanted; pass query= or mark something as relevant")
        if query is not None and not examples:
            return Direction(query, None)
        if self._options.method != "rocchio":
            random = {key: row for key, row in self._random_rows(index).items() if key not in examples}
            if (unwanted or random) and (wanted or self._options.alpha > 0):
                return self._classifier(query, wanted, unwanted, random)
        return self._rocchio(query, wanted, unwanted)

    def _random_rows(self, index: Index | None) -> dict[Key, Floats]:
        """Draw rows once; most of a large collection is irrelevant to any query."""
        if self._background is None:
            self._background = {}
            if index is not None and self._options.background > 0 and len(index) > 0:
                ids = index.ids
                at = np.random.default_rng(self._options.seed).permutation(len(ids))[:_BACKGROUND_ROWS]
                drawn = ids[np.sort(at)]
                self._background = dict(zip(drawn.tolist(), index_rows(index, drawn), strict=True))
        return self._background

    def _rocchio(self, query: Floats | None, wanted: dict[Key, Floats], unwanted: dict[Key, Floats]) -> Direction:
        dim = len(next(iter(wanted.values()))) if query is None else len(query)
        relevant, irrelevant = (np.array([*rows.values()], np.float32).reshape(-1, dim) for rows in (wanted, unwanted))
        chosen = self._options
        found = _core.rocchio(query, relevant, irrelevant, chosen.alpha, chosen.beta, chosen.gamma)
        boundary = None
        if wanted and unwanted:
            boundary = float((relevant @ found).mean() + (irrelevant @ found).mean()) / 2
        return Direction(found, boundary)

    def _classifier(
        self,
        query: Floats | None,
        wanted: dict[Key, Floats],
        unwanted: dict[Key, Floats],
        random: dict[Key, Floats],
    ) -> Direction:
        chosen = self._options
        start: dict[Key, Floats] = {} if query is None else {_QUERY: query}
        parts = [(start, 1, chosen.alpha), (wanted, 1, 1.0), (unwanted, -1, 1.0)]
        parts.append((random, -1, chosen.background / max(1, len(random))))
        keys = [key for rows, _, _ in parts for key in rows]
        w, bias, coefficients, *_ = _core.fit_linear(
            np.array([row for rows, _, _ in parts for row in rows.values()], np.float32),
            np.concatenate([np.full(len(rows), target, np.int8) for rows, target, _ in parts]),
            np.concatenate([np.full(len(rows), weight, np.float64) for rows, _, weight in parts]),
            "logistic" if chosen.method == "logistic" else chosen.loss,
            chosen.l2,
            np.array([self._coefficients.get(key, 0.0) for key in keys]),
            self._bias,
            chosen.seed,
        )
        self._bias = bias
        self._coefficients = dict(zip(keys, coefficients.tolist(), strict=True))
        length = float(np.linalg.norm(w))
        if length == 0:
            raise ValueError("feedback: the relevant and the irrelevant examples are the same vectors")
        return Direction((w / length).astype(np.float32), -bias / length)
