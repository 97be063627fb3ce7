"""Small tables of results that print as text, as HTML in a notebook, and turn into a DataFrame."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    import pandas

Row = TypeVar("Row", bound=tuple[Any, ...])


class Table(Sequence[Row], Generic[Row]):
    """Rows of one NamedTuple under a title.

    Attributes:
        title: What was measured, and how.
    """

    def __init__(self, rows: Sequence[Row], title: str, headings: Sequence[str] | None = None) -> None:
        """Take at least one row; headings are the fields' names by default."""
        self._rows = list(rows)
        self.title = title
        self._fields: tuple[str, ...] = tuple(getattr(self._rows[0], "_fields", ()))
        self._headings = list(headings or self._fields)

    @overload
    def __getitem__(self, i: int) -> Row: ...

    @overload
    def __getitem__(self, i: slice) -> list[Row]: ...

    def __getitem__(self, i: int | slice) -> Row | list[Row]:
        """Give a row, or several."""
        return self._rows[i]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._rows)

    def to_pandas(self) -> pandas.DataFrame:
        """Give a DataFrame with the fields as columns; needs pandas."""
        return pandas_module().DataFrame([list(row) for row in self._rows], columns=list(self._fields))

    def __repr__(self) -> str:
        """Show the title, and a line for each row."""
        lines = [self._headings, *([in_cells(value) for value in row] for row in self._rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        first = [f"{line[0]:<{widths[0]}}" for line in lines]
        rest = ["".join(f"  {cell:>{w}}" for cell, w in zip(line[1:], widths[1:], strict=True)) for line in lines]
        return "\n".join([self.title, *(a + b for a, b in zip(first, rest, strict=True))])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self._headings)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(in_cells(value))}</td>" for value in row) + "</tr>"
            for row in self._rows
        )
        return f"<table><caption>{html.escape(self.title)}</caption><tr>{head}</tr>{body}</table>"


def in_cells(value: Any) -> str:
    """Write a value of a table."""
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def pandas_module() -> Any:
    """Import pandas, or say what to install."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_pandas needs pandas; run: pip install 'pictrieve[pandas]'") from error
    return pandas
