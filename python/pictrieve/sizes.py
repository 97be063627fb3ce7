"""Numbers of bytes, as people write and read them."""

from __future__ import annotations

_UNITS = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4}


def as_bytes(size: int | str, name: str) -> int:
    """Read 1000000, "1 MB" or "1.5GB"."""
    if isinstance(size, str):
        text = size.strip().upper()
        unit = max((unit for unit in _UNITS if text.endswith(unit)), key=len, default="")
        try:
            size = int(float(text.removesuffix(unit)) * _UNITS.get(unit, 1))
        except ValueError:
            raise ValueError(f"{name}: expected bytes such as 500000000 or '500MB', got {text!r}") from None
    if size <= 0:
        raise ValueError(f"{name}: expected more than 0 bytes, got {size}")
    return int(size)


def in_words(size: float) -> str:
    """Write 1234567 as "1.2 MB"."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
