"""Graph indexes of this library and of its peers behind one face, built with equal options."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import faiss
import hnswlib
import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray
from usearch.index import Index as UsearchIndex

import pictrieve as pt

LINKS, EF_CONSTRUCTION, K = 16, 200, 10
Rows = NDArray[np.float32]
Search = Callable[[Rows, int], NDArray[np.int64]]  # queries (n, dim) and an effort -> ids (n, K)


def size_on_disk(save: Callable[[str], object]) -> int:
    """Bytes of what is saved."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "index")
        save(path)
        return os.path.getsize(path)


def ours(factory: str) -> Callable[[Rows, str, int], tuple[Search, int]]:
    """This library's index of a factory string."""

    def build(base: Rows, metric: str, _threads: int) -> tuple[Search, int]:
        params = {"efConstruction": EF_CONSTRUCTION}
        index = pt.Index(base.shape[1], metric=metric, factory=factory, params=params)
        index.add(base, show_progress_bar=False)
        health = index.health(base[:1])
        used = health.bytes_vectors + health.bytes_graph
        return (lambda queries, ef: index.search(queries, K, params={"efSearch": ef}).ids), used

    return build


def build_faiss(base: Rows, metric: str, _threads: int) -> tuple[Search, int]:
    """The wheel's graph."""
    kind = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
    index = faiss.IndexHNSWFlat(base.shape[1], LINKS, kind)
    index.hnsw.efConstruction = EF_CONSTRUCTION
    index.add(base)

    def search(queries: Rows, ef: int) -> NDArray[np.int64]:
        index.hnsw.efSearch = ef
        return index.search(queries, K)[1]

    return search, size_on_disk(lambda path: faiss.write_index(index, path))


def build_hnswlib(base: Rows, metric: str, threads: int) -> tuple[Search, int]:
    """The graph of hnswlib."""
    index: Any = hnswlib.Index(space=metric, dim=base.shape[1])
    index.init_index(len(base), ef_construction=EF_CONSTRUCTION, M=LINKS)
    index.set_num_threads(threads)
    index.add_items(base)

    def search(queries: Rows, ef: int) -> NDArray[np.int64]:
        index.set_ef(max(ef, K))
        return index.knn_query(queries, K)[0].astype(np.int64)

    return search, size_on_disk(index.save_index)


def build_usearch(base: Rows, metric: str, threads: int) -> tuple[Search, int]:
    """USearch; its connectivity is that of the base level's half, as M is elsewhere."""
    index = UsearchIndex(
        ndim=base.shape[1],
        metric="ip" if metric == "ip" else "l2sq",
        dtype="f32",
        connectivity=LINKS,
        expansion_add=EF_CONSTRUCTION,
    )
    index.add(np.arange(len(base)), base, threads=threads)

    def search(queries: Rows, ef: int) -> NDArray[np.int64]:
        index.expansion_search = ef
        keys = index.search(queries, K, threads=threads).keys
        return np.atleast_2d(keys).astype(np.int64)

    return search, size_on_disk(index.save)


def build_annoy(base: Rows, metric: str, threads: int) -> tuple[Search, int]:
    """Annoy with 50 trees: one query at a time, it has no batches."""
    index = AnnoyIndex(base.shape[1], "dot" if metric == "ip" else "euclidean")
    for i, row in enumerate(base):
        index.add_item(i, row)
    index.build(50, n_jobs=threads)

    def search(queries: Rows, ef: int) -> NDArray[np.int64]:
        found = [index.get_nns_by_vector(query, K, search_k=ef * 50) for query in queries]
        return np.array([ids + [-1] * (K - len(ids)) for ids in found], np.int64)

    return search, size_on_disk(index.save)


PEERS: dict[str, Callable[[Rows, str, int], tuple[Search, int]]] = {
    # By itself a graph of cosines or inner products walks over 8-bit codes; "Flat" makes it walk over the floats.
    "pictrieve": ours(f"HNSW{LINKS}"),
    "pictrieve float": ours(f"HNSW{LINKS},Flat"),
    "faiss": build_faiss,
    "usearch": build_usearch,
    "hnswlib": build_hnswlib,
    "annoy": build_annoy,
}
