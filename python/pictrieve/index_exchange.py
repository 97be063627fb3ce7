"""Files of other tools: FAISS is read and written, Annoy is read.

For trusted files only where FAISS is concerned: its reader follows what a file says
(https://github.com/facebookresearch/faiss/issues/5400). ``Index.save`` and ``Index.load`` are the safe way to keep an
index: checksummed, bounds-checked, complete with ids and deletions.

There is an importer for Annoy and no forest: an Annoy index takes no item in and lets none go once it is built, which
is why its users move away, and at equal recall a graph is faster and smaller than a forest.
"""

from __future__ import annotations

import os
import re

from pictrieve import _core
from pictrieve._core import FormatError
from pictrieve._index_facts import IndexFacts
from pictrieve.index import Index
from pictrieve.progress import progress_bar

_OWN_MAGIC = b"PTRVINDX"
_SOURCE_PLACE = re.compile(r"Error in .*? at \S+\.(?:cpp|h):\d+: (?:Error: '.*?' failed: )?")
_SHORT = re.compile(r"read error in .*?: \d+ != \d+ \(.*?\)")  # with an errno that says nothing


def read_faiss(
    path: str | os.PathLike[str], factory: str | None = None, *, show_progress_bar: bool | None = None
) -> Index:
    """Read a ``.faiss`` file, of FAISS up to 1.15. For files you trust only.

    IndexFlat, IndexHNSWFlat and HNSWSQ (their graph as it is), IndexIVFFlat and IVFScalarQuantizer (their centroids
    and lists as they are), IndexScalarQuantizer, IndexBinaryFlat and BinaryHNSW are taken over as what they are, with
    the ids of IndexIDMap. METRIC_L2, METRIC_INNER_PRODUCT and METRIC_L1 become "l2", "ip" and "l1"; mind that FAISS
    gives squared distances for L2, and we do not. Half floats stay as they are; scalar codes of 8 bits and fewer are
    decoded and become our SQ8, which rounds once more, by up to 1/254 of the range of a vector's numbers. Defaults of
    searches (efSearch, nprobe) are ours: set ``params`` of a search for others.

    Args:
        path: The file.
        factory: Build such an index, "HNSW32" say, from the vectors instead. This also reads what has no like here
            (PQ, LSH, pre-transforms), as far as FAISS can decode it: to approximations of the vectors.
        show_progress_bar: By default on a terminal, for work of more than a second (needs tqdm).

    Raises:
        FileNotFoundError: Where there is no such file.
        FormatError: For a damaged file, for a type that has no like here, with its name and what to do, and
            for what ``Index.save`` wrote.
        ValueError: For an unknown factory.
    """
    with open(path, "rb") as file:
        if file.read(len(_OWN_MAGIC)) == _OWN_MAGIC:
            raise FormatError(f"{os.fsdecode(path)}: a file of this library; read it with Index.load")
    with progress_bar(None, "vectors", show_progress_bar) as report:
        try:
            return Index._around(_core.read_faiss(os.fsencode(path), factory or "", report))
        except FormatError as error:  # FAISS tells where in its own sources it noticed
            raise FormatError(_SHORT.sub("it ends too early", _SOURCE_PLACE.sub("", str(error)))) from None


def write_faiss(index: IndexFacts, path: str | os.PathLike[str], *, show_progress_bar: bool | None = None) -> None:
    """Write an index for FAISS 1.7.3 and later, replacing ``path`` in one step.

    Flat, HNSW (the same graph) and IVF (the same centroids) with vectors of any dtype, or with ``RFlat``, become
    IndexFlat, IndexHNSWFlat and IndexIVFFlat in float32; BFlat and BHNSW their binary kinds. Deleted items are left
    out, a graph is mended around them. Ids other than 0, 1, 2, ... travel in an IndexIDMap (IVF has its own). Metrics:
    "l2", "ip" and "l1" as they are, and "cosine" as the inner product of vectors divided by their length: queries in
    FAISS have to be divided by theirs. Takes the memory of two more copies of the vectors.

    Args:
        index: What to write; it stays as it is.
        path: The file, replaced if it exists.
        show_progress_bar: As in ``read_faiss``.

    Raises:
        ValueError: For what FAISS has no like of: other metrics, codes without the vectors, BHash.
    """
    with progress_bar(len(index), "vectors", show_progress_bar) as report:
        _core.write_faiss(index._core, os.fsencode(path), report)


def read_annoy(
    path: str | os.PathLike[str],
    dim: int,
    metric: str = "angular",
    factory: str | None = None,
    *,
    show_progress_bar: bool | None = None,
) -> Index:
    """Build an index from the vectors in an Annoy file (1.9 to 1.17.3), with its item numbers as ids.

    Safe with any file: the trees, which would have to be followed, are passed over.

    Args:
        path: What ``AnnoyIndex(dim, metric).save(path)`` wrote.
        dim: As the file was made with; the file does not say.
        metric: Annoy's name: "angular" (ours: cosine), "euclidean" (l2), "manhattan" (l1), "dot" (ip) or "hamming",
            whose vectors become bits as ``numpy.packbits`` has them, filled up to whole bytes with zeros.
        factory: Of the new index, by default "HNSW32", and "BHNSW32" for hamming.
        show_progress_bar: As in ``read_faiss``.

    Raises:
        FileNotFoundError: Where there is no such file.
        FormatError: For a damaged file and for another dim or metric than it was made with, where that shows.
        ValueError: For an unknown metric or factory.
    """
    with progress_bar(None, "vectors", show_progress_bar) as report:
        return Index._around(_core.read_annoy(os.fsencode(path), dim, metric, factory or "", report))
