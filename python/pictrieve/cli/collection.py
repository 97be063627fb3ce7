"""Commands on a whole gallery: index, sync, info, export."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

from pictrieve.cli.output import say, show, show_json
from pictrieve.gallery import Gallery, Report
from pictrieve.models import DEFAULT_DUAL

_PATH_COLUMNS = ("path", "file", "filename", "file_name", "image")
_TEXT_COLUMNS = ("text", "caption", "title", "description")


def index(options: argparse.Namespace) -> int:
    """Add pictures to a new or an existing gallery."""
    texts = None if options.texts is None else read_texts(Path(options.texts))
    for item in options.items:
        if not Path(item).exists():
            raise FileNotFoundError(2, "no such file or folder", item)
    with _open_or_create(options) as gallery:
        report = gallery.add(
            options.items if len(options.items) > 1 else options.items[0],
            texts=texts,
            batch_size=options.batch_size,
            retry=options.retry,
            show_progress_bar=False if options.quiet else None,
            on_commit=_acknowledge(gallery, options),
        )
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


def read_texts(path: Path) -> dict[str, str]:
    """Read captions from a CSV file with a header; several captions of one picture are joined."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
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
    return {name: " / ".join(dict.fromkeys(captions)) for name, captions in texts.items()}


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
