"""Splits: the shares asked for, the same for any order of files, and what belongs together on one side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

import pictrieve as pt
from pictrieve.datasets import Dataset, Table, duplicate_groups, hold_out_classes, split

THREE = {"train": 0.7, "val": 0.1, "test": 0.2}


def shuffled(ds: Dataset, seed: int = 0) -> Dataset:
    return ds.subset(np.random.default_rng(seed).permutation(len(ds)))


def by_path(ds: Dataset) -> dict[str, str]:
    assert ds.splits is not None
    return {str(path): str(name) for path, name in zip(ds.paths, ds.splits, strict=True)}


def together(ds: Dataset, values: object) -> bool:
    """Say whether equal values are always in one split."""
    sides: dict[object, set[str]] = {}
    for value, name in zip(np.asarray(values).tolist(), ds.splits.tolist(), strict=True):
        sides.setdefault(value, set()).add(name)
    return all(len(names) == 1 for names in sides.values())


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=12), seed=st.integers(0, 9), first=st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_every_class_is_divided_by_the_fractions(counts: list[int], seed: int, first: int) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    ds = Dataset([f"{label}/{i}.jpg" for i, label in enumerate(labels)], labels=labels)
    fractions = {"a": first / 10, "b": 1 - first / 10}
    if len(ds) * min(fractions.values()) < 1:  # perhaps too few for a picture on each side
        return
    out = split(ds, fractions, seed=seed)
    share = (out.splits == "a").mean()
    assert abs(share - fractions["a"]) * len(ds) <= 1
    for label, count in enumerate(counts):
        assert abs((out.splits[out.labels == label] == "a").sum() - fractions["a"] * count) <= 1 + 1e-9
    assert by_path(split(shuffled(ds, seed), fractions, seed=seed)) == by_path(out)


def test_splits_depend_on_ids_and_seed_alone(tmp_path: Path, data: Path) -> None:
    ds = Table(data / "grocery" / "labels.csv")
    out = split(ds, THREE)
    assert by_path(split(shuffled(ds), THREE)) == by_path(out)
    moved = Dataset([tmp_path / path.relative_to(data) for path in ds.paths], labels=ds.column("label"))
    assert split(moved, THREE).splits.tolist() == out.splits.tolist()
    for label in range(len(ds.classes)):
        own = out.splits[ds.labels == label]
        assert all(abs((own == name).sum() - share * len(own)) <= 1 for name, share in THREE.items())
    other = split(ds, THREE, seed=1).splits
    assert 0.3 < (other != out.splits).mean() < 0.7  # independent draws differ in 1 - (0.49 + 0.01 + 0.04) = 0.46
    assert split(ds, THREE, id_column="git_blob_sha1").splits.tolist() != out.splits.tolist()
    assert ds.split("train").classes == out.classes


def test_whole_classes_go_to_one_side(data: Path) -> None:
    ds = Table(data / "grocery" / "labels.csv")
    out = split(ds, THREE, by="class")
    assert together(out, ds.labels)
    coarse = split(ds, THREE, by="coarse_label")
    assert together(coarse, ds.column("coarse_label"))
    assert not together(split(ds, THREE), ds.labels)
    sizes = {name: float((coarse.splits == name).mean()) for name in THREE}
    assert all(abs(sizes[name] - share) < 0.1 for name, share in THREE.items())


def test_folds_hold_out_every_class_once(data: Path) -> None:
    ds = Table(data / "grocery" / "labels.csv")
    folds = hold_out_classes(ds, "coarse_label", folds=5, seed=3)
    held = [set(fold.split("test").column("coarse_label")) for fold in folds]
    assert set.union(*held) == set(ds.column("coarse_label"))
    assert sum(map(len, held)) == 28
    for fold, classes in zip(folds, held, strict=True):
        assert not classes & set(fold.split("train").column("coarse_label"))
        assert fold.labels.tolist() == ds.labels.tolist()
        assert abs(len(fold.split("test")) / len(ds) - 0.2) < 0.05
    again = hold_out_classes(shuffled(ds), "coarse_label", folds=5, seed=3)
    assert [set(fold.split("test").column("coarse_label")) for fold in again] == held
    with pytest.raises(ValueError, match="folds: expected 2 to 28, the number of classes, got 29"):
        hold_out_classes(ds, "coarse_label", folds=29)
    with pytest.raises(ValueError, match="a class for every picture, 1 have none"):
        hold_out_classes(Dataset(["0", "1", "2"], labels=["a", "b", None]), folds=2)


def test_groups_are_the_connected_components_of_near_pairs() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2500, 3)).astype(np.float32)  # more than two blocks
    for threshold in (0.99, 0.9999, 1.0):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        near = scipy.sparse.csr_matrix(unit @ unit.T >= threshold - 1e-6)
        count, components = connected_components(near, directed=False)
        ours = duplicate_groups(rows * rng.uniform(0.1, 9, (2500, 1)), threshold)
        assert ours.max() + 1 == count
        assert len(set(zip(ours.tolist(), components.tolist(), strict=True))) == count
    assert duplicate_groups(np.zeros((3, 2))).tolist() == [0, 1, 2]
    for wrong, threshold in ((np.ones(3), 0.9), (np.array([[np.nan]]), 0.9), (np.ones((2, 2)), 0)):
        with pytest.raises(ValueError, match=r"embeddings: expected finite|threshold: expected"):
            duplicate_groups(wrong, threshold)


def test_altered_copies_of_real_photos_stay_on_one_side(data: Path) -> None:
    table = Table(data / "neardup" / "labels.csv")
    kept = ("original", "hflip", "resize", "gray")
    ds = table.filter(lambda one: one.metadata["variant"] in kept and bool(one.metadata["source_image"]))
    ds = ds.subset([row for row, path in enumerate(ds.paths) if path.suffix in (".jpg", ".jpeg", ".png")])
    source = ds.column("source_image")
    assert len(set(source)) < len(ds)
    out = split(ds, {"train": 0.5, "test": 0.5}, by="duplicates", groups=source)
    assert together(out, source)
    encoder = pt.ImageEncoder("efficientnet_lite0")
    found = split(
        ds, {"train": 0.5, "test": 0.5}, by="duplicates", embeddings=encoder.encode(ds.images()), threshold=0.8
    )
    assert together(found, source)
    assert together(split(ds, {"train": 0.5, "test": 0.5}, by="source_image"), source)


def test_groups_of_one_label_are_divided_class_by_class() -> None:
    labels = np.repeat(["a", "b"], 20)
    groups = [f"{i // 2}" for i in range(40)]  # pairs, each of one class
    ds = Dataset([f"{i}.jpg" for i in range(40)], labels=labels, metadata={"product": groups})
    out = split(ds, {"train": 0.8, "test": 0.2}, by="product")
    assert together(out, groups)
    assert out.split("test").counts() == {"a": 4, "b": 4}
    lone = split(Dataset(["0", "1", "2"], metadata={"g": [None, None, "x"]}), {"a": 0.5, "b": 0.5}, by="g")
    assert set(lone.splits.tolist()) == {"a", "b"}  # rows without a group are on their own


def test_what_cannot_be_split_is_said() -> None:
    ds = Dataset(["0.jpg", "1.jpg"], labels=["a", "a"])
    half = {"a": 0.5, "b": 0.5}
    for fractions in ({}, {"a": 0.5}, {"a": 1.2, "b": -0.2}, {"a": 1.0, "b": 0.0}):
        with pytest.raises(ValueError, match="shares above 0 that sum to 1"):
            split(ds, fractions)
    with pytest.raises(ValueError, match=r"groups for every split, 1 by 'class' leave none for \['b'\]"):
        split(ds, half, by="class")
    with pytest.raises(ValueError, match="one of the columns 'path', 'label', got 'colour'"):
        split(ds, half, by="colour")
    with pytest.raises(ValueError, match="either groups or embeddings"):
        split(ds, half, by="duplicates")
    with pytest.raises(ValueError, match="groups: expected one entry for each of the 2 pictures, got 1"):
        split(ds, half, by="duplicates", groups=[1])
    with pytest.raises(ValueError, match="groups and embeddings are for"):
        split(ds, half, groups=[1, 2])
    with pytest.raises(ValueError, match="expected different ids, 1 repeat"):
        split(Dataset(["0.jpg", "0.jpg"]), half)
