"""What an index says about itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve._index_arguments import EFFORTS, known_params, search_params


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
        """The defaults of searches, a copy; assign some of them, or call ``set_params``, to change those."""
        params = self._core.info().params
        return {"efSearch": params.ef_search, "nprobe": params.nprobe, "kFactor": params.k_factor}

    @params.setter
    def params(self, chosen: Mapping[str, int]) -> None:
        self._core.set_params(search_params(known_params(chosen, EFFORTS)))

    def set_params(self, **chosen: int) -> None:
        """Change defaults of searches: ``index.set_params(efSearch=128)``; the others stay.

        Raises:
            ValueError: For an unknown name and a number below 1.
            TypeError: For what is not a whole number.
        """
        self.params = chosen

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

    def __contains__(self, item: object) -> bool:
        """Tell whether an id is present, by looking through all of them."""
        whole = isinstance(item, (int, np.integer)) and not isinstance(item, bool)
        return whole and bool((self._core.ids() == item).any())

    def __repr__(self) -> str:
        """Show what the index holds."""
        info = self._core.info()
        return f"Index(dim={info.dim}, metric={info.metric!r}, factory={info.factory!r}, items={len(self)})"
