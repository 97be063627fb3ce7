"""What a search found: a list of hits that prints well everywhere."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from pictrieve.gallery import html
from pictrieve.gallery.items import item_ids
from pictrieve.gallery.query import Term
from pictrieve.gallery.ranking import Place

if TYPE_CHECKING:
    import pandas

CONFIDENT = 0.95


@dataclass(frozen=True)
class Hit:
    """One item that was found.

    Attributes:
        id: The item's id, for ever.
        score: Similarity to the query, larger is better; cosine, so 1.0 for the query itself. After a fusion or
            re-ranking it is theirs.
        path: The file, None for a picture that was added without one.
        text: The item's text, None where it has none.
        metadata: The item's metadata.
        width: Width in pixels, where known.
        height: Height in pixels, where known.
        contributions: What each term of the query adds to the score, in the order of `Hits.terms`; of a fusion,
            what each part adds; empty after re-ranking.
        confidence: 0 to 1, how sure it is that no unrelated item is as near; None where it was not asked for.
        places: Where each part of a fused query ranked it.
        reason: Why a session asks about it.
    """

    id: int
    score: float
    path: str | None
    text: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    contributions: tuple[float, ...] = ()
    confidence: float | None = None
    places: tuple[Place, ...] = ()
    reason: str | None = None

    @property
    def name(self) -> str:
        """A short name: that of the file, or the id."""
        return Path(self.path).name if self.path is not None else f"item {self.id}"

    def to_dict(self, rank: int) -> dict[str, Any]:
        """Give what `--json` prints of a hit."""
        facts: dict[str, Any] = {
            "rank": rank,
            "id": self.id,
            "path": self.path,
            "score": round(self.score, 6),
        }
        if self.confidence is not None:
            facts["confidence"] = round(self.confidence, 6)
        if self.text is not None:
            facts["text"] = self.text
        return {**facts, "metadata": self.metadata}


class Hits(Sequence[Hit]):
    """Hits of one search, best first.

    Attributes:
        terms: The query's terms.
        channel: The vector space that was searched: "features" (picture to picture) or "dual" (pictures and
            words); of a fusion, that of the part that weighs most.
        vector: (dim,) float32 of length 1: what was searched for in it; None for hits that were put together.

    Example:
        >>> hits = gallery.search("a sleeping cat", k=3)   # doctest: +SKIP
        >>> hits[0].path, hits[0].score                    # doctest: +SKIP
    """

    def __init__(
        self,
        hits: Sequence[Hit],
        terms: Sequence[Term] = (),
        channel: str = "",
        vector: NDArray[np.float32] | None = None,
    ) -> None:
        """Keep the hits and the query that found them."""
        self._hits = list(hits)
        self.terms = list(terms)
        self.channel = channel
        self.vector = vector

    @property
    def ids(self) -> list[int]:
        """The ids, best first."""
        return [hit.id for hit in self._hits]

    @property
    def scores(self) -> list[float]:
        """The scores, best first."""
        return [hit.score for hit in self._hits]

    @property
    def is_confident(self) -> bool | None:
        """Whether a hit has a confidence of at least 0.95; None where it was not asked for (min_confidence=0)."""
        known = [hit.confidence for hit in self._hits if hit.confidence is not None]
        return max(known) >= CONFIDENT if known else None

    def __len__(self) -> int:
        return len(self._hits)

    @overload
    def __getitem__(self, position: int) -> Hit: ...
    @overload
    def __getitem__(self, position: slice) -> Hits: ...
    def __getitem__(self, position: int | slice) -> Hit | Hits:
        if isinstance(position, slice):
            return Hits(self._hits[position], self.terms, self.channel, self.vector)
        return self._hits[position]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._hits)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give one plain dict for each hit: rank, id, path, score, confidence and text where known, metadata."""
        return [hit.to_dict(rank) for rank, hit in enumerate(self._hits, 1)]

    def to_json(self) -> str:
        """Give the same as JSON text."""
        return json.dumps(self.to_dicts(), ensure_ascii=False)

    def to_pandas(self) -> pandas.DataFrame:
        """Give a DataFrame: rank, id, score, confidence where it was measured, path, text, each metadata key."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas needs pandas; run: pip install 'pictrieve[pandas]'") from error
        measured = any(hit.confidence is not None for hit in self._hits)
        columns = ["rank", "id", "score", *(["confidence"] if measured else []), "path", "text"]
        rows = [
            {
                **hit.metadata,
                "rank": rank,
                "id": hit.id,
                "score": hit.score,
                **({"confidence": hit.confidence} if measured else {}),
                "path": hit.path,
                "text": hit.text,
            }
            for rank, hit in enumerate(self._hits, 1)
        ]
        keys = dict.fromkeys(key for hit in self._hits for key in hit.metadata if key not in columns)
        return pandas.DataFrame(rows, columns=[*columns, *keys])

    def explain(self) -> str:
        """Say what each term of the query adds to each score, as a text table; of a fusion, how each part ranked it."""
        fused = next((hit.places for hit in self._hits if hit.places), ())
        if fused:
            columns = [f"{place.part} {what}" for place in fused for what in ("rank", "score", "adds")]
            details = [[cell for place in hit.places for cell in _place(place)] for hit in self._hits]
        else:
            columns = [_shown(term, first=False) for term in self.terms]
            details = [[f"{part:+.3f}" for part in hit.contributions] for hit in self._hits]
        header = ["rank", "name", "score", *(columns if any(details) else [])]
        rows = [
            [str(rank), hit.name, f"{hit.score:.3f}", *cells]
            for rank, (hit, cells) in enumerate(zip(self._hits, details, strict=True), 1)
        ]
        return text_table([header, *rows], right={0, *range(2, len(header))})

    @property
    def title(self) -> str:
        """The query in one line."""
        return " ".join(_shown(term, first=i == 0) for i, term in enumerate(self.terms)) or "(vector)"

    def __repr__(self) -> str:
        if not self._hits:
            return f"Hits(none for {self.title})"
        captioned = any(hit.text for hit in self._hits)
        rows = [["rank", "score", "id", "name", *(["text"] if captioned else [])]]
        for rank, hit in enumerate(self._hits, 1):
            row = [str(rank), f"{hit.score:.3f}", str(hit.id), _one_line(hit.name, 48)]
            rows.append([*row, *([_one_line(hit.text or "", 48)] if captioned else [])])
        return f"{len(self)} hits for {self.title}\n" + text_table(rows, right={0, 1, 2})

    def _repr_html_(self) -> str:
        cards = [html.Card(hit.path, f"{rank}", hit.score, hit.text or hit.name, hit.name)
                 for rank, hit in enumerate(self._hits, 1)]  # fmt: skip
        return html.notebook_grid(f"{len(self)} hits for {self.title}", cards)


def ids_of(items: Any, name: str) -> NDArray[np.int64]:
    """Give the ids of what a person points at: an id, a hit, or several of them.

    Raises:
        TypeError: Something is neither.
    """
    if items is None:
        return np.empty(0, np.int64)
    listed = [items] if isinstance(items, Hit) or np.ndim(items) == 0 else list(items)
    try:
        return np.array(item_ids([one.id if isinstance(one, Hit) else one for one in listed]), np.int64)
    except TypeError:
        raise TypeError(f"{name}: expected ids or hits, got {items!r:.80}") from None


def text_table(rows: Sequence[Sequence[str]], right: set[int] | None = None) -> str:
    """Align columns by the width that a terminal gives to each character (two cells for Chinese)."""
    widths = [max(cells(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        parts = []
        for i, cell in enumerate(row):
            space = " " * (widths[i] - cells(cell))
            parts.append(space + cell if i in (right or set()) else cell + space)
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def cells(text: str) -> int:
    """Count the terminal cells that a text takes."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(bool(unicodedata.combining(character)) for character in text)


def _one_line(text: str, width: int) -> str:
    """Make a text printable on one line of at most `width` cells."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text.replace("\n", "⏎"))
    if cells(shown) <= width:
        return shown
    while cells(shown) >= width:
        shown = shown[:-1]
    return shown + "…"


def _place(place: Place) -> list[str]:
    """Three cells; a part that did not find the item has a rank and a score of its own."""
    if place.rank is None or place.score is None:
        return ["-", "-", f"{place.contribution:+.3f}"]
    return [str(place.rank), f"{place.score:.3f}", f"{place.contribution:+.3f}"]


def _shown(term: Term, *, first: bool) -> str:
    sign = "-" if term.weight < 0 else ("" if first else "+")
    weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g}:"
    label = Path(term.label).name if term.kind == "image" else term.label
    return " ".join(part for part in (sign, weight + _one_line(label, 60)) if part)
