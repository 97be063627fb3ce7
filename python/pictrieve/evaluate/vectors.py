"""Embeddings, compared query by query with the whole gallery: exact ranks, without the matrix of scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve.evaluate import inputs, protocols
from pictrieve.evaluate.finishing import Empty, NdcgGain, Ties, burges, check_choices, finished
from pictrieve.evaluate.inputs import Level
from pictrieve.evaluate.protocols import Protocol
from pictrieve.evaluate.report import EvalReport
from pictrieve.progress import progress_bar
from pictrieve.sizes import as_bytes


def embeddings(
    queries: NDArray[Any],
    gallery: NDArray[Any] | None = None,
    labels: Any = None,
    gallery_labels: Any = None,
    *,
    relevant: Any = None,
    junk: Sequence[Iterable[int]] | None = None,
    metric: str | None = None,
    protocol: Protocol = "trec",
    ks: int | Sequence[int] = (1, 5, 10),
    exclude_self: bool = True,
    gains: Sequence[float] | None = None,
    least_gain: float | None = None,
    ndcg_gain: NdcgGain = "linear",
    ties: Ties = "lowest id",
    empty: Empty = "drop",
    classes: Sequence[Any] | NDArray[Any] | None = None,
    columns: Mapping[str, Sequence[Any] | NDArray[Any]] | None = None,
    max_memory: int | str = "1GB",
    show_progress_bar: bool | None = None,
) -> EvalReport:
    """Score embeddings: each query is compared with the whole gallery, so nothing is cut off.

    The rank of every relevant item is exact: one more than the number of items with a better score, and of those with
    the same score that `ties` puts first. Scores are made in blocks and forgotten, so a million rows against a
    million take no more memory than their relevant items. Equal vectors score equal, wherever they stand.

    Args:
        queries: `(n, dim)` float32, C-contiguous; or uint8 bits for "hamming" and "jaccard".
        gallery: `(m, dim)` of the same type. None: the queries are the gallery, and each leaves itself out.
        labels: of the queries: whole numbers (below 0: no label) or text. Items with the same label are relevant.
            Or several columns from the finest to the coarsest, such as `[product, shelf, department]`: an item's gain
            is that of the finest one that agrees.
        gallery_labels: of the gallery, in the same way.
        relevant: instead of labels, for each query a set of gallery rows or a dict from row to gain; or a matrix
            `(n, m)` of gains, dense or from scipy.sparse.
        junk: for each query gallery rows that it does not see, relevant or not.
        metric: as in `pictrieve.Index`; None: "cosine", and for uint8 bits "hamming"; or "scores": `queries` holds the
            scores `(n, m)`, larger for better.
        protocol: as in `retrieval`.
        ks: cut-offs, or one.
        exclude_self: with `gallery=None`, leave each query out of its own ranking; protocol "ukbench" needs False.
        gains: of the columns of labels; by default 3, 2, 1 for three.
        least_gain: items with less gain are relevant to ndcg only. By default with columns of labels: the largest
            gain; with `relevant`: any above 0.
        ndcg_gain: as in `retrieval`.
        ties: as in `retrieval`; ids are gallery rows.
        empty: as in `retrieval`.
        classes: as in `retrieval`.
        columns: as in `retrieval`; the finest labels are there as "label" anyway.
        max_memory: for scores and relevant items, beside the embeddings, such as 10**9 or "2GB".
        show_progress_bar: None shows a bar on a terminal once the work has lasted a second.

    Raises:
        ValueError: for what the metric cannot compare (naming the row), rows of other length, labels of other number,
            a memory that one query does not fit, no query that counts.
        TypeError: for labels that are neither whole numbers nor text.

    Example:
        >>> import numpy as np
        >>> rows = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.4, 0.6]], np.float32)
        >>> report = embeddings(rows, labels=[0, 0, 1, 1], ks=(1,))
        >>> report["hit@1"], report["map"]
        (1.0, 1.0)
    """
    rules, cuts = protocols.known_rules(protocol), check_choices(ks, empty, ties, ndcg_gain)
    metric = metric or ("hamming" if getattr(queries, "dtype", None) == np.uint8 else "cosine")
    others, leave_one_out = _gallery_of(queries, gallery, metric, exclude_self)
    _check_own_rows(protocol, leave_one_out)
    items = queries.shape[1] if others is None else len(others)
    levels = _levels_of(labels, gallery_labels, relevant, gains, len(queries), items, gallery is None)
    if least_gain is None:
        least_gain = levels[0].gain if relevant is None else 0.0
    if ndcg_gain == "exponential":
        levels = [_exponential(level) for level in levels]
        least_gain = float(burges(least_gain))
    asked = np.array(protocols.core_cuts(protocol, cuts), dtype=np.int64)
    with progress_bar(len(queries), "queries", show_progress_bar) as progress:
        values = _core.evaluate_embeddings(
            queries, others, metric, levels, inputs.junk_of(junk, None, len(queries)), leave_one_out, ties,
            as_bytes(max_memory, "max_memory"), asked, rules.divisor, least_gain, progress,
        )  # fmt: skip
    known = dict(columns or {})
    if labels is not None:
        known.setdefault("label", inputs.finest(labels, len(queries)))
    notes = [metric, f"ties: {ties}"] + ["query left out"] * leave_one_out + ["junk removed"] * (junk is not None)
    notes += ["gain 2^g - 1"] * (ndcg_gain == "exponential")
    return finished(values, protocol, cuts, empty=empty, notes=notes, classes=classes, columns=known)


class ImageText(NamedTuple):
    """Both directions of a search between pictures and their captions.

    Attributes:
        text_to_image: Each caption is a query; its picture is relevant.
        image_to_text: Each picture is a query; its captions are relevant, and one found is enough.
    """

    text_to_image: EvalReport
    image_to_text: EvalReport


def image_text(
    images: NDArray[Any],
    texts: NDArray[Any],
    image_of_text: Sequence[int] | NDArray[np.integer[Any]],
    ks: int | Sequence[int] = (1, 5, 10),
    *,
    folds: int = 1,
    metric: str | None = None,
    ties: Ties = "lowest id",
) -> ImageText:
    """Score embeddings of pictures and captions by recall@k in both directions (protocol "coco").

    Args:
        images: `(n, dim)` float32, or uint8 bits.
        texts: `(m, dim)` of the same type.
        image_of_text: For each caption the row of its picture.
        ks: Cut-offs.
        folds: Parts of consecutive pictures of equal size that are searched one by one; the means are those of the
            parts. "COCO 1k" is 5 folds of 1,000 pictures.
        metric: As in `embeddings`.
        ties: As in `retrieval`.

    Raises:
        ValueError: Rows of pictures that do not exist, pictures that do not divide into the folds.
    """
    owner = inputs.whole_numbers(image_of_text, "image_of_text")
    if owner.shape != (len(texts),):
        raise ValueError(f"image_of_text: expected one row for each of {len(texts)} texts, got shape {owner.shape}")
    if owner.size and (owner.min() < 0 or owner.max() >= len(images)):
        raise ValueError(f"image_of_text: expected rows 0 to {len(images) - 1}, got {owner.min()} to {owner.max()}")
    if folds < 1 or len(images) % folds:
        raise ValueError(f"folds: expected a number that divides {len(images)} pictures, got {folds}")
    size = len(images) // folds
    rows = np.arange(len(images))
    forth, back = [], []
    for fold in range(folds):
        mine = np.flatnonzero(owner // size == fold)
        pictures, captions = images[fold * size : (fold + 1) * size], np.ascontiguousarray(texts[mine])
        both = owner[mine], rows[fold * size : (fold + 1) * size]
        common: dict[str, Any] = {"metric": metric, "protocol": "coco", "ks": ks, "ties": ties}
        forth.append(embeddings(captions, pictures, *both, **common))
        back.append(embeddings(pictures, captions, both[1], both[0], **common))
    return ImageText(_together(forth), _together(back))


def _together(parts: list[EvalReport]) -> EvalReport:
    """Put the folds' queries together; means are means of the folds'."""
    first = parts[0]
    if len(parts) == 1:
        return first
    per_query = {name: np.concatenate([part.per_query[name] for part in parts]) for name in first}
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns}
    folds = np.repeat(np.arange(len(parts)), [part.queries for part in parts])
    words = {name: f"{text[:-1]}, mean of {len(parts)} folds)" for name, text in first.definitions.items()}
    queries, empties = sum(part.queries for part in parts), sum(part.empty_queries for part in parts)
    return EvalReport(first.protocol, queries, empties, first.empty, words, per_query, folds, columns)


def _gallery_of(queries: Any, gallery: Any, metric: str, exclude_self: bool) -> tuple[NDArray[Any] | None, bool]:
    """Give the gallery, None for a matrix of scores, and whether queries leave themselves out."""
    for name, rows in (("queries", queries), ("gallery", gallery)):
        if rows is not None and not isinstance(rows, np.ndarray):
            raise TypeError(
                f"{name}: expected a NumPy array (rows, dim), got {type(rows).__name__}; convert with "
                f"np.ascontiguousarray({name}, dtype=np.float32)"
            )
        if rows is not None and rows.ndim != 2:
            raise ValueError(f"{name}: expected two dimensions (rows, dim), got shape {rows.shape}")
    if metric != "scores":
        return (queries if gallery is None else gallery), gallery is None and exclude_self
    if gallery is not None:
        raise ValueError("gallery: expected none with metric 'scores', where queries holds the scores (n, m)")
    return None, False


def _check_own_rows(protocol: str, leave_one_out: bool) -> None:
    if protocol == "ukbench" and leave_one_out:
        raise ValueError("exclude_self: in protocol 'ukbench' the query counts as one of its four; use False")


def _levels_of(
    labels: Any, gallery_labels: Any, relevant: Any, gains: Any, queries: int, items: int, alone: bool
) -> list[Level]:
    if (labels is None) == (relevant is None):
        raise ValueError("labels: expected either labels or relevant, got " + ("neither" if labels is None else "both"))
    if labels is None:
        return [inputs.relevance_level(relevant, queries, items)]
    if gallery_labels is None:
        if not (alone and queries == items):
            raise ValueError(f"gallery_labels: expected labels of the gallery's {items} rows, got none")
        gallery_labels = labels
    return inputs.label_levels(labels, gallery_labels, queries, items, gains)


def _exponential(level: Level) -> Level:
    return level._replace(gains=None if level.gains is None else burges(level.gains), gain=float(burges(level.gain)))
