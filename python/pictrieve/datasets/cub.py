"""Caltech-UCSD Birds 200-2011, by one of the two protocols that go by the same name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pictrieve.datasets.counts import check_protocol, finished
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import StrPath, file_of, folder_of, read_fields


def CUB200(
    root: StrPath,
    *,
    protocol: Literal["metric", "official"] | None = None,
    boxes: bool = False,
    strict: bool = False,
    check_files: bool = False,
) -> Dataset:
    """Read CUB-200-2011 (Wah et al., 2011): `images.txt`, `image_class_labels.txt` and the other lists.

    Args:
        root: Folder with the lists and `images`, or the one above.
        protocol: "metric": birds 1 to 100 are train, 101 to 200, never seen, are test, 5,864 and 5,924 pictures, as in
            papers on metric learning. "official": the authors' split within every class, 5,994 and 5,794. Figures of
            one say nothing about the other, so it must be given.
        boxes: Whether to crop to the birds.
        strict: Another number of pictures than published is an error, not a warning.
        check_files: Whether every picture must be there.

    Raises:
        FileNotFoundError: The folder or its lists are absent.
        TypeError: No protocol.
        ValueError: A line of another layout (names it), a list without an entry for every picture, an unknown
            protocol; with `strict`, another size.
    """
    check_protocol("CUB200", protocol)
    folder = file_of(folder_of(root, "CUB200"), "CUB200", "images.txt", "CUB_200_2011/images.txt").parent
    names = _by_id(folder / "images.txt", 2)
    bird = {image: int(row[0]) for image, row in _by_id(folder / "image_class_labels.txt", 2, names).items()}
    if protocol == "metric":
        is_train = {image: number <= 100 for image, number in bird.items()}
    else:
        is_train = {image: row[0] == "1" for image, row in _by_id(folder / "train_test_split.txt", 2, names).items()}
    classes = [name for _, name in read_fields(file_of(folder, "CUB200", "classes.txt"), 2)]
    ds = Dataset(
        [folder / "images" / row[0] for row in names.values()],
        name=f"CUB200 ({protocol})",
        labels=[bird[image] - 1 for image in names],
        classes=classes,
        splits=["train" if is_train[image] else "test" for image in names],
        boxes=_boxes(_by_id(folder / "bounding_boxes.txt", 5, names), names) if boxes else None,
    )
    return finished(ds, strict=strict, check_files=check_files)


def _by_id(path: Path, fields: int, names: dict[str, list[str]] | None = None) -> dict[str, list[str]]:
    """Read lines of an image's id and its facts, which every one of `names` must have."""
    rows = {row[0]: row[1:] for row in read_fields(path, fields)}
    absent = next((image for image in names or () if image not in rows), None)
    if absent is not None:
        raise ValueError(f"{path}: expected a line for every picture of images.txt, {absent} has none")
    return rows


def _boxes(rows: dict[str, list[str]], names: dict[str, list[str]]) -> list[tuple[float, ...]]:
    numbers = [tuple(map(float, rows[image])) for image in names]
    return [(x, y, x + width, y + height) for x, y, width, height in numbers]
