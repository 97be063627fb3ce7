"""UKBench and Holidays: groups of pictures of one thing, told by the names of their files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pictrieve.datasets.counts import finished
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.folder import pictures_below
from pictrieve.datasets.reading import StrPath, folder_of

T = TypeVar("T")


def UKBench(root: StrPath, *, strict: bool = False) -> Dataset:
    """Read UKBench (Nister and Stewenius, CVPR 2006): each four of `ukbench00000.jpg`... show one thing.

    Every picture is searched with, and the four are found among all, itself included: the N-S score is at most 4.

    Args:
        root: Folder with the pictures at any depth.
        strict: Another number of pictures than 10,200 is an error, not a warning.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: No picture of such a name; with `strict`, another size.
    """
    paths, numbers = _numbered(root, "UKBench", r"ukbench(\d{5})", int)
    ds = Dataset(paths, name="UKBench", labels=[number // 4 for number in numbers])
    return finished(ds, strict=strict)


def Holidays(root: StrPath, *, strict: bool = False) -> Dataset:
    """Read INRIA Holidays (Jegou et al., ECCV 2008): the first four digits of `100000.jpg` are the group.

    The first of each group, "00", is searched with and finds the others; it is in the gallery too, and a search leaves
    out itself. Some photos are to be turned upright by hand; papers differ in whether they did.

    Args:
        root: Folder with the pictures at any depth.
        strict: Another number than 1,491 pictures and 500 queries is an error, not a warning.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: No picture of such a name; with `strict`, another size.
    """
    paths, names = _numbered(root, "Holidays", r"(\d{6})", str)
    ds = Dataset(
        paths,
        name="Holidays",
        labels=[int(name[:4]) for name in names],
        is_query=[name.endswith("00") for name in names],
        is_gallery=[True] * len(names),
    )
    return finished(ds, strict=strict)


def _numbered(root: StrPath, what: str, pattern: str, kind: Callable[[str], T]) -> tuple[list[Path], list[T]]:
    folder = folder_of(root, what)
    found = [(path, kind(match[1])) for path in pictures_below(folder) if (match := re.fullmatch(pattern, path.stem))]
    if not found:
        raise ValueError(f"{what}: expected pictures named {pattern!r} below {folder}, got none")
    names = [path.stem for path, _ in found]
    if len(set(names)) != len(names):
        raise ValueError(f"{what}: expected each picture once below {folder}, got {len(names) - len(set(names))} twice")
    return [path for path, _ in found], [number for _, number in found]
