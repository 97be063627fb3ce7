"""Files of a run: whole or not there, and free of code."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"
HISTORY = "metrics.jsonl"
REPORT = "report.json"
SETUP = "run.json"
MODEL = "model"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder, and clear away what a killed one was writing.

    Raises:
        BlockingIOError: Another process trains there.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                f"{folder}: another process trains in this folder; wait, or give another out="
            ) from error
        for name in (CHECKPOINT, BEST, HISTORY, REPORT, SETUP, MODEL):
            for left in folder.glob(f".{name}.*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, bring it to the disk, then give it the name in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        _to_disk(temporary)
        temporary.replace(path)
        _to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_folder(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a folder beside `path`, then put it in the place of what was there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        write(temporary)
        for file in temporary.rglob("*"):
            _to_disk(file)
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
        _to_disk(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save_tensors(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain values, in nested dicts and lists, to a file of torch."""
    write_whole(path, lambda temporary: torch.save(dict(state), temporary))


def load_tensors(path: Path) -> dict[str, Any]:
    """Read what `save_tensors` wrote into the memory of the processor; nothing in the file is executed.

    Raises:
        ValueError: The file is damaged, or holds more than tensors and plain values.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch tells a damaged archive by several types
        raise ValueError(
            f"{path}: expected a checkpoint of this trainer, got {error}; delete it to start over"
        ) from error
    return state


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file that people can read."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object to the line."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_whole(path, lambda temporary: temporary.write_text(lines, encoding="utf-8"))


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
