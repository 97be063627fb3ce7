"""P10: `import pictrieve` and a cold `pictrieve search` on 100,000 items, against `import torch`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _pairing import medians, say_machine

import pictrieve as pt

ITEMS = 100_000


def fill(folder: Path) -> Path:
    """Make a gallery of 100,000 synthetic items with the real encoders' dimensions and fingerprints."""
    gallery = pt.Gallery.create(folder / "big.gallery")
    rng = np.random.default_rng(0)
    for start in range(0, ITEMS, 10_000):
        vectors = {
            name: rng.standard_normal((10_000, dim), dtype=np.float32)
            for name, dim in (("features", 1280), ("dual", 1000))
        }
        gallery.add(vectors=vectors, metadata=[{"n": start + i} for i in range(10_000)])
    gallery.close()
    return folder / "big.gallery"


def main() -> None:
    """Fill, check that the search answers, then time whole processes."""
    say_machine()
    with tempfile.TemporaryDirectory() as folder:
        path = fill(Path(folder))
        search = [
            sys.executable,
            "-m",
            "pictrieve",
            "search",
            str(path),
            "--text",
            "a red apple",
            "-k",
            "10",
            "--json",
        ]
        found = subprocess.run(search, capture_output=True, text=True, check=True)
        if found.stdout.count('"rank"') != 10:
            raise SystemExit(f"P10 startup: expected 10 hits, got {found.stdout}")

        def process(*command: str) -> None:
            subprocess.run(command, check=True, capture_output=True)

        taken = medians(
            {
                "import torch": lambda: process(sys.executable, "-c", "import torch"),
                "import pictrieve": lambda: process(sys.executable, "-c", "import pictrieve"),
                "pictrieve search, cold": lambda: process(*search),
            }
        )
    print(f"P10 import: {taken['import pictrieve'] / taken['import torch']:.2f}")
    print(f"P10 cold search: {taken['pictrieve search, cold'] / taken['import torch']:.2f}")


if __name__ == "__main__":
    main()
