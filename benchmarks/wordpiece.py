"""P3: texts per second of WordPiece against Hugging Face's tokenizers, ids compared first.

Run: python benchmarks/wordpiece.py VOCAB_TXT [count]. Texts: definitions of WordNet (Debian's wordnet-base).
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pictrieve as pt
from pictrieve.text import WordPieceTokenizer

THREADS = 2
ROUNDS = 7


def glosses(count: int) -> list[str]:
    """Read the first definitions of WordNet."""
    folder = Path("/usr/share/wordnet")
    texts: list[str] = []
    for name in ("noun", "verb", "adj", "adv"):
        with (folder / f"data.{name}").open(encoding="utf-8") as lines:
            texts += [line.split("| ", 1)[1].strip() for line in lines if not line.startswith("  ")]
    return texts[:count]


def seconds(run: Callable[[], object]) -> float:
    """Time one call."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    """Compare ids, then time both by turns."""
    os.environ["RAYON_NUM_THREADS"] = str(THREADS)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    from tokenizers.implementations import BertWordPieceTokenizer

    vocab, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 40_000
    texts = glosses(count)
    pt.set_num_threads(THREADS)
    ours, reference = WordPieceTokenizer(vocab), BertWordPieceTokenizer(vocab)
    batch = ours.encode_batch(texts, padding=False)
    for i, expected in enumerate(reference.encode_batch(texts)):
        if batch.ids[batch.offsets[i] : batch.offsets[i + 1]].tolist() != expected.ids:
            raise SystemExit(f"ids differ: {texts[i]!r}")
    runs: dict[str, Callable[[], object]] = {
        "reference": lambda: reference.encode_batch(texts),
        "packed": lambda: ours.encode_batch(texts, padding=False),
        "padded": lambda: ours.encode_batch(texts),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(seconds(run))
    for name, values in times.items():
        rate = len(texts) / statistics.median(values)
        print(f"{name}: {rate:,.0f} texts/s, {min(values):.4f}..{max(values):.4f} s, {THREADS} threads")
    ratio = statistics.median(times["reference"]) / statistics.median(times["packed"])
    print(f"P3 tokenizer: {ratio:.1f}")


if __name__ == "__main__":
    main()
