"""What an index will cost before it is built: bytes, seconds and expected recall."""

from __future__ import annotations

import os
import sys
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from pictrieve import _core
from pictrieve._index_arguments import MOST, dtype_name, whole_number
from pictrieve.sizes import as_bytes, in_words

_GRAPH_PAYS_FROM = 20_000  # rows; the core's own limit for "auto"
_LEAST_FOR_PQ = 256  # rows, to learn codebooks from
_LINK_BYTES = 32 * 2 * 4 + 4 * 5  # 64 base links, about 2 above, an offset and a level a row
_PRODUCTS = ("cosine", "ip", "l2", "pearson", "hellinger")
# Of text embeddings: 21,000 glosses gave 0.99, 0.99 and 0.80; less is said for graphs, as more rows are harder.
_EXPECTED = {"Flat": 1.0, "HNSW32": 0.97, "HNSW32,SQ8": 0.95, "IVF": 0.80}


class Plan(NamedTuple):
    """An index that was thought through and not built.

    Attributes:
        factory: The factory string for ``pt.Index``.
        rows: Vectors that it is meant for.
        bytes: Memory of vectors or codes, with codebooks, and of the structure.
        seconds: Time to build it, extrapolated from a graph of up to 1,500 vectors that was built just now; for Flat
            the copying, for lists of codes a rough guess by the same graph.
        recall: Share of the true 10 nearest with default parameters that is typical of text embeddings at 100,000; a
            rule of thumb and not measured on your vectors, which ``Index.health`` does.
        reason: Why this one.
    """

    factory: str
    rows: int
    bytes: int
    seconds: float
    recall: float
    reason: str

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"plan for {self.rows:,} vectors: {self.factory}, {in_words(self.bytes)}, "
            f"about {self.seconds:.0f} s to build, expected recall@10 {self.recall:.2f} ({self.reason})"
        )


def plan(
    rows: int, dim: int, metric: str = "cosine", *, dtype: DTypeLike = "float32", max_memory: int | str | None = None
) -> Plan:
    """Choose an index for a number of vectors, and say what it costs, before anything is built.

    Args:
        rows: Vectors to come.
        dim: Numbers (bits) in each.
        metric: As in ``pt.Index``; metrics that codes cannot serve get no codes.
        dtype: Of the vectors that are kept. A factory of codes (its reason says "codes") takes the place of a dtype:
            build it without one.
        max_memory: Bytes, or such as "2GB"; by default half of what the machine has free.

    Returns:
        Exact up to 20,000 vectors; then a graph; then, where memory is short, a graph over 8-bit codes; then
        lists of product codes.

    Raises:
        ValueError: Where no index of so many vectors fits, for sizes that are not positive, and for a metric or
            dtype that ``pt.Index`` refuses.
    """
    rows, dim, dtype = whole_number("rows", rows, 0), whole_number("dim", dim, 1, MOST), dtype_name(dtype)
    _core.Index.create(dim, metric, "Flat", dtype, 0, 200)  # refuses what no index takes
    memory = _free_bytes() // 2 if max_memory is None else as_bytes(max_memory, "max_memory")
    candidates = _candidates(rows, dim, metric, dtype)
    for factory, needed in candidates:
        if needed <= memory:
            name = "B" + factory if dtype == "bits" else factory
            recall = _EXPECTED["IVF" if factory.startswith("IVF") else factory]
            seconds = _build_seconds(rows, dim, factory)
            return Plan(name, rows, needed, seconds, recall, _reason(factory, dtype))
    least = min(needed for _, needed in candidates)
    raise ValueError(
        f"max_memory: {rows:,} vectors of {dim} need at least {in_words(least)}, got {in_words(memory)}; "
        f"{_remedy(metric, dtype)}split the collection"
    )


def _candidates(rows: int, dim: int, metric: str, dtype: str) -> list[tuple[str, int]]:
    """Give factories from the best to the smallest, with the bytes that each takes."""
    width = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "int8": 1.0, "bits": 1 / 8}[dtype]
    vectors = int(rows * (dim * width + 17))  # 17: id, flag and length
    candidates = [("Flat", vectors)] if rows <= _GRAPH_PAYS_FROM else []
    coded = dtype == "float32" and dim >= 64 and metric in _PRODUCTS
    candidates.append(("HNSW32", vectors + rows * _LINK_BYTES + (rows * (dim + 16) if coded else 0)))
    if dtype != "bits" and metric in _PRODUCTS:
        sub = max(m for m in range(1, dim // 4 + 2) if dim % m == 0)
        lists = int(np.clip(4 * np.sqrt(rows), 1, 65_536))
        candidates.append(("HNSW32,SQ8", rows * (dim + 25 + _LINK_BYTES)))
        if rows >= _LEAST_FOR_PQ:
            product = rows * (sub + 21) + 256 * dim * 4 + lists * ((dim + 1) * 4 + 32)
            candidates.append((f"IVF{lists},PQ{sub}", product))
    return candidates


def _remedy(metric: str, dtype: str) -> str:
    if dtype == "bits":
        return "keep fewer bits, or "
    if metric in _PRODUCTS:
        return "lower dim with a PCA, or "
    return "keep them as dtype='float16', or " if dtype == "float32" else ""


class AutoPlan:
    """Says what an index with factory "auto" becomes, each time that this changes."""

    def __init__(self, max_memory: int | None, seed: int, ef_construction: int) -> None:
        """Remember the limit (None: half of what the machine has free when vectors come) and how to build."""
        self._max_memory = max_memory
        self._build = seed, ef_construction
        self._said = ""

    def before_add(self, core: _core.Index, count: int) -> _core.Index:
        """Print the plan for what will be there; where memory is short, give an empty index of codes instead."""
        info = core.info()
        rows = core.size() + count
        kind = "Flat" if rows <= _GRAPH_PAYS_FROM else "graph"
        if count == 0 or self._said in (kind, "codes"):
            return core
        chosen = plan(rows, info.dim, info.metric, dtype=info.dtype, max_memory=self._max_memory)
        print(chosen, file=sys.stderr)
        codes = chosen.factory.startswith("IVF") or chosen.factory.endswith("SQ8")
        self._said = "codes" if codes else kind
        if not codes or core.size() > 0:
            return core
        coded = _core.Index.create(info.dim, info.metric, chosen.factory, "float32", *self._build)
        coded.set_params(info.params)
        return coded


def _reason(factory: str, dtype: str) -> str:
    if factory == "Flat":
        return f"up to {_GRAPH_PAYS_FROM:,} vectors comparing with all is quick and exact"
    if factory == "HNSW32":
        return "a graph fits into memory"
    return f"memory is short: codes instead of {'' if dtype == 'float32' else dtype + ' '}vectors"


def _free_bytes() -> int:
    """Memory that programs may take, which includes what the system keeps of files; elsewhere what is unused."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _build_seconds(rows: int, dim: int, factory: str) -> float:
    """Extrapolate from the building of a small graph: each row is compared with about the logarithm of the rows."""
    if factory == "Flat" or rows < 2:
        return rows * dim * 4 / 2e9
    sample = min(rows, 1500)
    vectors = np.random.default_rng(0).standard_normal((sample, dim), dtype=np.float32)
    index = _core.Index.create(dim, "cosine", "HNSW32", "float32", 0, 200)
    start = time.perf_counter()
    index.add(vectors, None, False, None)
    spent = time.perf_counter() - start
    return float(spent * rows / sample * max(1.0, np.log(rows) / np.log(sample)))
