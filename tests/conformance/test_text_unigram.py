"""SentencePiece's Unigram models against Hugging Face's tokenizers and SentencePiece itself."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from text_samples import SAMPLES, differing, differing_from, random_texts
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import SiglipTokenizer, T5Tokenizer, XLMRobertaTokenizer

from pictrieve import text

SPECIAL = ["<s>", "</s>", "<mask>", "<pad>", "<extra_id_0>", "▁", "\u200d", "©"]


@pytest.fixture(scope="module")
def texts(glosses: list[str]) -> list[str]:
    return [*glosses[:40_000], *SAMPLES, *random_texts(5_000, SPECIAL)]


def train(corpus: list[str], **options: Any) -> bytes:
    """Train a SentencePiece model; its normaliser is NFKC with more of its own, as in all published models."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus),
        model_writer=model,
        vocab_size=2_500,
        character_coverage=0.999,
        hard_vocab_limit=False,
        num_threads=2,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


@pytest.fixture(scope="module")
def corpus(glosses: list[str]) -> list[str]:
    readable = [sample for sample in SAMPLES if sample.strip() and "\0" not in sample]
    return [*glosses[:5_000], *readable * 3]


def test_xlm_roberta(corpus: list[str], texts: list[str], tmp_path: Path) -> None:
    (tmp_path / "sentencepiece.bpe.model").write_bytes(train(corpus))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "XLMRobertaTokenizer"}')
    reference = XLMRobertaTokenizer.from_pretrained(tmp_path)
    ours = text.load_tokenizer(tmp_path)
    assert [ours.id_of(token) for token in ("<s>", "<pad>", "</s>", "<unk>")] == [0, 1, 2, 3]
    assert ours.id_of("<mask>") == ours.vocab_size - 1 == reference.convert_tokens_to_ids("<mask>")
    assert differing_from(reference.backend_tokenizer, ours, texts) == []
    reference.save_pretrained(tmp_path / "fast")
    fast = text.UnigramTokenizer.from_pretrained(tmp_path / "fast")
    assert differing_from(reference.backend_tokenizer, fast, texts[39_000:]) == []
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "tokenizer.json").write_text(json.dumps(ours.to_json()))
    again = Tokenizer.from_file(str(tmp_path / "ours" / "tokenizer.json"))
    assert differing_from(again, ours, texts[39_000:]) == []
    for ids in ours.encode_batch(texts[39_000:40_200]).ids:
        for skip in (True, False):
            assert ours.decode(ids, skip) == reference.backend_tokenizer.decode(ids.tolist(), skip_special_tokens=skip)


def test_t5(corpus: list[str], texts: list[str], tmp_path: Path) -> None:
    options = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    (tmp_path / "spiece.model").write_bytes(train(corpus, **options))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer", "extra_ids": 100}')
    reference = T5Tokenizer.from_pretrained(tmp_path)
    ours = text.load_tokenizer(tmp_path)
    assert differing_from(reference.backend_tokenizer, ours, texts[30_000:]) == []


def test_siglip(corpus: list[str], texts: list[str], tmp_path: Path) -> None:
    options = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    (tmp_path / "spiece.model").write_bytes(train(corpus, **options))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "SiglipTokenizer", "model_max_length": 64}')
    reference = SiglipTokenizer.from_pretrained(tmp_path)
    ours = text.load_tokenizer(tmp_path)
    chosen = [t for t in texts[38_000:] if "Σ" not in t and "<" not in t]  # Python writes a final sigma, see below
    expected = reference(chosen, padding="max_length", max_length=64, truncation=True)["input_ids"]
    batch = ours.encode_batch(chosen, max_length=64)
    assert batch.ids.shape == (len(chosen), 64)
    wrong = [t for t, row, want in zip(chosen, batch.ids.tolist(), expected, strict=True) if row != want]
    assert wrong == []
    assert batch.mask.all()  # SigLIP reads its padding


@pytest.mark.parametrize("byte_fallback", [False, True])
@pytest.mark.parametrize("scheme", ["always", "first", "never"])
def test_trained_unigram(
    glosses: list[str], texts: list[str], tmp_path: Path, scheme: str, byte_fallback: bool
) -> None:
    reference = Tokenizer(models.Unigram())
    reference.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace("``", '"'), normalizers.Strip(), normalizers.NFC()]
    )
    split = scheme != "first"
    reference.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    fallback = [f"<0x{byte:02X}>" for byte in range(256)] if byte_fallback else []
    trainer = trainers.UnigramTrainer(
        vocab_size=1_500, unk_token="<unk>", special_tokens=["<unk>", "</s>"], show_progress=False
    )
    pieces = glosses[:2_000] if split else [word for gloss in glosses[:500] for word in gloss.split()]
    reference.train_from_iterator(pieces, trainer)
    content = json.loads(reference.to_str())
    content["model"]["byte_fallback"] = byte_fallback
    content["model"]["vocab"] += [[token, -12.5] for token in fallback]
    reference = Tokenizer.from_str(json.dumps(content))
    reference.decoder = decoders.Metaspace(prepend_scheme=scheme)
    reference.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    reference.save(str(tmp_path / "tokenizer.json"))
    ours = text.load_tokenizer(tmp_path)
    assert differing_from(reference, ours, texts[39_000:]) == []


def test_clusters(corpus: list[str], tmp_path: Path) -> None:
    # The reference maps short grapheme clusters as a whole: every mark behind letters of one, two and three bytes.
    (tmp_path / "sentencepiece.bpe.model").write_bytes(train(corpus[:500]))
    ours = text.load_tokenizer(tmp_path)
    content = ours.to_json()
    reached = [[chr(c), -9.0] for c in range(0x21, 0x30000) if not 0xD800 <= c <= 0xDFFF and chr(c) not in ours.tokens]
    content["model"]["vocab"] = [*content["model"]["vocab"], *reached]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    ours = text.load_tokenizer(tmp_path)
    reference = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    every = [chr(c) for c in range(1, 0x30000) if not 0xD800 <= c <= 0xDFFF]
    lines = [f"ﬁ{c} ²{c}b {c}ª {c}\u0301" for c in every]
    joined = [" ".join(lines[i : i + 16]) for i in range(0, len(lines), 16)]
    assert differing(ours, [e.ids for e in reference.encode_batch(joined)], joined) == []
