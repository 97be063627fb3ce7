"""The query language: ``dog.jpg + snow - 2:car`` is a weighted sum of pictures and words."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from pictrieve.gallery.sources import SUFFIXES

_WEIGHT = re.compile(r"(\d+\.?\d*|\.\d+):\s*")
_QUOTES = "\"'"


@dataclass(frozen=True)
class Term:
    """One part of a query.

    Attributes:
        kind: "image", "text" or "vector".
        value: A path or picture, a text, or a vector.
        weight: Its share in the sum; negative for what is not wanted.
        label: How the term is shown.
    """

    kind: str
    value: Any
    weight: float
    label: str


def parse_query(query: str, sign: float = 1.0) -> list[Term]:
    """Split a query into its terms.

    Terms are joined by ``+`` and ``-`` with a space on both sides; a query may also begin with ``- ``. A term
    may carry a weight (``2:car``, default 1) and may stand in single or double quotes, which keep ``+`` and
    ``-`` inside it. A term that is an existing file, or that ends like a picture (``.jpg``), is a picture;
    any other is text. A query that as a whole is an existing file is that picture.

    Raises:
        ValueError: A term is empty, a quote is not closed, or a weight is zero.
    """
    stripped = query.strip()
    if not stripped:
        raise ValueError("query: expected a picture or words, got an empty text")
    if os.path.isfile(stripped):
        return [Term("image", stripped, sign, stripped)]
    return [_term(text, sign * own, query) for own, text in _split(stripped, query)]


def _split(text: str, query: str) -> list[tuple[float, str]]:
    """Cut at ``+`` and ``-`` that stand between spaces outside quotes."""
    parts: list[tuple[float, str]] = []
    sign, start, quote = 1.0, 0, ""
    if text.startswith(("- ", "+ ")):
        sign, start = (-1.0 if text[0] == "-" else 1.0), 2
    for i, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES and not text[start:i].strip().rstrip(":").strip("0123456789."):
            quote = character  # a quote inside a word, as in "dog's", is a letter
        elif character in "+-" and i > start and text[i - 1].isspace() and (text + " ")[i + 1].isspace():
            parts.append((sign, text[start:i]))
            sign, start = (-1.0 if character == "-" else 1.0), i + 1
    if quote:
        raise ValueError(f"query: the quote {quote} is not closed in {query!r}")
    return [*parts, (sign, text[start:])]


def _term(text: str, sign: float, query: str) -> Term:
    text = text.strip()
    weight = 1.0
    match = _WEIGHT.match(text)
    if match and not os.path.isfile(text):
        weight, text = float(match.group(1)), text[match.end() :]
    if len(text) >= 2 and text[0] == text[-1] and text[0] in _QUOTES:
        text = text[1:-1].strip()
    if not text or text.startswith(("+ ", "- ")):
        raise ValueError(f"query: expected a picture or words on both sides of + and -, got {query!r}")
    if weight == 0.0:
        raise ValueError(f"query: expected a weight above 0 before {text!r}, got {query!r}")
    picture = os.path.isfile(text) or os.path.splitext(text)[1].lower() in SUFFIXES
    return Term("image" if picture else "text", text, sign * weight, text)
