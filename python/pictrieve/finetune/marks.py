"""What people marked: for each search, which items they wanted and which they did not."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

Id = int | str

_YES = frozenset({"1", "true", "yes", "relevant", "+"})
_NO = frozenset({"0", "-1", "false", "no", "irrelevant", "-"})
_COLUMNS = ("query", "item", "relevant")


class Judgement(NamedTuple):
    """The marks of one search.

    Attributes:
        query: Item that was searched with; None where it was no item, such as a text.
        relevant: Items that were wanted.
        irrelevant: Items that were not.
    """

    query: Id | None
    relevant: tuple[Id, ...]
    irrelevant: tuple[Id, ...] = ()


Log = str | os.PathLike[str] | Iterable[Any]


def judgements(log: Log) -> list[Judgement]:
    """Bring a log of marks into one form.

    Args:
        log: A file: JSON lines `{"query": 3, "relevant": [5], "irrelevant": [9]}`, or CSV with a column each for query,
            item and relevant (1 or 0), one row for each mark. Or a list of `Judgement`s, of such objects, of sessions
            of a gallery, or of their `marked` dicts.

    Raises:
        FileNotFoundError: The file is not there.
        ValueError: A line is not as described (names file and line), an item is marked both ways, or nothing is marked.
    """
    if isinstance(log, str | os.PathLike):
        found = _read(Path(log))
    else:
        found = [_judgement(entry, f"entry {i}") for i, entry in enumerate(log)]
    kept = [one for one in found if one.relevant or one.irrelevant]
    if not kept:
        raise ValueError("log: expected marks, got none")
    return kept


def _read(path: Path) -> list[Judgement]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}: line {line}: expected UTF-8, got byte {error.object[error.start]:#04x}") from error
    if path.suffix in (".csv", ".tsv"):
        return _from_table(text, path)
    if path.suffix not in (".jsonl", ".ndjson"):
        raise ValueError(f"log: expected a file .jsonl or .csv, got {path}")
    return _each(text.split("\n"), path, lambda line: _judgement(json.loads(line), "the line"))


def _each(lines: Iterable[str], path: Path, read: Callable[[str], Judgement]) -> list[Judgement]:
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(read(line))
            except ValueError as error:
                raise ValueError(f"{path}: line {number}: {error}") from error
    return found


def _from_table(text: str, path: Path) -> list[Judgement]:
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix == ".tsv" else ",")
    missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(f"{path}: expected the columns {', '.join(_COLUMNS)}, got no {', '.join(missing)}")
    marked: dict[str, tuple[list[Id], list[Id]]] = {}
    for row in rows:
        word = (row["relevant"] or "").strip().lower()
        if word not in _YES | _NO or not row["item"]:
            raise ValueError(
                f"{path}: line {rows.line_num}: expected an item and 1 or 0, got {row['item']!r}, {word!r}"
            )
        marked.setdefault(row["query"], ([], []))[word in _NO].append(row["item"])
    return [_checked(query or None, wanted, not_wanted, str(path)) for query, (wanted, not_wanted) in marked.items()]


def _judgement(entry: Any, place: str) -> Judgement:
    """Understand one entry."""
    if isinstance(entry, Judgement):
        return _checked(*entry, place)
    marked = getattr(entry, "marked", entry)  # a session of a gallery, or `rank.Feedback`
    if not isinstance(marked, Mapping):
        raise ValueError(f"log: {place}: expected a Judgement, a session or an object, got {type(entry).__name__}")
    if marked and all(isinstance(flag, bool) for flag in marked.values()):
        return _checked(
            None, [i for i, yes in marked.items() if yes], [i for i, yes in marked.items() if not yes], place
        )
    unknown = sorted(set(map(str, marked)) - {"query", "relevant", "irrelevant"})
    if unknown:
        raise ValueError(f"log: {place}: expected query, relevant and irrelevant, got {', '.join(unknown)}")
    return _checked(marked.get("query"), marked.get("relevant", ()), marked.get("irrelevant", ()), place)


def _checked(query: Any, relevant: Any, irrelevant: Any, place: str) -> Judgement:
    for name, items in (("relevant", relevant), ("irrelevant", irrelevant)):
        if isinstance(items, str | bytes) or not isinstance(items, Iterable):
            raise ValueError(f"log: {place}: expected a list of ids as {name}, got {items!r}")
    made = Judgement(query, tuple(dict.fromkeys(relevant)), tuple(dict.fromkeys(irrelevant)))
    both = set(made.relevant) & set(made.irrelevant)
    if both:
        raise ValueError(
            f"log: {place}: query {query!r}: marked both ways: {', '.join(map(str, sorted(both, key=str)))}"
        )
    return made
