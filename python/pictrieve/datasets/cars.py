"""Stanford Cars, by one of the two protocols that go by the same name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from pictrieve.datasets.columns import optional
from pictrieve.datasets.counts import check_protocol, finished
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import StrPath, file_of, folder_of, read_table

_DEVKIT = ("devkit/cars_train_annos.mat", "car_devkit/devkit/cars_train_annos.mat", "cars_train_annos.mat")


class _Car(NamedTuple):
    path: Path
    number: int  # of the class, from 1
    is_test: bool
    box: list[float]


def Cars196(
    root: StrPath,
    *,
    protocol: Literal["metric", "official"] | None = None,
    annotations: StrPath | None = None,
    boxes: bool = False,
    strict: bool = False,
    check_files: bool = False,
) -> Dataset:
    """Read Stanford Cars (Krause et al., 2013): `cars_annos.mat`, or the devkit's two lists, or a csv.

    Args:
        root: Folder with the annotations and the pictures: `car_ims`, or cars_train, cars_test and devkit.
        protocol: "metric": models 1 to 98 are train, 99 to 196, never seen, are test, 8,054 and 8,131 pictures, as in
            papers on metric learning. "official": the authors' split within every class, 8,144 and 8,041. Figures of
            one say nothing about the other, so it must be given.
        annotations: A .mat of either layout, or a .csv with the columns path, class (1 to 196) and test (0 or 1), and
            where there are boxes x1, y1, x2, y2. Needed only where its name is another.
        boxes: Whether to crop to the cars.
        strict: Another number of pictures than published is an error, not a warning.
        check_files: Whether every picture must be there.

    Raises:
        FileNotFoundError: The folder or its annotations are absent.
        ImportError: A .mat needs SciPy: the extra "datasets".
        TypeError: No protocol.
        ValueError: Another layout, an unknown protocol; with `strict`, another size.
    """
    check_protocol("Cars196", protocol)
    folder = folder_of(root, "Cars196")
    path = Path(annotations) if annotations else file_of(folder, "Cars196", "cars_annos.mat", *_DEVKIT)
    cars, classes = _from_csv(path, folder) if path.suffix == ".csv" else _from_mat(path, folder)
    wrong = next((car for car in cars if not 1 <= car.number <= len(classes)), None)
    if wrong is not None:
        raise ValueError(f"{path}: expected classes 1 to {len(classes)}, got {wrong.number} for {wrong.path.name}")
    is_test = [car.number > 98 if protocol == "metric" else car.is_test for car in cars]
    ds = Dataset(
        [car.path for car in cars],
        name=f"Cars196 ({protocol})",
        labels=[car.number - 1 for car in cars],
        classes=classes,
        splits=["test" if test else "train" for test in is_test],
        boxes=[car.box for car in cars] if boxes else None,
    )
    return finished(ds, strict=strict, check_files=check_files)


def _from_csv(path: Path, folder: Path) -> tuple[list[_Car], list[str]]:
    rows = read_table(path)
    if rows and not {"path", "class", "test"} <= rows[0].keys():
        raise ValueError(f"{path}: expected the columns path, class and test, got {', '.join(rows[0])}")
    box = [name for name in ("x1", "y1", "x2", "y2") if rows and name in rows[0]]
    cars = [
        _Car(folder / row["path"], int(row["class"]), row["test"] == "1", [float(row[name]) for name in box])
        for row in rows
    ]
    return cars, [str(number) for number in range(1, 197)]


def _from_mat(path: Path, folder: Path) -> tuple[list[_Car], list[str]]:
    content = _load(path)
    rows = np.atleast_1d(content["annotations"])
    if "test" in (rows.dtype.names or ()):  # cars_annos.mat: all pictures, with the authors' split
        cars = [_car(folder / str(one["relative_im_path"]), one, bool(one["test"])) for one in rows]
        return cars, [str(name) for name in content["class_names"]]
    other = file_of(path.parent, "Cars196", "cars_test_annos_withlabels.mat", "../cars_test_annos_withlabels.mat")
    train = [_car(folder / "cars_train" / str(one["fname"]), one, False) for one in rows]
    others = np.atleast_1d(_load(other)["annotations"])
    test = [_car(folder / "cars_test" / str(one["fname"]), one, True) for one in others]
    meta = _load(file_of(path.parent, "Cars196", "cars_meta.mat"))
    return train + test, [str(name) for name in meta["class_names"]]


def _load(path: Path) -> dict[str, Any]:
    read = optional("scipy.io", "datasets", "reading .mat annotations").loadmat
    content: dict[str, Any] = read(str(path), squeeze_me=True)
    if not {"annotations", "class_names"} & content.keys():
        raise ValueError(f"{path}: expected the annotations of Stanford Cars, got {sorted(content)}")
    return content


def _car(path: Path, one: Any, is_test: bool) -> _Car:
    return _Car(path, int(one["class"]), is_test, [float(one[f"bbox_{side}"]) for side in ("x1", "y1", "x2", "y2")])
