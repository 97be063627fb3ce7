"""Tokenizers of byte pairs and of Unigram, and the folders they are read from: behaviour and errors."""

from __future__ import annotations

import contextlib
import gzip
import json
import pickle
import random
import struct
from pathlib import Path
from typing import Any

import pytest

import pictrieve as pt
from pictrieve.text import AddedToken, BPETokenizer, CLIPTokenizer, Frame, Tokenizer, UnigramTokenizer, load_tokenizer

VOCAB = ["<s>", "<pad>", "</s>", "a", "b", "Ġ", "ab", "Ġa"]
MERGES = ["a b", "Ġ a"]
ADDED = (AddedToken("<s>"), AddedToken("<pad>"), AddedToken("</s>", rstrip=True))
FRAME = Frame(("<s>",), ("</s>",), ADDED, ({"type": "NFC"},), "<pad>", max_length=8)
PIECES = [("<unk>", 0.0), ("</s>", 0.0), ("▁", -3.0), ("▁a", -1.5), ("b", -2.0)]


def bpe() -> BPETokenizer:
    return BPETokenizer(VOCAB, MERGES, frame=FRAME)


def unigram() -> UnigramTokenizer:
    return UnigramTokenizer(PIECES, frame=Frame((), ("</s>",), (AddedToken("</s>"),), pad_token="</s>"))


def test_encode_puts_special_tokens_around() -> None:
    assert bpe().encode("ab a").tolist() == [0, 6, 7, 2]
    assert bpe().tokenize("ab</s>  a") == ["ab", "</s>", "a"]
    assert unigram().encode("ab b").tolist() == [3, 4, 2, 4, 1]
    assert bpe().decode([0, 6, 7, 2]) == "ab a"
    assert bpe().decode([0, 6, 7, 2], skip_special_tokens=False) == "<s>ab a</s>"


def test_batch_is_padded_and_cut() -> None:
    batch = bpe().encode_batch(["ab ab ab", "a"], max_length=4)
    assert batch.ids.tolist() == [[0, 6, 5, 2], [0, 3, 2, 1]]
    assert batch.mask.tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert (batch.truncated_texts, batch.lost_tokens) == (1, 3)
    with pytest.raises(ValueError, match=r"max_length: expected at least 2"):
        bpe().encode_batch(["a"], max_length=1)
    with pytest.raises(ValueError, match="no padding token; use padding=False"):
        BPETokenizer(VOCAB, MERGES).encode_batch(["a"])
    assert BPETokenizer(VOCAB, MERGES).encode_batch([""], padding=False).ids.size == 0


def test_padding_that_takes_part() -> None:
    tokenizer = UnigramTokenizer(PIECES, frame=Frame((), ("</s>",), (), (), "</s>", pad_to=4))
    batch = tokenizer.encode_batch(["a", "a b a b a"], max_length=4)
    assert batch.ids.tolist() == [[3, 1, 1, 1], [3, 2, 4, 1]]
    assert batch.mask.all()
    with pytest.raises(ValueError, match="pad_to=4: expected a pad_token, got None"):
        UnigramTokenizer(PIECES, frame=Frame(pad_to=4))


@pytest.mark.parametrize("make", [bpe, unigram], ids=["bpe", "unigram"])
def test_saved_and_pickled_tokenizers_are_the_same(tmp_path: Path, make: Any) -> None:
    tokenizer: Tokenizer = make()
    tokenizer.save_pretrained(tmp_path / "a")
    read = load_tokenizer(tmp_path / "a")
    read.save_pretrained(tmp_path / "b")  # copies
    for again in (read, pickle.loads(pickle.dumps(tokenizer)), type(tokenizer).from_pretrained(tmp_path / "b")):
        assert type(again) is type(tokenizer)
        assert again.tokens == tokenizer.tokens
        assert again.encode("ab </s> a").tolist() == tokenizer.encode("ab </s> a").tolist()
    assert read.frame.pad_token == tokenizer.frame.pad_token
    assert read.max_length == tokenizer.max_length
    assert make().identity() == tokenizer.identity()
    with pytest.raises(pt.FormatError, match=r"expected a CLIPTokenizer in .*, got a"):
        CLIPTokenizer.from_pretrained(tmp_path / "a")


