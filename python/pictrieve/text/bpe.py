"""Byte-level byte pair encoding: GPT-2, RoBERTa, BART, ModernBERT; and CLIP's variant."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from pictrieve import _core
from pictrieve._core import FormatError
from pictrieve.text.frame import Frame, specials
from pictrieve.text.tokenizer import Tokenizer

Vocab = str | Path | Mapping[str, int] | Sequence[str]
Merges = str | Path | Iterable[str | Sequence[str]]

_ENDINGS = "'s|'t|'re|'ve|'m|'ll|'d"
_CLIP = rf"{_ENDINGS}|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+"
_CL100K = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = {
    "gpt2": rf"{_ENDINGS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+",
    "clip": _CLIP,
    "clip_marked": rf"<\|startoftext\|>|<\|endoftext\|>|{_CLIP}",
    "llama3": rf"(?i:{_ENDINGS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_CL100K}",
    "qwen2": rf"(?i:{_ENDINGS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_CL100K}",
}
CLIP_NORMALIZER = (
    {"type": "NFC"},
    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
    {"type": "Lowercase"},
)
CLIP_START, CLIP_END = "<|startoftext|>", "<|endoftext|>"
_CLIP_MERGES = 49152 - 256 - 2  # the file has more, which the model does not use


class BPETokenizer(Tokenizer):
    """Byte-level byte pair encoding (Sennrich et al. 2016; Radford et al. 2019), ids equal to those of `tokenizers`.

    Args:
        vocab: Path of a `vocab.json`, its content, or the tokens in the order of their ids.
        merges: Path of a `merges.txt`, or its lines: two tokens with a space between, or pairs of tokens.
        pattern: How a text is cut into words: "gpt2", "llama3", "qwen2", "clip" or "clip_marked".
        add_prefix_space: Put a space in front of a text that begins with something else.
        end_of_word: What the vocabulary writes behind the last byte of a word: `"</w>"` for CLIP.
        whole_words: Take a word that is a token as it is, without merging.
        unk_token: For bytes that the vocabulary lacks; None leaves them out.
        frame: Special tokens, normaliser, padding; None has none of them.

    Raises:
        FileNotFoundError: A file does not exist.
        FormatError: A file is damaged, a token stands twice, or a merge names a token that the vocabulary lacks.

    Example:
        >>> tokenizer = BPETokenizer(["a", "b", "c", "ab"], ["a b"])
        >>> tokenizer.encode("abc").tolist()
        [3, 2]
    """

    def __init__(
        self,
        vocab: Vocab,
        merges: Merges,
        *,
        pattern: str = "gpt2",
        add_prefix_space: bool = False,
        end_of_word: str = "",
        whole_words: bool = False,
        unk_token: str | None = None,
        frame: Frame | None = None,
    ) -> None:
        """Read the vocabulary and the merges."""
        tokens, rules = read_vocab(vocab), read_merges(merges)
        self.frame = frame or Frame()
        self._options: dict[str, Any] = {
            "pattern": pattern,
            "add_prefix_space": add_prefix_space,
            "end_of_word": end_of_word,
            "whole_words": whole_words,
            "unk_token": unk_token,
        }
        self._arguments = {"vocab": tokens, "merges": rules, **self._options, "frame": self.frame}
        if unk_token is not None and unk_token not in tokens:
            raise FormatError(f"vocabulary: expected a token {unk_token}, found none among {len(tokens)}")
        self._core = _core.BpeTokenizer(
            tokens,
            rules,
            pattern,
            add_prefix_space,
            end_of_word,
            whole_words,
            -1 if unk_token is None else tokens.index(unk_token),
            self.frame.bind(tokens),
        )

    def to_json(self) -> dict[str, Any]:
        """Describe the tokenizer in the words of `tokenizer.json`."""
        options = self._options
        model = {
            "type": "BPE",
            "dropout": None,
            "unk_token": options["unk_token"],
            "continuing_subword_prefix": "",
            "end_of_word_suffix": options["end_of_word"],
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": options["whole_words"],
            "vocab": {token: i for i, token in enumerate(self.tokens)},
            "merges": self._arguments["merges"],
        }
        pattern = options["pattern"]
        bytes_of = {"type": "ByteLevel", "add_prefix_space": options["add_prefix_space"], "trim_offsets": True}
        clip = pattern.startswith("clip")
        split = {"type": "Split", "pattern": {"Regex": PATTERNS[pattern]}, "invert": clip}
        split["behavior"] = "Removed" if clip else "Isolated"
        own = {**bytes_of, "use_regex": pattern == "gpt2" or clip}
        cut = own if pattern == "gpt2" else {"type": "Sequence", "pretokenizers": [split, own]}
        return self._json(model, cut, {**bytes_of, "add_prefix_space": True, "use_regex": True})


class CLIPTokenizer(BPETokenizer):
    """CLIP's byte pair encoding (Radford et al. 2021): lower case, white space joined, words end with `</w>`.

    A text stands between `<|startoftext|>` and `<|endoftext|>`, both of which stay when it is cut to CLIP's 77 tokens.

    Args:
        vocab: Path of OpenAI's `bpe_simple_vocab_16e6.txt.gz`, which has the merges as well; or as in `BPETokenizer`.
        merges: As in `BPETokenizer`; None where `vocab` is OpenAI's file.
        pattern: "clip_marked", or "clip" as older files have it.
        frame: Special tokens, normaliser, padding; None takes CLIP's.

    Raises:
        FileNotFoundError: A file does not exist.
        FormatError: A file is damaged.
    """

    def __init__(
        self,
        vocab: Vocab,
        merges: Merges | None = None,
        *,
        pattern: str = "clip_marked",
        frame: Frame | None = None,
    ) -> None:
        """Read the vocabulary and the merges."""
        if merges is None:
            if not isinstance(vocab, str | Path):
                raise TypeError(f"merges: expected merges with a vocabulary of type {type(vocab).__name__}, got None")
            vocab, merges = read_openai(Path(vocab))
        options: dict[str, Any] = {"pattern": pattern, "end_of_word": "</w>", "unk_token": CLIP_END}
        super().__init__(vocab, merges, **options, frame=frame or clip_frame())
        self._arguments = {k: self._arguments[k] for k in ("vocab", "merges", "pattern", "frame")}

    def decode(self, ids: ArrayLike, skip_special_tokens: bool = True) -> str:
        """Join tokens to a text, as in every tokenizer, without white space at its ends."""
        return super().decode(ids, skip_special_tokens).strip()


def clip_frame() -> Frame:
    """Give CLIP's special tokens, normaliser and limit."""
    return Frame((CLIP_START,), (CLIP_END,), specials((CLIP_START, CLIP_END)), CLIP_NORMALIZER, CLIP_END, max_length=77)


