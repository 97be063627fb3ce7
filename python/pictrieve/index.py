"""The nearest vectors: exact or by graph, with ids of your choice, filters, deletion and a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core
from pictrieve._index_arguments import Where, as_ids, as_out, as_queries, as_rows, as_where, known_params, search_params
from pictrieve._index_files import IndexFiles
from pictrieve._index_measure import measured_health, smallest_effort
from pictrieve.index_plan import AutoPlan
from pictrieve.progress import progress_bar
from pictrieve.search_result import Health, SearchResult

_BUILD_PARAMS = ("efConstruction", "efSearch", "nprobe", "kFactor", "maxMemory")
_SEARCH_PARAMS = ("efSearch", "nprobe", "kFactor", "exact")


class Index(IndexFiles):
    """Finds the nearest of the vectors that were added.

    Searches of many threads run at the same time, without the GIL; a change waits for them and they for it.

    Args:
        dim: Numbers in a vector (bits, where bits are kept).
        metric: "cosine", "ip", "l2", "l1", "pearson", "hamming", "jaccard", "chi2", "intersection" or
            "hellinger". Scores are larger for better: similarities, or minus the distance for l2 (Euclidean,
            not squared), l1, chi2 and hamming. A vector of zeros has the cosine 0 with everything.
        factory: What FAISS calls a factory string, parts joined by commas: optional projections ("PCA64",
            "OPQ16_64", "RR64"), then "IVF1024" (lists; "IVF4096_HNSW32" finds them by a graph) or "HNSW32" (a
            graph with 32 links a vector), then how vectors are kept: "Flat", "SQ8", "SQfp16", "SQbf16", "PQ32"
            (bytes a vector), "PQ32x4fs" (half of them) or "LSH256" (bits), then "RFlat" to keep the vectors
            too and score the best candidates exactly. "BFlat", "BHNSW32" and "BHash16" hold bits. "auto"
            compares with all up to 20,000 vectors and builds a graph from there on; it prints its plan. A graph
            of 5,000 float32 vectors and more (of 64 numbers and more) is walked over 8-bit codes beside them, a
            quarter more memory for twice the speed, where a sample shows that these tell neighbours apart;
            scores are always those of the vectors. "HNSW32,Flat" does without.
        dtype: Of the vectors that are kept: "float32", "float16", "bfloat16", "int8" or "bits".
        seed: Of whatever is random. Equal seeds and calls give equal files, whatever the number of threads.
        params: ``{"efConstruction": 200}``, the candidates while a vector is linked (more: slower to build,
            better to search); defaults of searches: ``"efSearch"`` (64), ``"nprobe"`` (16), ``"kFactor"``;
            and for "auto" ``"maxMemory"`` in bytes: past it, codes are kept instead of vectors.

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
        chosen = known_params(params, _BUILD_PARAMS)
        ef_construction = chosen.get("efConstruction", 200)
        self._auto = AutoPlan(chosen.get("maxMemory"), seed, ef_construction) if factory == "auto" else None
        self._core = _core.Index.create(dim, metric, factory, dtype, seed, ef_construction)
        self._core.set_params(search_params(chosen))

    def add(
        self,
        x: NDArray[np.generic],
        ids: ArrayLike | None = None,
        *,
        replace: bool = False,
        show_progress_bar: bool | None = None,
    ) -> None:
        """Add vectors; all of them, or none where this raises (Ctrl-C included).

        Args:
            x: ``(n, dim)`` float32, C-contiguous; bits as ``(n, dim / 8)`` uint8, as ``numpy.packbits`` gives
                them. It is copied once, into the index. Indexes with lists or codes learn them from the first
                call, unless ``train`` was called.
            ids: ``(n,)`` integers of your choice; by default they go on from the largest so far, at first
                from 0.
            replace: Give ids that are present their new vectors, at the end of ``ids``, instead of refusing
                them.
            show_progress_bar: By default on a terminal, for work of more than a second (needs tqdm).

        Raises:
            ValueError: For a wrong shape or dtype, NaN or infinity (with the row), an id that occurs twice or
                is present.
        """
        rows = as_rows(x, "x")
        chosen = None if ids is None else as_ids(ids, "ids")
        if self._auto:
            self._core = self._auto.before_add(self._core, len(rows))
        with progress_bar(len(rows), "vectors", show_progress_bar) as report:
            self._core.add(rows, chosen, replace, report)

    def upsert(self, x: NDArray[np.generic], ids: ArrayLike, *, show_progress_bar: bool | None = None) -> None:
        """Add vectors, in place of those that had their ids: ``add`` with ``replace=True``."""
        self.add(x, ids, replace=True, show_progress_bar=show_progress_bar)

    def train(self, x: NDArray[np.float32], *, show_progress_bar: bool | None = None) -> None:
        """Learn lists, codebooks and projections from vectors like those to come, before the first ``add``.

        Args:
            x: ``(n, dim)`` float32; at least one a list, better 40 to 256, and at least 256 for PQ.
            show_progress_bar: As in ``add``.

        Raises:
            ValueError: For too few vectors, with how many are needed, and for an index that holds items.
        """
        rows = as_rows(x, "x")
        with progress_bar(len(rows), "vectors", show_progress_bar) as report:
            self._core.train(rows, report)

    def remove(self, ids: ArrayLike) -> int:
        """Delete items and return how many there were; ids that are not present are passed over.

        Their space comes back with ``compact()``, or on its own where that is quick.
        """
        return self._core.remove(as_ids(ids, "ids"))

    def compact(self, *, show_progress_bar: bool | None = None) -> None:
        """Give back the space of deleted items; a graph is mended around them. Ids stay what they are."""
        with progress_bar(self._core.info().removed, "vectors", show_progress_bar) as report:
            self._core.compact(report)

    def search(
        self,
        x: NDArray[np.generic],
        k: int,
        where: Where = None,
        min_score: float | None = None,
        out: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
        params: Mapping[str, int] | None = None,
    ) -> SearchResult:
        """Find the k nearest items of each query; fewer only when fewer match, and never an id of -1.

        Args:
            x: ``(n, dim)`` queries, or one of ``(dim,)``; float32, C-contiguous.
            k: At least 1.
            where: Ids that may be found (unknown ones match nothing), a boolean mask whose entry i belongs to
                the i-th of ``ids``, or a predicate: a function from ``ids`` to such a mask. Decided before
                anything is scored, so that k hits are found where k items match.
            min_score: Drop what scores less. A batch then has a flat result with offsets.
            out: Arrays ``(ids, scores)`` of the result's shape to write to, int64 and float32.
            params: ``{"efSearch": 64}``, the candidates of a graph search, ``{"nprobe": 16}``, the lists
                visited, ``{"kFactor": 8}``, how many times k candidates of codes are scored exactly (each
                more: slower, better), and ``{"exact": 1}`` to compare with every vector.

        Returns:
            Ids and scores, best first, ties by id.

        Raises:
            ValueError: For a wrong shape, dtype, k, mask or parameter, and for NaN or infinity (with the
                row).
        """
        queries, single = as_queries(x)
        chosen = known_params(params, _SEARCH_PARAMS)
        if out is not None and min_score is not None:
            raise ValueError("out: the length of a result with min_score is not known beforehand; pass one of them")
        out_ids, out_scores = (None, None) if out is None else as_out(out, single)
        ids, scores, offsets = self._core.search(
            queries,
            k,
            *as_where(where, self),
            min_score,
            search_params(chosen),
            bool(chosen.get("exact", 0)),
            out_ids,
            out_scores,
        )
        return self._result(ids, scores, offsets, single)

    def range_search(self, x: NDArray[np.generic], threshold: float, where: Where = None) -> SearchResult:
        """Find all items that score at least ``threshold``, by comparing with every vector.

        Args:
            x: ``(n, dim)`` queries, or one of ``(dim,)``; float32, C-contiguous.
            threshold: In score units: for l2, -0.5 finds what lies within a distance of 0.5.
            where: As in ``search``.

        Returns:
            A flat result; that of query i is ``[offsets[i], offsets[i + 1])``. One 1-D query has no offsets.
        """
        queries, single = as_queries(x)
        ids, scores, offsets = self._core.range_search(queries, threshold, *as_where(where, self))
        return self._result(ids, scores, offsets, single)

    def reconstruct(self, ids: ArrayLike) -> NDArray[Any]:
        """Give back the vectors of ids; ``(dim,)`` for a single id.

        Bit for bit as they were added where float32 or bits are kept, otherwise rounded as their dtype or code
        has it. Under pearson they come back centred, under hellinger squared from their stored root.
        """
        wanted = np.asarray(ids)
        rows = self._core.reconstruct(as_ids(wanted.reshape(1) if wanted.ndim == 0 else wanted, "ids"))
        return rows[0] if wanted.ndim == 0 else rows

    def tune(self, queries: NDArray[np.generic], target_recall: float = 0.95, k: int = 10) -> dict[str, float]:
        """Set the default efSearch (nprobe) to the smallest that finds enough of the true k nearest.

        Args:
            queries: ``(n, dim)`` of the kind that will be asked and not themselves in the index.
            target_recall: Share of the true neighbours to find, above 0 and up to 1.
            k: How many neighbours count.

        Returns:
            ``{"efSearch": ..., "recall": ...}`` or the same with "nprobe"; the recall is below the target where
            even the greatest effort does not reach it.
        """
        name, effort, recall = smallest_effort(self, as_rows(queries, "queries"), target_recall, k)
        self._core.set_params(search_params({name: effort}))
        return {name: effort, "recall": recall}

    def health(self, queries: NDArray[np.generic] | None = None, *, sample: int = 200, k: int = 10) -> Health:
        """Measure the recall of searches against comparing with all, and verify a mapped file.

        Where codes are kept without the vectors, comparing with all means with all codes: what the codes
        themselves lose shows only against an index of the vectors.

        Args:
            queries: ``(n, dim)`` held-out queries; by default items of the index, each searched without itself.
            sample: How many items.
            k: Neighbours that count.

        Raises:
            FormatError: Where the vectors of a mapped file are damaged.
        """
        self._core.verify()
        return measured_health(self, None if queries is None else as_rows(queries, "queries"), sample, k)

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
