"""P3: WordPiece on 40,000 WordNet glosses against Hugging Face tokenizers; ids first, then time."""

from __future__ import annotations

import os

from _gloss_vectors import glosses
from _pairing import medians, say_machine

import pictrieve as pt


def main() -> None:
    """Compare ids, then time both by turns, on equally many threads."""
    os.environ["RAYON_NUM_THREADS"] = str(pt.num_threads())
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    from tokenizers.implementations import BertWordPieceTokenizer

    say_machine()
    vocab = str(pt.models.resolve("minilm").weights.parent / "vocab.txt")
    texts = glosses()[:40_000]
    ours, reference = pt.text.WordPieceTokenizer(vocab), BertWordPieceTokenizer(vocab)
    batch = ours.encode_batch(texts, padding=False)
    for i, expected in enumerate(reference.encode_batch(texts)):
        if batch.ids[batch.offsets[i] : batch.offsets[i + 1]].tolist() != expected.ids:
            raise SystemExit(f"P3 tokenizer: ids differ: {texts[i]!r}")
    taken = medians(
        {
            "tokenizers": lambda: reference.encode_batch(texts),
            "pictrieve, packed": lambda: ours.encode_batch(texts, padding=False),
            "pictrieve, padded": lambda: ours.encode_batch(texts),
        }
    )
    for name, median in taken.items():
        print(f"  {name:28s} {len(texts) / median:12,.0f} texts/s")
    print(f"P3 tokenizer: {taken['tokenizers'] / taken['pictrieve, packed']:.1f}")


if __name__ == "__main__":
    main()