def test_other_merges_are_another_tokenizer() -> None:
    assert BPETokenizer(VOCAB, MERGES).identity() != BPETokenizer(VOCAB, MERGES[::-1]).identity()
    other = [*PIECES[:-1], ("b", -2.5)]
    assert UnigramTokenizer(PIECES).identity() != UnigramTokenizer(other).identity()


def test_plain_files_tell_their_family(tmp_path: Path) -> None:
    def write(vocab: list[str], merges: list[str], **config: Any) -> Tokenizer:
        (tmp_path / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocab)}))
        (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        return load_tokenizer(tmp_path)

    roberta = write(VOCAB, MERGES, model_max_length=12, add_prefix_space=True)
    assert roberta.encode("a").tolist() == [0, 7, 2]
    assert (roberta.frame.pad_token, roberta.max_length) == ("<pad>", 12)
    assert write(["a", "<|endoftext|>"], [], model_max_length=1e30).encode("a<|endoftext|>").tolist() == [0, 1]
    clip = write(["a</w>", "<|startoftext|>", "<|endoftext|>"], [], tokenizer_class="CLIPTokenizer")
    assert isinstance(clip, CLIPTokenizer)
    assert (clip.encode("A").tolist(), clip.max_length) == ([1, 0, 2], 77)
    with pytest.raises(pt.FormatError, match=r"neither <s> and </s> nor <\|endoftext\|>.*is not supported"):
        write(["a"], [])
    with pytest.raises(pt.FormatError, match=r"merges\[0\]: 'a x' needs a token 'x'"):
        write(VOCAB, ["a x"])


def test_openai_file_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "bpe_simple_vocab_16e6.txt.gz"
    path.write_bytes(gzip.compress(b"version\nt h\n")[:-6])
    with pytest.raises(pt.FormatError, match=r"bpe_simple_vocab_16e6.txt.gz' is not a gzip file"):
        load_tokenizer(tmp_path)
    path.write_bytes(gzip.compress(b"version\nt h\nth e</w>"))
    assert load_tokenizer(tmp_path).tokenize("The") == ["the</w>"]
    with pytest.raises(TypeError, match="merges: expected merges"):
        CLIPTokenizer(["a"])


def described(tmp_path: Path, change: Any, make: Any = bpe) -> Tokenizer:
    content = make().to_json()
    change(content)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    return load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c.pop("model"), r"tokenizer.json': model: expected an object, got NoneType"),
        (lambda c: c["model"].pop("vocab"), "model: vocab: expected an object"),
        (lambda c: c["model"].pop("merges"), "model: merges: expected a list"),
        (lambda c: c["model"]["merges"].append(7), r"model.merges\[2\]: expected two tokens, got 7"),
        (
            lambda c: c["model"]["merges"].append(["a", "zz"]),
            r"tokenizer.json': merges\[2\]: 'a zz' needs a token 'zz'",
        ),
        (lambda c: c["model"]["merges"].append("a b c"), r"merges\[2\]: expected two tokens and one space"),
        (lambda c: c["model"]["vocab"].update(z="1"), "model.vocab: expected whole numbers as ids, got '1' for 'z'"),
        (lambda c: c["model"].update(byte_fallback=True), "model.byte_fallback: True is not supported"),
        (lambda c: c["added_tokens"].append({"content": "<z>", "id": 0}), "two tokens have id 0"),
        (lambda c: c["added_tokens"].append({"content": "a", "id": 0}), "'a' has id 0, but 3 in the vocabulary"),
        (lambda c: c["added_tokens"].append({"id": 0}), r"added_tokens\[3\]: expected an object with a content"),
        (lambda c: c["added_tokens"][0].update(single_word=True), r"added_tokens\[0\]: single_word is not supported"),
        (lambda c: c.update(pre_tokenizer={"type": "Whitespace"}), "expected ByteLevel, or Split and ByteLevel"),
        (lambda c: c.update(post_processor={"type": "Strange"}), "post_processor: expected one template"),
        (lambda c: c["post_processor"].pop("special_tokens"), "post_processor: TemplateProcessing lacks"),
        (lambda c: c.update(normalizer={"type": "NFKD"}), "got NFKD; this one is not supported"),
        (
            lambda c: c.update(normalizer={"type": "Replace", "pattern": {"Regex": "a+"}, "content": ""}),
            r"got the expression 'a\+'",
        ),
        (
            lambda c: c.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "#"}),
            "precompiled_charsmap is not base64",
        ),
        (
            lambda c: c.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "/////w=="}),
            "character map: expected",
        ),
    ],
)
def test_damaged_descriptions_are_named(tmp_path: Path, change: Any, text: str) -> None:
    with pytest.raises(pt.FormatError, match=text):
        described(tmp_path, change)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c["model"].update(vocab={}), "model: vocab: expected a list"),
        (lambda c: c["model"]["vocab"].append(["x"]), r"model.vocab\[5\]: expected a token and a number"),
        (lambda c: c["model"]["vocab"].append(["x", "y"]), r"model.vocab\[5\]: expected a number for 'x', got 'y'"),
        (lambda c: c["model"]["vocab"].append(["b", -1]), "token 'b' stands twice, as 4 and as 5"),
        (lambda c: c["model"].update(unk_id=9), r"model.unk_id: expected 0..4, got 9"),
        (lambda c: c["added_tokens"].append({"content": "x", "id": 3}), "'x' does not fit id 3"),
        (lambda c: c.update(pre_tokenizer=None), r"pre_tokenizer: expected Metaspace, .* got \[\]"),
    ],
)
def test_damaged_unigrams_are_named(tmp_path: Path, change: Any, text: str) -> None:
    with pytest.raises(pt.FormatError, match=text):
        described(tmp_path, change, unigram)


