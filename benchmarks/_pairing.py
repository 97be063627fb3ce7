"""Ratios of medians, both sides alternating in one run: the only way a speed is claimed here."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def medians(sides: dict[str, Callable[[], object]], repeats: int = 7) -> dict[str, float]:
    """Time each side `repeats` times, in turn, after one untimed round; give the median seconds of each."""
    for work in sides.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, work in sides.items():
            times[name].append(seconds(work))
    for name, taken in times.items():
        print(f"  {name:28s} median {statistics.median(taken):9.4f} s   min {min(taken):9.4f}   max {max(taken):9.4f}")
    return {name: statistics.median(taken) for name, taken in times.items()}


def say_machine() -> None:
    """Print what the figures below were measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        lines = info.read()
    model = next(line.split(":")[1].strip() for line in lines.splitlines() if line.startswith("model name"))
    simd = "AVX-512" if " avx512f" in lines else "AVX2" if " avx2" in lines else "SSE"
    print(f"machine: {model}, {os.cpu_count()} cores, {simd}")
