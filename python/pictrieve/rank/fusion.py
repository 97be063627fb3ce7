"""One ranking made of several: by ranks or by scores, and why each item stands where it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve.rank._rankings import Rankings, as_rankings, shaped
from pictrieve.search_result import SearchResult


class Explanation(list[dict[str, Any]]):
    """One dict for each item, best first; prints as a table, and ``pandas.DataFrame(...)`` makes a frame of it."""

    def __str__(self) -> str:
        """Lay the rows out in columns; an empty place is an item that the channel did not find."""
        if not self:
            return "no items"
        cells = [list(self[0])] + [[_cell(value) for value in row.values()] for row in self]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        )


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


class FusedResult(SearchResult):
    """Ids and scores of several channels together, best first and ties by id; unpacks as ``ids, scores``.

    Where queries have results of unequal length, everything is flat and carries ``offsets``.

    Attributes:
        contributions: ``(m, channels)``, ``(n, m, channels)`` or flat ``(total, channels)`` float32: what each
            channel added. A score is the sum of its contributions in float64, rounded once to float32.
        channels: Names, in the order of the contributions: the keys of a dict, else "0", "1" and so on.
    """

    contributions: NDArray[np.float32]
    channels: tuple[str, ...]
    _sources: list[Rankings]
    _flat: Rankings

    def explain(self, query: int = 0) -> Explanation:
        """Say for each item what it had in every channel.

        Args:
            query: Which query of a batch, from 0.

        Returns:
            Dicts with ``rank`` (from 1), ``id``, ``score``, and for each channel ``<name>.rank``,
            ``<name>.score`` (None where the channel did not find the item) and ``<name>.contribution``.

        Raises:
            IndexError: Where there is no such query.
        """
        if not 0 <= query < len(self._flat):
            raise IndexError(f"query: expected 0 to {len(self._flat) - 1}, got {query}")
        span = self._flat.span(query)
        contributions = self.contributions.reshape(-1, len(self.channels))[span]
        found = [_places(source, query) for source in self._sources]
        rows = Explanation()
        for i, (item, score) in enumerate(zip(self.ids.reshape(-1)[span], self.scores.reshape(-1)[span], strict=True)):
            row: dict[str, Any] = {"rank": i + 1, "id": int(item), "score": float(score)}
            for name, places, contribution in zip(self.channels, found, contributions[i], strict=True):
                rank, raw = places.get(int(item), (None, None))
                row |= {f"{name}.rank": rank, f"{name}.score": raw, f"{name}.contribution": float(contribution)}
            rows.append(row)
        return rows


def _places(source: Rankings, query: int) -> dict[int, tuple[int | None, float | None]]:
    span = source.span(query)
    ids = source.ids[span].tolist()
    scores = [None] * len(ids) if source.scores is None else source.scores[span].tolist()
    return {item: (i + 1, score) for i, (item, score) in enumerate(zip(ids, scores, strict=True))}


def rrf(
    results: Mapping[str, Any] | Sequence[Any],
    k: int = 10,
    *,
    constant: float = 60,
    weights: Mapping[str, float] | Sequence[float] | None = None,
) -> FusedResult:
    """Fuse rankings by reciprocal rank (Cormack, Clarke and Buettcher, SIGIR 2009).

    An item's score is the sum over channels of ``weight / (constant + rank)``, with ranks from 1 in the order that
    each channel gives; a channel that did not find it adds 0. Scores need not be comparable between channels.

    Args:
        results: A dict of channel names to results, or a list of results. A result is a ``SearchResult`` or a
            pair ``(ids, scores)`` of one query, ``(m,)``, or a batch, ``(n, m)``, best first; scores may be None.
            All channels have as many queries.
        k: How many items to return, at least 1; fewer where the channels together found fewer.
        constant: The larger, the less the first ranks stand out; at least 0.
        weights: One for each channel, from 0, not all 0; a dict where ``results`` is one. By default 1.

    Returns:
        Ids, scores and contributions.

    Raises:
        TypeError: Where a result is not a pair, or weights are no numbers.
        ValueError: For no channels, different numbers of queries, an id twice in a channel's ranking, NaN or
            infinity, negative weights, or a k below 1.

    Example:
        >>> from pictrieve import rank
        >>> ids, scores = rank.rrf({"image": ([1, 2], [0.9, 0.8]), "text": ([2, 3], [7.0, 5.0])})
        >>> ids.tolist()
        [2, 1, 3]
    """
    names, sources = _channels(results, scored=False)
    return _fuse(names, sources, k, "rrf", _weights(weights, names), constant=constant, missing=None)


def weighted(
    results: Mapping[str, Any] | Sequence[Any],
    weights: Mapping[str, float] | Sequence[float] | None = None,
    k: int = 10,
    *,
    normalize: Literal["zscore", "minmax", "none"] = "zscore",
    missing: float | None = None,
) -> FusedResult:
    """Fuse rankings by a convex combination of scores (Fox and Shaw 1994; normalised as Renda and Straccia 2003).

    Each channel's scores for a query are brought to one scale; an item's score is their mean weighted by
    ``weights``. A channel whose scores for a query are all equal gives 0 to each of them: it says nothing about
    their order.

    Args:
        results: As for ``rrf``; every result has scores, of any real type, taken as float32.
        weights: One for each channel, from 0, divided by their sum; a dict where ``results`` is one. By default
            equal. To count against what a channel finds, negate its query: negative weights are refused.
        k: How many items to return, at least 1; fewer where the channels together found fewer.
        normalize: "zscore" (minus the mean, divided by the population standard deviation), "minmax" (worst 0,
            best 1) or "none", for channels that share a scale.
        missing: The normalised score of an item that a channel did not find. By default the lowest that the
            channel gave for the query: rankings are cut at their end, so that all that is known of an absent
            item is that it scored no better than the last one present. Pass a lower number (-3 with
            "zscore", say) where a channel found all that matches. A channel that found nothing gives 0.

    Returns:
        Ids, scores and contributions.

    Raises:
        TypeError: Where a result is not a pair, or weights are no numbers.
        ValueError: As for ``rrf``, and for an unknown normalisation.
    """
    names, sources = _channels(results, scored=True)
    if normalize not in ("zscore", "minmax", "none"):
        raise ValueError(f"normalize: expected zscore, minmax or none, got {normalize!r}")
    shares = np.array(_weights(weights, names))
    return _fuse(names, sources, k, normalize, list(shares / shares.sum()), constant=0, missing=missing)


def _channels(results: Mapping[str, Any] | Sequence[Any], *, scored: bool) -> tuple[tuple[str, ...], list[Rankings]]:
    if isinstance(results, tuple) and hasattr(results, "ids"):
        raise TypeError("results: expected a dict or a list of results, got one result; put it into a list")
    named = dict(results) if isinstance(results, Mapping) else {str(i): result for i, result in enumerate(results)}
    if not named:
        raise ValueError("results: expected at least one channel, got none")
    sources = [as_rankings(result, f"results[{name!r}]", scored=scored) for name, result in named.items()]
    for name, source in zip(named, sources, strict=True):
        if (len(source), source.single) != (len(sources[0]), sources[0].single):
            raise ValueError(
                f"results[{name!r}]: expected {_form(sources[0])} as in the first channel, got {_form(source)}"
            )
    return tuple(named), sources


def _form(source: Rankings) -> str:
    return "one query (m,)" if source.single else f"a batch of {len(source)} queries"


def _weights(weights: Mapping[str, float] | Sequence[float] | None, names: tuple[str, ...]) -> list[float]:
    if isinstance(weights, Mapping):
        if set(weights) != set(names):
            raise ValueError(f"weights: expected one for each of {', '.join(names)}, got {', '.join(weights)}")
        weights = [weights[name] for name in names]
    if weights is not None and (isinstance(weights, str) or np.ndim(weights) != 1):
        raise TypeError(f"weights: expected a number for each of {', '.join(names)}, got {weights!r:.80}")
    given = [1.0] * len(names) if weights is None else list(weights)
    if any(isinstance(weight, bool) or not isinstance(weight, Real) for weight in given):
        raise TypeError(f"weights: expected numbers, got {weights!r:.80}")
    values = [float(weight) for weight in given]
    if len(values) != len(names):
        raise ValueError(f"weights: expected one for each of {len(names)} channels, got {len(values)}")
    if not all(np.isfinite(value) and value >= 0 for value in values) or not any(values):
        raise ValueError(f"weights: expected numbers from 0, not all of them 0, got {values}")
    return values


def _fuse(
    names: tuple[str, ...],
    sources: list[Rankings],
    k: int,
    value: str,
    weights: list[float],
    *,
    constant: float,
    missing: float | None,
) -> FusedResult:
    channels = [
        (source.ids, np.zeros(len(source.ids), np.float32) if source.scores is None else source.scores, source.offsets)
        for source in sources
    ]
    ids, scores, contributions, offsets = _core.fuse_rankings(channels, k, value, constant, weights, missing)
    flat = Rankings(ids, scores, offsets, sources[0].single)
    shaped_ids, ragged = shaped(ids, offsets, flat.single)
    shaped_scores, _ = shaped(scores, offsets, flat.single)
    result = FusedResult(shaped_ids, shaped_scores, offsets if ragged else None, "fused")
    result.contributions, _ = shaped(contributions, offsets, flat.single)
    result.channels, result._sources, result._flat = names, sources, flat
    return result
