"""Commands on a whole gallery: index, sync, info, export."""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from pictrieve.cli.output import say, show, show_json
from pictrieve.gallery import Gallery, Report
from pictrieve.models import DEFAULT_DUAL

_PATH_COLUMNS = ("path", "file", "filename", "file_name", "image")
_TEXT_COLUMNS = ("text", "caption", "title", "description")


def index(options: argparse.Namespace) -> int:
    """Add pictures to a new or an existing gallery."""
    captions = None if options.texts is None else Captions(Path(options.texts), options.items)
    for item in options.items:
        if not Path(item).exists():
            raise FileNotFoundError(2, "no such file or folder", item)
    with _open_or_create(options) as gallery:
        report = gallery.add(
            options.items if len(options.items) > 1 else options.items[0],
            texts=captions,
            batch_size=options.batch_size,
            retry=options.retry,
            show_progress_bar=False if options.quiet else None,
            on_commit=_acknowledge(gallery, options),
        )
        if captions is not None and captions.unmatched:
            say(captions.complaint())
        return _finish(gallery, report, options)


def sync(options: argparse.Namespace) -> int:
    """Make a gallery equal to a folder."""
    with Gallery.open(options.gallery) as gallery:
        report = gallery.sync(
            options.folder,
            show_progress_bar=False if options.quiet else None,
            on_commit=_acknowledge(gallery, options),
        )
        return _finish(gallery, report, options)


def info(options: argparse.Namespace) -> int:
    """Print what a gallery holds."""
    with Gallery.open(options.gallery) as gallery:
        facts = gallery.info()
        failures = gallery.failures()
    if options.json:
        show_json({**facts, "failed": [failure._asdict() for failure in failures]})
        return 0
    channels = facts.pop("channels")
    for key, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else value
        show(f"{key.replace('_', ' ')}: {shown}")
    for name, channel in channels.items():
        show(f"channel {name}: {channel['dim']} numbers, {channel['metric']}, index {channel['index_bytes']:,} bytes")
    for failure in failures:
        show(f"failed ({failure.status}): {failure.path}: {failure.reason}")
    return 0


def export(options: argparse.Namespace) -> int:
    """Write a gallery as plain files."""
    with Gallery.open(options.gallery) as gallery:
        written = [str(path) for path in gallery.export(options.folder)]
    if options.json:
        show_json({"written": written})
    else:
        show("\n".join(written))
    return 0


class Captions:
    """The captions of a CSV file, found by the path of a picture.

    Names in the file are relative to its own folder, to one of the indexed folders or to the current one;
    a name without a folder fits a picture of that name anywhere.
    """

    def __init__(self, table: Path, items: Sequence[str]) -> None:
        """Read the file; `items` are the folders and pictures that are indexed."""
        self._table = table
        self._texts = read_texts(table)
        folders = [item if os.path.isdir(item) else os.path.dirname(item) for item in items]
        self._names: dict[str, str] = {}  # absolute path -> name in the table
        for folder in (str(table.parent), *folders, ""):
            for name in self._texts:
                self._names.setdefault(os.path.abspath(os.path.join(folder, name)), name)
        self.unmatched = set(self._texts)

    def __call__(self, path: str) -> str | None:
        """Give the caption of a picture, None where there is none."""
        name = self._names.get(os.path.abspath(path), os.path.basename(path))
        self.unmatched.discard(name)
        return self._texts.get(name)

    def complaint(self) -> str:
        """Say how many captions belong to no picture that was indexed."""
        example = min(self.unmatched)
        return (
            f"{self._table}: {len(self.unmatched)} of {len(self._texts)} captions match no picture, such as "
            f"{example!r}; names are relative to the folder of the table or to an indexed folder"
        )


def read_texts(path: Path) -> dict[str, str]:
    """Read captions from a CSV file with a header; several captions of one picture are joined by " / ".

    Raises:
        ValueError: The file is not UTF-8, is no CSV table, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            texts = _captions_in(csv.DictReader(file), path)
    except UnicodeDecodeError as error:
        encoding = "UTF-16" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else "LATIN1"
        raise ValueError(
            f"{path}: expected a table in UTF-8, got other bytes; convert it: "
            f"iconv -f {encoding} -t UTF-8 {path.name} > captions.csv"
        ) from None
    except csv.Error as error:
        raise ValueError(
            f"{path}: not readable as a CSV table ({error}); if it is UTF-16, convert it: "
            f"iconv -f UTF-16 -t UTF-8 {path.name} > captions.csv"
        ) from None
    return {name: " / ".join(dict.fromkeys(captions)) for name, captions in texts.items()}


def _captions_in(rows: csv.DictReader[str], path: Path) -> dict[str, list[str]]:
    names = {name.strip().lower(): name for name in rows.fieldnames or () if name}
    path_column = next((names[name] for name in _PATH_COLUMNS if name in names), None)
    text_column = next((names[name] for name in _TEXT_COLUMNS if name in names), None)
    if path_column is None or text_column is None:
        raise ValueError(
            f"{path}: expected a header with one of {', '.join(_PATH_COLUMNS)} and one of "
            f"{', '.join(_TEXT_COLUMNS)}, got {rows.fieldnames}"
        )
    texts: dict[str, list[str]] = {}
    for row in rows:
        if row[path_column] and row[text_column]:
            texts.setdefault(row[path_column], []).append(row[text_column].strip())
    return texts


def _open_or_create(options: argparse.Namespace) -> Gallery:
    if Path(options.output).exists() and any(Path(options.output).iterdir()):
        return Gallery.open(options.output, options.encoder)
    return Gallery.create(options.output, options.encoder or DEFAULT_DUAL)


def _acknowledge(gallery: Gallery, options: argparse.Namespace) -> Callable[[int], None] | None:
    """With --json, say after each commit what is durable: a reader of the line may rely on it."""
    if not options.json:
        return None
    return lambda count: show_json({"committed": count, "items": len(gallery)})


def _finish(gallery: Gallery, report: Report, options: argparse.Namespace) -> int:
    if options.json:
        rows = [row._asdict() for row in report.rows]
        counts = {name: getattr(report, name) for name in ("added", "updated", "removed", "skipped", "failed")}
        show_json({**counts, "seconds": round(report.seconds, 3), "items": len(gallery), "rows": rows})
    else:
        for row in report.rows:
            if row.status != "skipped":
                say(f"{row.status}: {row.path}: {row.reason}")
        show(f"{gallery.path}: {len(gallery)} items; {report.summary()}")
    return 3 if report.failed else 0
