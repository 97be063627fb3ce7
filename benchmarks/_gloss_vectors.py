"""The vectors that the search benchmarks share: MiniLM embeddings of WordNet's glosses, computed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "gloss_vectors.npy"
WORDNET = Path("/usr/share/wordnet")  # Debian's wordnet-base
BASE_ROWS = 115_659


def glosses() -> list[str]:
    """Read the definitions in file order, each once."""
    files = [WORDNET / f"data.{name}" for name in ("noun", "verb", "adj", "adv")]
    lines = (line for file in files for line in file.open(encoding="utf-8"))
    return list(dict.fromkeys(line.split("| ", 1)[1].strip() for line in lines if not line.startswith("  ")))


def load(path: Path | None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give base rows and held-out queries, from `path`, the cache, or by encoding (some ten minutes)."""
    path = path or CACHE
    if not path.exists():
        import pictrieve as pt

        path.parent.mkdir(exist_ok=True)
        np.save(path, pt.TextEncoder("minilm").encode(glosses(), show_progress_bar=True))
    vectors = np.load(path)
    order = np.random.default_rng(0).permutation(len(vectors))
    base, held_out = np.sort(order[:BASE_ROWS]), order[BASE_ROWS:]
    return np.ascontiguousarray(vectors[base]), np.ascontiguousarray(vectors[held_out])
