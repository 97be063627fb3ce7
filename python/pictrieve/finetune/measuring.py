"""How well an encoder finds pictures of the same class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import evaluate
from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.encoders.rows import Floats

_ROWS_AT_ONCE = 256
_SHOWN = 5  # pictures found for a bad query


class Found(NamedTuple):
    """What searching each query gave.

    Attributes:
        map: Average precision of each query (all relevant items count), NaN where none is relevant.
        hit: Whether the first item is relevant.
        top: `(queries, 5)` rows of the gallery, best first.
    """

    map: NDArray[np.float64]
    hit: NDArray[np.float64]
    top: NDArray[np.int64]


class Search:
    """A labelled data set as a search task: every query among the gallery, itself left out.

    Args:
        dataset: Labelled pictures. Where it names queries and gallery, those are used; otherwise each picture is
            searched among all the others.

    Raises:
        ValueError: No query has a picture of its class to find.
    """

    def __init__(self, dataset: Dataset) -> None:
        """Choose queries and gallery."""
        if dataset.labels is None:
            raise ValueError(f"{dataset.name}: expected labels to evaluate with, got a data set without")
        self._dataset = dataset.subset(dataset.labels >= 0)
        every = np.ones(len(self._dataset), np.bool_)
        is_query, is_gallery = self._dataset.is_query, self._dataset.is_gallery
        self._queries = np.flatnonzero(every if is_query is None else is_query)
        self._gallery = np.flatnonzero(every if is_gallery is None else is_gallery)
        labels = self._labels
        others = np.bincount(labels[self._gallery], minlength=len(self._dataset.classes))[labels[self._queries]]
        if not np.any(others > np.isin(self._queries, self._gallery)):
            raise ValueError(f"{dataset.name}: expected two pictures of some class to evaluate with, got none")

    @property
    def _labels(self) -> NDArray[np.int64]:
        labels = self._dataset.labels
        assert labels is not None
        return labels

    def measure(self, encoder: ImageEncoder, classes: Sequence[str] | None = None) -> dict[str, float]:
        """Give "map" and "hit@1" (what metric learning calls recall@1), means over queries with something to find.

        Args:
            encoder: What is measured.
            classes: The classes that it tells apart: "accuracy" comes first then, over pictures of these classes.
        """
        look = encoder.look(self._dataset.images(), show_progress_bar=False, probabilities=classes is not None)
        found = self._search(look.features)
        metrics = {"map": float(np.nanmean(found.map)), "hit@1": float(np.nanmean(found.hit))}
        number = {name: i for i, name in enumerate(classes or ())}
        wanted = np.array([number.get(self._dataset.classes[label], -1) for label in self._labels])
        if (wanted >= 0).any():
            right = look.probabilities.argmax(1) == wanted
            metrics = {"accuracy": float(right[wanted >= 0].mean()), **metrics}
        return metrics

    def worst(self, encoder: ImageEncoder, count: int) -> list[dict[str, Any]]:
        """Give the queries of the lowest average precision, with what they find, as `trainer.Example` wants it."""
        found = self._search(encoder.encode(self._dataset.images(), show_progress_bar=False))
        paths, classes, labels = self._dataset.paths, self._dataset.classes, self._labels
        examples = []
        for i in np.argsort(np.where(np.isnan(found.map), np.inf, found.map), kind="stable")[:count]:
            if np.isnan(found.map[i]):
                continue
            query, rows = self._queries[i], self._gallery[found.top[i]]
            examples.append({
                "query": str(paths[query]),
                "label": classes[labels[query]],
                "score": float(found.map[i]),
                "found": [str(paths[row]) for row in rows],
                "found_labels": [classes[labels[row]] for row in rows],
            })  # fmt: skip
        return examples

    def _search(self, rows: Floats) -> Found:
        gallery, labels = rows[self._gallery], self._labels
        maps, hits, tops = [], [], []
        for begin in range(0, len(self._queries), _ROWS_AT_ONCE):
            queries = self._queries[begin : begin + _ROWS_AT_ONCE]
            scores = rows[queries] @ gallery.T
            scores[queries[:, None] == self._gallery[None]] = -np.inf  # itself
            order = np.argsort(-scores, axis=1, kind="stable")
            itself = np.isin(queries, self._gallery)
            ranked = [line[: len(line) - own] for line, own in zip(order, itself, strict=True)]
            relevant = [
                np.flatnonzero((labels[self._gallery] == labels[query]) & (self._gallery != query)) for query in queries
            ]
            report = evaluate.retrieval(ranked, relevant, ks=(1,), empty="zero")
            empty = np.array([len(items) == 0 for items in relevant])
            maps.append(np.where(empty, np.nan, report.per_query["map"]))
            hits.append(np.where(empty, np.nan, report.per_query["hit@1"]))
            tops.append(order[:, :_SHOWN])
        return Found(np.concatenate(maps), np.concatenate(hits), np.concatenate(tops))
