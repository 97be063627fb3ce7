"""Before and after a training, and the queries that still go worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any


class WorseWarning(UserWarning):
    """The best epoch of a training is worse than the model that it started from."""


@dataclass(frozen=True)
class Example:
    """A query that goes badly.

    Attributes:
        query: Path of its picture.
        label: What it shows.
        score: The metric of this query.
        found: Paths of the best-ranked pictures.
        found_labels: What these show.
    """

    query: str
    label: str
    score: float
    found: Sequence[str]
    found_labels: Sequence[str]


@dataclass(frozen=True, repr=False)
class Report:
    """What a training changed.

    Attributes:
        before: Metrics before it, by name.
        after: Metrics of the exported model.
        best_epoch: The epoch whose weights were kept; 0 for the last one.
        facts: What else there is to say: how much of the weights a guard set let through; "stopped" where the training
            has not ended, "worse than before" where it did harm.
        examples: The worst queries.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    best_epoch: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    examples: Sequence[Example] = ()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Report:
        """Make one again from its JSON."""
        examples = [Example(**example) for example in content["examples"]]
        return cls(content["before"], content["after"], content["best_epoch"], content["facts"], examples)

    def _rows(self) -> list[tuple[str, str, str, str]]:
        rows = []
        for name in {**self.before, **self.after}:
            before, after = self.before.get(name), self.after.get(name)
            change = "" if before is None or after is None else f"{after - before:+.4f}"
            rows.append((name, _number(before), _number(after), change))
        return rows

    def __repr__(self) -> str:
        """Show a table of the metrics."""
        rows = [("metric", "before", "after", "change"), *self._rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *(f"{name}: {value}" for name, value in self.facts.items())])

    def _repr_html_(self) -> str:
        from pictrieve.gallery.html import NOTEBOOK_STYLE, picture_tag

        head = "".join(f"<th>{name}</th>" for name in ("metric", "before", "after", "change"))
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self._rows())
        facts = "".join(f"<p>{escape(name)}: {escape(str(value))}</p>" for name, value in self.facts.items())

        def card(path: str, caption: str, note: str) -> str:
            picture = picture_tag(path, caption, "pt-none")
            return (
                f'<figure class="pt-card">{picture}<figcaption>{escape(caption)}<br><small>{escape(note)}</small>'
                "</figcaption></figure>"
            )

        grids = []
        for example in self.examples:
            cards = [card(example.query, example.label, f"query, {example.score:.3f}")]
            pairs = zip(example.found, example.found_labels, strict=True)
            cards += [card(path, label, f"rank {rank}") for rank, (path, label) in enumerate(pairs, 1)]
            grids.append(f'<div class="pt-grid">{"".join(cards)}</div>')
        worst = f"{NOTEBOOK_STYLE}<p>Worst queries</p>{''.join(grids)}" if grids else ""
        return f"<table><tr>{head}</tr>{body}</table>{facts}{worst}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
