"""Revisited Oxford and Paris: buildings, searched with a part of a picture, in three difficulties."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from pictrieve.datasets.counts import finished
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import StrPath, file_of, folder_of, read_json
from pictrieve.datasets.safe_pickle import read_pickle

# difficulty -> (what counts as relevant, what is taken out of the ranking)
_DIFFICULTIES = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
_GRADES = ("easy", "hard", "junk")


def RevisitedOxford(
    root: StrPath, *, ground_truth: StrPath | None = None, strict: bool = False, check_files: bool = False
) -> Dataset:
    """Read Revisited Oxford (Radenovic et al., CVPR 2018): `gnd_roxford5k.pkl` and `jpg`.

    Rows 0 to 4,992 are the gallery, then come 70 queries, which are cropped to their box. The pickle is read as data
    (see `read_pickle`). Metadata "easy", "hard", "junk": for each query numbers of gallery rows; `relevance` makes the
    relevant and junk ids of a difficulty of them.

    Args:
        root: Folder with the pickle and with `jpg` (or the pictures themselves).
        ground_truth: The pickle, or a .json of the same, where it is elsewhere.
        strict: Another number of pictures than published is an error, not a warning.
        check_files: Whether every picture must be there.

    Raises:
        FileNotFoundError: The folder or the ground truth is absent.
        ValueError: A pickle of something else; with `strict`, another size.
    """
    return _revisited("RevisitedOxford", "roxford5k", root, ground_truth, strict, check_files)


def RevisitedParis(
    root: StrPath, *, ground_truth: StrPath | None = None, strict: bool = False, check_files: bool = False
) -> Dataset:
    """Read Revisited Paris, `gnd_rparis6k.pkl`, 6,322 pictures and 70 queries; else as `RevisitedOxford`."""
    return _revisited("RevisitedParis", "rparis6k", root, ground_truth, strict, check_files)


def _revisited(
    name: str, short: str, root: StrPath, ground_truth: StrPath | None, strict: bool, check_files: bool
) -> Dataset:
    folder = folder_of(root, name)
    found = [f"{sub}gnd_{short}{suffix}" for sub in ("", f"{short}/") for suffix in (".pkl", ".json")]
    path = Path(ground_truth) if ground_truth is not None else file_of(folder, name, *found)
    content = read_json(path) if path.suffix == ".json" else read_pickle(path)
    _check_layout(content, path)
    images, queries, truth = content["imlist"], content["qimlist"], content["gnd"]
    base = next((base for base in (folder / "jpg", folder / short / "jpg") if base.is_dir()), folder)
    whole = [[np.nan] * 4] * len(images)
    none: list[list[int]] = [[]] * len(images)
    ds = Dataset(
        [base / f"{image}.jpg" for image in [*images, *queries]],
        name=name,
        boxes=whole + [np.asarray(one["bbx"], float).ravel().tolist() for one in truth],
        is_query=[False] * len(images) + [True] * len(queries),
        is_gallery=[True] * len(images) + [False] * len(queries),
        metadata={grade: none + [_rows(one, grade, len(images), path) for one in truth] for grade in _GRADES},
    )
    return finished(ds, strict=strict, check_files=check_files)


def _check_layout(content: Any, path: Path) -> None:
    if not isinstance(content, dict) or not {"imlist", "qimlist", "gnd"} <= content.keys():
        raise ValueError(f"{path}: expected a dict with imlist, qimlist and gnd, got {type(content).__name__}")
    queries, truth = content["qimlist"], content["gnd"]
    if len(truth) != len(queries) or not all(
        isinstance(one, dict) and {"bbx", *_GRADES} <= one.keys() for one in truth
    ):
        raise ValueError(f"{path}: expected bbx, easy, hard and junk for each of {len(queries)} queries")


def _rows(truth: dict[str, Any], grade: str, count: int, path: Path) -> list[int]:
    rows = [int(row) for row in np.asarray(truth[grade], np.int64).ravel()]
    wrong = next((row for row in rows if not 0 <= row < count), None)
    if wrong is not None:
        raise ValueError(f"{path}: expected {grade} pictures 0 to {count - 1}, got {wrong}")
    return rows


def relevance(ds: Dataset, difficulty: Literal["easy", "medium", "hard"]) -> tuple[list[list[int]], list[list[int]]]:
    """Give the relevant and the junk ids of each query, as `evaluate.retrieval` takes them.

    Easy: easy pictures count, hard ones are junk. Medium: both count. Hard: hard ones count, easy ones are junk.

    Args:
        ds: What `RevisitedOxford` or `RevisitedParis` gave, not a subset of it.
        difficulty: One of the three.

    Returns:
        For each row of `ds.queries()` two lists of row numbers of `ds.gallery()`. A query without relevant pictures is
        left out of the mean by `evaluate.retrieval(..., empty="drop")`, as the authors do.
    """
    if difficulty not in _DIFFICULTIES:
        raise ValueError(f"difficulty: expected easy, medium or hard, got {difficulty!r}")
    facts = ds.queries().metadata
    if not all(grade in facts for grade in _GRADES):
        raise ValueError(f"{ds.name}: expected the columns easy, hard and junk, got {', '.join(facts) or 'none'}")
    return tuple(  # type: ignore[return-value]
        [sorted({row for grade in grades for row in facts[grade][query]}) for query in range(len(facts["easy"]))]
        for grades in _DIFFICULTIES[difficulty]
    )
