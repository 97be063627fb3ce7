"""Sizes of data sets as their authors published them, and the checks that every loader ends with."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from pictrieve.datasets.dataset import Dataset

# loader -> split or role -> pictures
PUBLISHED: dict[str, dict[str, int]] = {
    "Flickr8k": {"train": 6000, "val": 1000, "test": 1000},
    "Flickr30k (Karpathy)": {"train": 29000, "val": 1014, "test": 1000},
    "COCO (Karpathy)": {"train": 113287, "val": 5000, "test": 5000},
    "StanfordOnlineProducts": {"train": 59551, "test": 60502},
    "CUB200 (metric)": {"train": 5864, "test": 5924},
    "CUB200 (official)": {"train": 5994, "test": 5794},
    "Cars196 (metric)": {"train": 8054, "test": 8131},
    "Cars196 (official)": {"train": 8144, "test": 8041},
    "InShop": {"train": 25882, "query": 14218, "gallery": 12612},
    "RevisitedOxford": {"query": 70, "gallery": 4993},
    "RevisitedParis": {"query": 70, "gallery": 6322},
    "UKBench": {"all": 10200},
    "Holidays": {"query": 500, "gallery": 1491},
}


class CountWarning(UserWarning):
    """A data set has another size than its authors published: a part of it, or a damaged copy."""


def sizes_of(ds: Dataset) -> dict[str, int]:
    """Count the pictures of each split, of the roles, and of all."""
    sizes = {"all": len(ds)}
    if ds.splits is not None:
        names, numbers = np.unique(ds.splits, return_counts=True)
        sizes |= dict(zip(names.tolist(), numbers.tolist(), strict=True))
    for role, flags in (("query", ds.is_query), ("gallery", ds.is_gallery)):
        if flags is not None:
            sizes[role] = int(flags.sum())
    return sizes


def check_protocol(loader: str, protocol: str | None) -> None:
    """Refuse all but the two protocols that go by one name; an absent one is a TypeError, as of any argument."""
    if protocol not in ("metric", "official"):
        error = TypeError if protocol is None else ValueError
        raise error(f"{loader}: expected protocol metric (unseen classes) or official, got {protocol!r}")


def finished(
    ds: Dataset, *, strict: bool, check_files: bool = False, published: Mapping[str, int] | None = None
) -> Dataset:
    """Check what a loader has made: against the published counts, and where asked that its files are there.

    Args:
        ds: Its `name` is looked up in `PUBLISHED`.
        strict: Whether another size is an error, not a warning.
        check_files: Whether every picture must be there.
        published: Counts to use instead.

    Raises:
        ValueError: No picture at all; with `strict`, another size.
        FileNotFoundError: With `check_files`, pictures are absent; names the first ones.
    """
    if len(ds) == 0:
        raise ValueError(f"{ds.name}: expected pictures, got an empty data set")
    expected = PUBLISHED.get(ds.name, {}) if published is None else published
    got = sizes_of(ds)
    wrong = [f"{split}: {count:,} expected, {got.get(split, 0):,} got" for split, count in expected.items()
             if got.get(split, 0) != count]  # fmt: skip
    if wrong:
        message = f"{ds.name} differs from its published size; {'; '.join(wrong)}"
        if strict:
            raise ValueError(f"{message}; strict=False takes a part of the data set")
        warnings.warn(f"{message}; strict=True makes this an error", CountWarning, stacklevel=3)
    return with_files(ds) if check_files else ds


def with_files(ds: Dataset) -> Dataset:
    """Give the data set back once every file is found.

    Raises:
        FileNotFoundError: Some are absent; names the first ones.
    """
    absent = ds.missing()
    if len(absent):
        first = ", ".join(str(path) for path in absent.paths[:3])
        raise FileNotFoundError(
            2, f"{ds.name}: {len(absent):,} of {len(ds):,} pictures are absent, the first are {first}; "
            f"load with check_files=False, see missing(), go on with existing()"
        )  # fmt: skip
    return ds
