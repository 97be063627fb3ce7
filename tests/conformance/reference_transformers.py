"""References of the image transformers: how each is built, what it answers, and the settings that make ours equal."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from reference_torchvision import torchvision

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")
open_clip = pytest.importorskip("open_clip")
safetensors = pytest.importorskip("safetensors.torch")
vision_transformer = pytest.importorskip("timm.models.vision_transformer")

TOLERANCE = 1e-4
WIDE, LAYERS, HEADS, SIDE, PATCH, CLASSES = 32, 2, 4, 32, 8, 10
OURS: dict[str, Any] = {
    "hidden_size": WIDE, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": 48,
    "image_size": SIDE, "patch_size": PATCH,
}  # fmt: skip
SWIN: dict[str, Any] = {"embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "patch_size": 4}
Outputs = dict[str, Any]


def shaken(model: Any) -> Any:
    """Give every parameter numbers that matter: as built, some are zero or a millionth."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.ndim >= 2 and not name.endswith(("token", "tokens", "embed", "table", "latent", "probe")):
                tensor.normal_(0, (1.6 / tensor[0].numel()) ** 0.5, generator=generator)
            elif name.endswith(("weight", "gamma", "lambda1")):
                tensor.uniform_(0.7, 1.3, generator=generator)
            else:
                tensor.normal_(0, 0.3, generator=generator)
    return model.eval()


