"""Numbers of bytes, as people write and read them."""

from __future__ import annotations

import operator
import re

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def as_bytes(size: int | str, name: str) -> int:
    """Read 1000000, "1 MB", "1.5GB" or "2 GiB"."""
    wanted = f"{name}: expected bytes or text such as '500MB' or '2GiB', got {size!r}"
    if isinstance(size, str):
        match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([KMGT]I?|)B?", size.strip().upper(), re.ASCII)
        if match is None:
            raise ValueError(wanted)
        number = int(float(match[1]) * _UNITS[match[2]])
    elif isinstance(size, bool) or not hasattr(size, "__index__"):
        raise TypeError(wanted)
    else:
        number = operator.index(size)
    if number <= 0:
        raise ValueError(f"{name}: expected more than 0 bytes, got {size!r}")
    return number


def in_words(size: float) -> str:
    """Write 1234567 as "1.2 MB"."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
