"""Byte pair encoding against Hugging Face's tokenizers: every id equal, whatever the text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from text_samples import SAMPLES, differing, differing_from, random_texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, CLIPTokenizer, GPT2Tokenizer, RobertaTokenizer

from pictrieve import text
from pictrieve.text.bpe import PATTERNS

SPECIAL = ["<|endoftext|>", "<s>", "</s>", "<mask>", " <mask> ", "<|startoftext|>"]


@pytest.fixture(scope="module")
def texts(glosses: list[str]) -> list[str]:
    return [*glosses[:40_000], *SAMPLES, *random_texts(5_000, SPECIAL)]


@pytest.fixture(scope="module")
def gpt2_files(data: Path) -> dict[str, str]:
    folder = data / "tokenizers"
    return {"vocab": str(folder / "gpt2.vocab.json"), "merges": str(folder / "gpt2.merges.txt")}


def check_decode(ours: text.Tokenizer, reference: Any, texts: list[str]) -> None:
    for encoding in reference.encode_batch(texts):
        for skip in (True, False):
            expected = reference.decode(encoding.ids, skip_special_tokens=skip)
            assert ours.decode(encoding.ids, skip_special_tokens=skip) == expected


@pytest.mark.parametrize("add_prefix_space", [False, True])
def test_gpt2(gpt2_files: dict[str, str], texts: list[str], tmp_path: Path, add_prefix_space: bool) -> None:
    vocab = json.loads(Path(gpt2_files["vocab"]).read_text())
    merges = Path(gpt2_files["merges"]).read_text().split("\n")[1:-1]
    pairs = [tuple(line.split(" ")) for line in merges]
    reference = GPT2Tokenizer(vocab, pairs, add_prefix_space=add_prefix_space)
    for name, path in gpt2_files.items():
        shutil.copy(path, tmp_path / Path(path).name.removeprefix("gpt2."))
        assert name
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"add_prefix_space": add_prefix_space}))
    ours = text.load_tokenizer(tmp_path)
    backend = reference.backend_tokenizer
    chosen = texts if not add_prefix_space else texts[30_000:]
    assert differing_from(backend, ours, chosen) == []
    check_decode(ours, backend, texts[39_000:41_500])
    plain = text.BPETokenizer(gpt2_files["vocab"], gpt2_files["merges"], add_prefix_space=add_prefix_space)
    assert plain.tokenize("Hello world") == reference.tokenize("Hello world")


def test_roberta(gpt2_files: dict[str, str], texts: list[str], tmp_path: Path) -> None:
    vocab = json.loads(Path(gpt2_files["vocab"]).read_text())
    for token in ("<s>", "<pad>", "</s>", "<unk>", "<mask>"):
        vocab[token] = len(vocab)
    pairs = [tuple(line.split(" ")) for line in Path(gpt2_files["merges"]).read_text().split("\n")[1:-1]]
    mask = AddedToken("<mask>", lstrip=True, special=True, normalized=False)
    reference = RobertaTokenizer(vocab, pairs, mask_token=mask)
    reference.save_pretrained(tmp_path)
    ours = text.load_tokenizer(tmp_path)
    assert differing_from(reference.backend_tokenizer, ours, texts[35_000:]) == []
    assert ours.frame.prefix == ("<s>",)
    assert ours.frame.pad_token == "<pad>"
    assert any(token.lstrip for token in ours.frame.added_tokens)
    batch = ours.encode_batch(texts[:300], max_length=12)
    expected = reference(texts[:300], max_length=12, truncation=True, padding=True)
    assert batch.ids.tolist() == expected["input_ids"]
    assert batch.mask.tolist() == expected["attention_mask"]
    assert batch.truncated_texts > 100


@pytest.fixture(scope="module")
def clip(data: Path) -> tuple[text.CLIPTokenizer, Any]:
    ours = text.CLIPTokenizer(data / "tokenizers" / "clip_bpe_simple_vocab_16e6.txt.gz")
    pairs = [tuple(line.split(" ")) for line in ours.to_json()["model"]["merges"]]
    return ours, CLIPTokenizer({token: i for i, token in enumerate(ours.tokens)}, pairs)


def test_clip(clip: tuple[text.CLIPTokenizer, Any], texts: list[str]) -> None:
    ours, reference = clip
    assert ours.vocab_size == 49408
    assert ours.encode("a photo of a cat").tolist() == [49406, 320, 1125, 539, 320, 2368, 49407]  # as OpenAI gives them
    assert differing_from(reference.backend_tokenizer, ours, texts) == []
    backend = reference.backend_tokenizer
    for encoding in backend.encode_batch(texts[39_000:41_000]):
        assert ours.decode(encoding.ids) == backend.decode(encoding.ids)
    long = ["cat " * 100, "dog"]
    batch = ours.encode_batch(long, max_length=77)
    expected = reference(long, max_length=77, truncation=True, padding="longest")
    assert batch.ids.tolist() == expected["input_ids"]
    assert batch.ids[0, -1] == 49407
    assert (batch.truncated_texts, batch.lost_tokens) == (1, 25)


def test_clip_saved(clip: tuple[text.CLIPTokenizer, Any], texts: list[str], tmp_path: Path) -> None:
    ours, reference = clip
    reference.backend_tokenizer.no_padding()
    reference.backend_tokenizer.no_truncation()
    ours.save_pretrained(tmp_path / "ours")
    chosen = texts[39_500:41_500]
    again = AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert differing(ours, again(chosen)["input_ids"], chosen) == []
    reference.save_pretrained(tmp_path / "theirs")
    for folder in ("ours", "theirs"):
        read = text.CLIPTokenizer.from_pretrained(tmp_path / folder)
        assert differing_from(reference.backend_tokenizer, read, chosen) == []
    # The files of before tokenizer.json.
    vocab, merges = tmp_path / "plain" / "vocab.json", tmp_path / "plain" / "merges.txt"
    vocab.parent.mkdir()
    vocab.write_text(json.dumps({token: i for i, token in enumerate(ours.tokens)}))
    merges.write_text("\n".join(["#version: 0.2", *ours.to_json()["model"]["merges"], ""]))
    assert differing_from(reference.backend_tokenizer, text.load_tokenizer(vocab.parent), chosen) == []


def train(glosses: list[str], pattern: str, added: list[AddedToken]) -> Tokenizer:
    """Train byte pairs on glosses and on other scripts."""
    tokenizer = Tokenizer(models.BPE())
    own = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern == "gpt2")
    split = pre_tokenizers.Split(Regex(PATTERNS[pattern]), "isolated")
    tokenizer.pre_tokenizer = own if pattern == "gpt2" else pre_tokenizers.Sequence([split, own])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=3_000, initial_alphabet=alphabet, show_progress=False, special_tokens=added
    )
    tokenizer.train_from_iterator([*glosses[:3_000], *SAMPLES * 3], trainer)
    return tokenizer


def test_modernbert(glosses: list[str], texts: list[str], tmp_path: Path) -> None:
    names = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    added = [*(AddedToken(name, special=True, normalized=False) for name in names)]
    added += [AddedToken("[MASK]", special=True, normalized=False, lstrip=True)]
    reference = train(glosses, "gpt2", added)
    reference.normalizer = normalizers.NFC()
    blanks = [AddedToken(" " * n, special=False, normalized=True) for n in range(24, 1, -1)]
    reference.add_tokens(
        [*blanks, AddedToken("É!", normalized=True), AddedToken("\u0344x", normalized=True, rstrip=True)]
    )
    ids = {name: reference.token_to_id(name) for name in ("[CLS]", "[SEP]")}
    reference.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, list(ids.items()))
    reference.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"pad_token": "[PAD]", "model_max_length": 8192}')
    ours = text.BPETokenizer.from_pretrained(tmp_path)
    more = ["E\u0301! x" + " " * n + "y" for n in range(30)] + ["\u0308\u0301x   z", "a   [MASK]  b[MASK]"]
    assert differing_from(reference, ours, texts[20_000:] + more) == []
    check_decode(ours, reference, texts[39_500:40_300] + more)
    assert ours.max_length == 8192


@pytest.mark.parametrize("pattern", ["llama3", "qwen2"])
def test_other_expressions(glosses: list[str], texts: list[str], tmp_path: Path, pattern: str) -> None:
    reference = train(glosses, pattern, [])
    content = json.loads(reference.to_str())
    content["model"]["ignore_merges"] = True
    content["model"]["vocab"]["Ġunmergeable"] = len(content["model"]["vocab"])
    reference = Tokenizer.from_str(json.dumps(content))
    reference.save(str(tmp_path / "tokenizer.json"))
    ours = text.load_tokenizer(tmp_path)
    more = [
        "I'Ll GO 'LL 'ſ 'S",
        "a\r\n\r\n b\n c",
        " \n x",
        "12345 a1b22",
        "$x  (y)\n\n z",
        "\t\tx",
        "\u00a0y",
        "'RE'vE",
    ]
    assert differing_from(reference, ours, texts[30_000:] + more) == []
