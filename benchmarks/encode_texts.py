"""P1: MiniLM embeddings of 2,000 WordNet glosses against sentence-transformers (and transformers for exactness)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from _gloss_vectors import glosses
from _pairing import medians, say_machine

import pictrieve as pt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "conformance"))
import reference_torchvision  # noqa: F401  (sentence-transformers imports torchvision)
from sentence_transformers import SentenceTransformer

FOLDER = pt.models.resolve("minilm").weights.parent


def main() -> None:
    """Compare, then time."""
    say_machine()
    texts = glosses()[::57][:2000]
    ours = pt.TextEncoder("minilm")
    theirs = SentenceTransformer(str(FOLDER), device="cpu")
    a = ours.encode(texts)
    b = theirs.encode(texts, normalize_embeddings=True)
    worst = float(np.abs(a - b).max())
    lowest = float((a * b).sum(axis=1).min())
    print(f"accuracy: largest difference {worst:.2e}, lowest cosine {lowest:.7f}")
    if worst > 1e-5 or lowest < 0.99999:
        raise SystemExit("P1 texts: embeddings differ, nothing is timed")
    taken = medians(
        {
            "pictrieve": lambda: ours.encode(texts),
            "sentence-transformers": lambda: theirs.encode(texts, normalize_embeddings=True),
        },
        repeats=5,
    )
    for name, median in taken.items():
        print(f"  {name}: {len(texts) / median:.0f} texts/s")
    print(f"P1 texts: {taken['sentence-transformers'] / taken['pictrieve']:.2f}")


if __name__ == "__main__":
    main()
