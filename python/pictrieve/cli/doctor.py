"""The doctor command: is this installation sound, and what would a bug report need?"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sqlite3
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import pictrieve
from pictrieve import _core, images, models
from pictrieve.cli.output import show, show_json

_OPENMP = re.compile(r"/[^/\s]*lib(?:gomp|iomp5|omp)[^/\s]*\.so[^\s]*$")
_EXTRAS = ("tqdm", "pandas", "PIL", "skimage", "IPython")


def doctor(options: argparse.Namespace) -> int:
    """Print the facts, then what is wrong; 1 where something is."""
    facts = collect()
    problems = find_problems(facts)
    if options.json:
        show_json({**facts, "problems": problems})
        return 1 if problems else 0
    for key, value in facts.items():
        name = key.replace("_", " ")
        if isinstance(value, dict):
            show(f"{name}: " + ", ".join(f"{k} {v}" for k, v in value.items()))
        elif isinstance(value, list):
            show(f"{name}:" + "".join(f"\n  {line}" for line in value) if value else f"{name}: none")
        else:
            show(f"{name}: {value}")
    show("\n".join(f"problem: {problem}" for problem in problems) or "no problems found")
    return 1 if problems else 0


def collect() -> dict[str, Any]:
    """Gather versions, libraries that are really loaded, processor target, threads and weights."""
    images.decode(images.encode_jpeg(np.zeros((8, 8, 3), np.uint8)))  # loads the decoders, as any real work does
    torch = find_spec("torch")
    libraries = loaded_libraries()
    return {
        "pictrieve": pictrieve.__version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": f"{platform.platform()}, {os.cpu_count()} processors",
        "numpy": np.__version__,
        "sqlite": sqlite3.sqlite_version,
        "torch_folder": str(Path(torch.origin).parent) if torch is not None and torch.origin else "missing",
        "torch_libraries": [path for path in libraries if re.search(r"lib(torch|c10)[^/]*\.so", path)],
        "openmp_runtimes": [path for path in libraries if _OPENMP.search(path)],
        "simd": _core.simd_target(),
        "threads": _core.num_threads(),
        "models": [
            f"{m.name}: {m.kind}, weights {m.weights}, {m.licence}"
            for m in models.list_models()
            if m.package or m.weights != "none"  # not every architecture that could be given weights
        ],
        "extras": {name: "present" if find_spec(name) else "absent" for name in _EXTRAS},
    }


def loaded_libraries() -> list[str]:
    """List the shared libraries that this process has mapped."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    return sorted({line.split(maxsplit=5)[5] for line in lines if ".so" in line and "/" in line})


def find_problems(facts: dict[str, Any]) -> list[str]:
    """Say what is wrong with what was collected, each with its remedy."""
    problems = []
    if len(facts["openmp_runtimes"]) > 1:
        problems.append(
            f"{len(facts['openmp_runtimes'])} OpenMP runtimes are loaded, expected 1: threads will fight "
            f"over the "
            "processors, and crashes are known; look for a package that brings its own (pip list)"
        )
    if not facts["torch_libraries"]:
        problems.append("the libraries of torch are not loaded; run: pip install --force-reinstall torch==2.13.0")
    if any("weights none" in line for line in facts["models"]):
        problems.append("weights are missing; run: pip install 'pictrieve[models]'")
    return problems
