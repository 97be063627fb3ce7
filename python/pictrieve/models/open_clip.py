"""CLIP and SigLIP in the layouts of open_clip and of OpenAI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictrieve.models import preprocessing
from pictrieve.models.resolved import ResolvedModel, read_json

CONFIG = "open_clip_config.json"
_HEAD = 64  # numbers in a head of OpenAI's networks
Shapes = Mapping[str, tuple[int, ...]]


def resolve(folder: Path, kind: str, weights: Path) -> ResolvedModel:
    """Read a directory with `open_clip_config.json`.

    Raises:
        ValueError: The model is made of parts that open_clip takes from elsewhere.
    """
    path = folder / CONFIG
    content = read_json(path)
    config: Mapping[str, Any] = content.get("model_cfg") or {}
    if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        raise ValueError(f"{path}: expected a model_cfg with embed_dim, vision_cfg and text_cfg, got {sorted(config)}")
    vision, text = dict(config["vision_cfg"]), dict(config["text_cfg"])
    for part, name in ((vision, "timm_model_name"), (text, "hf_model_name")):
        if part.get(name):
            raise ValueError(f"{path}: expected networks of open_clip's own, got {name} {part[name]!r}")
    activation = "quick_gelu" if config.get("quick_gelu") else "gelu"
    if kind == "image":
        architecture, settings, size = _image(vision, int(config["embed_dim"]), activation)
        preprocess = preprocessing.from_open_clip(content.get("preprocess_cfg") or {}, size, str(path))
        return ResolvedModel(folder.name, "image", architecture, weights, settings, folder, preprocess)
    settings = _text(text, int(config["embed_dim"]), activation)
    return ResolvedModel(folder.name, "text", "clip_text_model", weights, settings, folder)


def _image(config: Mapping[str, Any], dim: int, activation: str) -> tuple[str, dict[str, Any], int]:
    width, size = int(config.get("width", 768)), int(config.get("image_size", 224))
    layers = config.get("layers", 12)
    head = int(config.get("head_width", _HEAD))
    if isinstance(layers, list):
        facts = {"layers": layers, "width": width, "image_size": size, "embed_dim": dim, "heads": width * 32 // head}
        return "clip_resnet", facts, size
    return "clip_vision_model", {
        **_tower(width, int(layers), width // head, float(config.get("mlp_ratio", 4)), activation),
        "image_size": size, "patch_size": int(config.get("patch_size", 16)), "projection_dim": dim,
    }, size  # fmt: skip


def _text(config: Mapping[str, Any], dim: int, activation: str) -> dict[str, Any]:
    width = int(config.get("width", 512))
    return {
        **_tower(width, int(config.get("layers", 12)), int(config.get("heads", 8)),
                 float(config.get("mlp_ratio", 4)), activation),
        "vocab_size": int(config.get("vocab_size", 49408)), "projection_dim": dim,
        "max_position_embeddings": int(config.get("context_length", 77)),
    }  # fmt: skip


def _tower(width: int, layers: int, heads: int, ratio: float, activation: str) -> dict[str, Any]:
    return {
        "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": int(width * ratio), "hidden_act": activation, "layer_norm_eps": 1e-5,
    }  # fmt: skip


def is_openai(shapes: Shapes) -> bool:
    """Tell OpenAI's checkpoints, which have no configuration, by their names."""
    return "text_projection" in shapes and "visual.conv1.weight" in shapes


def resolve_openai(weights: Path, kind: str, shapes: Shapes) -> ResolvedModel:
    """Read one of OpenAI's checkpoints: sizes follow from the shapes, the rest is the same for all."""
    dim = shapes["text_projection"][1]
    if kind == "text":
        length, width = shapes["positional_embedding"]
        layers = _count(shapes, "transformer.resblocks.")
        settings = _text(
            {"width": width, "layers": layers, "heads": width // _HEAD, "context_length": length,
             "vocab_size": shapes["token_embedding.weight"][0]}, dim, "quick_gelu",
        )  # fmt: skip
        return ResolvedModel(weights.stem, "text", "clip_text_model", weights, settings, weights.parent)
    architecture, settings, size = _image(_openai_vision(shapes), dim, "quick_gelu")
    preprocess = preprocessing.from_open_clip({}, size, str(weights))
    return ResolvedModel(weights.stem, "image", architecture, weights, settings, weights.parent, preprocess)


def _openai_vision(shapes: Shapes) -> dict[str, Any]:
    if "visual.proj" in shapes:
        width, _, patch, _ = shapes["visual.conv1.weight"]
        grid = round((shapes["visual.positional_embedding"][0] - 1) ** 0.5)
        blocks = _count(shapes, "visual.transformer.resblocks.")
        return {"width": width, "layers": blocks, "patch_size": patch, "image_size": grid * patch}
    width = shapes["visual.layer1.0.conv1.weight"][0]
    grid = round((shapes["visual.attnpool.positional_embedding"][0] - 1) ** 0.5)
    return {
        "width": width,
        "layers": [_count(shapes, f"visual.layer{i}.") for i in range(1, 5)],
        "image_size": 32 * grid,
    }


def _count(shapes: Shapes, prefix: str) -> int:
    return len({name[len(prefix) :].partition(".")[0] for name in shapes if name.startswith(prefix)})
