"""BERT's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pictrieve import _core
from pictrieve.text.frame import Frame, specials
from pictrieve.text.tokenizer import Tokenizer

BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class WordPieceTokenizer(Tokenizer):
    """Turn text into the ids that BERT models read, equal to those of Hugging Face's `tokenizers`.

    Special tokens that stand in a text in full, such as `"[MASK]"`, are kept whole.

    Args:
        vocab: Path of a `vocab.txt`, one token per line, or the tokens themselves; their places are the ids.
        lowercase: Fold case, as "uncased" models need.
        strip_accents: Remove combining marks; `None` does as `lowercase` does.
        tokenize_chinese_chars: Make each Chinese character a word.
        max_chars_per_word: A longer word becomes unknown.
        unk_token: The token of unknown words.
        frame: Special tokens; None takes BERT's: `[CLS] text [SEP]` and `[PAD]`.

    Raises:
        FileNotFoundError: The vocabulary file does not exist.
        FormatError: The vocabulary is empty, has a token twice, or lacks a special token.

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
        unk_token: str = "[UNK]",
        frame: Frame | None = None,
    ) -> None:
        """Read the vocabulary."""
        tokens = _core.read_vocabulary(vocab) if isinstance(vocab, str | Path) else list(vocab)
        self._options: dict[str, Any] = {
            "lowercase": lowercase,
            "strip_accents": strip_accents,
            "tokenize_chinese_chars": tokenize_chinese_chars,
            "max_chars_per_word": max_chars_per_word,
        }
        self.frame = frame or bert_frame(tokens)
        self._arguments = {"vocab": tokens, **self._options, "unk_token": unk_token, "frame": frame}
        self._core = _core.WordPieceTokenizer(
            tokens,
            lowercase,
            strip_accents,
            tokenize_chinese_chars,
            max_chars_per_word,
            unk_token,
            self.frame.bind(tokens),
        )

    def to_json(self) -> dict[str, Any]:
        """Describe the tokenizer in the words of `tokenizer.json`."""
        options = self._options
        model = {
            "type": "WordPiece",
            "unk_token": self._arguments["unk_token"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": options["max_chars_per_word"],
            "vocab": {token: i for i, token in enumerate(self.tokens)},
        }
        content = self._json(
            model, {"type": "BertPreTokenizer"}, {"type": "WordPiece", "prefix": "##", "cleanup": True}
        )
        content["normalizer"] = {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": options["tokenize_chinese_chars"],
            "strip_accents": options["strip_accents"],
            "lowercase": options["lowercase"],
        }
        return content

    def identity(self) -> list[str]:
        """Give texts that are the same for two tokenizers where both give the same ids."""
        usual = bert_frame(self.tokens)
        own = [_around(self.frame), self._arguments["unk_token"]]
        return [*self.tokens, repr(self), *([] if own == [_around(usual), "[UNK]"] else map(str, own))]

    def __repr__(self) -> str:
        """Show size and options."""
        options = ", ".join(f"{name}={value}" for name, value in self._options.items())
        return f"{type(self).__name__}({self.vocab_size} tokens, {options})"


def _around(frame: Frame) -> tuple[object, ...]:
    return frame.prefix, frame.suffix, sorted(frame.added_tokens), frame.pad_to


def bert_frame(tokens: Sequence[str], max_length: int | None = None) -> Frame:
    """Give BERT's frame: `[CLS] text [SEP]`, and its special tokens as far as there are any."""
    return Frame(("[CLS]",), ("[SEP]",), specials(BERT_TOKENS, tokens), (), "[PAD]", 0, max_length)
