"""The nearest vectors: exact or by graph, with ids of your choice, filters, deletion and a file."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core
from pictrieve._index_arguments import as_ids, as_out, as_queries, as_rows, as_where, known_params
from pictrieve.progress import progress_bar
from pictrieve.search_result import Health, SearchResult, overlap, without

_BUILD_PARAMS = ("efConstruction", "efSearch")
_SEARCH_PARAMS = ("efSearch", "exact")


class Index:
    """Finds the nearest of the vectors that were added.

    Searches of many threads run at the same time, without the GIL; a change waits for them and they for it.

    Args:
        dim: Numbers in a vector.
        metric: "cosine", "ip" (inner product) or "l2". Scores are larger for better: for l2 they are minus
            the Euclidean (not squared) distance. A vector of zeros has the cosine 0 with everything.
        factory: "Flat" compares with every vector; "HNSW32" walks a graph with 32 links a vector (2 to 256).
        dtype: Of the stored vectors; "float32".
        seed: Of the graph. With one thread equal seeds give equal graphs.
        params: ``{"efConstruction": 200}``, the candidates while a vector is linked (more: slower to build,
            better to search), and ``"efSearch"``, the default for searches (64).

    Raises:
        ValueError: For an unknown metric, factory, dtype or parameter, with the known ones.

    Example:
        >>> import numpy as np
        >>> import pictrieve as pt
        >>> ix = pt.Index(2, metric="l2")
        >>> ix.add(np.array([[0, 0], [3, 4], [6, 8]], np.float32), ids=[10, 20, 30])
        >>> ids, scores = ix.search(np.array([3, 4], np.float32), k=2)
        >>> ids.tolist(), scores.tolist()
        ([20, 10], [0.0, -5.0])
    """

    def __init__(
        self,
        dim: int,
        metric: str = "cosine",
        factory: str = "Flat",
        dtype: str = "float32",
        seed: int = 0,
        params: Mapping[str, int] | None = None,
    ) -> None:
        """Make an empty index."""
        if np.dtype(dtype) != np.float32:
            raise ValueError(f"dtype: expected float32, got {dtype!r}")
        chosen = known_params(params, _BUILD_PARAMS)
        self._core = _core.Index.create(dim, metric, factory, seed, chosen.get("efConstruction", 200))
        if "efSearch" in chosen:
            self._core.set_ef_search(chosen["efSearch"])

    @classmethod
    def load(cls, path: str | os.PathLike[str], mmap: bool = False) -> Index:
        """Read an index that ``save`` wrote.

        Args:
            path: The file.
            mmap: Leave the vectors in the file and let the system page them in as searches touch them.
                Everything else is verified as without it; damage to the vectors themselves shows in
                ``health()``. Saving to the same path is safe meanwhile, writing into the file is not.

        Raises:
            FileNotFoundError: Where there is no such file.
            FormatError: For a damaged, foreign or newer file.
        """
        index = cls.__new__(cls)
        index._core = _core.Index.load(os.fsencode(path), mmap)
        return index

    def save(self, path: str | os.PathLike[str], note: str = "") -> None:
        """Write the index in one step: after a crash the file is the old one or the new one.

        Args:
            path: The file, replaced if it exists.
            note: Text that travels with the index; ``load(path).note`` gives it back.
        """
        self._core.save(os.fsencode(path), note)

    def add(
        self,
        x: NDArray[np.float32],
        ids: ArrayLike | None = None,
        *,
        replace: bool = False,
        show_progress_bar: bool | None = None,
    ) -> None:
        """Add vectors; all of them, or none where this raises (Ctrl-C included).

        Args:
            x: ``(n, dim)`` float32, C-contiguous. It is copied once, into the index.
            ids: ``(n,)`` integers of your choice; by default they go on from the largest so far, at first
                from 0.
            replace: Give ids that are present their new vectors, at the end of ``ids``, instead of refusing
                them.
            show_progress_bar: By default on a terminal, for work of more than a second (needs tqdm).

        Raises:
            TypeError: Where x is not an array.
            ValueError: For a wrong shape or dtype, NaN or infinity (with the row), an id that occurs twice or
                is present.
        """
        rows = as_rows(x, "x")
        chosen = None if ids is None else as_ids(ids, "ids")
        with progress_bar(len(rows), "vectors", show_progress_bar) as report:
            self._core.add(rows, chosen, replace, report)

    def remove(self, ids: ArrayLike) -> int:
        """Delete items and return how many there were; ids that are not present are passed over."""
        return self._core.remove(as_ids(ids, "ids"))

    def search(
        self,
        x: NDArray[np.float32],
        k: int,
        where: ArrayLike | None = None,
        min_score: float | None = None,
        out: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
        params: Mapping[str, int] | None = None,
    ) -> SearchResult:
        """Find the k nearest items of each query; fewer only when fewer match, and never an id of -1.

        Args:
            x: ``(n, dim)`` queries, or one of ``(dim,)``; float32, C-contiguous.
            k: At least 1.
            where: Ids that may be found (unknown ones match nothing), or a boolean mask whose entry i belongs
                to the i-th of ``ids``. Decided before anything is scored, so that k hits are found where k
                items match.
            min_score: Drop what scores less. A batch then has a flat result with offsets.
            out: Arrays ``(ids, scores)`` of the result's shape to write to, int64 and float32.
            params: ``{"efSearch": 64}``, the candidates of a graph search (more: slower, better), and
                ``{"exact": 1}`` to compare with every vector in spite of a graph.

        Returns:
            Ids and scores, best first, ties by id.

        Raises:
            TypeError: Where x is not an array.
            ValueError: For a wrong shape, dtype, k, mask or parameter, and for NaN or infinity (with the
                row).
        """
        queries, single = as_queries(x)
        chosen = known_params(params, _SEARCH_PARAMS)
        if "efSearch" in chosen and chosen["efSearch"] < 1:
            raise ValueError(f"efSearch: expected at least 1, got {chosen['efSearch']}")
        if out is not None and min_score is not None:
            raise ValueError("out: the length of a result with min_score is not known beforehand; pass one of them")
        out_ids, out_scores = (None, None) if out is None else as_out(out, single)
        ids, scores, offsets = self._core.search(
            queries,
            k,
            *as_where(where),
            min_score,
            chosen.get("efSearch", 0),
            bool(chosen.get("exact", 0)),
            out_ids,
            out_scores,
        )
        return self._result(ids, scores, offsets, single)

    def range_search(self, x: NDArray[np.float32], threshold: float, where: ArrayLike | None = None) -> SearchResult:
        """Find all items that score at least ``threshold``, by comparing with every vector.

        Args:
            x: ``(n, dim)`` queries, or one of ``(dim,)``; float32, C-contiguous.
            threshold: In score units: for l2, -0.5 finds what lies within a distance of 0.5.
            where: As in ``search``.

        Returns:
            A flat result; that of query i is ``[offsets[i], offsets[i + 1])``. One 1-D query has no offsets.
        """
        queries, single = as_queries(x)
        ids, scores, offsets = self._core.range_search(queries, threshold, *as_where(where))
        return self._result(ids, scores, offsets, single)

    def reconstruct(self, ids: ArrayLike) -> NDArray[np.float32]:
        """Give back the vectors of ids as they were added, bit for bit; ``(dim,)`` for a single id."""
        wanted = np.asarray(ids)
        rows = self._core.reconstruct(as_ids(wanted.reshape(1) if wanted.ndim == 0 else wanted, "ids"))
        return rows[0] if wanted.ndim == 0 else rows

    def tune(self, queries: NDArray[np.float32], target_recall: float = 0.95, k: int = 10) -> dict[str, float]:
        """Set the default efSearch to the smallest that finds enough of the true k nearest of these queries.

        Args:
            queries: ``(n, dim)`` float32, of the kind that will be asked and not themselves in the index.
            target_recall: Share of the true neighbours to find, above 0 and up to 1.
            k: How many neighbours count.

        Returns:
            ``{"efSearch": ..., "recall": ...}``; the recall is below the target where even a walk over the
            whole graph does not reach it.
        """
        if not 0 < target_recall <= 1:
            raise ValueError(f"target_recall: expected above 0 and up to 1, got {target_recall}")
        if len(as_rows(queries, "queries")) == 0 or len(self) == 0:
            raise ValueError("tune: expected at least one query and one item")
        true_ids = self.search(queries, k, params={"exact": 1}).ids

        def recall(ef: int) -> float:
            return overlap(self.search(queries, k, params={"efSearch": ef}).ids, true_ids)

        enough = max(k, 8)
        while recall(enough) < target_recall and enough < len(self):
            enough *= 2
        too_few = enough // 2
        while enough - too_few > max(1, enough // 32):
            middle = (too_few + enough) // 2
            too_few, enough = (too_few, middle) if recall(middle) >= target_recall else (middle, enough)
        self._core.set_ef_search(enough)
        return {"efSearch": enough, "recall": recall(enough)}

    def health(self, sample: int = 200, k: int = 10) -> Health:
        """Measure the recall of searches for sampled items, each without itself, and verify a mapped file.

        Raises:
            FormatError: Where the vectors of a mapped file are damaged.
        """
        self._core.verify()
        info = self._core.info()
        ids = self.ids
        chosen = np.sort(np.random.default_rng(0).choice(ids, min(sample, len(ids)), replace=False))
        recall = 1.0
        if info.factory != "Flat" and len(ids) > 1:
            queries = self.reconstruct(chosen)
            true_ids = without(self.search(queries, k + 1, params={"exact": 1}).ids, chosen)
            recall = overlap(without(self.search(queries, k + 1).ids, chosen), true_ids)
        return Health(recall, len(chosen), len(ids), info.removed, info.bytes_vectors, info.bytes_graph)

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
        """The metric, "cosine", "ip" or "l2"."""
        return self._core.info().metric

    @property
    def factory(self) -> str:
        """The kind of index, such as "Flat" or "HNSW32"."""
        return self._core.info().factory

    @property
    def note(self) -> str:
        """The text that the file was saved with; empty for a new index."""
        return self._core.note()

    def __len__(self) -> int:
        """Count the items that can be found."""
        return self._core.size()

    def __repr__(self) -> str:
        """Show what the index holds."""
        info = self._core.info()
        return f"Index(dim={info.dim}, metric={info.metric!r}, factory={info.factory!r}, items={len(self)})"

    def _result(
        self,
        ids: NDArray[np.int64],
        scores: NDArray[np.float32],
        offsets: NDArray[np.int64] | None,
        single: bool,
    ) -> SearchResult:
        if single:
            return SearchResult(ids.reshape(-1), scores.reshape(-1), None, self.metric)
        return SearchResult(ids, scores, offsets, self.metric)
