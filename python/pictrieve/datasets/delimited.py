"""Tables of cells between separators: csv, tsv, and what Excel writes where the comma is for decimals."""

from __future__ import annotations

import csv
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SEPARATORS = ",;\t|"
_LARGEST = 2**31 - 1  # of a cell; what a C long holds everywhere
_limit_lock = threading.Lock()


def separator_of(head: str, usual: str) -> str:
    """Give the usual separator, unless the head has none of it and one of the others."""
    there = [one for one in _SEPARATORS if one in head]
    return there[0] if usual not in there and len(there) == 1 else usual


def read_delimited(text: str, usual: str, source: str) -> list[dict[str, Any]]:
    """Read one dict for each row; blanks around the names of columns do not count.

    Where separators in the head are followed by a blank, they are so in all lines: "path, label".

    Raises:
        ValueError: A name that comes twice, a line with more or fewer cells than the head, an open quote.
    """
    first = re.match(r"[^\r\n]*", text)
    head = first[0] if first else ""
    separator = separator_of(head, usual)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=f"{separator} " in head
    )
    rows: list[dict[str, Any]] = []
    try:
        with _any_length():
            names = [name.strip() for name in next(reader, [])]
            if len(set(names)) != len(names):
                raise ValueError(f"{source}, line 1: expected different names of columns, got {names}")
            for cells in reader:
                if cells and len(cells) != len(names):
                    raise ValueError(
                        f"{source}, line {reader.line_num}: expected {len(names)} cells as the head has, "
                        f'got {len(cells)}; {separator!r} separates them, text with one inside goes into "quotes"'
                    )
                if cells:
                    rows.append(dict(zip(names, cells, strict=True)))
    except csv.Error as error:
        raise ValueError(
            f"{source}, line {reader.line_num}: {error}, separated by {separator!r}; is a quote left open?"
        ) from None
    return rows


@contextmanager
def _any_length() -> Iterator[None]:
    """Let cells be longer than 131072 characters; the limit is one for the process, so it is put back."""
    with _limit_lock:
        former = csv.field_size_limit(_LARGEST)
        try:
            yield
        finally:
            csv.field_size_limit(former)
