"""Data sets of the Hugging Face library `datasets`, which the caller has loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pictrieve.datasets.columns import is_nothing
from pictrieve.datasets.counts import finished
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.table_columns import CAPTIONS, LABELS, caption_columns, captions_of, chosen


class RowPictures(Sequence[Any]):
    """Encoded pictures of the rows of such data sets, as bytes or a path, read one by one when asked for."""

    def __init__(self, parts: Sequence[Any], image: str, rows: Sequence[tuple[int, int]]) -> None:
        """Hold the data sets, and for each picture which of them and which row it is."""
        self._parts, self._image, self._rows = parts, image, list(rows)

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self._rows)

    def __getitem__(self, row: Any) -> Any:
        """Read one picture."""
        part, position = self._rows[row]
        cell = self._parts[part][position].column(self._image)[0].as_py()
        if is_nothing(cell):
            raise ValueError(f"row {position}: expected a picture in column {self._image!r}, got nothing")
        return cell["bytes"] if cell["bytes"] is not None else cell["path"]

    def pick(self, rows: Sequence[int]) -> RowPictures:
        """Keep some of them."""
        return RowPictures(self._parts, self._image, [self._rows[row] for row in rows])


def HuggingFace(
    source: Any,
    *,
    image: str | None = None,
    label: str | None = None,
    caption: str | None = None,
    name: str | None = None,
) -> Dataset:
    """Take a `datasets.Dataset`, or the splits of a `datasets.DatasetDict`, that holds pictures.

    Pictures stay in its Arrow files and are read when asked for, without decoding by Pillow. The names of a ClassLabel
    become the classes in their order; captions are found as `Table` finds them; all else becomes metadata.

    Args:
        source: What `datasets.load_dataset` or `load_from_disk` gave.
        image: Column of pictures; None: the first column of the type Image.
        label: Column of labels; None: "label" or "class", else the only ClassLabel.
        caption: Column of captions.
        name: What reports call the data set.

    Raises:
        TypeError: Something else, such as a streamed data set.
        ValueError: A named column is absent (lists the columns), or there are no pictures.
    """
    splits = dict(source) if isinstance(source, dict) else {"": source}
    for part in splits.values():
        if not (hasattr(part, "features") and hasattr(part, "with_format") and hasattr(part, "__len__")):
            raise TypeError(
                f"HuggingFace: expected a datasets.Dataset or DatasetDict, got {type(part).__name__}; "
                f"of a streamed data set take a part first: datasets.Dataset.from_list(list(stream.take(1000)))"
            )
    first = next(iter(splits.values()))
    names = list(first.features)
    shown = name or str(getattr(first.info, "dataset_name", None) or "Hugging Face data set")
    images = [key for key in names if _kind(first, key) == "Image"]
    image = chosen(names, image, images, "image", shown)
    if image is None:
        raise ValueError(f"{shown}: expected a column of the type Image or image=, got {', '.join(map(repr, names))}")
    label = chosen(names, label, (*LABELS, *_only_class_label(first)), "label", shown)
    if caption is not None:
        chosen(names, caption, (), "caption", shown)
    captions = caption_columns(names, CAPTIONS if caption is None else [caption])
    return finished(_joined(splits, shown, image, label, captions), strict=False, published={})


def _kind(part: Any, column: str) -> str:
    return type(part.features[column]).__name__


def _only_class_label(part: Any) -> list[str]:
    found = [key for key in part.features if _kind(part, key) == "ClassLabel"]
    return found if len(found) == 1 else []


def _joined(splits: dict[str, Any], shown: str, image: str, label: str | None, captions: list[str]) -> Dataset:
    encoded = [part.with_format("arrow", columns=[image]) for part in splits.values()]  # as they are stored
    names = [key for key in next(iter(splits.values())).features if key != image]
    facts = [part.with_format("arrow", columns=names)[:].to_pydict() if names else {} for part in splits.values()]
    columns = {key: [cell for part in facts for cell in part[key]] for key in names}
    rows = [(number, row) for number, part in enumerate(encoded) for row in range(len(part))]
    contents = RowPictures(encoded, image, rows)
    paths = [path for part in encoded for path in _files_of(part, image)]
    in_files = all(path is not None for path in paths)
    named = [f"{name}/{row}" if name else str(row) for name, part in splits.items() for row in range(len(part))]
    feature = next(iter(splits.values())).features[label] if label else None
    texts = [{key: columns[key][row] for key in captions} for row in range(len(rows))]
    return Dataset(
        [path or own for path, own in zip(paths, named, strict=True)],
        name=shown,
        labels=columns[label] if label else None,
        classes=list(getattr(feature, "names", ())),
        captions=[captions_of(row, captions) for row in texts] if captions else None,
        splits=[name for name, part in splits.items() for _ in range(len(part))] if "" not in splits else None,
        metadata={key: cells for key, cells in columns.items() if key != label and key not in captions},
        contents=None if in_files else contents,
    )


def _files_of(part: Any, image: str) -> list[str | None]:
    """Give the files of pictures that are kept by their path alone; None for those whose bytes are inside."""
    first = part[0].column(image)[0].as_py() if len(part) else None
    if first is None or first["bytes"] is not None:
        return [None] * len(part)
    cells = part[:].column(image).to_pylist()
    kept = [cell["path"] if cell and cell["bytes"] is None else None for cell in cells]
    return [path if path and Path(path).is_file() else None for path in kept]
