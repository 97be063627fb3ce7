"""Vectors of benchmarks: TEXMEX's .fvecs, .ivecs and .bvecs, big-ann's .fbin and kin, .npy, and HDF5."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictrieve.datasets.columns import optional
from pictrieve.datasets.reading import StrPath

_RECORDS = {".fvecs": "<f4", ".ivecs": "<i4", ".bvecs": "u1"}  # each vector behind its own dimension
_BLOCKS = {".fbin": "<f4", ".ibin": "<i4", ".u8bin": "u1", ".i8bin": "i1"}  # count, dimension, then all vectors
_HDF5 = (".hdf5", ".h5")


def read_vectors(path: StrPath, *, key: str | None = None, rows: int | None = None) -> NDArray[Any]:
    """Read `(n, d)` vectors; all but HDF5 stay on disk, mapped into memory, until they are used.

    Args:
        path: .fvecs, .ivecs or .bvecs (TEXMEX), .fbin, .ibin, .u8bin or .i8bin (big-ann-benchmarks), .npy, .hdf5 or .h5
            (ann-benchmarks: "train", "test", "neighbors", "distances").
        key: Data set inside of an HDF5 file; None: the only one.
        rows: Read the first rows only.

    Returns:
        The numbers in the file's own type; a read-only view where the file is mapped.

    Raises:
        FileNotFoundError: No such file.
        ImportError: HDF5 needs h5py: the extra "datasets".
        ValueError: An unknown suffix, a damaged file, an absent key (lists those there are).

    Example:
        >>> import numpy as np
        >>> np.array([2, 7, 9], "<i4").tofile("two.ivecs")
        >>> read_vectors("two.ivecs").tolist()
        [[7, 9]]
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if not file.is_file():
        raise FileNotFoundError(2, "read_vectors: no such file", str(path))
    if suffix in _RECORDS:
        return _records(file, np.dtype(_RECORDS[suffix]))[:rows]
    if suffix in _BLOCKS:
        return _block(file, np.dtype(_BLOCKS[suffix]))[:rows]
    if suffix == ".npy":
        return read_npy(file)[:rows]
    if suffix in _HDF5:
        return _hdf5(file, key, rows)
    known = ", ".join([*_RECORDS, *_BLOCKS, ".npy", *_HDF5])
    raise ValueError(f"{path}: expected one of {known}, got {suffix or 'no suffix'!r}")


def read_npy(file: Path) -> NDArray[Any]:
    """Map the numbers of a .npy file into memory; a pickle in it is never read.

    Raises:
        ValueError: It is none, is cut off, or holds Python objects; names the file.
    """
    try:
        return np.lib.format.open_memmap(os.fspath(file), mode="r")
    except ValueError as error:
        raise ValueError(f"{file}: expected a .npy file of numbers, {error}") from error


def _records(file: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    size = os.path.getsize(file)
    dim = int(np.fromfile(file, "<i4", 1)[0]) if size >= 4 else 0
    record = 4 + dim * dtype.itemsize
    if dim < 1 or size % record:
        raise ValueError(f"{file}: expected records of a dimension and as many {dtype}, got {dim} and {size} bytes")
    raw = np.memmap(file, np.uint8, "r", shape=(size // record, record))
    dims = np.ascontiguousarray(raw[:, :4]).view("<i4")[:, 0]
    if not (dims == dim).all():
        row = int(np.flatnonzero(dims != dim)[0])
        raise ValueError(f"{file}: expected dimension {dim} in every record, got {dims[row]} in record {row}")
    return np.ndarray((len(raw), dim), dtype, raw, 4, (record, dtype.itemsize))


def _block(file: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    head = np.fromfile(file, "<u4", 2)
    count, dim = (int(number) for number in head) if len(head) == 2 else (0, 0)
    size = os.path.getsize(file)
    if size != 8 + count * dim * dtype.itemsize or dim < 1:
        raise ValueError(f"{file}: expected 8 bytes and {count} x {dim} {dtype}, got {size} bytes")
    return np.memmap(file, dtype, "r", 8, (count, dim))


def _hdf5(file: Path, key: str | None, rows: int | None) -> NDArray[Any]:
    h5py = optional("h5py", "datasets", "reading HDF5")
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        raise ValueError(f"{file}: expected an HDF5 file, {error}") from error
    with opened:
        names = [name for name in opened if hasattr(opened[name], "shape")]
        name = names[0] if key is None and len(names) == 1 else key
        if name not in names:
            raise ValueError(f"{file}: expected key= one of {', '.join(map(repr, names))}, got {key!r}")
        return np.asarray(opened[name][:rows])
