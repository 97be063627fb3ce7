"""Which items make a batch: shuffled, P classes x K items, all classes alike, or an episode.

Each sampler is one epoch of batches, lists of item numbers, for `DataLoader(batch_sampler=...)` or a plain loop. The
order depends on the seed and the epoch alone: `set_epoch` is all the state there is. In a distributed run every process
makes the same batches and takes its equal, contiguous share of each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Items = NDArray[np.int64]


class BatchSampler(ABC):
    """Batches of one epoch; kinds of samplers say what is in them.

    Args:
        seed: Of the order, together with the epoch.
        rank: Number of this process in a distributed run.
        world: How many processes there are.
    """

    def __init__(self, seed: int, rank: int, world: int) -> None:
        """See the class."""
        if world < 1 or not 0 <= rank < world:
            raise ValueError(f"rank, world: expected 0 <= rank < world, got {rank} and {world}")
        self.seed, self.rank, self.world = seed, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        """Give this process's share of each batch."""
        for batch in self.batches(np.random.default_rng([self.seed, self.epoch])):
            share = len(batch) // self.world
            if share:
                yield batch[self.rank * share : (self.rank + 1) * share].tolist()

    @abstractmethod
    def __len__(self) -> int:
        """How many batches an epoch has."""

    @abstractmethod
    def batches(self, chance: np.random.Generator) -> Iterator[Items]:
        """Make the whole batches, those of all processes together."""


class ShuffledBatches(BatchSampler):
    """All items once, in random order.

    Args:
        n: How many items there are.
        batch_size: Of all processes together, a multiple of `world`.
        seed: Of the order, together with the epoch.
        drop_last: Whether a last, smaller batch is left out. If it is kept, processes still get equal shares: up to
            `world - 1` of its items wait for another epoch.
        rank: Number of this process in a distributed run.
        world: How many processes there are.
    """

    def __init__(
        self, n: int, batch_size: int, seed: int = 0, *, drop_last: bool = False, rank: int = 0, world: int = 1
    ) -> None:
        """See the class."""
        super().__init__(seed, rank, world)
        if n < 1:
            raise ValueError(f"n: expected 1 or more items, got {n}")
        self.n, self.batch_size, self.drop_last = n, _checked_size(batch_size, world), drop_last
        if len(self) == 0:
            raise ValueError(f"batch_size: expected at most {n}, the items there are, got {batch_size}")

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return _count(self.n, self.batch_size, self.drop_last, self.world)

    def batches(self, chance: np.random.Generator) -> Iterator[Items]:
        """Cut a permutation."""
        yield from _cut(chance.permutation(self.n), self.batch_size, self.drop_last)


