"""Loads LibTorch for the compiled core, without importing Python's torch.

The core links libtorch_cpu by a relative path that holds where both packages share a site folder. Elsewhere (a user
install beside a system torch, an editable install) the libraries are found here and loaded by their full path first.
"""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from pathlib import Path

TORCH_VERSION = "2.13.0"


def load_torch_libraries() -> None:
    """Load libc10 and libtorch_cpu of the installed torch wheel into this process."""
    spec = find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            f"pictrieve needs the libraries of torch {TORCH_VERSION}, and no torch is installed; "
            f"run: pip install torch=={TORCH_VERSION}"
        )
    folder = Path(spec.submodule_search_locations[0])
    found = _version_of(folder)
    if found != TORCH_VERSION:
        raise ImportError(
            f"pictrieve was built for torch {TORCH_VERSION}, found {found} in {folder}; "
            f"run: pip install torch=={TORCH_VERSION}"
        )
    for name in ("libc10.so", "libtorch_cpu.so"):
        ctypes.CDLL(str(folder / "lib" / name))


def _version_of(torch_folder: Path) -> str:
    """Read torch/version.py as text; a local part such as +cpu does not count."""
    for line in (torch_folder / "version.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("__version__"):
            return line.split("'")[1].split("+")[0] if "'" in line else line.split('"')[1].split("+")[0]
    return "unknown"