def read_vocab(vocab: Vocab) -> list[str]:
    """Give the tokens in the order of their ids, which must have no gaps."""
    where = "vocabulary"
    if isinstance(vocab, str | Path):
        where = f"vocabulary: '{vocab}'"
        try:
            vocab = json.loads(Path(vocab).read_text(encoding="utf-8"))
        except ValueError as error:
            raise FormatError(f"{where} is not JSON: {error}") from error
        if not isinstance(vocab, dict):
            raise FormatError(f"{where}: expected an object of tokens and ids, got {type(vocab).__name__}")
    return tokens_by_id(vocab, where) if isinstance(vocab, Mapping) else list(vocab)


def tokens_by_id(vocab: Mapping[str, int], where: str) -> list[str]:
    """Sort tokens by their ids; a gap or an id used twice is refused."""
    if wrong := next((token for token, i in vocab.items() if not isinstance(i, int)), None):
        raise FormatError(f"{where}: expected whole numbers as ids, got {vocab[wrong]!r} for {wrong!r}")
    tokens = sorted(vocab, key=vocab.__getitem__)
    for expected, token in enumerate(tokens):
        if vocab[token] != expected:
            problem = "two tokens have" if vocab[token] < expected else "the ids have gaps, no token has"
            raise FormatError(f"{where}: {problem} id {min(vocab[token], expected)}, near {token!r}")
    return tokens


def read_merges(merges: Merges) -> list[str]:
    """Give merges as lines of two tokens, best first, without the file's heading."""
    if isinstance(merges, str | Path):
        try:
            lines = Path(merges).read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise FormatError(f"merges: '{merges}' is not UTF-8: {error}") from error
        return [line.rstrip("\r") for line in lines if line.strip() and not line.startswith("#version")]
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in merges]


def read_openai(path: Path) -> tuple[list[str], list[str]]:
    """Read OpenAI's file of merges: tokens are all bytes, all bytes that end a word, the merges, two special ones."""
    try:
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    except (OSError, EOFError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise FormatError(f"vocabulary: '{path}' is not a gzip file of UTF-8 text: {error}") from error
    merges = lines[1 : 1 + _CLIP_MERGES]
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = [chr(c) for c in printable] + [chr(0x100 + i) for i in range(256 - len(printable))]
    joined = [merge.replace(" ", "") for merge in merges]
    return [*letters, *(letter + "</w>" for letter in letters), *joined, CLIP_START, CLIP_END], merges
