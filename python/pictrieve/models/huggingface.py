"""Directories of transformers and of sentence-transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictrieve.images import Preprocess
from pictrieve.models import preprocessing
from pictrieve.models.resolved import ResolvedModel, read_json, read_json_if_there, shapes_of
from pictrieve.models.sentence_transformers import read_modules

Settings = dict[str, Any]

# model_type of config.json -> network of the core, which reads the same settings
_IMAGES = {
    "resnet": "resnet",
    "convnext": "convnext",
    "mobilenet_v2": "mobilenet_v2",
    "swin": "swin",
    "vit": "vit",
    "deit": "vit",
    "dinov2": "dinov2",
    "dinov2_with_registers": "dinov2_with_registers",
    "clip_vision_model": "clip_vision_model",
    "siglip_vision_model": "siglip_vision_model",
}
_TEXTS = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "mpnet"), "bert"),
    "modernbert": "modernbert",
    "gpt2": "gpt2",
    "clip_text_model": "clip_text_model",
    "siglip_text_model": "siglip_text_model",
}
_BOTH = {
    "clip": ("clip_vision_model", "clip_text_model"),
    "siglip": ("siglip_vision_model", "siglip_text_model"),
}


def kinds(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what a `config.json` describes: "image", "text", or both; nothing where we cannot tell."""
    model_type = config.get("model_type")
    if model_type in _BOTH:
        return ("image", "text")
    return ("image",) if model_type in _IMAGES else ("text",) if model_type in _TEXTS else ()


def resolve(folder: Path, config: Mapping[str, Any], kind: str, weights: Path) -> ResolvedModel:
    """Read a directory with transformers' `config.json`; `kind` is one of `kinds(config)`."""
    return (_resolve_image if kind == "image" else _resolve_text)(folder, config, weights)


def unknown(path: Path, config: Mapping[str, Any]) -> ValueError:
    """Make the error for a configuration that we do not understand."""
    known = ", ".join(sorted({*_IMAGES, *_TEXTS, *_BOTH}))
    if config.get("model_type") == "siglip2":
        return ValueError(
            f"{path}: expected pictures of one size, got model_type 'siglip2', whose pictures keep their shape "
            "(NaFlex); take a SigLIP 2 of fixed resolution, such as siglip2-base-patch16-224"
        )
    got = f"model_type {config['model_type']!r}" if "model_type" in config else "neither"
    return ValueError(
        f"{path}: expected a model_type of transformers ({known}) or an architecture of "
        f"list_models(), got {got}; other networks are not supported yet"
    )


def _resolve_image(folder: Path, config: Mapping[str, Any], weights: Path) -> ResolvedModel:
    settings = _part(config, "vision_config", 0)
    architecture = _IMAGES[settings["model_type"]]
    alone = config["model_type"] == "clip_vision_model" and weights != Path()  # none: random ones
    if alone and "visual_projection.weight" not in shapes_of(weights):
        settings["projection_dim"] = 0
    labels = None
    if "dinov2" in architecture:  # transformers takes the width from mlp_ratio alone
        settings.pop("intermediate_size", None)
    if any(str(name).endswith("ForImageClassification") for name in config.get("architectures") or ()):
        named = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        labels = tuple(str(named[key]) for key in sorted(named, key=int))
    settings["num_classes"] = len(labels or ())
    return ResolvedModel(folder.name, "image", architecture, weights, settings, folder, _preprocess(folder), labels)


def _resolve_text(folder: Path, config: Mapping[str, Any], weights: Path) -> ResolvedModel:
    part = _part(config, "text_config", 1)
    modules = read_modules(folder)
    return ResolvedModel(
        folder.name, "text", _TEXTS[part["model_type"]], weights, part, folder,
        pooling=modules.pooling, max_length=modules.max_length, dense=modules.dense,
    )  # fmt: skip


def _part(config: Mapping[str, Any], name: str, place: int) -> Settings:
    """Give the settings of one tower, or all of them where there is but one."""
    model_type = config["model_type"]
    if model_type not in _BOTH:
        return dict(config)
    part = {**(config.get(name) or {}), "model_type": _BOTH[model_type][place]}
    if model_type == "clip":
        part["projection_dim"] = config.get("projection_dim", 512)
    return part


def _preprocess(folder: Path) -> Preprocess | None:
    path = folder / "preprocessor_config.json"
    settings = read_json_if_there(path)
    if not settings and (folder / "processor_config.json").is_file():  # all of a model's processors in one file
        path = folder / "processor_config.json"
        settings = read_json(path).get("image_processor") or {}
    return preprocessing.from_transformers(settings, str(path)) if settings else None
