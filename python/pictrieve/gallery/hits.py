"""What a search found: a list of hits that prints well everywhere."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from pictrieve.gallery import html
from pictrieve.gallery.query import Term

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Hit:
    """One item that was found.

    Attributes:
        id: The item's id, for ever.
        score: Similarity to the query, larger is better; cosine, so 1.0 for the query itself.
        path: The file, None for a picture that was added without one.
        text: The item's text, None where it has none.
        metadata: The item's metadata.
        width: Width in pixels, where known.
        height: Height in pixels, where known.
        contributions: What each term of the query adds to the score, in the order of `Hits.terms`.
    """

    id: int
    score: float
    path: str | None
    text: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    contributions: tuple[float, ...] = ()

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
        if self.text is not None:
            facts["text"] = self.text
        return {**facts, "metadata": self.metadata}


class Hits(Sequence[Hit]):
    """Hits of one search, best first.

    Attributes:
        terms: The query's terms.
        channel: The vector space that was searched: "features" (picture to picture) or "dual" (pictures and
            words).

    Example:
        >>> hits = gallery.search("a sleeping cat", k=3)   # doctest: +SKIP
        >>> hits[0].path, hits[0].score                    # doctest: +SKIP
    """

    def __init__(self, hits: Sequence[Hit], terms: Sequence[Term] = (), channel: str = "") -> None:
        """Keep the hits and the query that found them."""
        self._hits = list(hits)
        self.terms = list(terms)
        self.channel = channel

    @property
    def ids(self) -> list[int]:
        """The ids, best first."""
        return [hit.id for hit in self._hits]

    @property
    def scores(self) -> list[float]:
        """The scores, best first."""
        return [hit.score for hit in self._hits]

    def __len__(self) -> int:
        return len(self._hits)

    @overload
    def __getitem__(self, position: int) -> Hit: ...
    @overload
    def __getitem__(self, position: slice) -> Hits: ...
    def __getitem__(self, position: int | slice) -> Hit | Hits:
        if isinstance(position, slice):
            return Hits(self._hits[position], self.terms, self.channel)
        return self._hits[position]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._hits)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give one plain dict for each hit: rank, id, path, score, text where there is one, metadata."""
        return [hit.to_dict(rank) for rank, hit in enumerate(self._hits, 1)]

    def to_json(self) -> str:
        """Give the same as JSON text."""
        return json.dumps(self.to_dicts(), ensure_ascii=False)

    def to_pandas(self) -> pandas.DataFrame:
        """Give a DataFrame with rank, id, score, path, text and a column for each metadata key."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas needs pandas; run: pip install 'pictrieve[pandas]'") from error
        columns = ["rank", "id", "score", "path", "text"]
        rows = [
            {
                **hit.metadata,
                "rank": rank,
                "id": hit.id,
                "score": hit.score,
                "path": hit.path,
                "text": hit.text,
            }
            for rank, hit in enumerate(self._hits, 1)
        ]
        keys = dict.fromkeys(key for hit in self._hits for key in hit.metadata if key not in columns)
        return pandas.DataFrame(rows, columns=[*columns, *keys])

    def explain(self) -> str:
        """Say what each term of the query adds to each score, as a text table."""
        header = ["rank", "name", "score", *(_shown(term, first=False) for term in self.terms)]
        rows = [
            [str(rank), hit.name, f"{hit.score:.3f}", *(f"{part:+.3f}" for part in hit.contributions)]
            for rank, hit in enumerate(self._hits, 1)
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


def _shown(term: Term, *, first: bool) -> str:
    sign = "-" if term.weight < 0 else ("" if first else "+")
    weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g}:"
    label = Path(term.label).name if term.kind == "image" else term.label
    return " ".join(part for part in (sign, weight + _one_line(label, 60)) if part)
