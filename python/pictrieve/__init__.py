"""Turn pictures and words into vectors, and find the nearest ones."""

from __future__ import annotations

from pictrieve import _libraries

_libraries.load_torch_libraries()

from pictrieve._core import (  # noqa: E402
    DecodeError,
    Error,
    FormatError,
    num_threads,
    set_num_threads,
)
from pictrieve._core import version as _version  # noqa: E402
from pictrieve.index import Health, Index, SearchResult  # noqa: E402

__version__ = _version()

__all__ = [
    "DecodeError",
    "Error",
    "FormatError",
    "Health",
    "Index",
    "SearchResult",
    "num_threads",
    "set_num_threads",
]
