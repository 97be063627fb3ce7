"""CLIP and SigLIP in the layouts of open_clip and of OpenAI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pictrieve import _core
from pictrieve.models import preprocessing
from pictrieve.models.resolved import ResolvedModel, read_json

CONFIG = "open_clip_config.json"
_HEAD = 64  # numbers in a head of OpenAI's networks
Shapes = Mapping[str, tuple[int, ...]]


def resolve(folder: Path, kind: str, weights: Path) -> ResolvedModel:
    """Read a directory with `open_clip_config.json`.

    Raises:
        ValueError: A tower is made in a way that we do not have; the message names the setting.
    """
    path = folder / CONFIG
    content = read_json(path)
    config: Mapping[str, Any] = content.get("model_cfg") or {}
    if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(config):
        raise ValueError(f"{path}: expected a model_cfg with embed_dim, vision_cfg and text_cfg, got {sorted(config)}")
    activation = "quick_gelu" if config.get("quick_gelu") else "gelu"
    dim = int(config["embed_dim"])
    if kind == "text":
        words = Tower(config["text_cfg"], f"{path}: model_cfg.text_cfg")
        architecture, settings = _text(words, dim, activation)
        return ResolvedModel(folder.name, "text", architecture, weights, settings, folder)
    vision = Tower(config["vision_cfg"], f"{path}: model_cfg.vision_cfg")
    by_timm = "timm_model_name" in vision
    architecture, settings, size = _trunk(vision) if by_timm else _image(vision, dim, activation)
    preprocess = preprocessing.from_open_clip(content.get("preprocess_cfg") or {}, size, str(path))
    return ResolvedModel(folder.name, "image", architecture, weights, settings, folder, preprocess)


class Tower(dict[str, Any]):
    """The settings of a tower that say something: open_clip takes None, False and "" as absent."""

    def __init__(self, settings: Mapping[str, Any], source: str) -> None:
        """Keep what is set; `source` names the place in messages."""
        super().__init__({name: value for name, value in settings.items() if value not in (None, False, "", {})})
        self._source = source

    def require(self, known: Iterable[str], **expected: Any) -> None:
        """Refuse settings that are not `known`, and values that are not as `expected` (None: absent)."""
        unknown = sorted(set(self) - {*known, *expected, *_TRAINING})
        for name in unknown:
            raise self.error(name, "a tower without it")
        for name, value in expected.items():
            if self.get(name) != value:
                raise self.error(name, repr(value))

    def error(self, name: str, expected: str) -> ValueError:
        """Make the error for a setting."""
        return ValueError(f"{self._source}.{name}: expected {expected}, got {self.get(name)!r}, which is not supported")


# what shapes training alone, or is read elsewhere: tokenizers, pretrained weights, output of all tokens
_TRAINING = ("patch_dropout", "timm_drop", "timm_drop_path", "timm_model_pretrained", "hf_model_pretrained",
             "output_tokens", "hf_tokenizer_name", "tokenizer_kwargs", "tokenizer_mode", "pad_id", "eos_id",
             "hf_proj_type", "hf_pooler_type", "attn_pooler_queries", "attn_pooler_heads")  # fmt: skip
_SIZES = ("width", "layers", "heads", "head_width", "mlp_ratio", "norm_kwargs", "act_kwargs")


def _trunk(config: Tower) -> tuple[str, dict[str, Any], int]:
    """Read a tower of timm: those of SigLIP, which need no projection after them."""
    architecture = str(config["timm_model_name"])
    if "_siglip_" not in architecture or architecture not in _core.image_architectures():
        raise config.error("timm_model_name", "a vision transformer of SigLIP, such as 'vit_base_patch16_siglip_224'")
    pool = "avg" if "_gap_" in architecture else "map"
    config.require(("timm_model_name", "image_size"), timm_pool=pool, timm_proj="none")
    size = int(config.get("image_size", 224))
    return architecture, {"image_size": size, "num_classes": 0}, size


def _image(config: Tower, dim: int, activation: str) -> tuple[str, dict[str, Any], int]:
    config.require((*_SIZES, "image_size", "patch_size"), pool_type=config.get("pool_type") and "tok",
                   pos_embed_type=config.get("pos_embed_type") and "learnable")  # fmt: skip
    width, size = int(config.get("width", 768)), int(config.get("image_size", 224))
    layers = config.get("layers", 12)
    head = int(config.get("head_width", _HEAD))
    if isinstance(layers, list):
        facts = {"layers": layers, "width": width, "image_size": size, "embed_dim": dim, "heads": width * 32 // head}
        return "clip_resnet", facts, size
    return "clip_vision_model", {
        **_transformer(config, width, width // head, activation),
        "image_size": size, "patch_size": int(config.get("patch_size", 16)), "projection_dim": dim,
    }, size  # fmt: skip


def _text(config: Tower, dim: int, activation: str) -> tuple[str, dict[str, Any]]:
    """Read a text tower: CLIP's sees the tokens before each one, SigLIP's sees all and has a projection with bias."""
    if "hf_model_name" in config:
        raise config.error("hf_model_name", "a text tower of open_clip's own")
    siglip = "no_causal_mask" in config
    pool = "last" if siglip else config.get("pool_type") and "argmax"
    config.require((*_SIZES, "context_length", "vocab_size"), pool_type=pool, proj_bias=True if siglip else None,
                   no_causal_mask=True if siglip else None,
                   proj_type=config.get("proj_type") and "linear")  # fmt: skip
    return "siglip_text_model" if siglip else "clip_text_model", {
        **_transformer(config, int(config.get("width", 512)), int(config.get("heads", 8)), activation),
        "vocab_size": int(config.get("vocab_size", 49408)), "projection_size" if siglip else "projection_dim": dim,
        "max_position_embeddings": int(config.get("context_length", 77)),
    }  # fmt: skip


def _transformer(config: Tower, width: int, heads: int, activation: str) -> dict[str, Any]:
    norm, act = config.get("norm_kwargs", {}), config.get("act_kwargs", {})
    if set(norm) - {"eps"}:
        raise config.error("norm_kwargs", "eps alone")
    if act and (act != {"approximate": "tanh"} or activation != "gelu"):
        raise config.error("act_kwargs", '{"approximate": "tanh"} of GELU')
    return {
        "hidden_size": width, "num_hidden_layers": int(config.get("layers", 12)), "num_attention_heads": heads,
        "intermediate_size": int(width * float(config.get("mlp_ratio", 4))), "layer_norm_eps": norm.get("eps", 1e-5),
        "hidden_act": "gelu_pytorch_tanh" if act else activation,
    }  # fmt: skip


def is_openai(shapes: Shapes) -> bool:
    """Tell OpenAI's checkpoints, which have no configuration, by their names."""
    return "text_projection" in shapes and "visual.conv1.weight" in shapes


def resolve_openai(weights: Path, kind: str, shapes: Shapes) -> ResolvedModel:
    """Read one of OpenAI's checkpoints: sizes follow from the shapes, the rest is the same for all."""
    dim = shapes["text_projection"][1]
    if kind == "text":
        length, width = shapes["positional_embedding"]
        words = {"width": width, "layers": _count(shapes, "transformer.resblocks."), "heads": width // _HEAD,
                 "context_length": length, "vocab_size": shapes["token_embedding.weight"][0]}  # fmt: skip
        architecture, settings = _text(Tower(words, str(weights)), dim, "quick_gelu")
        return ResolvedModel(weights.stem, "text", architecture, weights, settings, weights.parent)
    architecture, settings, size = _image(Tower(_openai_vision(shapes), str(weights)), dim, "quick_gelu")
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
