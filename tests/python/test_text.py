"""WordPieceTokenizer: behaviour and errors."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pictrieve as pt
from pictrieve.text import WordPieceTokenizer

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "##s", "run", ".", "e", "中"]


@pytest.fixture
def tokenizer() -> WordPieceTokenizer:
    return WordPieceTokenizer(VOCAB)


def test_encode_gives_int64_ids_with_special_tokens(tokenizer: WordPieceTokenizer) -> None:
    ids = tokenizer.encode("Dogs run.")
    assert ids.dtype == np.int64
    assert ids.tolist() == [2, 5, 6, 7, 8, 3]
    assert tokenizer.encode("").tolist() == [2, 3]


def test_tokenize_gives_pieces(tokenizer: WordPieceTokenizer) -> None:
    assert tokenizer.tokenize("DOGS cat[MASK]") == ["dog", "##s", "[UNK]", "[MASK]"]


def test_batch_pads_to_the_longest(tokenizer: WordPieceTokenizer) -> None:
    batch = tokenizer.encode_batch(["dog", "dogs run."])
    assert batch.ids.tolist() == [[2, 5, 3, 0, 0, 0], [2, 5, 6, 7, 8, 3]]
    assert batch.mask.tolist() == [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]]
    assert batch.offsets.tolist() == [0, 3, 9]
    assert (batch.truncated_texts, batch.lost_tokens) == (0, 0)
    ids, mask = batch
    assert ids is batch.ids
    assert mask is batch.mask


def test_batch_without_padding_is_packed(tokenizer: WordPieceTokenizer) -> None:
    batch = tokenizer.encode_batch((text for text in ["dog", "run"]), padding=False)
    assert batch.ids.tolist() == [2, 5, 3, 2, 7, 3]
    assert batch.mask.tolist() == [1] * 6
    assert batch.ids.dtype == batch.mask.dtype == np.int64


def test_truncation_is_counted(tokenizer: WordPieceTokenizer) -> None:
    batch = tokenizer.encode_batch(["dog", "dogs run run."], max_length=4)
    assert batch.ids.tolist() == [[2, 5, 3, 0], [2, 5, 6, 3]]
    assert (batch.truncated_texts, batch.lost_tokens) == (1, 3)


def test_no_texts_give_no_rows(tokenizer: WordPieceTokenizer) -> None:
    assert tokenizer.encode_batch([]).ids.shape == (0, 0)
    assert tokenizer.encode_batch([], padding=False).offsets.tolist() == [0]


def test_options_change_the_words() -> None:
    assert WordPieceTokenizer(VOCAB, lowercase=False).tokenize("Dog dog") == ["[UNK]", "dog"]
    assert WordPieceTokenizer(VOCAB).tokenize("É") == ["e"]
    assert WordPieceTokenizer(VOCAB, strip_accents=False).tokenize("É") == ["[UNK]"]
    assert WordPieceTokenizer(VOCAB, tokenize_chinese_chars=False).tokenize("中中") == ["[UNK]"]
    assert WordPieceTokenizer(VOCAB, max_chars_per_word=3).tokenize("dogs") == ["[UNK]"]


def test_decode(tokenizer: WordPieceTokenizer) -> None:
    assert tokenizer.decode([2, 5, 6, 7, 8, 3]) == "dogs run."
    assert tokenizer.decode(np.array([2, 5], np.int32), skip_special_tokens=False) == "[CLS] dog"
    assert tokenizer.decode([]) == ""


def test_progress_is_told(tokenizer: WordPieceTokenizer) -> None:
    seen: list[tuple[int, int]] = []
    tokenizer.encode_batch(["dog"] * 5000, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5000, 5000)


def test_ids_do_not_depend_on_threads(tokenizer: WordPieceTokenizer) -> None:
    texts = ["dogs run " * (i % 11) for i in range(3000)]
    threads = pt.num_threads()
    try:
        pt.set_num_threads(1)
        alone = tokenizer.encode_batch(texts)
        pt.set_num_threads(3)
        together = tokenizer.encode_batch(texts)
    finally:
        pt.set_num_threads(threads)
    assert np.array_equal(alone.ids, together.ids)


def test_pickle_keeps_vocabulary_and_options() -> None:
    tokenizer = WordPieceTokenizer(VOCAB, lowercase=False, max_chars_per_word=5)
    again = pickle.loads(pickle.dumps(tokenizer))
    assert repr(again) == repr(tokenizer)
    assert again.tokens == tuple(VOCAB)


def test_from_pretrained_reads_either_file(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\r\n".join(VOCAB), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert WordPieceTokenizer.from_pretrained(tmp_path).tokenize("Dog dog") == ["[UNK]", "dog"]
    fast = {
        "model": {"type": "WordPiece", "vocab": {token: i for i, token in enumerate(VOCAB)}},
        "normalizer": {"type": "BertNormalizer", "lowercase": True, "strip_accents": False},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(fast))
    (tmp_path / "vocab.txt").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    assert WordPieceTokenizer.from_pretrained(str(tmp_path)).tokenize("Dog É") == ["dog", "[UNK]"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"model": {"type": "WordLevel"}}', "expected WordPiece, BPE or Unigram, got WordLevel"),
        ('{"model": {"type": "BPE", "merges": []}}', "pre_tokenizer: expected ByteLevel"),
        ('{"model": {"vocab": {"[UNK]": 0}}, "normalizer": {"type": "NFC"}}', "expected BertNormalizer"),
        ('{"model": {"vocab": {"[UNK]": 0, "[CLS]": 2}}}', "have gaps, no token has id 1"),
        ('{"model": {"vocab": {"[UNK]": 0, "[CLS]": 0}}}', "two tokens have id 0"),
        ("[]", "expected an object"),
        ("{", "is not JSON"),
    ],
)
def test_from_pretrained_refuses_other_tokenizers(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(pt.FormatError, match=text):
        WordPieceTokenizer.from_pretrained(tmp_path)


def test_from_pretrained_needs_the_special_tokens_it_names(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(VOCAB))
    (tmp_path / "tokenizer_config.json").write_text('{"cls_token": {"content": "<s>"}}')
    with pytest.raises(pt.FormatError, match=r"expected a token <s>, found none"):
        WordPieceTokenizer.from_pretrained(tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"neither vocab.txt nor tokenizer.json"):
        WordPieceTokenizer.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="cannot be opened") as caught:
        WordPieceTokenizer(tmp_path / "absent.txt")
    assert caught.value.filename == str(tmp_path / "absent.txt")


def test_vocabularies_are_read_from_files_only(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        WordPieceTokenizer(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="expected a regular file"):
        WordPieceTokenizer(tmp_path / "pipe")


def test_a_vocabulary_may_have_a_name_of_any_bytes(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/v\xff.txt")
    Path(path).write_text("\r\n".join(VOCAB) + "\n", encoding="utf-8")
    assert WordPieceTokenizer(path).tokens == WordPieceTokenizer(Path(path)).tokens == tuple(VOCAB)


@pytest.mark.parametrize(
    ("vocab", "text"),
    [
        ([], "at least one token"),
        (["[UNK]", "[CLS]"], r"expected a token \[SEP\]"),
        (["[UNK]", "[CLS]", "[SEP]", "a", "a"], "'a' stands twice, as 3 and as 4"),
        (["[UNK]", "", "[CLS]", "[SEP]"], "token 1 is empty"),
    ],
)
def test_vocabularies_are_checked(vocab: list[str], text: str) -> None:
    with pytest.raises(pt.FormatError, match=text):
        WordPieceTokenizer(vocab)


def test_an_empty_vocabulary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").touch()
    with pytest.raises(pt.FormatError, match="is empty; expected one token per line"):
        WordPieceTokenizer(tmp_path / "vocab.txt")


def test_what_is_not_text_is_refused(tokenizer: WordPieceTokenizer) -> None:
    with pytest.raises(TypeError, match="text: expected a str, got <class 'bytes'>"):
        tokenizer.encode(b"dog")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="text: expected Unicode text, got a str with a lone surrogate"):
        tokenizer.encode("a\ud800")
    with pytest.raises(TypeError, match=r"texts\[1\]: expected a str, got <class 'NoneType'>"):
        tokenizer.encode_batch(["dog", None])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"texts\[2\]: expected Unicode text"):
        tokenizer.encode_batch(["dog", "é", "\udcff"])
    with pytest.raises(TypeError, match="expected several str, got one"):
        tokenizer.encode_batch("dog")


def test_numbers_are_checked(tokenizer: WordPieceTokenizer) -> None:
    with pytest.raises(ValueError, match="max_length: expected at least 2"):
        tokenizer.encode_batch(["dog"], max_length=0)
    with pytest.raises(ValueError, match=r"ids: expected 0..10, got 11"):
        tokenizer.decode([11])
    with pytest.raises(ValueError, match=r"ids: expected \(length,\) whole numbers"):
        tokenizer.decode([[1.0]])
    with pytest.raises(ValueError, match="has no 'cat'"):
        tokenizer.id_of("cat")
    with pytest.raises(ValueError, match=r"has no '\[PAD\]'"):
        WordPieceTokenizer(VOCAB[1:]).encode_batch(["dog"])


@settings(max_examples=300, deadline=None)
@given(st.text(), st.booleans(), st.booleans())
def test_any_text_is_encoded(text: str, lowercase: bool, strip_accents: bool) -> None:
    tokenizer = WordPieceTokenizer(VOCAB, lowercase=lowercase, strip_accents=strip_accents)
    ids = tokenizer.encode(text).tolist()
    assert (ids[0], ids[-1]) == (2, 3)
    assert tokenizer.encode_batch([text], padding=False).ids.tolist() == ids
    tokenizer.decode(ids, skip_special_tokens=False)
