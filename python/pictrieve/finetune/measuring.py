"""How well an encoder finds pictures of the same class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.encoders.rows import Floats
from pictrieve.evaluate import EvalReport
from pictrieve.evaluate.encoding import Encoded, evaluated
from pictrieve.finetune.batches import check_files
from pictrieve.finetune.cached import known_numbers, numbers_of

_SHOWN = 5  # pictures found for a bad query


class Search:
    """A labelled data set as a search task: every query among the gallery, itself left out.

    Args:
        dataset: Labelled pictures. Where it names queries and gallery, those are used; otherwise each picture is
            searched among all the others.

    Raises:
        FileNotFoundError: Pictures are not there; names the first ones.
        DecodeError: Files are no pictures; names them.
        ValueError: No query has a picture of its class to find, or there is nothing else to find.
    """

    def __init__(self, dataset: Dataset) -> None:
        """Choose queries and gallery."""
        if dataset.labels is None:
            raise ValueError(f"{dataset.name}: expected labels to evaluate with, got a data set without")
        self._dataset = dataset.subset(dataset.labels >= 0)
        check_files(self._dataset)
        every = np.ones(len(self._dataset), np.bool_)
        is_query, is_gallery = self._dataset.is_query, self._dataset.is_gallery
        self._queries = np.flatnonzero(every if is_query is None else is_query)
        self._gallery = np.flatnonzero(every if is_gallery is None else is_gallery)
        labels = self._labels
        others = np.bincount(labels[self._gallery], minlength=len(self._dataset.classes))[labels[self._queries]]
        if not np.any(others > np.isin(self._queries, self._gallery)):
            raise ValueError(f"{dataset.name}: expected two pictures of some class to evaluate with, got none")
        if len(np.unique(labels[self._gallery])) < 2:
            raise ValueError(
                f"{dataset.name}: expected pictures of two classes or more to evaluate with, got one: any order of "
                "them is perfect"
            )

    @property
    def _labels(self) -> NDArray[np.int64]:
        labels = self._dataset.labels
        assert labels is not None
        return labels

    @property
    def _names(self) -> list[str]:
        return [self._dataset.classes[label] for label in self._labels]

    def metrics(self, classes: Sequence[str] | None = None) -> list[str]:
        """Name what `measure` will give; warn of pictures that a classifier of `classes` is not measured with."""
        known = classes is not None and (numbers_of(self._names, classes) >= 0).any()
        if known and classes is not None:
            known_numbers(self._names, classes)
        return [*(["accuracy"] if known else []), "map", "hit@1"]

    def measure(self, encoder: ImageEncoder, classes: Sequence[str] | None = None) -> dict[str, float]:
        """Give "map" and "hit@1" (what metric learning calls recall@1), means over queries with something to find.

        Args:
            encoder: What is measured.
            classes: The classes that it tells apart: "accuracy" comes first then, over pictures of these classes.
        """
        look = encoder.look(self._dataset.images(), show_progress_bar=False, probabilities=classes is not None)
        report = self._search(look.features)
        metrics = {"map": report["map"], "hit@1": report["hit@1"]}
        wanted = numbers_of(self._names, classes or ())
        if (wanted >= 0).any():
            right = look.probabilities.argmax(1) == wanted
            metrics = {"accuracy": float(right[wanted >= 0].mean()), **metrics}
        return metrics

    def worst(self, encoder: ImageEncoder, count: int) -> list[dict[str, Any]]:
        """Give the queries of the lowest average precision, with what they find, as `trainer.Example` wants it."""
        rows = encoder.encode(self._dataset.images(), show_progress_bar=False)
        report = self._search(rows)
        paths, classes, labels = self._dataset.paths, self._dataset.classes, self._labels
        examples = []
        for i in report.worst(count, "map"):
            query = self._queries[i]
            others = self._gallery[self._gallery != query]
            best = others[np.argsort(-(rows[others] @ rows[query]), kind="stable")[:_SHOWN]]
            examples.append({
                "query": str(paths[query]),
                "label": classes[labels[query]],
                "score": float(report.per_query["map"][i]),
                "found": [str(paths[row]) for row in best],
                "found_labels": [classes[labels[row]] for row in best],
            })  # fmt: skip
        return examples

    def _search(self, rows: Floats) -> EvalReport:
        return evaluated(Encoded(rows, None, None), self._dataset, "trec", {"ks": (1,), "show_progress_bar": False})
