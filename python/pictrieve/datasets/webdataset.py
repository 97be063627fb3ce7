"""Tar shards of pictures, captions and JSON, as webdataset and img2dataset write them; read in place."""

from __future__ import annotations

import json
import os
import tarfile
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pictrieve.datasets.counts import finished
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import SUFFIXES, StrPath
from pictrieve.datasets.table_columns import typed

_CAPTION, _LABEL, _JSON = ".txt", ".cls", ".json"


class Member(NamedTuple):
    """Where the bytes of a picture are."""

    shard: Path
    offset: int
    size: int


class TarPictures(Sequence[bytes]):
    """Encoded pictures inside of tar files, read one by one when asked for; safe to use from several threads."""

    def __init__(self, members: Sequence[Member]) -> None:
        """Hold where they are."""
        self._members = list(members)

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self._members)

    def __getitem__(self, row: Any) -> Any:
        """Read the bytes of one picture."""
        shard, offset, size = self._members[row]
        with shard.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        if len(data) != size:
            raise ValueError(f"{shard}: expected {size} bytes at {offset}, got {len(data)}; the archive was cut off")
        return data

    def pick(self, rows: Sequence[int]) -> TarPictures:
        """Keep some of them."""
        return TarPictures([self._members[row] for row in rows])


def WebDataset(shards: StrPath | Iterable[StrPath], *, name: str | None = None) -> Dataset:
    """Read tar files whose members `key.jpg`, `key.txt`, `key.json`, `key.cls` make one row each.

    Pictures stay in the archives: `ds.images()` gives their bytes when asked for, and paths are "shard.tar/key.jpg",
    which are no files; `ds.extract(folder)` makes files of them. The text is the caption, "cls" the label, the fields
    of the JSON become metadata, and its "caption" is the caption where there is no text.

    Args:
        shards: A .tar file, a folder of them, or several files.
        name: What reports call the data set.

    Raises:
        FileNotFoundError: No such file or folder.
        ValueError: No archive, a compressed or damaged one, or two members of one name.

    Warns:
        UserWarning: Keys without a picture, such as failed downloads, are left out.
    """
    paths = _shards_of(shards)
    samples = [(path, key, parts) for path in paths for key, parts in _samples(path).items()]
    kept = [(path, key, parts) for path, key, parts in samples if "picture" in parts]
    if len(kept) < len(samples):
        warnings.warn(f"{paths[0]}: {len(samples) - len(kept)} keys without a picture are left out", stacklevel=2)
    facts = [parts.get(_JSON, {}) for _, _, parts in kept]
    names = list(dict.fromkeys(key for row in facts for key in row))
    texts = [parts.get(_CAPTION, row.get("caption")) for (_, _, parts), row in zip(kept, facts, strict=True)]
    labels = [parts.get(_LABEL, row.get("label")) for (_, _, parts), row in zip(kept, facts, strict=True)]
    ds = Dataset(
        [path / parts["name"] for path, _, parts in kept],
        name=name or paths[0].stem,
        labels=typed(labels) if any(label is not None for label in labels) else None,
        captions=texts if any(text is not None for text in texts) else None,
        metadata={key: [row.get(key) for row in facts] for key in names if key not in ("caption", "label")},
        contents=TarPictures([parts["picture"] for _, _, parts in kept]),
    )
    return finished(ds, strict=False, published={})


def _shards_of(shards: StrPath | Iterable[StrPath]) -> list[Path]:
    if not isinstance(shards, str | os.PathLike):
        paths = [Path(shard) for shard in shards]
    else:
        paths = sorted(Path(shards).glob("*.tar")) if Path(shards).is_dir() else [Path(shards)]
    if not paths:
        raise ValueError(f"WebDataset: expected .tar files, got none in {shards}")
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(2, "WebDataset: no such archive", str(path))
    return paths


def _samples(shard: Path) -> dict[str, dict[str, Any]]:
    """Give the parts of each key in order; a key is the name up to the first dot of its last part."""
    samples: dict[str, dict[str, Any]] = {}
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                folder, _, base = member.name.rpartition("/")
                stem, dot, extension = base.partition(".")
                if not member.isreg() or not stem or not dot or base.startswith("__"):
                    continue
                parts = samples.setdefault(f"{folder}/{stem}", {})
                _add(parts, f".{extension.lower()}", archive, member, shard)
    except tarfile.TarError as error:
        raise ValueError(
            f"{shard}: expected a whole tar file that is not compressed, got {error}; "
            f"a .tar.gz has to be unpacked (gunzip) to be read in place"
        ) from None
    return samples


def _add(parts: dict[str, Any], extension: str, archive: tarfile.TarFile, member: tarfile.TarInfo, shard: Path) -> None:
    part = "picture" if extension in SUFFIXES else extension
    if part in parts:
        raise ValueError(f"{shard}: expected each member once, got {member.name} twice")
    if part == "picture":
        parts["picture"], parts["name"] = Member(shard, member.offset_data, member.size), member.name
    elif part in (_CAPTION, _LABEL, _JSON):
        opened = archive.extractfile(member)
        data = opened.read() if opened is not None else b""
        try:
            text = data.decode("utf-8-sig").strip()
            parts[part] = json.loads(text) if part == _JSON else text
        except ValueError as error:
            raise ValueError(f"{shard}, {member.name}: expected UTF-8 text or JSON, {error}") from None
        if part == _JSON and not isinstance(parts[part], dict):
            raise ValueError(f"{shard}, {member.name}: expected a JSON object, got {type(parts[part]).__name__}")
