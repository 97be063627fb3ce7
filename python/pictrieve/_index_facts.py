"""What an index says about itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core


class IndexFacts:
    """The properties of `pictrieve.index.Index`."""

    _core: _core.Index

    @property
    def ids(self) -> NDArray[np.int64]:
        """``(n,)`` int64: the ids in the index, in the order in which they were added."""
        return self._core.ids()

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self._core.info().dim

    @property
    def metric(self) -> str:
        """The metric, such as "cosine"."""
        return self._core.info().metric

    @property
    def factory(self) -> str:
        """The kind of index, such as "Flat" or "HNSW32"; for "auto", what it is by now."""
        return self._core.info().factory

    @property
    def dtype(self) -> str:
        """How vectors are kept: "float32", "float16", "bfloat16", "int8", "pq", "lsh" (codes) or "bits"."""
        return self._core.info().dtype

    @property
    def params(self) -> dict[str, int]:
        """The defaults of searches."""
        params = self._core.info().params
        return {"efSearch": params.ef_search, "nprobe": params.nprobe, "kFactor": params.k_factor}

    @property
    def note(self) -> str:
        """The text that the file was saved with; empty for a new index."""
        return self._core.note()

    @property
    def removed(self) -> int:
        """Deleted rows that still take up space; ``Index.compact`` gives it back."""
        return self._core.info().removed

    def __len__(self) -> int:
        """Count the items that can be found."""
        return self._core.size()

    def __repr__(self) -> str:
        """Show what the index holds."""
        info = self._core.info()
        return f"Index(dim={info.dim}, metric={info.metric!r}, factory={info.factory!r}, items={len(self)})"
