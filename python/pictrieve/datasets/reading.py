"""Files of a data set as lines, rows and JSON: UTF-8, with the file and the line in every error."""

from __future__ import annotations

import codecs
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pictrieve.datasets.columns import optional
from pictrieve.datasets.delimited import read_delimited

# Suffixes that are worth opening. HEIC and AVIF are among them so that they are not left out silently.
SUFFIXES = frozenset([
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".pbm", ".pgm", ".ppm",
    ".pnm", ".heic", ".heif", ".avif",
])  # fmt: skip
StrPath = str | os.PathLike[str]


def folder_of(root: StrPath, what: str) -> Path:
    """Give the folder of a data set.

    Raises:
        FileNotFoundError: There is none.
    """
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            2, f"{what}: no such folder; download the data set yourself and give its root", str(root)
        )
    return folder


def file_of(folder: Path, what: str, *names: str) -> Path:
    """Give the first of some files that is there.

    Raises:
        FileNotFoundError: None is; lists them.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(2, f"{what}: expected {' or '.join(names)} in this folder", str(folder))


def read_text(path: StrPath) -> str:
    """Read a file as UTF-8, with or without a byte order mark.

    Raises:
        ValueError: It is of another encoding; names the line.
    """
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8-sig")
        wrong = data.find(b"\0")
    except UnicodeDecodeError as error:
        wrong = error.start
    if wrong < 0:
        return text
    line = data.count(b"\n", 0, wrong) + 1
    raise ValueError(f"{path}, line {line}: expected UTF-8, got {_other_encoding(data, wrong)}")


def _other_encoding(data: bytes, wrong: int) -> str:
    """Say what bytes that are not UTF-8 are, as far as they tell, and how to convert them."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16; convert the file, e.g. iconv -f UTF-16 -t UTF-8"
    if data[:2].count(0) == 1:  # an ASCII character in two bytes
        name = "UTF-16LE" if data[1] == 0 else "UTF-16BE"
        return f"{name} without a byte order mark; convert the file, e.g. iconv -f {name} -t UTF-8"
    found = f"byte 0x{data[wrong]:02x}"
    line = data[data.rfind(b"\n", 0, wrong) + 1 :].partition(b"\n")[0]
    try:
        text = line.decode("gb2312").strip()  # GB18030 itself takes most bytes, those of Latin-1 among them
    except UnicodeDecodeError:
        text = ""
    if any("\u4e00" <= letter <= "\u9fff" for letter in text):
        return f"{found}; if the line is {text!r:.60}, convert the file with iconv -f GB18030 -t UTF-8"
    return (
        f"{found}; save the file as UTF-8, or find its encoding (file -i guesses it) and use iconv -f ENCODING -t UTF-8"
    )


def read_parquet(path: StrPath) -> Any:
    """Read a pyarrow table.

    Raises:
        FileNotFoundError: No such file.
        ImportError: pyarrow is absent: the extra "datasets".
        ValueError: It is no parquet file, or a damaged one.
    """
    parquet = optional("pyarrow.parquet", "datasets", "reading parquet")
    try:
        return parquet.read_table(os.fspath(path))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # what pyarrow raises for damaged files
        raise ValueError(f"{path}: expected a parquet file, {error}") from error


def read_lines(path: StrPath) -> Iterator[tuple[int, str]]:
    """Give the lines that are not empty, each with its number from 1."""
    for number, line in enumerate(io.StringIO(read_text(path)), 1):
        if line.strip():
            yield number, line.rstrip("\r\n")


def read_fields(path: StrPath, count: int, separator: str | None = None) -> Iterator[list[str]]:
    """Split each line into `count` fields; the last takes the rest.

    Raises:
        ValueError: A line has fewer; names it.
    """
    for number, line in read_lines(path):
        fields = line.split(separator, count - 1)
        if len(fields) < count:
            raise ValueError(f"{path}, line {number}: expected {count} fields, got {len(fields)}: {line!r:.80}")
        yield [field.strip() for field in fields]


def read_table(path: StrPath) -> list[dict[str, Any]]:
    """Read csv, tsv, jsonl, json (a list of objects) or parquet as one dict for each row.

    Raises:
        ValueError: A line with more or fewer cells than the head, a broken file, or an unknown suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix in (".csv", ".tsv"):
        return read_delimited(read_text(path), "," if suffix == ".csv" else "\t", os.fspath(path))
    if suffix in (".jsonl", ".ndjson"):
        return [_object(path, number, line) for number, line in read_lines(path)]
    if suffix == ".json":
        rows = read_json(path)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"{path}: expected a JSON list of objects, got {type(rows).__name__}")
        return rows
    if suffix in (".parquet", ".pq"):
        return read_parquet(path).to_pylist()  # type: ignore[no-any-return]
    raise ValueError(f"{path}: expected .csv, .tsv, .jsonl, .json or .parquet, got {suffix or 'no suffix'!r}")


def _object(path: StrPath, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: expected a JSON object, {error.msg} at column {error.colno}"
        ) from None
    if not isinstance(row, dict):
        raise ValueError(f"{path}, line {number}: expected a JSON object, got {type(row).__name__}")
    return row


def read_json(path: StrPath) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: It is none; names the line.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: expected JSON, {error.msg}") from None
