"""The rows that encoders return, and the arguments they share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
RANDOM_SEED = 0  # of networks with random weights
ROW_TYPES = (None, "float32", "float16")  # what `precision` of a call may be


def require_supported(**arguments: tuple[Any, tuple[Any, ...]]) -> None:
    """Raise ValueError for the first argument whose value is not among the supported ones."""
    for name, (value, supported) in arguments.items():
        if value not in supported:
            raise ValueError(f"{name}: expected one of {', '.join(map(repr, supported))}, got {value!r}")


def output_rows(out: Floats | None, begin: int, count: int, dim: int) -> Floats:
    """Give `(count, dim)` rows to write: new ones, or rows `begin`... of the caller's `out`."""
    if out is None:
        return np.empty((count, dim), np.float32)
    fits = isinstance(out, np.ndarray) and out.ndim == 2 and out.shape[1] == dim and len(out) >= begin + count
    if not fits or out.dtype != np.float32:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise ValueError(f"out: expected float32 ({begin + count}, {dim}), got {got}")
    return out[begin : begin + count]


def finish(rows: Floats, precision: str | None, convert_to_tensor: bool) -> Any:
    """Give rows the type and container that the caller asked for."""
    converted = rows.astype(np.float16) if precision == "float16" else rows
    if not convert_to_tensor:
        return converted
    import torch

    return torch.from_numpy(converted)


def digest(*parts: str) -> str:
    """Give 64 hexadecimal digits that tell sequences of texts apart."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that people can read."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