def as_picture(tokens: Any, first: int, pixels: Any, patch: int = PATCH) -> Any:
    """Give the tokens of patches as a picture."""
    grid = (-(-pixels.shape[2] // patch), -(-pixels.shape[3] // patch))
    return tokens[:, first:].transpose(1, 2).unflatten(2, grid)


def of_timm(model: Any, pixels: Any) -> Outputs:
    tokens = model.forward_features(pixels)
    features = model.forward_head(tokens, pre_logits=True)
    swin = tokens.ndim == 4
    outputs = {"features": features}
    outputs["feature_map"] = (
        tokens.permute(0, 3, 1, 2)
        if swin
        else as_picture(tokens, model.num_prefix_tokens, pixels, model.patch_embed.patch_size[0])
    )
    if model.num_classes:
        outputs["logits"] = model.head.fc(features) if swin else model.head(features)
    return outputs


def of_vit(model: Any, pixels: Any) -> Outputs:
    tokens = model.vit(pixels, interpolate_pos_encoding=True).last_hidden_state
    features = tokens[:, 0]
    return {"feature_map": as_picture(tokens, 1, pixels), "features": features, "logits": model.classifier(features)}


def of_dinov2(model: Any, pixels: Any) -> Outputs:
    output = model(pixels)
    first = 1 + getattr(model.config, "num_register_tokens", 0)
    return {"feature_map": as_picture(output.last_hidden_state, first, pixels), "features": output.pooler_output}


def of_clip(model: Any, pixels: Any) -> Outputs:
    output = model.vision_model(pixels, interpolate_pos_encoding=True)
    tokens = model.vision_model.post_layernorm(output.last_hidden_state)
    return {
        "feature_map": as_picture(tokens, 1, pixels),
        "features": model.visual_projection(output.pooler_output),
    }


def of_siglip(model: Any, pixels: Any) -> Outputs:
    output = model(pixels, interpolate_pos_encoding=True)
    return {"feature_map": as_picture(output.last_hidden_state, 0, pixels), "features": output.pooler_output}


def of_open_clip(model: Any, pixels: Any) -> Outputs:
    model.visual.output_tokens = True
    features, tokens = model.visual(pixels)
    return {"feature_map": as_picture(tokens, 0, pixels), "features": features}


def of_torchvision_vit(model: Any, pixels: Any) -> Outputs:
    tokens = model._process_input(pixels)
    tokens = model.encoder(torch.cat([model.class_token.expand(len(pixels), -1, -1), tokens], 1))
    features = tokens[:, 0]
    return {"feature_map": as_picture(tokens, 1, pixels), "features": features, "logits": model.heads(features)}


def of_torchvision_swin(model: Any, pixels: Any) -> Outputs:
    feature_map = model.norm(model.features(pixels)).permute(0, 3, 1, 2)
    features = feature_map.mean((2, 3))
    return {"feature_map": feature_map, "features": features, "logits": model.head(features)}


def of_swin(model: Any, pixels: Any) -> Outputs:
    output = model.swin(pixels)
    features = output.pooler_output
    feature_map = as_picture(output.last_hidden_state, 0, pixels, 8)
    return {"feature_map": feature_map, "features": features, "logits": model.classifier(features)}


def timm_vit(**options: Any) -> Any:
    return vision_transformer.VisionTransformer(
        img_size=SIDE, patch_size=PATCH, embed_dim=WIDE, depth=LAYERS, num_heads=HEADS, dynamic_img_size=True,
        **{"mlp_ratio": 1.5, "num_classes": CLASSES, **options},
    )  # fmt: skip


def hugging(model: str, config: str, **options: Any) -> Any:
    sizes = {key: value for key, value in OURS.items() if "dinov2" not in config.lower() or key != "intermediate_size"}
    return getattr(transformers, model)(getattr(transformers, config)(**{**sizes, **options}))


def whole_clip() -> Any:
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
            "vocab_size": 50, "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1}  # fmt: skip
    config = transformers.CLIPConfig(text_config=text, vision_config=OURS, projection_dim=24)
    return transformers.CLIPModel(config)


def whole_open_clip(quick: bool) -> Any:
    vision = {
        "image_size": SIDE,
        "layers": LAYERS,
        "width": WIDE,
        "head_width": 8,
        "patch_size": PATCH,
        "mlp_ratio": 1.5,
    }
    text = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}
    return open_clip.CLIP(24, open_clip.CLIPVisionCfg(**vision), open_clip.CLIPTextCfg(**text), quick_gelu=quick)


def timm_swin(side: int, window: int) -> Any:
    return timm.models.swin_transformer.SwinTransformer(
        img_size=side, window_size=window, num_classes=CLASSES, mlp_ratio=2.0, drop_path_rate=0.0,
        strict_img_size=False, **SWIN,
    )  # fmt: skip


@dataclass
class Case:
    """A reference, and what makes ours the same network."""

    name: str
    config: dict[str, Any]
    build: Callable[[], Any]
    outputs: Callable[[Any, Any], Outputs]
    layout: str
    sizes: list[tuple[int, int]]


def vit(outputs: Callable[[Any, Any], Outputs], build: Callable[[], Any], layout: str = "", **config: Any) -> Case:
    name = config.pop("name", "vit")
    resizes = outputs not in (of_torchvision_vit, of_open_clip)
    return Case(name, {**OURS, **config}, build, outputs, layout, [(32, 32), (40, 56)] if resizes else [(32, 32)])


TIMM: dict[str, Any] = {"num_classes": CLASSES, "positions_antialias": True, "layer_norm_eps": 1e-6}
CASES = {
    "timm": vit(of_timm, timm_vit, **TIMM),
    "timm registers": vit(
        of_timm, lambda: timm_vit(reg_tokens=3, no_embed_class=True, init_values=0.1),
        **TIMM, num_register_tokens=3, position_tokens="none", layerscale_value=0.1,
    ),
    "timm placed registers": vit(of_timm, lambda: timm_vit(reg_tokens=3), **TIMM, num_register_tokens=3),
    "timm mean": vit(
        of_timm, lambda: timm_vit(class_token=False, reg_tokens=2, global_pool="avg", qkv_bias=False),
        **TIMM, class_token=False, num_register_tokens=2, global_pool="avg", qkv_bias=False,
    ),
    "timm map": vit(
        of_timm, lambda: timm_vit(class_token=False, reg_tokens=1, global_pool="map"),
        **TIMM, class_token=False, num_register_tokens=1, global_pool="map",
    ),
    "timm clip": vit(
        of_timm, lambda: timm_vit(pre_norm=True, act_layer="quick_gelu"), **TIMM, pre_norm=True, hidden_act="quick_gelu"
    ),
    "timm gated": vit(
        of_timm, lambda: timm_vit(mlp_layer=timm.layers.SwiGLUPacked, act_layer=torch.nn.SiLU, mlp_ratio=3.0),
        **TIMM, use_swiglu_ffn=True,
    ),
    "torchvision": vit(
        of_torchvision_vit,
        lambda: torchvision.models.VisionTransformer(SIDE, PATCH, LAYERS, HEADS, WIDE, 48, num_classes=CLASSES),
        "torchvision", **TIMM,
    ),
    "transformers": vit(
        of_vit, lambda: hugging("ViTForImageClassification", "ViTConfig", num_labels=CLASSES), "transformers",
        num_classes=CLASSES,
    ),
    "dinov2": vit(
        of_dinov2, lambda: hugging("Dinov2Model", "Dinov2Config", mlp_ratio=2), "transformers",
        name="dinov2", intermediate_size=64,
    ),
    "dinov2 gated": vit(
        of_dinov2, lambda: hugging("Dinov2Model", "Dinov2Config", mlp_ratio=3, use_swiglu_ffn=True), "transformers",
        name="dinov2", intermediate_size=64, use_swiglu_ffn=True,
    ),
    "dinov2 registers": vit(
        of_dinov2, lambda: hugging("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", mlp_ratio=2),
        "transformers", name="dinov2_with_registers", intermediate_size=64,
    ),
    "clip": vit(of_clip, whole_clip, "transformers", name="clip_vision_model", projection_dim=24),
    "open_clip": vit(of_open_clip, lambda: whole_open_clip(False), "open_clip", name="ViT-B-32", projection_dim=24),
    "openai": vit(
        of_open_clip, lambda: whole_open_clip(True), "open_clip", name="ViT-B-32-quickgelu", projection_dim=24
    ),
    "siglip": vit(
        of_siglip, lambda: hugging("SiglipVisionModel", "SiglipVisionConfig"), "transformers",
        name="siglip_vision_model",
    ),
    "swin timm": Case(
        "swin", {**SWIN, "window_size": 4, "image_size": 64, **TIMM, "timm_windows": True, "layer_norm_eps": 1e-5,
                 "mlp_ratio": 2.0},
        lambda: timm_swin(64, 4), of_timm, "", [(64, 64), (52, 76)],
    ),
    "swin timm small maps": Case(
        "swin", {**SWIN, "window_size": 7, "image_size": 32, **TIMM, "timm_windows": True, "layer_norm_eps": 1e-5,
                 "mlp_ratio": 2.0},
        lambda: timm_swin(32, 7), of_timm, "", [(32, 32), (40, 60)],
    ),
    "swin torchvision": Case(
        "swin", {**SWIN, "window_size": 4, "image_size": 64, "num_classes": CLASSES},
        lambda: torchvision.models.SwinTransformer(
            [4, 4], 16, [2, 2], [2, 4], [4, 4], num_classes=CLASSES, stochastic_depth_prob=0.0
        ),
        of_torchvision_swin, "torchvision", [(64, 64), (52, 76), (16, 60)],
    ),
    "swin transformers": Case(
        "swin", {**SWIN, "window_size": 4, "image_size": 64, "num_classes": CLASSES},
        lambda: transformers.SwinForImageClassification(
            transformers.SwinConfig(**SWIN, window_size=4, image_size=64, num_labels=CLASSES, drop_path_rate=0.0)
        ),
        of_swin, "transformers", [(64, 64), (52, 76)],
    ),
}  # fmt: skip


def file_of(model: Any, folder: Path) -> dict[str, Any]:
    """Give the tensors under the names that the reference writes to files."""
    if not hasattr(model, "save_pretrained"):
        return dict(model.state_dict())
    model.save_pretrained(folder)
    tensors: dict[str, Any] = safetensors.load_file(folder / "model.safetensors")
    return tensors


def gradients_of(model: Any, folder: Path) -> dict[str, Any]:
    """Give the gradients under the names that the parameters have in files."""
    holder = copy.deepcopy(model)
    with torch.no_grad():
        for parameter, original in zip(holder.parameters(), model.parameters(), strict=True):
            parameter.copy_(torch.zeros_like(original) if original.grad is None else original.grad)
    return file_of(holder, folder)


def pixels_of(size: tuple[int, int], count: int = 2) -> Any:
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def assert_close(ours: Any, theirs: Any, what: str) -> None:
    """Require a largest difference of 1e-4, relative to the largest number where that is above 1."""
    ours, theirs = torch.as_tensor(ours).detach(), theirs.detach()
    assert ours.shape == theirs.shape, what
    assert float((ours - theirs).abs().max()) <= TOLERANCE * max(1.0, float(theirs.abs().max())), what
