"""What a run was set up with, and how a resumed one differs from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_SHOWN = 5  # names of a difference between two lists


def plain(setup: Mapping[str, Any]) -> dict[str, Any]:
    """Give a setup as JSON gives it back: tuples are lists, paths are texts."""
    content: dict[str, Any] = json.loads(json.dumps(setup, default=str, ensure_ascii=False))
    return content


def differences(stored: Mapping[str, Any], now: Mapping[str, Any], inside: str = "") -> list[str]:
    """Name each setting in which two setups differ, with both values."""
    found = []
    for name in {**stored, **now}:
        before, after = stored.get(name), now.get(name)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            found += differences(before, after, f"{inside}{name}.")
        elif isinstance(before, list) and isinstance(after, list):
            found.append(f"{inside}{name} ({_between(before, after)})")
        else:
            found.append(f"{inside}{name} (the run has {before!r}, now {after!r})")
    return found


def _between(before: list[Any], after: list[Any]) -> str:
    gone = [value for value in before if value not in after]
    new = [value for value in after if value not in before]
    parts = [f"{word} {_some(values)}" for word, values in (("no longer", gone), ("new", new)) if values]
    if not parts:
        parts = ["the same values in another order"]
    return f"the run has {len(before)}, now {len(after)}: " + ", ".join(parts)


def _some(values: list[Any]) -> str:
    rest = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(repr(value) for value in values[:_SHOWN]) + rest
