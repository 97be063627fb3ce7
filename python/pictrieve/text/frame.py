"""What stands around a tokenizer's model: added tokens, the normaliser, special tokens, padding."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pictrieve import _core
from pictrieve._core import FormatError

Step = tuple[str, str | bytes, str]
_CHARACTERS = re.compile(r"\[((?:[^\\\[\]^-]|\\[^\w])(?:[^\\\[\]-]|\\[^\w])*)\]")


class AddedToken(NamedTuple):
    """A token that is kept whole where a text has it.

    Attributes:
        text: The token.
        special: Left out by `decode(skip_special_tokens=True)`.
        lstrip: Takes the white space on its left with it.
        rstrip: Takes the white space on its right with it.
        normalized: Looked for in the normalised text, not in the raw one.
    """

    text: str
    special: bool = True
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False


@dataclass(frozen=True)
class Frame:
    """What a tokenizer does beside its model.

    Attributes:
        prefix: Special tokens in front of each text, such as `("<s>",)`.
        suffix: Special tokens behind each text; both stay when a text is cut.
        added_tokens: Tokens that are kept whole; they must be in the vocabulary.
        normalizer: Steps in the words of `tokenizer.json`, such as `({"type": "NFC"}, {"type": "Lowercase"})`.
        pad_token: What rows are filled with, None where the model has no such token.
        pad_to: Shorter texts are filled to this length with padding that counts as text, as SigLIP needs; 0: never.
        max_length: Tokens of a text that the model was made for, None where its files say nothing.
    """

    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()
    added_tokens: tuple[AddedToken, ...] = ()
    normalizer: tuple[Mapping[str, Any], ...] = ()
    pad_token: str | None = None
    pad_to: int = 0
    max_length: int | None = None

    def bind(self, tokens: list[str]) -> _core.TokenizerFrame:
        """Look up the ids of all these tokens."""
        if not tokens:
            raise FormatError("vocabulary: expected at least one token, got none")
        ids = {token: i for i, token in enumerate(tokens)}

        def id_of(token: str) -> int:
            if token not in ids:
                raise FormatError(f"vocabulary: expected a token {token}, found none among {len(tokens)}")
            return ids[token]

        if self.pad_to and self.pad_token is None:
            raise ValueError(f"pad_to={self.pad_to}: expected a pad_token, got None")
        return _core.TokenizerFrame(
            added=[(token.text, id_of(token.text), *token[1:]) for token in self.added_tokens],
            normalizer=[step for spec in self.normalizer for step in steps_of(spec)],
            before=[id_of(token) for token in self.prefix],
            after=[id_of(token) for token in self.suffix],
            pad_to=self.pad_to,
            pad_id=id_of(self.pad_token) if self.pad_to and self.pad_token is not None else 0,
        )


def specials(tokens: Iterable[str | None], present: Iterable[str] | None = None) -> tuple[AddedToken, ...]:
    """Make special tokens of these texts, each once, leaving out those that are not `present`."""
    known = None if present is None else set(present)
    return tuple(AddedToken(t) for t in dict.fromkeys(tokens) if t is not None and (known is None or t in known))


def flatten(spec: Mapping[str, Any] | None, name: str) -> list[Mapping[str, Any]]:
    """List the parts of a component of `tokenizer.json`, whose Sequence keeps them under `name`."""
    if not spec:
        return []
    if spec.get("type") == "Sequence":
        return [part for inner in spec.get(name, ()) for part in flatten(inner, name)]
    return [spec]


def steps_of(spec: Mapping[str, Any]) -> list[Step]:
    """Translate one step of a normaliser.

    Raises:
        FormatError: This step is not supported, or its character map is not base64.
    """
    kind = spec.get("type")
    if kind in ("NFC", "Lowercase"):
        return [(kind.lower(), "", "")]
    if kind == "Strip":
        sides = [side for side in ("left", "right") if spec.get(f"strip_{side}", True)]
        return [(f"strip_{side}", "", "") for side in sides]
    if kind == "Precompiled":
        return [(f"map_{spec.get('cut', 'graphemes')}", _decoded(spec.get("precompiled_charsmap")), "")]
    if kind == "Replace":
        return [_replace_step(spec.get("pattern"), spec.get("content"))]
    raise FormatError(
        f"normalizer: expected NFC, Lowercase, Strip, Replace or Precompiled, got {kind}; this one is not supported"
    )


def _replace_step(pattern: Any, content: Any) -> Step:
    if not isinstance(pattern, Mapping) or not isinstance(content, str):
        raise FormatError(f"normalizer: expected Replace with a pattern and a content, got {pattern!r} and {content!r}")
    if isinstance(pattern.get("String"), str):
        return ("replace", pattern["String"], content)
    regex = str(pattern.get("Regex"))
    if regex == r"\s+":
        return ("replace_white", "", content)
    if regex == " {2,}":
        return ("replace_blanks", "", content)
    if characters := _CHARACTERS.fullmatch(regex):
        return ("replace_any", re.sub(r"\\(.)", r"\1", characters[1]), content)
    raise FormatError(
        rf"normalizer: expected Replace of a text, \s+, ' {{2,}}' or a list of characters, got the expression {regex!r}"
    )


def _decoded(table: Any) -> bytes:
    try:
        return base64.b64decode(table, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise FormatError(f"normalizer: precompiled_charsmap is not base64: {error}") from error
