"""Our own additions to a model directory: what differs from what its makers' files say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pictrieve._presets import PRESETS
from pictrieve.images import Preprocess
from pictrieve.models.resolved import ResolvedModel, read_json_if_there

FILE = "pictrieve.json"  # pooling, scales, max_length, preprocess: each where the user chose another one
WHITENING = "whitening.safetensors"
SCRIPT = "model.ts"  # of a directory whose network is a TorchScript, which is a program
ALIGNED = "aligned.json"  # of a directory with two encoders and the heads that bring them together


def usual_preprocess(architecture: str) -> Preprocess | None:
    """Give our preset of an architecture's name."""
    return Preprocess(architecture) if architecture in PRESETS else None


def stored_preprocess(folder: Path) -> Preprocess | None:
    """Read a `preprocessor_config.json` of `Preprocess.to_dict`."""
    settings = read_json_if_there(folder / "preprocessor_config.json")
    return Preprocess.from_dict(settings) if settings else None


def with_changes(model: ResolvedModel) -> ResolvedModel:
    """Apply what `save_pretrained` noted beside the makers' files."""
    if model.directory is None:
        return model
    notes = read_json_if_there(model.directory / FILE)
    preprocess = notes.get("preprocess")
    return replace(
        model,
        preprocess=Preprocess.from_dict(preprocess) if preprocess else model.preprocess,
        pooling=notes.get("pooling") or model.pooling,
        max_length=notes.get("max_length") or model.max_length,
        scales=tuple(notes.get("scales") or model.scales),
    )
