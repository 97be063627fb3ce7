"""The nearest vectors: exact, by graph, lists, codes or hash tables, with your ids, filters, deletion and a file."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from pictrieve import _core
from pictrieve import _index_arguments as given
from pictrieve._index_arguments import AnyIds, Where
from pictrieve._index_files import IndexFiles
from pictrieve._index_measure import measured_health, tuned
from pictrieve.index_plan import AutoPlan
from pictrieve.progress import progress_bar
from pictrieve.search_result import Health, SearchResult

_BUILD_PARAMS = ("efConstruction", *given.EFFORTS, "maxMemory")
_SEARCH_PARAMS = (*given.EFFORTS, "exact")


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
        dtype: Of the vectors that are kept: "float32", "float16", "bfloat16", "int8" or "bits"; or NumPy's.
        seed: Of whatever is random. Equal seeds and calls give equal files, whatever the number of threads.
        params: ``{"efConstruction": 200}``, the candidates while a vector is linked (more: slower to build,
            better to search); defaults of searches: ``"efSearch"`` (64), ``"nprobe"`` (16), ``"kFactor"``
            (2, and 8 for PQ and LSH codes); and for "auto" ``"maxMemory"`` in bytes: past it, codes are kept
            instead of vectors.

    Raises:
        ValueError: For an unknown metric, factory, dtype or parameter, with the known ones.
        TypeError: For a dim, seed or parameter that is no whole number.

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
        dtype: DTypeLike = "float32",
        seed: int = 0,
        params: Mapping[str, int] | None = None,
    ) -> None:
        """Make an empty index."""
        chosen = given.known_params(params, _BUILD_PARAMS)
        ef_construction = chosen.get("efConstruction", 200)
        dim, seed = given.whole_number("dim", dim, 1, given.MOST), given.whole_number("seed", seed, 0, 2**64 - 1)
        self._auto = AutoPlan(chosen.get("maxMemory"), seed, ef_construction) if factory == "auto" else None
        self._core = _core.Index.create(dim, metric, factory, given.dtype_name(dtype), seed, ef_construction)
        self._core.set_params(given.search_params(chosen))

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
        rows = given.as_rows(x, "x")
        chosen = None if ids is None else given.as_ids(ids, "ids")
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
        rows = given.as_rows(x, "x")
        with progress_bar(len(rows), "vectors", show_progress_bar) as report:
            self._core.train(rows, report)

    def remove(self, ids: AnyIds) -> int:
        """Delete items and return how many there were; ids (also a set) that are not present are passed over.

        Their space comes back with ``compact()``, or on its own where that is quick.
        """
        return self._core.remove(given.as_any_ids(ids, "ids"))

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
            where: Ids (also a set) that may be found (unknown ones match nothing), a boolean mask whose entry i
                belongs to the i-th of ``ids``, or a predicate: a function from ``ids`` to such a mask. Decided before
                anything is scored, so that k hits are found where k items match.
            min_score: Drop what scores less. A batch then has a flat result with offsets.
            out: Arrays ``(ids, scores)`` of the result's shape to write to, int64 and float32.
            params: ``{"efSearch": 64}``, the candidates of a graph search, ``{"nprobe": 16}``, the lists
                visited (of BHash: the buckets of each table, rounded up to all within so many bits: of 16, 1 is
                the query's own, up to 17 are those within one bit, up to 137 within two), ``{"kFactor": 8}``,
                how many times k candidates of codes are scored exactly where vectors are kept too (each more:
                slower, better), and ``{"exact": 1}`` to compare with every vector.

        Returns:
            Ids and scores, best first, ties by id.

        Raises:
            ValueError: For a wrong shape, dtype, k, mask or parameter, and for NaN or infinity (with the
                row).
            TypeError: For a k, min_score or parameter that is no number, and an ``out`` that is no pair.
        """
        queries, single = given.as_queries(x)
        chosen = given.known_params(params, _SEARCH_PARAMS)
        if out is not None and min_score is not None:
            raise ValueError("out: the length of a result with min_score is not known beforehand; pass one of them")
        out_ids, out_scores = (None, None) if out is None else given.as_out(out, single)
        ids, scores, offsets = self._core.search(
            queries,
            given.whole_number("k", k, 1),
            *given.as_where(where, self),
            None if min_score is None else given.real_number("min_score", min_score),
            given.search_params(chosen),
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
        queries, single = given.as_queries(x)
        least = given.real_number("threshold", threshold)
        ids, scores, offsets = self._core.range_search(queries, least, *given.as_where(where, self))
        return self._result(ids, scores, offsets, single)

    def reconstruct(self, ids: AnyIds) -> NDArray[Any]:
        """Give back the vectors of ids, of a set in ascending order; ``(dim,)`` for a single id.

        Bit for bit as they were added where float32 or bits are kept, otherwise rounded as their dtype or code
        has it. Under pearson they come back centred, under hellinger squared from their stored root.
        """
        if isinstance(ids, Set) or np.ndim(ids) > 0:
            return self._core.reconstruct(given.as_any_ids(ids, "ids"))
        row: NDArray[Any] = self._core.reconstruct(given.as_ids(np.reshape(ids, 1), "ids"))[0]
        return row

    def tune(
        self,
        queries: NDArray[np.generic],
        target_recall: float = 0.95,
        k: int = 10,
        *,
        true_ids: ArrayLike | None = None,
    ) -> dict[str, Any]:
        """Set the default kFactor, efSearch or nprobe to the smallest that finds enough of the true k nearest.

        With vectors beside codes kFactor comes first; an index without a graph, lists or such has nothing to set.

        Args:
            queries: ``(n, dim)``, or one of ``(dim,)``, of the kind that will be asked and not themselves in the index.
            target_recall: Share of the true neighbours to find, above 0 and up to 1.
            k: How many neighbours count.
            true_ids: ``(n, k)`` ids (more columns are passed over) that are the true ones, best from an exact index
                of the vectors; by default what comparing with all in this index finds, as in ``health``.

        Returns:
            What was set, and ``"recall"`` there; ``"against": "codes"`` where it was measured against codes. Where
            the target is not reached, a UserWarning says so, and the smallest effort with the best recall is set.

        Raises:
            ValueError: For a target, k or true_ids out of range, and without any query or item.
        """
        return tuned(self, given.as_queries(queries)[0], target_recall, k, true_ids)

    def health(
        self,
        queries: NDArray[np.generic] | None = None,
        *,
        sample: int = 200,
        k: int = 10,
        true_ids: ArrayLike | None = None,
    ) -> Health:
        """Measure the recall of searches, and verify a mapped file.

        Where only codes or rounded vectors are kept, comparing with all means with all of those, and
        ``Health.against`` is "codes": what the codes themselves lose shows only against ``true_ids``.

        Args:
            queries: ``(n, dim)`` held-out queries, or one of ``(dim,)``; by default items of the index, each
                searched without itself.
            sample: How many items.
            k: Neighbours that count.
            true_ids: ``(n, k)`` ids (more columns are passed over) of the queries' true neighbours, as
                ``search(queries, k).ids`` of an exact index of the vectors gives them; by default what comparing
                with all in this index finds.

        Raises:
            FormatError: Where the vectors of a mapped file are damaged.
            ValueError: For a sample or k below 1, true_ids of another shape or without queries.
        """
        self._core.verify()
        rows = None if queries is None else given.as_queries(queries)[0]
        return measured_health(self, rows, sample, k, true_ids)

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
