"""Pictures of a data set that are no plain files: cropped to a box, packed in an archive, or in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core

if TYPE_CHECKING:
    from pictrieve.datasets.dataset import Dataset

MAX_PIXELS = 178_956_970


class Pictures(Sequence[Any]):
    """What an encoder takes for each row: a path, encoded bytes, or the pixels inside of its box; read when asked for.

    Raises:
        ValueError: A box holds no pixel of its picture.
    """

    def __init__(self, paths: Sequence[Path], contents: Sequence[Any] | None, boxes: NDArray[np.float32] | None):
        """Hold the columns."""
        self._paths, self._contents, self._boxes = paths, contents, boxes

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self._paths)

    def __getitem__(self, row: Any) -> Any:
        """Give one picture, or those of a slice as a list."""
        if isinstance(row, slice):
            return [self[i] for i in range(len(self))[row]]
        row = range(len(self))[row]
        source = self._paths[row] if self._contents is None else self._contents[row]
        if self._boxes is None or np.isnan(self._boxes[row]).any():
            return source
        image = pixels(source)
        try:
            return crop(image, self._boxes[row])
        except ValueError as error:
            raise ValueError(f"{self._paths[row]}: {error}") from error


def pixels(source: Any) -> NDArray[np.uint8]:
    """Decode a path or bytes to upright RGB; arrays and Pillow images become arrays."""
    if isinstance(source, Path | str | bytes):
        return _core.decode([source if isinstance(source, bytes) else str(source)], True, "white", MAX_PIXELS, 0)
    return np.asarray(source.convert("RGB") if hasattr(source, "convert") else source)


def crop(image: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Cut a box out of a picture; every pixel that it touches belongs to it.

    Raises:
        ValueError: No pixel does.
    """
    height, width = image.shape[:2]
    x1, y1 = (max(0, math.floor(value)) for value in box[:2])
    x2, y2 = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
    if x1 >= x2 or y1 >= y2:
        raise ValueError(f"expected a box that holds pixels of {width} x {height}, got {box.tolist()}")
    return np.ascontiguousarray(image[y1:y2, x1:x2])


def unpack(ds: Dataset, folder: Path) -> list[Path]:
    """Write the contents of a data set to files; see `Dataset.extract`."""
    files: list[Path] = []
    written: dict[Path, int] = {}
    for row, path in enumerate(ds.paths):
        content = ds.contents[row] if ds.contents is not None else path
        target = folder.joinpath(*path.parts[-2:])
        if isinstance(content, Path | str):  # a file already
            files.append(Path(content))
            continue
        if not isinstance(content, bytes):
            content, target = _core.encode_png(pixels(content)), target.with_suffix(".png")
        if ".." in target.parts[-2:] or not target.is_relative_to(folder):
            raise ValueError(f"{ds.name}: expected a name inside of the folder, got {path}")
        if target in written:
            raise ValueError(f"{ds.name}: expected different names, pictures {written[target]} and {row} are {target}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        written[target] = row
        files.append(target)
    return files
