"""What is loaded into the process, how fast, and from where."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pictrieve


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_does_not_import_torch() -> None:
    loaded = json.loads(run("import pictrieve, sys, json; print(json.dumps(sorted(sys.modules)))"))
    assert "torch" not in loaded
    assert {"PIL", "pandas", "tqdm", "IPython"}.isdisjoint(loaded)


@pytest.mark.parametrize("order", ["import pictrieve, torch", "import torch, pictrieve"])
def test_torch_keeps_its_threads_and_there_is_one_openmp(order: str) -> None:
    script = f"""
{order}
import numpy as np, re
before = torch.get_num_threads()
encoder = pictrieve.ImageEncoder("efficientnet_lite0", weights="random")
encoder.encode([np.zeros((64, 64, 3), np.uint8)] * 8)
pictrieve.TextEncoder("minilm").encode(["one", "two"] * 50)
index = pictrieve.Index(8); index.add(np.eye(8, dtype=np.float32)); index.search(np.eye(8, dtype=np.float32), 2)
assert torch.get_num_threads() == before, (torch.get_num_threads(), before)
assert np.allclose((torch.eye(64) @ torch.ones(64, 64)).numpy(), 1)
mapped = open("/proc/self/maps").read()
print(sorted(set(re.findall(r"/\\S*lib(?:g|i)omp\\S*\\.so\\S*", mapped))))
"""
    assert len(eval(run(script))) == 1


def test_blas_is_the_one_inside_torch() -> None:
    """Of the libraries needed by libpictrieve, libtorch_cpu is searched first: its MKL serves our sgemm_."""
    core = Path(pictrieve._core.__file__).parent / "libpictrieve.so"
    needed = [
        line.split("[")[1].rstrip("]")
        for line in subprocess.run(
            ["readelf", "-d", core], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        if "NEEDED" in line
    ]
    assert needed[0] == "libtorch_cpu.so"


def test_faiss_stays_hidden() -> None:
    core = Path(pictrieve._core.__file__).parent / "libpictrieve.so"
    exported = subprocess.run(["nm", "-DC", "--defined-only", core], capture_output=True, text=True, check=True).stdout
    assert "pictrieve::" in exported
    assert not [line for line in exported.splitlines() if " T faiss::" in line]


def test_the_module_finds_torch_by_a_relative_path() -> None:
    for name in ("libpictrieve.so", Path(pictrieve._core.__file__).name):
        library = Path(pictrieve._core.__file__).parent / name
        dynamic = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
        assert "$ORIGIN/../torch/lib" in dynamic, name
