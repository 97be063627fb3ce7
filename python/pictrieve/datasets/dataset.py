"""The table that every loader returns and everything else takes: one row per picture, columns of equal length."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from pictrieve.datasets import columns, shown
from pictrieve.datasets.pixels import Pictures, unpack

__all__ = ["Dataset", "Sample"]


class Sample(NamedTuple):
    """One row of a data set."""

    path: Path
    label: str | None
    captions: list[str]
    box: NDArray[np.float32] | None
    metadata: dict[str, Any]


@dataclass(frozen=True, repr=False, eq=False, init=False)
class Dataset:
    """Pictures with their labels, captions, splits, boxes and roles. It never changes: every method gives a new one.

    Args:
        paths: One path for each picture; where `contents` holds the pictures, a name for each.
        name: What reports call it.
        labels: Class of each picture: with `classes`, whole numbers that count into them; without, any values
            (texts, numbers), whose sorted distinct values become the classes. None, NaN, "" and -1 are no class.
        classes: Names of the classes. A subset keeps all of them, so that numbers mean the same everywhere.
        captions: For each picture its list of captions, or one text.
        splits: Name of the split of each picture, such as "train".
        boxes: `(n, 4)` x1, y1, x2, y2 in pixels of the upright picture; a row of NaN is the whole picture.
        is_query: Whether a picture is searched with; None where the data set does not say.
        is_gallery: Whether a picture can be found; None where the data set does not say.
        metadata: Further columns by name.
        contents: Encoded bytes or uint8 pixels of each picture, read as `contents[i]` only when needed.
        label_name: Name of the column that the labels are from.

    Raises:
        TypeError: One path instead of a list.
        ValueError: A column of another length than `paths`, a label outside of `classes`, or a list of labels for one
            picture.

    Example:
        >>> ds = Dataset(["a.jpg", "b.jpg", "c.jpg"], labels=["dog", "cat", "dog"], splits=["train", "train", "test"])
        >>> ds.classes, ds.labels.tolist(), ds.split("test").paths
        (['cat', 'dog'], [1, 0, 1], [PosixPath('c.jpg')])
    """

    paths: list[Path]
    name: str
    labels: NDArray[np.int64] | None
    classes: list[str]
    captions: list[list[str]] | None
    splits: NDArray[np.str_] | None
    boxes: NDArray[np.float32] | None
    is_query: NDArray[np.bool_] | None
    is_gallery: NDArray[np.bool_] | None
    metadata: dict[str, Any]
    contents: Sequence[Any] | None
    label_name: str

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        name: str = "data set",
        labels: Any = None,
        classes: Sequence[str] = (),
        captions: Any = None,
        splits: Any = None,
        boxes: Any = None,
        is_query: Any = None,
        is_gallery: Any = None,
        metadata: Mapping[str, Any] | None = None,
        contents: Sequence[Any] | None = None,
        label_name: str = "label",
    ) -> None:
        """Bring every column to its type, check it and make it read-only."""
        listed = columns.as_paths(paths)
        numbers, names = columns.as_labels(labels, classes, len(listed))
        held = {
            "paths": listed,
            "name": name,
            "labels": numbers,
            "classes": names,
            "captions": columns.as_captions(captions),
            "splits": columns.as_texts(splits),
            "boxes": columns.as_boxes(boxes),
            "is_query": columns.as_flags(is_query, "is_query"),
            "is_gallery": columns.as_flags(is_gallery, "is_gallery"),
            "metadata": {str(key): columns.as_column(values) for key, values in (metadata or {}).items()},
            "contents": contents,
            "label_name": label_name,
        }
        for key, value in held.items():
            object.__setattr__(self, key, value)
        for key, column in [*self._columns(), *self.metadata.items()]:
            if column is not None:
                columns.check_length(key, column, len(listed))

    def _columns(self) -> list[tuple[str, Any]]:
        names = ("labels", "captions", "splits", "boxes", "is_query", "is_gallery", "contents")
        return [(name, getattr(self, name)) for name in names]

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.paths)

    @overload
    def __getitem__(self, row: int) -> Sample: ...
    @overload
    def __getitem__(self, row: slice) -> Dataset: ...
    def __getitem__(self, row: int | slice) -> Sample | Dataset:
        """Give one row, whose label is the name of the class, or None; of a slice the subset.

        Raises:
            TypeError: A list or a mask, which `subset` takes.
        """
        if isinstance(row, slice):
            return self.subset(range(len(self))[row])
        if not hasattr(row, "__index__") or np.ndim(row) > 0:
            raise TypeError(
                f"{self.name}: expected a row or a slice, got {type(row).__name__}; ds.subset takes several"
            )
        row = range(len(self))[row]
        label = None if self.labels is None or self.labels[row] < 0 else self.classes[self.labels[row]]
        box = None if self.boxes is None or np.isnan(self.boxes[row, 0]) else self.boxes[row]
        facts = {name: columns.plain(values[row]) for name, values in self.metadata.items()}
        return Sample(self.paths[row], label, list(self.captions[row]) if self.captions else [], box, facts)

    def __iter__(self) -> Iterator[Sample]:
        """Iterate over the rows."""
        return (self[row] for row in range(len(self)))

    def column(self, name: str) -> Any:
        """Give a column by name: "path", "label" (names of the classes), "split", "caption", a role, or of `metadata`.

        Raises:
            ValueError: No such column; lists those there are.
        """
        own = {
            "path": list(map(str, self.paths)),
            "caption": self.captions,
            "split": self.splits,
            "is_query": self.is_query,
            "is_gallery": self.is_gallery,
            self.label_name: self._label_names(),
        }
        there = {**{key: values for key, values in own.items() if values is not None}, **self.metadata}
        if name not in there:
            raise ValueError(f"{self.name}: expected one of the columns {', '.join(map(repr, there))}, got {name!r}")
        return there[name]

    def _label_names(self) -> list[str | None] | None:
        if self.labels is None:
            return None
        return [self.classes[label] if label >= 0 else None for label in self.labels]

    def subset(self, rows: Any) -> Dataset:
        """Keep some rows: their numbers, in any order, or a mask of n booleans."""
        kept = columns.as_rows(rows, len(self), self.name)
        picked = {name: columns.take(values, kept) for name, values in self._columns() if values is not None}
        facts = {name: columns.take(values, kept) for name, values in self.metadata.items()}
        return replace(self, paths=[self.paths[row] for row in kept], metadata=facts, **picked)

    def split(self, name: str) -> Dataset:
        """Keep the pictures of one split.

        Raises:
            ValueError: No such split; names those there are.
        """
        there = [] if self.splits is None else sorted(set(self.splits.tolist()))
        if name not in there:
            names = ", ".join(map(repr, there)) or "no splits; make some with datasets.split"
            raise ValueError(f"{self.name}: expected a split among {names}, got {name!r}")
        return replace(self.subset(self.splits == name), name=f"{self.name} ({name})")

    def queries(self) -> Dataset:
        """Keep what is searched with: all pictures where the data set names no queries."""
        return self if self.is_query is None else self.subset(self.is_query)

    def gallery(self) -> Dataset:
        """Keep what can be found: all pictures where the data set names no gallery."""
        return self if self.is_gallery is None else self.subset(self.is_gallery)

    def with_labels(self, column: str) -> Dataset:
        """Take the labels from another column, such as "coarse_label"; the former stay in `metadata` by their name."""
        values = self.column(column)
        facts = dict(self.metadata)
        if self.labels is not None:
            facts.setdefault(self.label_name, self._label_names())
        return replace(self, labels=values, classes=[], metadata=facts, label_name=column)

    def compact(self) -> Dataset:
        """Drop classes that have no picture and count the others anew, as the head of a classifier needs it."""
        names = self._label_names()
        if self.labels is None or names is None:
            return self
        number = {old: new for new, old in enumerate(np.unique(self.labels[self.labels >= 0]).tolist())}
        labels = np.array([number.get(old, -1) for old in self.labels.tolist()], np.int64)
        return replace(self, labels=labels, classes=[self.classes[old] for old in number])

    def counts(self) -> dict[str, int]:
        """Count the pictures of each class, classes without any included."""
        if self.labels is None:
            raise ValueError(f"{self.name}: expected labels to count, got a data set without; see with_labels")
        numbers = np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes))
        return dict(zip(self.classes, numbers.tolist(), strict=True))

    def rare(self, least: int = 2) -> dict[str, int]:
        """Give the classes that have some pictures, but fewer than `least`: alone, a picture has nothing to find."""
        return {name: count for name, count in self.counts().items() if 0 < count < least}

    def images(self) -> list[Path] | Pictures:
        """Give what an encoder's `encode` takes: the paths, or pictures that are cropped or unpacked when asked for."""
        if self.boxes is None and self.contents is None:
            return list(self.paths)
        return Pictures(self.paths, self.contents, self.boxes)

    def extract(self, folder: str | os.PathLike[str]) -> Dataset:
        """Write the pictures that are packed or in memory to files in a folder, and give the data set of these files.

        Encoded bytes are written as they are, pixels as PNG; files are named by the last two parts of `paths`.

        Raises:
            ValueError: Two pictures have one name, or a name leads out of the folder.
        """
        return self if self.contents is None else replace(self, paths=unpack(self, Path(folder)), contents=None)

    def missing(self) -> Dataset:
        """Keep the rows whose file is absent, with their numbers in `metadata["row"]`."""
        absent = [row for row, path in enumerate(self.paths) if self.contents is None and not path.is_file()]
        kept = self.subset(absent)
        return replace(kept, name=f"{self.name} (missing)", metadata={**kept.metadata, "row": np.array(absent, int)})

    def existing(self) -> Dataset:
        """Keep the rows whose file is there."""
        return self.subset(np.setdiff1d(np.arange(len(self)), self.missing().metadata["row"]))

    def filter(self, keep: Callable[[Sample], bool]) -> Dataset:
        """Keep the rows of which `keep(sample)` is true."""
        return self.subset(np.array([bool(keep(sample)) for sample in self], np.bool_))

    def to_records(self) -> list[dict[str, Any]]:
        """Give each row as a dict; its label is the name of the class, "captions" a list, "box" four numbers."""
        rows = []
        for row, (path, label, captions, box, facts) in enumerate(self):
            record: dict[str, Any] = {"path": str(path)}
            for name, there, value in ((self.label_name, self.labels, label), ("captions", self.captions, captions),
                                       ("box", self.boxes, None if box is None else box.tolist())):  # fmt: skip
                if there is not None:
                    record[name] = value
            for name, flags in (("split", self.splits), ("is_query", self.is_query), ("is_gallery", self.is_gallery)):
                if flags is not None:
                    record[name] = columns.plain(flags[row])
            rows.append({**record, **facts})
        return rows

    def to_pandas(self) -> Any:
        """Give the rows as a pandas DataFrame; names of files and classes that are not UTF-8 get escapes."""
        pandas = columns.optional("pandas", "pandas", "to_pandas")
        rows = [
            {key: columns.printable(cell) if isinstance(cell, str) else cell for key, cell in row.items()}
            for row in self.to_records()
        ]
        return pandas.DataFrame(rows)

    def __repr__(self) -> str:
        """Say how much there is of what."""
        return shown.summary(self)

    def _repr_html_(self) -> str:
        return shown.page(self)
