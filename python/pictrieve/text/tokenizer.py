"""The face that all tokenizers share."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pictrieve import _core
from pictrieve._core import FormatError
from pictrieve.text.batch import TokenBatch
from pictrieve.text.frame import Frame

Self = TypeVar("Self", bound="Tokenizer")

FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "bpe_simple_vocab_16e6.txt.gz"),
    *("sentencepiece.bpe.model", "spiece.model", "tokenizer.model"),
)


class Tokenizer:
    """Turns texts into ids, equal to those of Hugging Face's `tokenizers`; see `load_tokenizer` and the subclasses.

    Attributes:
        frame: Special and added tokens, normaliser, padding.
    """

    _core: _core.Tokenizer
    frame: Frame
    _arguments: dict[str, Any]  # of the constructor, to pickle and to tell tokenizers apart
    _folder: Path | None = None  # whose files save_pretrained copies

    @classmethod
    def from_pretrained(cls: type[Self], folder: str | Path) -> Self:
        """Read the tokenizer of a model folder, in the files that `transformers` writes; see `load_tokenizer`.

        Raises:
            FileNotFoundError: The folder has no files of a tokenizer.
            FormatError: The files are damaged, or describe another kind of tokenizer.
        """
        from pictrieve.text.folder import load_tokenizer

        found = load_tokenizer(folder)
        if not isinstance(found, cls):
            raise FormatError(f"tokenizer: expected a {cls.__name__} in '{folder}', got a {type(found).__name__}")
        return found

    def save_pretrained(self, folder: str | Path) -> None:
        """Write what `transformers` and `load_tokenizer` read: the files this one came from, else `tokenizer.json`."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        if self._folder is not None:
            for name in FILES:
                source = self._folder / name
                if source.is_file() and not (target / name).exists():
                    shutil.copyfile(source, target / name)
            return
        content = self.to_json()
        (target / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        facts: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": self.frame.pad_token}
        if self.frame.max_length is not None:
            facts["model_max_length"] = self.frame.max_length
        config = {name: value for name, value in facts.items() if value is not None}
        (target / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """Describe the tokenizer in the words of `tokenizer.json`."""
        raise NotImplementedError

    def encode(self, text: str) -> NDArray[np.int64]:
        """Encode one text as `(length,) int64`, with the special tokens that the model wants around it.

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
            texts: Any iterable of str.
            max_length: Cut each text to so many ids; its special tokens stay, so these are the least. The result says
                how many texts were cut, and by how much.
            padding: Give rows of equal length filled with the padding token; otherwise all ids one after another.
            progress: Called as `progress(done, total)` several times a second.

        Raises:
            TypeError: An item is not a str, or `texts` is one str.
            ValueError: A text has a lone surrogate; `max_length` is too small; there is padding, but no token for it.
        """
        if isinstance(texts, str):
            raise TypeError("texts: expected several str, got one; use encode(text) or [text]")
        if max_length is not None and max_length < self._core.least_length:
            least = self._core.least_length
            raise ValueError(f"max_length: expected at least {least} (special tokens included), got {max_length}")
        pad_id = self._pad_id() if padding else 0
        ids, mask, offsets, counts = self._core.encode_batch(list(texts), max_length or 0, padding, pad_id, progress)
        return TokenBatch(ids, np.ones_like(ids) if mask is None else mask, offsets, *counts)

    def tokenize(self, text: str) -> list[str]:
        """Split a text into the tokens of the vocabulary, without the special tokens around them."""
        ids = self.encode(text).tolist()
        return [self.tokens[token_id] for token_id in ids[len(self.frame.prefix) : len(ids) - len(self.frame.suffix)]]

    def decode(self, ids: ArrayLike, skip_special_tokens: bool = True) -> str:
        """Join tokens to a text.

        Args:
            ids: `(length,)` whole numbers.
            skip_special_tokens: Leave out special tokens, such as those around each text.

        Raises:
            ValueError: An id is not in the vocabulary, or `ids` are not whole numbers in one row.
        """
        given = np.asarray(ids)
        if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
            raise ValueError(f"ids: expected (length,) whole numbers, got {given.dtype} {given.shape}")
        return self._core.decode(np.ascontiguousarray(given, dtype=np.int64), skip_special_tokens)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return self._core.vocab_size

    @property
    def max_length(self) -> int | None:
        """Tokens of a text that the model was made for, None where its files say nothing."""
        return self.frame.max_length

    @functools.cached_property
    def tokens(self) -> tuple[str, ...]:
        """All tokens in the order of their ids."""
        return tuple(self._core.vocabulary())

    def id_of(self, token: str) -> int:
        """Give the id of a token.

        Raises:
            ValueError: The vocabulary has no such token.
        """
        found = self._core.id_of(token)
        if found < 0:
            raise ValueError(f"token: the vocabulary of {self.vocab_size} tokens has no {token!r}")
        return found

    def identity(self) -> list[str]:
        """Give texts that are the same for two tokenizers where both give the same ids."""
        options = {name: value for name, value in self._arguments.items() if name != "vocab"}
        return [*self.tokens, type(self).__name__, repr(options)]

    def _pad_id(self) -> int:
        if self.frame.pad_token is None:
            raise ValueError("padding: this tokenizer has no padding token; use padding=False")
        return self.id_of(self.frame.pad_token)

    def _json(self, model: dict[str, Any], pre_tokenizer: Any, decoder: Any) -> dict[str, Any]:
        """Put the parts of `tokenizer.json` together."""
        around = {token: {"id": token, "ids": [self.id_of(token)], "tokens": [token]} for token in self._around()}
        single = [
            *({"SpecialToken": {"id": token, "type_id": 0}} for token in self.frame.prefix),
            {"Sequence": {"id": "A", "type_id": 0}},
            *({"SpecialToken": {"id": token, "type_id": 0}} for token in self.frame.suffix),
        ]
        pair = [*single, {"Sequence": {"id": "B", "type_id": 0}}]
        added = [
            {"id": self.id_of(token.text), "content": token.text, "single_word": False, "lstrip": token.lstrip}
            | {"rstrip": token.rstrip, "normalized": token.normalized, "special": token.special}
            for token in self.frame.added_tokens
        ]
        steps = [dict(step) for step in self.frame.normalizer]
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": sorted(added, key=lambda token: int(str(token["id"]))),
            "normalizer": {"type": "Sequence", "normalizers": steps} if steps else None,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": around},
            "decoder": decoder,
            "model": model,
        }

    def _around(self) -> list[str]:
        return list(dict.fromkeys((*self.frame.prefix, *self.frame.suffix)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments of the constructor."""
        return functools.partial(type(self), **self._arguments), ()

    def __repr__(self) -> str:
        """Show the size and what stands around a text."""
        parts = " ".join((*self.frame.prefix, "...", *self.frame.suffix))
        return f"{type(self).__name__}({self.vocab_size} tokens, {parts!r})"
