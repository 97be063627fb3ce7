"""Model directories that the library which made the weights can read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictrieve import _core, models
from pictrieve.encoders.rows import write_json
from pictrieve.images import Preprocess
from pictrieve.models.own import FILE, SCRIPT
from pictrieve.models.sentence_transformers import POOLINGS

_COMPANIONS = (".json", ".txt", ".model", ".gz")  # configuration, vocabulary, merges, SentencePiece, OpenAI's BPE
_OPEN_CLIP = "open_clip_config.json"


def save_directory(
    folder: Path,
    model: models.ResolvedModel,
    config: Mapping[str, Any],
    preprocess: Preprocess | None,
    notes: Mapping[str, Any],
) -> Path:
    """Write weights and companions of a model.

    Args:
        folder: Made where it does not exist.
        model: What is saved: tensors are copied with their names and types.
        config: `config.json` of a model that came without one.
        preprocess: Preparation of pictures of such a model.
        notes: What differs from the companions, for `pictrieve.json`.

    Returns:
        `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = model.directory
    described = source is not None and ((source / "config.json").is_file() or (source / _OPEN_CLIP).is_file())
    name = "model.safetensors"
    if source is not None and described:
        copy_companions(source, folder, but=FILE)
        if (source / _OPEN_CLIP).is_file():
            name = "open_clip_model.safetensors"
    else:
        write_json(folder / "config.json", config)
        if preprocess is not None:
            write_json(folder / "preprocessor_config.json", preprocess.to_dict())
    if model.architecture == "torchscript":
        (folder / SCRIPT).write_bytes(model.weights.read_bytes())
    else:
        _core.copy_weights(str(model.weights), str(folder / name), {"format": "pt"})
    noted = {name: value for name, value in notes.items() if described or name != "preprocess"}
    if noted:
        write_json(folder / FILE, noted)
    return folder


def copy_companions(source: Path, folder: Path, but: str = "") -> None:
    """Copy configuration and tokenizer, all but a file of that name; an index of shards would no longer fit."""
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        wanted = path.suffix in _COMPANIONS and not path.name.endswith(".index.json") and len(inside.parts) <= 2
        if path.is_file() and wanted and path.name != but and not inside.parts[0].startswith("."):
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            if not ((folder / inside).exists() and (folder / inside).samefile(path)):
                (folder / inside).write_bytes(path.read_bytes())


def write_modules(folder: Path, dim: int, pooling: str, max_length: int) -> None:
    """Write what sentence-transformers reads beside a checkpoint of transformers."""
    flag = next(flag for flag, name in POOLINGS.items() if name == pooling)
    steps = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (path, name) in enumerate(steps)
    ]
    if not (folder / "modules.json").is_file():
        (folder / "modules.json").write_text(json.dumps(modules, indent=2) + "\n", encoding="utf-8")
    (folder / "1_Pooling").mkdir(exist_ok=True)
    flags = {name: name == flag for name in POOLINGS}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": dim, **flags})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