def piece(text: bytes, score: float) -> bytes:
    body = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", score)
    return b"\x0a" + bytes([len(body)]) + body


def model_file(kind: int = 1) -> bytes:
    pieces = [b"<unk>", b"<s>", b"</s>", "▁a".encode(), b"b"]
    return b"".join(piece(text, -i) for i, text in enumerate(pieces)) + bytes([0x12, 2, 0x18, kind])


def test_sentencepiece_models_get_the_ids_of_their_family(tmp_path: Path) -> None:
    (tmp_path / "sentencepiece.bpe.model").write_bytes(model_file())
    xlmr = load_tokenizer(tmp_path)
    assert xlmr.tokens == ("<s>", "<pad>", "</s>", "<unk>", "▁a", "b", "<mask>")
    assert xlmr.encode("ab x").tolist() == [0, 4, 5, 3, 2]
    (tmp_path / "sentencepiece.bpe.model").rename(tmp_path / "spiece.model")
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    assert load_tokenizer(tmp_path).vocab_size == 105
    (tmp_path / "config.json").write_text('{"model_type": "siglip"}')
    siglip = load_tokenizer(tmp_path)
    assert siglip.encode("A!b").tolist() == [3, 4, *[2] * 62]
    assert siglip.max_length == siglip.frame.pad_to == 64
    (tmp_path / "config.json").write_text('{"model_type": "albert"}')
    (tmp_path / "spiece.model").rename(tmp_path / "tokenizer.model")
    with pytest.raises(pt.FormatError, match=r"family albert is not supported without a tokenizer.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(model_file(2))
    with pytest.raises(pt.FormatError, match="expected a Unigram model, got SentencePiece's type 2"):
        load_tokenizer(tmp_path)


def test_damaged_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "spiece.model"
    good, chance = model_file(), random.Random(3)
    for round_ in range(600):
        damaged = bytearray(good)
        for _ in range(1 + round_ % 4):
            damaged[chance.randrange(len(good))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.randrange(len(good) + 1)] if round_ % 2 else damaged)
        with contextlib.suppress(pt.FormatError):  # nothing else may happen
            load_tokenizer(tmp_path).encode("ab x")
    path.write_bytes(good[:30])
    with pytest.raises(pt.FormatError, match=r"spiece.model' is not a model of SentencePiece, or is cut"):
        load_tokenizer(tmp_path)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nor vocab.json with merges.txt"):
        load_tokenizer(tmp_path)
