"""The next batch is read and prepared while the network computes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

_END = object()


def prefetched(batches: Any, start: int) -> Iterator[Any]:
    """Give the batches from number `start` on; another thread makes the next one meanwhile.

    Batches that can be indexed are skipped without being made. An error in making one comes when its turn has come.
    """
    indexed = hasattr(batches, "__getitem__")
    rest = (batches[i] for i in range(start, len(batches))) if indexed else islice(batches, start, None)
    with ThreadPoolExecutor(1, thread_name_prefix="pictrieve-batches") as thread:
        waiting: Future[Any] = thread.submit(next, rest, _END)
        while (batch := waiting.result()) is not _END:
            waiting = thread.submit(next, rest, _END)
            yield batch


def grouped(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Give the batches in lists of `size`; the last one may be shorter."""
    while group := list(islice(batches, size)):
        yield group
