"""Batch samplers: exact counts, every item seen, order of seed and epoch alone, shares of processes."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from pictrieve.finetune.samplers import BalancedBatches, BatchSampler, PKBatches, ShuffledBatches  # noqa: E402

UNEVEN = np.repeat([0, 1, 2, 5, 6, 9], [40, 3, 1, 7, 12, 2])


def made(**shares: int) -> list[BatchSampler]:
    return [
        ShuffledBatches(65, 8, 3, **shares),
        ShuffledBatches(64, 8, 3, drop_last=True, **shares),
        PKBatches(UNEVEN, 4, 3, 3, **shares),
        BalancedBatches(UNEVEN, 8, "over", 3, **shares),
        BalancedBatches(UNEVEN, 4, "under", 3, **shares),
    ]


@pytest.mark.parametrize("i", range(5))
def test_the_order_is_that_of_seed_and_epoch(i: int) -> None:
    first, again = made()[i], made()[i]
    epoch = list(first)
    assert epoch == list(first) == list(again)
    assert len(first) == len(epoch)
    first.set_epoch(7)
    assert list(first) != epoch
    assert len(list(first)) == len(first)
    again.set_epoch(6)
    again.set_epoch(7)
    assert list(first) == list(again)
    first.set_epoch(0)
    assert list(first) == epoch
    assert all(type(item) is int for item in epoch[0])
    other = made()[i]
    other.seed = 4
    assert list(other) != epoch


@pytest.mark.parametrize("i", range(5))
def test_processes_share_the_same_batches(i: int) -> None:
    whole = list(made()[i])
    shares = [list(made(rank=rank, world=2)[i]) for rank in range(2)]
    assert len({len(share) for share in shares}) == 1
    assert len(shares[0]) == len(made(world=2)[i])
    for batch, *parts in zip(whole, *shares, strict=False):
        joined = [item for part in parts for item in part]
        assert joined == batch[: len(batch) // 2 * 2]
        assert len(parts[0]) == len(parts[1])
    assert len(whole) - len(shares[0]) <= 1  # a last batch of a single item has none for both
    if i == 2:
        for part in shares[0]:
            assert all(count == 3 for count in Counter(UNEVEN[part]).values())  # whole classes


@pytest.mark.parametrize("i", range(5))
def test_a_data_loader_takes_it(i: int) -> None:
    rows = torch.arange(len(UNEVEN))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows), batch_sampler=made()[i])
    assert [batch[0].tolist() for batch in loader] == list(made()[i])
    assert len(loader) == len(made()[i])


def test_shuffled_batches_hold_every_item_once() -> None:
    batches = list(ShuffledBatches(65, 8))
    assert [len(batch) for batch in batches] == [8] * 8 + [1]
    assert sorted(item for batch in batches for item in batch) == list(range(65))
    dropped = list(ShuffledBatches(65, 8, drop_last=True))
    assert [len(batch) for batch in dropped] == [8] * 8


labels_of_classes = st.lists(st.integers(1, 30), min_size=2, max_size=12).map(
    lambda sizes: np.repeat(np.arange(len(sizes)) * 3, sizes)
)


@settings(max_examples=150, deadline=None)
@given(
    labels=labels_of_classes, p=st.integers(1, 12), k=st.integers(1, 8), seed=st.integers(0, 5), epoch=st.integers(0, 3)
)
def test_p_classes_with_k_items(labels: Any, p: int, k: int, seed: int, epoch: int) -> None:
    sizes = Counter(labels.tolist())
    p = min(p, len(sizes))
    labels = np.random.default_rng(seed).permutation(labels)
    sampler = PKBatches(labels, p, k, seed)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler) == -(-sum(-(-m // k) for m in sizes.values()) // p)
    seen, shown = Counter(), Counter()
    for batch in batches:
        classes = [int(labels[item]) for item in batch]
        assert Counter(classes) == dict.fromkeys(classes, k)  # exactly K of each
        assert len(set(classes)) == p
        assert [classes[i] for i in range(0, p * k, k)] == list(dict.fromkeys(classes))  # class after class
        for item, count in Counter(batch).items():  # repeats only where the class is too small, and then alike
            m = sizes[int(labels[item])]
            assert count == 1 if m >= k else k // m <= count <= -(-k // m)
        seen.update(batch)
        shown.update(set(classes))
    for label, m in sizes.items():
        found = sum(1 for item in seen if labels[item] == label)
        assert found == min(m, len(batches) * k)
        assert shown[label] >= min(-(-m // k), len(batches))


def test_all_classes_meet_all_others_in_time() -> None:
    met = set()
    sampler = PKBatches(np.repeat(np.arange(12), 4), 3, 4)
    for epoch in range(60):
        sampler.set_epoch(epoch)
        for batch in sampler:
            classes = sorted({item // 4 for item in batch})
            met |= {(a, b) for a in classes for b in classes if a < b}
    assert len(met) == 12 * 11 // 2


def test_spare_places_go_to_random_classes() -> None:
    sampler = PKBatches(np.repeat(np.arange(5), 4), 3, 4)  # 5 groups in 6 places
    twice = set()
    for epoch in range(100):
        sampler.set_epoch(epoch)
        shown = Counter(item // 4 for batch in sampler for item in batch)
        twice |= {label for label, count in shown.items() if count == 8}
    assert twice == set(range(5))


@settings(max_examples=100, deadline=None)
@given(labels=labels_of_classes, batch_size=st.integers(1, 20), mode=st.sampled_from(["over", "under"]))
def test_balanced_counts_are_exactly_equal(labels: Any, batch_size: int, mode: str) -> None:
    sizes = Counter(labels.tolist())
    target = max(sizes.values()) if mode == "over" else min(sizes.values())
    batches = list(BalancedBatches(labels, batch_size, mode))
    items = [item for batch in batches for item in batch]
    assert Counter(labels[items].tolist()) == dict.fromkeys(sizes, target)
    for item, count in Counter(items).items():
        m = sizes[int(labels[item])]
        assert target // m <= count <= -(-target // m)
    if mode == "over":
        assert len(set(items)) == len(labels)
    for batch in batches[:-1]:
        counts = [Counter(labels[batch].tolist())[label] for label in sizes]
        assert max(counts) - min(counts) <= (0 if batch_size % len(sizes) == 0 else 2)


def test_under_sampling_draws_others_each_epoch() -> None:
    sampler = BalancedBatches(UNEVEN, 6, "under")
    seen = set()
    for epoch in range(400):
        sampler.set_epoch(epoch)
        seen |= {item for batch in sampler for item in batch}
    assert seen == set(range(len(UNEVEN)))


def test_items_without_a_label_are_left_out() -> None:
    labels = np.array([-1, 0, 1, -1, 0, 1, -1])
    for sampler in (PKBatches(labels, 2, 2), BalancedBatches(labels, 4)):
        assert {item for batch in sampler for item in batch} == {1, 2, 4, 5}


def test_real_products(data: Path) -> None:
    with (data / "grocery/labels.csv").open(encoding="utf-8", newline="") as file:
        labels = np.array([int(row["label_id"]) for row in csv.DictReader(file)])
    batches = list(PKBatches(labels, 16, 4))
    assert all(list(Counter(labels[batch]).values()) == [4] * 16 for batch in batches)
    assert {item for batch in batches for item in batch} == set(range(len(labels)))
    assert len(batches) * 64 < 1.3 * len(labels)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ShuffledBatches(0, 4), "n: expected 1 or more items, got 0"),
        (lambda: ShuffledBatches(9, 0), "batch_size: expected a multiple of world"),
        (lambda: ShuffledBatches(9, 3, world=2), r"batch_size: expected a multiple of world \(2\)"),
        (lambda: ShuffledBatches(9, 10, drop_last=True), "batch_size: expected at most 9"),
        (lambda: ShuffledBatches(9, 4, rank=2, world=2), "rank, world: expected 0 <= rank < world, got 2 and 2"),
        (lambda: PKBatches(UNEVEN, 7, 2), "p: expected at most 6, the classes with items, got 7"),
        (lambda: PKBatches(UNEVEN, 3, 2, world=2), r"p, k: expected p a multiple of world \(2\)"),
        (lambda: PKBatches(UNEVEN, 3, 0), "p, k: expected p a multiple of world"),
        (lambda: PKBatches([-1, -1], 1, 1), "labels: expected at least one item with a label of 0 or more, got none"),
        (lambda: PKBatches([0.5, 1.0], 1, 1), "labels: expected integers"),
        (lambda: BalancedBatches(["a"], 1), "labels: expected integers"),
        (lambda: BalancedBatches(UNEVEN, 8, "both"), "mode: expected over or under, got 'both'"),
        (lambda: BalancedBatches(UNEVEN, 8, "under", drop_last=True), "batch_size: expected at most 6"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
