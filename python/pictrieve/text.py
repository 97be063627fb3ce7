"""Words into numbers: BERT's tokenizer."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core
from pictrieve._core import FormatError

__all__ = ["TokenBatch", "WordPieceTokenizer"]

_SPECIAL_NAMES = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}


class _Pair(NamedTuple):
    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


class TokenBatch(_Pair):
    """Ids of many texts; unpacks as `ids, mask = tokenizer.encode_batch(texts)`.

    Attributes:
        ids: With padding `(n, length) int64`, `length` being that of the longest text; without, `(total,) int64`, all
            texts one after another.
        mask: int64 of the same shape: 1 where a token stands, 0 where padding does.
        offsets: `(n + 1,) int64`, beginning with 0: text `i` has `offsets[i + 1] - offsets[i]` tokens.
        truncated_texts: How many texts were longer than `max_length`.
        lost_tokens: How many of their tokens were cut.
    """

    offsets: NDArray[np.int64]
    truncated_texts: int
    lost_tokens: int

    def __new__(
        cls,
        ids: NDArray[np.int64],
        mask: NDArray[np.int64],
        offsets: NDArray[np.int64],
        truncated_texts: int,
        lost_tokens: int,
    ) -> TokenBatch:
        """Keep the rest beside the pair, so that the result unpacks in two."""
        batch = super().__new__(cls, ids, mask)
        batch.offsets, batch.truncated_texts, batch.lost_tokens = offsets, truncated_texts, lost_tokens
        return batch


class WordPieceTokenizer:
    """Turn text into the ids that BERT models read, equal to those of Hugging Face's `tokenizers`.

    Special tokens that stand in a text in full, such as `"[MASK]"`, are kept whole.

    Args:
        vocab: path of a `vocab.txt`, one token per line, or the tokens themselves; their places are the ids.
        lowercase: fold case, as "uncased" models need.
        strip_accents: remove combining marks; `None` does as `lowercase` does.
        tokenize_chinese_chars: make each Chinese character a word.
        max_chars_per_word: a longer word becomes `[UNK]`.

    Raises:
        FileNotFoundError: the vocabulary file does not exist.
        FormatError: the vocabulary is empty, has a token twice, or lacks `[UNK]`, `[CLS]` or `[SEP]`.

    Example:
        >>> vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "dog", "##s", "run"]
        >>> tokenizer = WordPieceTokenizer(vocab)
        >>> tokenizer.encode("Dogs run").tolist()
        [2, 4, 5, 6, 3]
        >>> tokenizer.decode([2, 4, 5, 6, 3])
        'dogs run'
    """

    def __init__(
        self,
        vocab: str | Path | Sequence[str],
        *,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        max_chars_per_word: int = 100,
    ) -> None:
        """Read the vocabulary."""
        tokens = _core.read_vocabulary(vocab) if isinstance(vocab, str | Path) else list(vocab)
        self._options: dict[str, Any] = {
            "lowercase": lowercase,
            "strip_accents": strip_accents,
            "tokenize_chinese_chars": tokenize_chinese_chars,
            "max_chars_per_word": max_chars_per_word,
        }
        self._core = _core.WordPieceTokenizer(
            tokens, lowercase, strip_accents, tokenize_chinese_chars, max_chars_per_word
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> WordPieceTokenizer:
        """Read the tokenizer of a model folder, in the files that `transformers` writes.

        The vocabulary is `vocab.txt`, else that of `tokenizer.json`; options are those of `tokenizer.json`,
        and where `tokenizer_config.json` says otherwise, that one's.

        Raises:
            FileNotFoundError: the folder has no vocabulary.
            FormatError: the files describe another kind of tokenizer.
        """
        folder = Path(folder)
        fast = _read_json(folder / "tokenizer.json")
        if not fast and not (folder / "vocab.txt").is_file():
            raise FileNotFoundError(f"tokenizer: found neither vocab.txt nor tokenizer.json in '{folder}'")
        options = _options_of(fast, _read_json(folder / "tokenizer_config.json"), folder)
        vocab = folder / "vocab.txt" if (folder / "vocab.txt").is_file() else _vocabulary_of(fast, folder)
        return cls(vocab, **options)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Encode one text as `(length,) int64`, from `[CLS]` to `[SEP]`; an empty text has these two only.

        Raises:
            TypeError: `text` is not a str.
            ValueError: `text` has a lone surrogate, so it is not Unicode text.
        """
        return self._core.encode(text)

    def encode_batch(
        self,
        texts: Iterable[str],
        max_length: int | None = None,
        padding: bool = True,
        *,
        progress: Callable[[int, int], object] | None = None,
    ) -> TokenBatch:
        """Encode many texts on all threads.

        Args:
            texts: any iterable of str.
            max_length: cut each text to so many ids, `[CLS]` and `[SEP]` included; at least 2. The result
                says how many texts were cut, and by how much.
            padding: give rows of equal length filled with `[PAD]`; otherwise all ids one after another.
            progress: called as `progress(done, total)` several times a second.

        Raises:
            TypeError: an item is not a str, or `texts` is one str.
            ValueError: a text has a lone surrogate; `max_length` is below 2; there is padding, but no `[PAD]`
                in the vocabulary.
        """
        if isinstance(texts, str):
            raise TypeError("texts: expected several str, got one; use encode(text) or [text]")
        if max_length is not None and max_length < 2:
            raise ValueError(f"max_length: expected at least 2 ([CLS] and [SEP]), got {max_length}")
        pad_id = self.id_of("[PAD]") if padding else 0
        ids, mask, offsets, counts = self._core.encode_batch(list(texts), max_length or 0, padding, pad_id, progress)
        return TokenBatch(ids, np.ones_like(ids) if mask is None else mask, offsets, *counts)

    def tokenize(self, text: str) -> list[str]:
        """Split a text into the tokens of the vocabulary, without `[CLS]` and `[SEP]` around them."""
        return [self.tokens[token_id] for token_id in self.encode(text)[1:-1].tolist()]

    def decode(self, ids: ArrayLike, skip_special_tokens: bool = True) -> str:
        """Join tokens to a text: pieces to words, words by spaces, punctuation as English has it.

        Args:
            ids: `(length,)` whole numbers.
            skip_special_tokens: leave out `[CLS]`, `[SEP]`, `[PAD]`, `[MASK]` and `[UNK]`.

        Raises:
            ValueError: an id is not in the vocabulary, or `ids` are not whole numbers in one row.
        """
        given = np.asarray(ids)
        if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
            raise ValueError(f"ids: expected (length,) whole numbers, got {given.dtype} {given.shape}")
        return self._core.decode(np.ascontiguousarray(given, dtype=np.int64), skip_special_tokens)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return self._core.vocab_size

    @functools.cached_property
    def tokens(self) -> tuple[str, ...]:
        """All tokens in the order of their ids."""
        return tuple(self._core.vocabulary())

    def id_of(self, token: str) -> int:
        """Give the id of a token.

        Raises:
            ValueError: the vocabulary has no such token.
        """
        found = self._core.id_of(token)
        if found < 0:
            raise ValueError(f"token: the vocabulary of {self.vocab_size} tokens has no {token!r}")
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the vocabulary and the options."""
        return functools.partial(type(self), **self._options), (self.tokens,)

    def __repr__(self) -> str:
        """Show size and options."""
        options = ", ".join(f"{name}={value}" for name, value in self._options.items())
        return f"{type(self).__name__}({self.vocab_size} tokens, {options})"


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"tokenizer: '{path}' is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise FormatError(f"tokenizer: expected an object in '{path}', got {type(content).__name__}")
    return content


def _options_of(fast: dict[str, Any], config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Find the options, and refuse what this tokenizer would read differently."""
    model, normalizer = fast.get("model") or {}, fast.get("normalizer") or {}
    kinds = (model.get("type", "WordPiece"), normalizer.get("type", "BertNormalizer"))
    if kinds != ("WordPiece", "BertNormalizer") or not normalizer.get("clean_text", True):
        raise FormatError(f"tokenizer: expected WordPiece with BertNormalizer in '{folder}', got {kinds}")
    for name, expected in _SPECIAL_NAMES.items():
        token = config.get(f"{name}_token") or expected
        content = token.get("content") if isinstance(token, dict) else token
        if content != expected:
            raise FormatError(f"tokenizer: expected {name}_token {expected} in '{folder}', got {content!r}")
    return {
        "lowercase": config.get("do_lower_case", normalizer.get("lowercase", True)),
        "strip_accents": config.get("strip_accents", normalizer.get("strip_accents")),
        "tokenize_chinese_chars": config.get("tokenize_chinese_chars", normalizer.get("handle_chinese_chars", True)),
        "max_chars_per_word": model.get("max_input_chars_per_word", 100),
    }


def _vocabulary_of(fast: dict[str, Any], folder: Path) -> list[str]:
    vocab: dict[str, int] = fast.get("model", {}).get("vocab", {})
    tokens = sorted(vocab, key=vocab.__getitem__)
    if [vocab[token] for token in tokens] != list(range(len(tokens))):
        raise FormatError(f"tokenizer: the ids of 'tokenizer.json' in '{folder}' have gaps")
    return tokens
