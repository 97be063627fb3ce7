"""What an add or a sync has done."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import NamedTuple


class ReportRow(NamedTuple):
    """One input that was not simply added: `status` is skipped or one of the ledger's, `reason` says why."""

    path: str
    status: str
    reason: str


@dataclass
class Report:
    """Counts of one run, and a row for every input that was skipped for a reason or failed.

    Attributes:
        added: New items.
        updated: Items whose file had changed.
        skipped: Inputs that were there already, had failed before, or are no pictures.
        failed: Inputs that could not be read; `Gallery.failures()` keeps those that are files.
        removed: Items whose file is gone (`sync` only).
        seconds: Duration of the run.
        rows: `(path, status, reason)` of what was skipped for a reason or failed.
    """

    added: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    removed: int = 0
    seconds: float = 0.0
    rows: list[ReportRow] = field(default_factory=list)

    def fail(self, path: str, status: str, reason: str) -> None:
        """Count an input that could not be read."""
        self.failed += 1
        self.rows.append(ReportRow(path, status, reason))

    def skip(self, path: str = "", reason: str = "") -> None:
        """Count an input that was passed over; without a reason it is simply there already."""
        self.skipped += 1
        if reason:
            self.rows.append(ReportRow(path, "skipped", reason))

    def summary(self) -> str:
        """Say the counts in one line."""
        parts = [f"{self.added} added"]
        for count, word in ((self.updated, "updated"), (self.removed, "removed")):
            parts += [f"{count} {word}"] if count else []
        parts += [f"{self.skipped} skipped", f"{self.failed} failed"]
        done = self.added + self.updated
        rate = f" ({done / self.seconds:.0f}/s)" if done and self.seconds > 0 else ""
        return f"{', '.join(parts)} in {self.seconds:.1f} s{rate}"

    def __repr__(self) -> str:
        shown = [f"  {row.status}: {row.path}: {row.reason}" for row in self.rows[:10]]
        more = [f"  ... and {len(self.rows) - 10} more in .rows"] if len(self.rows) > 10 else []
        return "\n".join([f"Report({self.summary()})", *shown, *more])

    def _repr_html_(self) -> str:
        cells = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in (row.status, row.path, row.reason)) + "</tr>"
            for row in self.rows[:100]
        )
        table = f"<table><tr><th>status</th><th>path</th><th>reason</th></tr>{cells}</table>" if cells else ""
        more = f"<p>and {len(self.rows) - 100} more</p>" if len(self.rows) > 100 else ""
        return f"<div><p><b>{html.escape(self.summary())}</b></p>{table}{more}</div>"
