"""What somebody likes, learned from behaviour: weights that decay, and several interests instead of their average."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core
from pictrieve._index_arguments import as_ids
from pictrieve.index import Index
from pictrieve.rank._examples import Floats, pack, require_products, search_without, unit_rows, unpack
from pictrieve.rank.combine import combine_queries
from pictrieve.search_result import SearchResult

_VERSION = 1
_STRUCTURE = 0.25  # Kaufman & Rousseeuw (1990): a mean silhouette below this shows no substantial structure


class Interest(NamedTuple):
    """One thing that somebody likes.

    Attributes:
        vector: ``(dim,)`` float32 of length 1, to search with.
        weight: Its share of all that is liked, 0 to 1.
        size: How many liked vectors it was made of.
    """

    vector: Floats
    weight: float
    size: int


class Profile:
    """Remembers liked and disliked vectors, the older the fainter.

    Args:
        dim: Numbers in a vector.
        half_life: Seconds after which an observation counts half; None forgets nothing.
        capacity: How many observations are kept; the faintest are dropped beyond that.
        seed: Of the search for interests. Equal observations and seeds give equal results.

    Example:
        >>> import numpy as np
        >>> import pictrieve as pt
        >>> profile = pt.rank.Profile(2, half_life=3600)
        >>> profile.observe(np.array([1, 0], np.float32), time=0)
        >>> profile.observe(np.array([0, 1], np.float32), time=7200)
        >>> [round(float(number), 2) for number in profile.vector()]
        [0.24, 0.97]
    """

    def __init__(self, dim: int, *, half_life: float | None = None, capacity: int = 1000, seed: int = 0) -> None:
        """Start without any observation."""
        if half_life is not None and not (np.isfinite(half_life) and half_life > 0):
            raise ValueError(f"half_life: expected seconds above 0 or None, got {half_life}")
        for name, value, least in (("dim", dim, 1), ("capacity", capacity, 1), ("seed", seed, 0)):
            if not isinstance(value, int | np.integer) or value < least:
                raise ValueError(f"{name}: expected a whole number from {least}, got {value!r}")
        self.dim, self.half_life, self.capacity, self.seed = int(dim), half_life, int(capacity), int(seed)
        self._rows = np.empty((0, self.dim), np.float32)
        self._weights = np.empty(0)
        self._times = np.empty(0)

    def observe(
        self, vectors: Floats, weights: ArrayLike = 1.0, time: float | datetime | ArrayLike | None = None
    ) -> None:
        """Add what somebody looked at, bought or put away.

        Args:
            vectors: ``(dim,)`` or ``(n, dim)`` float32.
            weights: One for all or one for each; above 0 for liked, below 0 for disliked.
            time: When, in seconds or as a datetime, one for all or one for each; by default now.

        Raises:
            ValueError: For a wrong shape or dtype, NaN, a weight of 0, a vector of zeros.
        """
        rows = unit_rows(vectors, self.dim, "vectors")
        if not rows.any(axis=1).all():
            raise ValueError("vectors: expected vectors that are not all zero")
        each = _numbers(weights, len(rows), "weights")
        when = _numbers(clock.time() if time is None else _seconds(time), len(rows), "time")
        if not each.all():
            raise ValueError("weights: expected numbers other than 0")
        self._rows = np.concatenate([self._rows, rows])
        self._weights = np.concatenate([self._weights, each])
        self._times = np.concatenate([self._times, when])
        if len(self) > self.capacity:
            faint = np.argsort(np.abs(self._decayed(None)), kind="stable")[: len(self) - self.capacity]
            self._rows = np.delete(self._rows, faint, axis=0)
            self._weights, self._times = np.delete(self._weights, faint), np.delete(self._times, faint)

    def vector(self, now: float | datetime | None = None) -> Floats:
        """Give one query made of everything.

        Args:
            now: Decay up to then, and leave out what came later; by default up to the last observation. All decay
                alike, so a later time changes nothing.

        Returns:
            ``(dim,)`` float32 of length 1: the mean of the liked minus up to half that of the disliked vectors.

        Raises:
            ValueError: Where nothing was liked by then.
        """
        rows, weights = self._until(now)
        return self._without_disliked(rows[weights > 0], weights[weights > 0], rows[weights < 0], -weights[weights < 0])

    def interests(self, n: int = 5, now: float | datetime | None = None) -> list[Interest]:
        """Group what was liked, so that a person who likes cats and cars does not get what lies between.

        Clusters by spherical k-means (Dhillon & Modha 2001); their number, at most n, is that of the largest mean
        silhouette (Rousseeuw 1987), and one where that is below 0.25. What was disliked is taken off the nearest.

        Returns:
            The heaviest first; empty where nothing was liked.
        """
        if not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"n: expected a whole number of at least 1, got {n!r}")
        rows, weights = self._until(now)
        liked, mass = np.ascontiguousarray(rows[weights > 0]), weights[weights > 0]
        disliked, against = rows[weights < 0], -weights[weights < 0]
        if len(liked) == 0:
            return []
        labels = self._labels(liked, mass, int(n))
        groups = [labels == label for label in np.unique(labels)]
        centres = np.stack([combine_queries(liked[group], weights=mass[group]) for group in groups])
        nearest = np.argmax(disliked @ centres.T, axis=1)
        found = []
        for i, group in enumerate(groups):
            own = nearest == i
            vector = self._without_disliked(liked[group], mass[group], disliked[own], against[own])
            found.append(Interest(vector, float(mass[group].sum() / mass.sum()), int(group.sum())))
        return sorted(found, key=lambda interest: -interest.weight)

    def search(
        self,
        index: Index,
        k: int,
        where: ArrayLike | None = None,
        *,
        exclude: ArrayLike = (),
        n: int = 5,
        now: float | datetime | None = None,
    ) -> SearchResult:
        """Find items for each interest and merge them in proportion to the interests' weights.

        Args:
            index: With the metric "cosine" or "ip".
            k: How many items, at least 1.
            where: As in ``Index.search``.
            exclude: Ids to leave out, such as those already seen.
            n: As in ``interests``.
            now: As in ``vector``.

        Returns:
            Ids, best first. A place goes to the interest with the largest weight / (2 * places so far + 1), as seats of
            a parliament do (Sainte-Laguë); these numbers are the scores. Empty where nothing was liked.
        """
        require_products(index)
        if index.dim != self.dim:
            raise ValueError(f"index: expected vectors of {self.dim} numbers, got {index.dim}")
        out = as_ids(np.reshape(exclude, -1), "exclude").tolist()
        interests = self.interests(n, now)
        lists = [iter(search_without(index, one.vector, k, where, out)[0].tolist()) for one in interests]
        claims = [one.weight for one in interests]
        places = [0] * len(interests)
        found: dict[int, float] = {}
        while len(found) < k and any(claims):
            best = int(np.argmax(claims))
            item = next((one for one in lists[best] if one not in found), None)
            if item is None:  # nothing is left for this interest
                claims[best] = 0.0
                continue
            found[item] = claims[best]
            places[best] += 1
            claims[best] = interests[best].weight / (2 * places[best] + 1)
        return SearchResult(np.array([*found], np.int64), np.array([*found.values()], np.float32), None, index.metric)

    def to_dict(self) -> dict[str, Any]:
        """Give everything as values for JSON; vectors are base64 of little-endian float32."""
        names = ("dim", "half_life", "capacity", "seed")
        return {
            "version": _VERSION,
            **{name: getattr(self, name) for name in names},
            "rows": pack(self._rows),
            "weights": self._weights.tolist(),
            "times": self._times.tolist(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Profile:
        """Make the profile that ``to_dict`` was called on.

        Raises:
            ValueError: For a damaged or newer state.
        """
        if state.get("version") != _VERSION:
            raise ValueError(f"state: expected version {_VERSION}, got {state.get('version')!r}")
        try:
            profile = cls(**{name: state[name] for name in ("dim", "half_life", "capacity", "seed")})
            profile._rows = unpack(state["rows"], np.float32).reshape(-1, profile.dim)
            unit_rows(profile._rows, None, "state")
            profile._weights = _numbers(state["weights"], len(profile._rows), "weights")
            profile._times = _numbers(state["times"], len(profile._rows), "times")
        except (KeyError, TypeError) as error:
            raise ValueError(f"state: expected what Profile.to_dict gives, got {error!r}") from error
        return profile

    def __len__(self) -> int:
        """Count the observations."""
        return len(self._rows)

    def _decayed(self, now: float | None) -> NDArray[np.float64]:
        """Give the weights at a time, by default that of the last observation."""
        if self.half_life is None or len(self) == 0:
            return self._weights
        age = (self._times.max() if now is None else now) - self._times
        decayed: NDArray[np.float64] = self._weights * np.exp2(-age / self.half_life)
        return decayed

    def _until(self, now: float | datetime | None) -> tuple[Floats, NDArray[np.float64]]:
        """Give the observations up to a time, the last of them at its full weight: only the ratios matter."""
        kept = np.ones(len(self), np.bool_) if now is None else self._times <= _numbers(_seconds(now), 1, "now")[0]
        last = self._times[kept].max(initial=-np.inf)
        weights = self._decayed(last)[kept]
        there = weights != 0  # faded to nothing
        return self._rows[kept][there], weights[there]

    def _without_disliked(
        self, liked: Floats, mass: NDArray[np.float64], disliked: Floats, against: NDArray[np.float64]
    ) -> Floats:
        """Take off as much as the dislikes weigh beside the likes, at most half a vector."""
        if len(liked) == 0:
            raise ValueError("profile: nothing was liked; observe vectors with a weight above 0")
        if len(disliked) == 0:
            return combine_queries(liked, weights=mass)
        share = 0.5 * min(1.0, float(against.sum() / mass.sum()))
        return combine_queries(liked, disliked, negative_weight=share, weights=mass, negative_weights=against)

    def _labels(self, liked: Floats, mass: NDArray[np.float64], n: int) -> NDArray[np.int64]:
        best, labels = _STRUCTURE, np.zeros(len(liked), np.int64)
        for count in range(2, min(n, len(liked)) + 1):
            _, found, _ = _core.spherical_kmeans(liked, mass, count, self.seed)
            value = _core.silhouette(liked, mass, found)
            if value > best:
                best, labels = value, found
        return labels


def _seconds(time: Any) -> Any:
    if isinstance(time, datetime):
        return time.timestamp()
    return [_seconds(one) for one in time] if isinstance(time, list | tuple) else time


def _numbers(values: Any, count: int, name: str) -> NDArray[np.float64]:
    """Give one finite number for each of ``count``."""
    given = np.asarray(values)
    if given.size and given.dtype.kind not in "fiu":
        raise ValueError(f"{name}: expected numbers, got {values!r:.80}")
    array = given.astype(np.float64)
    if array.shape not in ((), (count,)) or not np.isfinite(array).all():
        expected = f"a finite number, or one for each of {count} vectors"
        raise ValueError(f"{name}: expected {expected}, got shape {array.shape}")
    return np.ascontiguousarray(np.broadcast_to(array, count))
