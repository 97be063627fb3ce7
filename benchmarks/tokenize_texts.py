"""P3: every tokenizer on 40,000 WordNet glosses against Hugging Face tokenizers; ids first, then time.

Arguments: a folder with gpt2.vocab.json, gpt2.merges.txt and clip_bpe_simple_vocab_16e6.txt.gz; without it WordPiece
and Unigram (trained here) are measured alone.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from _gloss_vectors import glosses
from _pairing import medians, say_machine

import pictrieve as pt


def described(tokenizer: pt.text.Tokenizer) -> tuple[pt.text.Tokenizer, Any]:
    """Give a tokenizer with the reference's of the same description."""
    from tokenizers import Tokenizer

    return tokenizer, Tokenizer.from_str(json.dumps(tokenizer.to_json()))


def trained_unigram(texts: list[str]) -> tuple[pt.text.Tokenizer, Any]:
    """Train a Unigram model of 8,000 tokens on some of the texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    reference = Tokenizer(models.Unigram())
    reference.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = trainers.UnigramTrainer(
        vocab_size=8_000, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )
    reference.train_from_iterator(texts[::8], trainer)
    with tempfile.TemporaryDirectory() as folder:
        reference.save(str(Path(folder) / "tokenizer.json"))
        return pt.text.load_tokenizer(folder), reference


def pairs(texts: list[str]) -> dict[str, tuple[pt.text.Tokenizer, Any]]:
    """Make each tokenizer and its reference."""
    minilm = pt.TextEncoder("minilm").tokenizer
    found = {"WordPiece": described(minilm), "Unigram": trained_unigram(texts)}
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        gpt2 = pt.text.BPETokenizer(folder / "gpt2.vocab.json", folder / "gpt2.merges.txt")
        found["GPT-2"] = described(gpt2)
        found["CLIP"] = described(pt.text.CLIPTokenizer(folder / "clip_bpe_simple_vocab_16e6.txt.gz"))
    return found


def main() -> None:
    """Compare ids, then time both by turns, on equally many threads."""
    os.environ["RAYON_NUM_THREADS"] = str(pt.num_threads())
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    say_machine()
    texts = glosses()[:40_000]
    for name, (ours, reference) in pairs(texts).items():
        batch = ours.encode_batch(texts, padding=False)
        for i, expected in enumerate(reference.encode_batch(texts)):
            if batch.ids[batch.offsets[i] : batch.offsets[i + 1]].tolist() != expected.ids:
                raise SystemExit(f"P3 {name}: ids differ: {texts[i]!r}")
        taken = medians(
            {
                "tokenizers": lambda reference=reference: reference.encode_batch(texts),
                "pictrieve": lambda ours=ours: ours.encode_batch(texts, padding=False),
            }
        )
        for side, median in taken.items():
            print(f"  {side:28s} {len(texts) / median:12,.0f} texts/s")
        print(f"P3 {name}: {taken['tokenizers'] / taken['pictrieve']:.1f}")


if __name__ == "__main__":
    main()
