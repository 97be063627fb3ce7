"""SentencePiece's unigram model: XLM-R, T5, SigLIP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pictrieve import _core
from pictrieve._core import FormatError
from pictrieve.text.frame import Frame
from pictrieve.text.tokenizer import Tokenizer


class UnigramTokenizer(Tokenizer):
    """Cut words into the most probable tokens (Kudo 2018), ids equal to those of `tokenizers`.

    Args:
        vocab: `(token, log probability)` in the order of the ids; None instead of a number for a token that only
            occurs as an added one.
        unk_token: For characters that the vocabulary lacks; neighbours share one.
        cut: Where words begin: at "white" space or at "blanks" (spaces), which are dropped; at "marks" (spaces, which
            are kept as U+2581); or "none".
        prefix: Whether a word gets a U+2581 in front: "always", "first" (of the text) or "never".
        byte_fallback: Write unknown characters as tokens `<0x00>` to `<0xFF>`.
        frame: Special tokens, normaliser, padding; None has none of them.

    Raises:
        FormatError: A token stands twice, a number is not finite, or `unk_token` is missing.

    Example:
        >>> tokenizer = UnigramTokenizer([("<unk>", 0.0), ("▁a", -1.0), ("b", -2.0)])
        >>> tokenizer.encode("ab ax").tolist()
        [1, 2, 1, 0]
    """

    def __init__(
        self,
        vocab: Iterable[tuple[str, float | None]],
        *,
        unk_token: str = "<unk>",
        cut: str = "white",
        prefix: str = "always",
        byte_fallback: bool = False,
        frame: Frame | None = None,
    ) -> None:
        """Build the trie of tokens."""
        entries = list(vocab)
        tokens = [token for token, _ in entries]
        scored = next((i for i, (_, score) in enumerate(entries) if score is None), len(entries))
        if any(score is not None for _, score in entries[scored:]):
            raise FormatError(f"vocabulary: expected tokens without a number last, got one as token {scored}")
        if unk_token not in tokens:
            raise FormatError(f"vocabulary: expected a token {unk_token}, found none among {len(tokens)}")
        self.frame = frame or Frame()
        options = {"unk_token": unk_token, "cut": cut, "prefix": prefix, "byte_fallback": byte_fallback}
        self._arguments: dict[str, Any] = {"vocab": entries, **options, "frame": self.frame}
        self._scores = np.array([score for _, score in entries[:scored]], dtype=np.float64)
        self._core = _core.UnigramTokenizer(
            tokens, self._scores, cut, prefix, tokens.index(unk_token), byte_fallback, self.frame.bind(tokens)
        )

    def identity(self) -> list[str]:
        """Give texts that are the same for two tokenizers where both give the same ids."""
        return [*super().identity(), self._scores.tobytes().hex()]

    def to_json(self) -> dict[str, Any]:
        """Describe the tokenizer in the words of `tokenizer.json`.

        Raises:
            ValueError: The tokenizer follows SentencePiece's own library where Hugging Face's cannot.
        """
        arguments = self._arguments
        if arguments["cut"] == "blanks" or any(step.get("cut") for step in self.frame.normalizer):
            raise ValueError(f"{self!r}: tokenizer.json cannot describe what SentencePiece's own library does")
        model = {
            "type": "Unigram",
            "unk_id": self.id_of(arguments["unk_token"]),
            "vocab": [[token, score] for token, score in arguments["vocab"] if score is not None],
            "byte_fallback": arguments["byte_fallback"],
        }
        marks = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": arguments["prefix"]}
        marks["split"] = arguments["cut"] != "none"
        white = [{"type": "WhitespaceSplit"}] if arguments["cut"] == "white" else []
        decoder = marks
        if arguments["byte_fallback"]:
            parts = [{"type": "ByteFallback"}, marks, {"type": "Fuse"}]
            decoder = {"type": "Sequence", "decoders": parts}
        return self._json(model, {"type": "Sequence", "pretokenizers": [*white, marks]}, decoder)