class PKBatches(BatchSampler):
    """P different classes with K items each in every batch, class after class: what losses of pairs want.

    An epoch has `ceil(G / P)` batches, where a class of m items makes `ceil(m / K)` groups and G is the sum of groups:
    about as many items as there are. Groups go through a class's items in an order shuffled anew each epoch, so that:

    - a class is shown `min(ceil(m / K), batches)` times or more; spare places go to further groups of random classes;
    - every item is seen in each epoch, but for classes with more than `batches * K` items, of which so many are seen,
      all different, and others in another epoch;
    - no item is twice in a batch, but for classes of fewer than K items, whose items are repeated alike (each at most
      once more than another).

    Args:
        labels: `(n,)` integers; items with a negative one are left out.
        p: Classes per batch, of all processes together, a multiple of `world`.
        k: Items of each class.
        seed: Of the order, together with the epoch.
        rank: Number of this process in a distributed run.
        world: How many processes there are; each takes whole classes.

    Raises:
        ValueError: There are fewer than P classes, or a number does not fit.
    """

    def __init__(self, labels: ArrayLike, p: int, k: int, seed: int = 0, *, rank: int = 0, world: int = 1) -> None:
        """See the class."""
        super().__init__(seed, rank, world)
        self.members = _members(labels)
        if k < 1 or p < 1 or p % world:
            raise ValueError(f"p, k: expected p a multiple of world ({world}) and k 1 or more, got {p} and {k}")
        if len(self.members) < p:
            raise ValueError(f"p: expected at most {len(self.members)}, the classes with items, got {p}")
        self.p, self.k = p, k
        self._groups = np.array([-(-len(items) // k) for items in self.members])
        self._count = -(-int(self._groups.sum()) // p)

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return self._count

    def batches(self, chance: np.random.Generator) -> Iterator[Items]:
        """Take from each class its next K items; classes with many groups to come are the likelier ones."""
        orders = [chance.permutation(items) for items in self.members]
        left, shown = self._appearances(chance), np.zeros(len(orders), np.int64)
        for remaining in range(self._count, 0, -1):
            with np.errstate(divide="ignore"):
                keys = chance.exponential(size=len(left)) / left  # smallest keys: drawn with odds as `left`
            keys[left == remaining] = -1  # a class that must be in every batch from here on
            chosen = chance.permutation(np.argpartition(keys, self.p - 1)[: self.p])
            yield np.concatenate([_cyclic(orders[c], int(shown[c]) * self.k, self.k) for c in chosen])
            left[chosen] -= 1
            shown[chosen] += 1

    def _appearances(self, chance: np.random.Generator) -> Items:
        """Say how many batches each class is in: in sum P per batch, for no class more than there are batches."""
        wanted: Items = np.minimum(self._groups, self._count)
        spare = self.p * self._count - int(wanted.sum())
        while spare > 0:  # one more for as many classes as there are places, in random order
            open_ = chance.permutation(np.flatnonzero(wanted < self._count))[:spare]
            wanted[open_] += 1
            spare -= len(open_)
        return wanted


class BalancedBatches(BatchSampler):
    """All classes equally often, by repeating items of the small or leaving out items of the large.

    In an epoch every class has exactly m items: the size of the largest class ("over") or of the smallest ("under").
    "over" shows each item of a class `floor(m / its size)` times or once more; "under" draws others each epoch. Classes
    take turns, in an order shuffled at each turn: in a batch their counts differ by at most 2, and not at all where
    `batch_size` is a multiple of the number of classes.

    Args:
        labels: `(n,)` integers; items with a negative one are left out.
        batch_size: Of all processes together, a multiple of `world`.
        mode: "over" or "under".
        seed: Of the order, together with the epoch.
        drop_last: Whether a last, smaller batch is left out, with which the counts are exactly equal only if nothing
            is left over. If it is kept, processes get equal shares of it, cut by up to `world - 1` items.
        rank: Number of this process in a distributed run.
        world: How many processes there are.
    """

    def __init__(
        self,
        labels: ArrayLike,
        batch_size: int,
        mode: str = "over",
        seed: int = 0,
        *,
        drop_last: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """See the class."""
        super().__init__(seed, rank, world)
        if mode not in ("over", "under"):
            raise ValueError(f"mode: expected over or under, got {mode!r}")
        self.members = _members(labels)
        self.batch_size, self.drop_last = _checked_size(batch_size, world), drop_last
        sizes = [len(items) for items in self.members]
        self.per_class = max(sizes) if mode == "over" else min(sizes)
        if len(self) == 0:
            raise ValueError(f"batch_size: expected at most {self._items}, the items of an epoch, got {batch_size}")

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return _count(self._items, self.batch_size, self.drop_last, self.world)

    def batches(self, chance: np.random.Generator) -> Iterator[Items]:
        """Let the classes take turns."""
        columns = [_cyclic(chance.permutation(items), 0, self.per_class) for items in self.members]
        turns = chance.permuted(np.stack(columns, 1), axis=1)
        yield from _cut(turns.reshape(-1), self.batch_size, self.drop_last)

    @property
    def _items(self) -> int:
        return self.per_class * len(self.members)


class EpisodeBatches(BatchSampler):
    """Episodes of few-shot learning: in each, classes drawn at random, and of each so many different items at random.

    A batch is an episode: `shots` items to learn from of its first class, of its second and so on, then in the same
    order `queries` items of each to ask for. Classes with fewer items than both together are never drawn.

    Args:
        labels: `(n,)` integers; items with a negative one are left out.
        ways: Classes of an episode.
        shots: Items of a class to learn from.
        queries: Items of a class to ask for.
        count: Episodes of an epoch, of all processes together, a multiple of `world`.
        seed: Of the draws, together with the epoch.
        rank: Number of this process in a distributed run.
        world: How many processes there are; each takes whole episodes.

    Raises:
        ValueError: Fewer than `ways` classes have `shots + queries` items, or a number does not fit.
    """

    def __init__(
        self, labels: ArrayLike, ways: int, shots: int, queries: int, count: int, seed: int = 0,
        *, rank: int = 0, world: int = 1,
    ) -> None:  # fmt: skip
        """See the class."""
        super().__init__(seed, rank, world)
        if min(shots, queries, count) < 1 or ways < 2:
            got = (ways, shots, queries, count)
            raise ValueError(f"ways, shots, queries, count: expected 2, 1, 1, 1 or more, got {got}")
        if count % world:
            raise ValueError(f"count: expected a multiple of world ({world}), got {count}")
        self.ways, self.shots, self.queries, self.count = ways, shots, queries, count
        self.members = [items for items in _members(labels) if len(items) >= shots + queries]
        if len(self.members) < ways:
            raise ValueError(
                f"ways: expected at most {len(self.members)}, the classes with {shots + queries} pictures "
                f"(shots + queries), got {ways}"
            )

    def __len__(self) -> int:
        """How many episodes an epoch has for each process."""
        return self.count // self.world

    def batches(self, chance: np.random.Generator) -> Iterator[Items]:
        """Draw an episode for each process at a time."""
        for _ in range(len(self)):
            yield np.concatenate([self._drawn(chance) for _ in range(self.world)])

    def _drawn(self, chance: np.random.Generator) -> Items:
        chosen = chance.choice(len(self.members), self.ways, replace=False)
        of_class = [chance.choice(self.members[i], self.shots + self.queries, replace=False) for i in chosen]
        return np.concatenate([items[: self.shots] for items in of_class] + [items[self.shots :] for items in of_class])


def _members(labels: ArrayLike) -> list[Items]:
    """Give the items of each class that has any."""
    given: NDArray[Any] = np.asarray(labels)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise ValueError(f"labels: expected integers of shape (n,), got {given.dtype} of shape {given.shape}")
    order = np.argsort(given, kind="stable")
    order = order[given[order] >= 0].astype(np.int64)
    if not len(order):
        raise ValueError("labels: expected at least one item with a label of 0 or more, got none")
    return np.split(order, np.flatnonzero(np.diff(given[order])) + 1)


def _cyclic(items: Items, start: int, count: int) -> Items:
    """Take items one after the other, from the first again after the last."""
    taken: Items = items[(start + np.arange(count)) % len(items)]
    return taken


def _checked_size(batch_size: int, world: int) -> int:
    if batch_size < 1 or batch_size % world:
        raise ValueError(f"batch_size: expected a multiple of world ({world}), 1 or more, got {batch_size}")
    return batch_size


def _count(items: int, batch_size: int, drop_last: bool, world: int) -> int:
    """How many batches there are; a last one that has no item for every process is none."""
    whole, rest = divmod(items, batch_size)
    return whole + (not drop_last and rest >= world)


def _cut(items: Items, batch_size: int, drop_last: bool) -> Iterator[Items]:
    for start in range(0, len(items), batch_size):
        batch = items[start : start + batch_size]
        if len(batch) == batch_size or not drop_last:
            yield batch
