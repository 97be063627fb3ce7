"""How a directory keeps an encoder that something in it was learnt on: by name, or as a copy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictrieve import _core, models


def keep(encoder: Any, folder: Path) -> dict[str, str]:
    """Give what finds an encoder again: its name where it comes with us, else that of a copy, made as `folder`."""
    bundled = {info.name for info in models.list_models() if info.weights == "bundled"}
    note = {"model": str(encoder.name), "fingerprint": encoder.fingerprint}
    if encoder.name in bundled and type(encoder)(encoder.name).fingerprint == encoder.fingerprint:
        return note
    encoder.save_pretrained(folder)
    return {"model": folder.name, "fingerprint": type(encoder)(folder).fingerprint}


def reopen(kind: type[Any], folder: Path, note: Mapping[str, str]) -> Any:
    """Load an encoder that was kept in `folder`.

    Raises:
        FormatError: It is another one now.
    """
    inside = folder / note["model"]
    encoder = kind(str(inside) if inside.is_dir() else note["model"])
    if encoder.fingerprint != note["fingerprint"]:
        raise _core.FormatError(
            f"{folder}: expected the encoder that it was trained with (fingerprint {note['fingerprint'][:12]}), got "
            f"{encoder!r}; train it anew"
        )
    return encoder
