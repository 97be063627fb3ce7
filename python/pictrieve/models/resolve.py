"""From what a user names (a model, an architecture, a directory, a file) to its parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pictrieve import _core
from pictrieve._core import FormatError
from pictrieve.models import bare, bundled, huggingface, open_clip, own, timm
from pictrieve.models.local import download, kinds_of, local_models
from pictrieve.models.resolved import ResolvedModel, find_weights, read_json, shapes_of

_SCRIPTS = (".ts", ".pt", ".torchscript")


def resolve(
    model: str | Path, kind: str | None = None, weights: str | Path | None = None, allow_download: bool = False
) -> ResolvedModel:
    """Find the parts of a model.

    Args:
        model: A name of `list_models()`, a directory, or a file of TorchScript or of OpenAI's CLIP.
        kind: "image" or "text" where only one kind will do, or to choose one tower of a model that has both.
        weights: A file or directory of weights to take instead of the model's own, or "random".
        allow_download: Fetch the model from the Hugging Face Hub where it is neither a known name nor a path.

    Raises:
        ValueError: The name is unknown, its weights are not installed, or it is of another kind.
        FileNotFoundError: The directory lacks a part.
    """
    if not isinstance(model, str | os.PathLike):
        raise TypeError(f"model: expected a name or a path, got {type(model).__name__}")
    path = Path(locate(model))
    if path.is_dir():
        found = _resolve_directory(path, kind, weights)
    elif path.is_file():
        found = _resolve_file(path, kind)
    elif isinstance(model, str) and model in bundled.PACKAGES and weights is None:
        found = bundled.resolve(model)
    elif isinstance(model, str) and model in {*_core.image_architectures(), *_core.text_architectures()}:
        found = bare.resolve(model, weights)
    elif allow_download:
        found = replace(_resolve_directory(Path(locate(model, allow_download)), kind, weights), name=str(model))
    else:
        near = get_close_matches(str(model), [*_core.image_architectures(), *_core.text_architectures()])
        raise ValueError(
            f"model: expected a name of list_models() ({', '.join([*bundled.PACKAGES, *near])}, ...) or a directory, "
            f"got {str(model)!r}; allow_download=True fetches a model of the Hugging Face Hub"
        )
    if kind not in (None, found.kind):
        raise ValueError(f"model: expected one for {kind}s, got {found.name!r}, which is for {found.kind}s")
    return found if weights in (None, "random") else replace(found, weights=bare.existing(weights))


def locate(model: str | Path, allow_download: bool = False) -> str | Path:
    """Give the path of a model of $PICTRIEVE_MODELS or, where allowed, of the Hub; other models as they are."""
    if isinstance(model, str) and not Path(model).exists():
        local = local_models()
        if model in local:
            return local[model][1]
        if allow_download and "/" in model:
            return download(model)
    return model


def is_dual(model: str | Path) -> bool:
    """Say whether a directory or file holds an encoder of pictures and one of texts for the same space."""
    path = Path(locate(model))
    if path.is_dir():
        return len(kinds_of(path)) == 2
    return path.is_file() and path.suffix in _SCRIPTS and open_clip.is_openai(_shapes_or_none(path))


def _resolve_directory(folder: Path, kind: str | None, weights: str | Path | None) -> ResolvedModel:
    found = _resolve_layout(folder, kind, weights)
    return own.with_changes(found)


def _resolve_layout(folder: Path, kind: str | None, given: str | Path | None) -> ResolvedModel:
    def weights() -> Path:
        if given is None:
            return find_weights(folder)
        return Path() if given == "random" else bare.existing(given)

    if (folder / open_clip.CONFIG).is_file():
        return open_clip.resolve(folder, _chosen(kind, ("image", "text"), folder), weights())
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder}: expected a model directory with config.json and model.safetensors; of a bare checkpoint give "
            'the architecture: ImageEncoder("resnet50", weights=path)'
        )
    config = read_json(path)
    kinds = huggingface.kinds(config)
    if kinds:
        return huggingface.resolve(folder, config, _chosen(kind, kinds, folder), weights())
    if "architecture" not in config:
        raise huggingface.unknown(path, config)
    return _resolve_image_directory(folder, path, config, weights)


def _resolve_image_directory(
    folder: Path, path: Path, config: Mapping[str, Any], find: Callable[[], Path]
) -> ResolvedModel:
    if "pretrained_cfg" in config or "num_features" in config:
        return timm.resolve(folder, config, find)
    architecture = str(config["architecture"])
    if architecture == "torchscript":
        script = folder / own.SCRIPT
        if not script.is_file():
            raise FileNotFoundError(f"{folder}: expected the program {own.SCRIPT} beside config.json, got none")
        return ResolvedModel(
            folder.name, "image", architecture, script, directory=folder, preprocess=own.stored_preprocess(folder)
        )
    if architecture not in _core.image_architectures():
        raise huggingface.unknown(path, {"model_type": architecture})
    weights = find()
    settings = {name: value for name, value in config.items() if name not in ("architecture", "labels")}
    labels = config.get("labels")
    preprocess = own.stored_preprocess(folder) or bare.usual_preprocess(architecture, weights.name, settings)
    return ResolvedModel(
        folder.name, "image", architecture, weights, settings, folder, preprocess, tuple(labels) if labels else None
    )


def _chosen(kind: str | None, kinds: tuple[str, ...], folder: Path) -> str:
    if len(kinds) == 1:
        return kinds[0]
    if kind is None:
        raise ValueError(f'{folder}: holds a network for images and one for texts; choose by kind="image" or "text"')
    return kind


def _resolve_file(path: Path, kind: str | None) -> ResolvedModel:
    """Read a file by itself: OpenAI's CLIP by its names; any other one is a TorchScript."""
    if path.suffix not in _SCRIPTS:
        raise ValueError(
            f"model: expected a TorchScript file ({', '.join(_SCRIPTS)}), got {str(path)!r}; of other checkpoints give "
            'the architecture: ImageEncoder("resnet50", weights=path)'
        )
    shapes = _shapes_or_none(path)
    if open_clip.is_openai(shapes):
        return open_clip.resolve_openai(path, kind or "image", shapes)
    return ResolvedModel(path.name, "image", "torchscript", path)


def _shapes_or_none(path: Path) -> dict[str, tuple[int, ...]]:
    """Give the shapes of a checkpoint's tensors; none where its modules hold what we do not know."""
    try:
        return shapes_of(path)
    except FormatError:
        return {}
