"""Embeddings on disk in clip-retrieval's layout: img_emb, text_emb and metadata, in numbered parts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictrieve.datasets.columns import optional
from pictrieve.datasets.reading import StrPath, folder_of, read_parquet
from pictrieve.datasets.vectors import read_npy

_ROWS = 1_000_000  # in each part, as clip-retrieval has it


@dataclass(frozen=True)
class EmbeddingFolder:
    """Vectors of pictures and of texts, row by row with their metadata.

    Attributes:
        images: `(n, d)` float16 or float32, or None.
        texts: `(n, d)`, or None.
        metadata: Columns of length n, such as "image_path" and "caption".
    """

    images: NDArray[Any] | None
    texts: NDArray[Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the rows."""
        first = self.images if self.images is not None else self.texts
        return 0 if first is None else len(first)

    @classmethod
    def read(cls, folder: StrPath) -> EmbeddingFolder:
        """Read `img_emb/img_emb_0.npy`, `text_emb/text_emb_0.npy` and `metadata/metadata_0.parquet`, and further parts.

        A single part stays on disk, mapped into memory.

        Raises:
            FileNotFoundError: No such folder, or neither pictures nor texts in it.
            ImportError: Metadata needs pyarrow: the extra "datasets".
            ValueError: Parts of different numbers of rows, or a damaged part (names it).
        """
        root = folder_of(folder, "EmbeddingFolder")
        images, texts = (_vectors(root / f"{kind}_emb") for kind in ("img", "text"))
        if images is None and texts is None:
            raise FileNotFoundError(2, "EmbeddingFolder: expected img_emb or text_emb with .npy files", str(folder))
        facts: dict[str, Any] = {}
        tables = _parts(root / "metadata", "parquet")
        if tables:
            arrow = optional("pyarrow", "datasets", "reading parquet")
            facts = arrow.concat_tables([read_parquet(path) for path in tables]).to_pydict()
        lengths = {len(column) for column in (images, texts, *facts.values()) if column is not None}
        if len(lengths) > 1:
            raise ValueError(f"{folder}: expected as many vectors as rows of metadata, got {sorted(lengths)}")
        return cls(images, texts, facts)

    def write(self, folder: StrPath, rows_per_part: int = _ROWS) -> None:
        """Write the layout that `read` and clip-retrieval read; parts of the same name are replaced.

        Raises:
            ImportError: Metadata needs pyarrow: the extra "datasets".
            ValueError: A column of another length, or parts in the folder that are not replaced.
        """
        for name, column in (("texts", self.texts), *self.metadata.items()):
            if column is not None and len(column) != len(self):
                raise ValueError(f"{name}: expected {len(self)} rows, got {len(column)}")
        root = Path(folder)
        kept = {"img_emb": self.images is not None, "text_emb": self.texts is not None, "metadata": bool(self.metadata)}
        for kind, written in kept.items():
            there = _parts(root / kind, "parquet" if kind == "metadata" else "npy")
            if len(there) > (parts := -(-len(self) // rows_per_part) if written else 0):
                raise ValueError(
                    f"{root / kind}: expected at most {parts} parts to replace, got {len(there)}; remove them"
                )
        for part, first in enumerate(range(0, len(self), rows_per_part)):
            rows = slice(first, first + rows_per_part)
            for kind, vectors in (("img_emb", self.images), ("text_emb", self.texts)):
                if vectors is not None:
                    (root / kind).mkdir(parents=True, exist_ok=True)
                    np.save(root / kind / f"{kind}_{part}.npy", vectors[rows])
            if self.metadata:
                parquet, arrow = (optional(f"pyarrow{end}", "datasets", "writing parquet") for end in (".parquet", ""))
                (root / "metadata").mkdir(parents=True, exist_ok=True)
                table = arrow.table({name: list(column[rows]) for name, column in self.metadata.items()})
                parquet.write_table(table, os.fspath(root / "metadata" / f"metadata_{part}.parquet"))


def _parts(folder: Path, suffix: str) -> list[Path]:
    """Give the parts in the order of their numbers, not of their names."""
    numbered = [(int(match[1]), path) for path in folder.glob(f"*.{suffix}")
                if (match := re.search(r"_(\d+)$", path.stem))]  # fmt: skip
    return [path for _, path in sorted(numbered)]


def _vectors(folder: Path) -> NDArray[Any] | None:
    parts = [read_npy(path) for path in _parts(folder, "npy")]
    if len(parts) < 2:
        return parts[0] if parts else None
    return np.concatenate(parts)
