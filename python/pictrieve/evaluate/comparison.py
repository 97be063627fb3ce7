"""Encoders side by side on one data set: quality, speed and size in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pictrieve.evaluate import encoding, protocols
from pictrieve.evaluate.differences import compare_reports
from pictrieve.evaluate.protocols import Protocol
from pictrieve.evaluate.report import EvalReport
from pictrieve.evaluate.table import Table


class System(NamedTuple):
    """One encoder in a comparison.

    Attributes:
        name: As given, or what the encoder says of itself.
        quality: Mean of the metric.
        low: Lower end of its 95 % BCa interval over queries.
        high: Upper end.
        p_value: Of the paired permutation test against the best system; 1 for the best itself.
        images_per_second: Measured once, with loading and decoding; NaN where embeddings were given.
        bytes: Of one picture's vector.
    """

    name: str
    quality: float
    low: float
    high: float
    p_value: float
    images_per_second: float
    bytes: int


class Comparison(Table[System]):
    """The table of `compare`, best first.

    Attributes:
        metric: What "quality" is.
        reports: The full report of each system by name.
    """

    def __init__(self, rows: Sequence[System], title: str, metric: str, reports: dict[str, EvalReport]) -> None:
        """Hold what `compare` measured."""
        super().__init__(rows, title, ["system", metric, "low", "high", "p", "images/s", "bytes"])
        self.metric = metric
        self.reports = reports


def compare(
    systems: Sequence[Any] | Mapping[str, Any],
    dataset: Any,
    protocol: Protocol | None = None,
    *,
    metric: str | None = None,
    seed: int = 0,
    **settings: Any,
) -> Comparison:
    """Evaluate encoders on the same queries, and say how sure the differences are.

    Where the data set has labels, pictures with the same label are relevant: `is_query` rows search `is_gallery`
    rows, or without these every picture all others. Where it has captions and no labels, or with protocol "coco", each
    caption searches for its picture.

    Args:
        systems: Encoders; or pairs, or a dict, of `(name, encoder)` and `(name, embeddings)`, where embeddings are
            `(n, dim)` rows of the pictures, and for captions a pair of these and `(m, dim)` rows of all captions,
            picture after picture. Rows of floats are compared by cosine, uint8 bits by the Hamming distance.
        dataset: A `pictrieve.datasets.Dataset`, or anything with its columns.
        protocol: As in `retrieval`; "trec" by default, "coco" for captions.
        metric: Which metric is compared; by default the protocol's `EvalReport.headline`: map for most, map@r for
            "map@r", recall@1 for captions.
        seed: Of the intervals and tests.
        **settings: Further arguments of `embeddings`, such as `ks`; `show_progress_bar` goes to the encoders too.

    Raises:
        ValueError: No system, a name given twice, embeddings of another number of rows, a data set without labels and
            captions, an unknown metric. All of it before anything is encoded.
        TypeError: Something that does not encode.
    """
    named = list(systems.items()) if isinstance(systems, Mapping) else [_named(system) for system in systems]
    names = [name for name, _ in named]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"systems: expected at least one, each with a name of its own, got {names}")
    captions = encoding.column_of(dataset, "captions") is not None
    with_texts = protocol == "coco" or (protocol is None and captions and encoding.column_of(dataset, "labels") is None)
    if with_texts and not captions:
        raise ValueError("dataset: protocol 'coco' expects captions, got none")
    protocols.require_metric(metric, protocol or ("coco" if with_texts else "trec"), settings.get("ks", (1, 5, 10)))
    if not with_texts:
        encoding.require_columns(dataset)
    for _, system in named:
        encoding.require_system(system, dataset, with_texts)
    reports, facts = {}, {}
    for name, system in named:
        rows = encoding.encoded(system, dataset, with_texts, settings.get("show_progress_bar"))
        reports[name] = encoding.evaluated(rows, dataset, protocol, settings)
        speed = float("nan") if rows.seconds is None else len(rows.images) / rows.seconds
        facts[name] = (speed, int(rows.images[0].nbytes))
    return _table(reports, facts, metric or reports[names[0]].headline, seed, getattr(dataset, "name", "data set"))


def _named(system: Any) -> tuple[str, Any]:
    if isinstance(system, tuple) and len(system) == 2 and isinstance(system[0], str):
        return system
    if isinstance(system, np.ndarray | tuple):
        raise TypeError(f"systems: expected embeddings with a name, (name, embeddings), got {type(system).__name__}")
    return repr(system), system


def _table(
    reports: dict[str, EvalReport], facts: dict[str, tuple[float, int]], metric: str, seed: int, dataset: str
) -> Comparison:
    order = sorted(reports, key=lambda name: -reports[name][metric])
    best = reports[order[0]]
    rows = []
    for name in order:
        interval = reports[name].interval(metric, seed=seed)
        p_value = 1.0 if name == order[0] else compare_reports(best, reports[name], [metric], seed=seed)[0].p_value
        rows.append(System(name, interval.mean, interval.low, interval.high, p_value, *facts[name]))
    title = (
        f"{metric} on {dataset}, protocol {best.protocol!r}, {best.queries} queries; 95 % BCa intervals; "
        "p of the paired permutation test against the best"
    )
    return Comparison(rows, title, metric, {name: reports[name] for name in order})
