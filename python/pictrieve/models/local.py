"""Models on this machine's disk, and the one way to fetch others."""

from __future__ import annotations

import os
from pathlib import Path

from pictrieve.models import huggingface, open_clip
from pictrieve.models.own import ALIGNED
from pictrieve.models.resolved import read_json_if_there

# what a model may need; other formats of the same weights, and programs, stay where they are
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "pytorch_model.bin", "open_clip_pytorch_model.bin"]


def local_models() -> dict[str, tuple[str, Path]]:
    """Give kind and folder of each model in the folders of $PICTRIEVE_MODELS, by the folder's name."""
    roots = [Path(root) for root in os.environ.get("PICTRIEVE_MODELS", "").split(os.pathsep) if root]
    found: dict[str, tuple[str, Path]] = {}
    for root in roots:
        for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ():
            kinds = kinds_of(folder)
            if kinds:
                found.setdefault(folder.name, ("+".join(kinds), folder))
    return found


def kinds_of(folder: Path) -> tuple[str, ...]:
    """Say what the model in a folder encodes: "image", "text" or both; nothing where it is no model."""
    if (folder / open_clip.CONFIG).is_file() or (folder / ALIGNED).is_file():
        return ("image", "text")
    config = read_json_if_there(folder / "config.json")
    return huggingface.kinds(config) or (("image",) if "architecture" in config else ())


def download(name: str) -> Path:
    """Fetch a repository of the Hugging Face Hub into its cache.

    Raises:
        ImportError: huggingface_hub is not installed.
        OSError: The Hub cannot be reached, or has no such repository.
    """
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError as error:
        raise ImportError("allow_download: expected huggingface_hub; run: pip install huggingface_hub") from error
    has_safe = any(file.endswith(".safetensors") for file in HfApi().list_repo_files(name))
    return Path(snapshot_download(name, allow_patterns=_WANTED, ignore_patterns=["*.bin"] if has_safe else None))
