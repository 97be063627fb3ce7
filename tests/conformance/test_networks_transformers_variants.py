"""Every named vision transformer and Swin: names, shapes and settings of timm, torchvision and open_clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from reference_torchvision import torchvision
from reference_transformers import CLASSES, assert_close, of_timm, pixels_of, shaken

from pictrieve import _autograd, _core
from pictrieve.finetune import Network

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
open_clip = pytest.importorskip("open_clip")


def names_and_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def slots_of(name: str, config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {slot: tuple(shape) for slot, shape, _ in _autograd.Network("image", name, config).slots()}


TIMM_NAMES = [
    name for name in _core.image_architectures() if name in set(timm.list_models(["vit_*", "deit*", "swin_*"]))
]


@pytest.mark.parametrize("name", TIMM_NAMES)
def test_variants_have_the_names_and_shapes_of_timm(name: str) -> None:
    with torch.device("meta"):
        reference = timm.create_model(name, weight_init="skip")
    assert slots_of(name, {"num_classes": reference.num_classes}) == names_and_shapes(reference)


@pytest.mark.parametrize(
    "name", ["vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14", "swin_t", "swin_s", "swin_b"]
)
def test_variants_have_the_shapes_of_torchvision(name: str) -> None:
    with torch.device("meta"):
        reference = getattr(torchvision.models, name)()
    assert Counter(slots_of(name, {}).values()) == Counter(tuple(each.shape) for each in reference.parameters())


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-B-16-quickgelu", "ViT-L-14", "ViT-L-14-336", "ViT-H-14"])
def test_variants_have_the_shapes_of_open_clip(name: str) -> None:
    with torch.device("meta"):
        reference = open_clip.CLIP(**open_clip.get_model_config(name)).visual
    theirs = Counter(tuple(each.squeeze().shape) for each in reference.parameters())
    width, dim = reference.proj.shape
    theirs[width, dim] -= 1  # the transpose of ours
    theirs[dim, width] += 1
    squeezed = [tuple(side for side in shape if side > 1) for shape in slots_of(name, {}).values()]
    assert Counter(squeezed) == +theirs


# One of each kind: of what follows the sizes in its name; and the activations that differ by size.
KINDS = {
    name.split("_")[0] + name.split("_patch")[1].strip("0123456789"): name
    for name in TIMM_NAMES
    if "giant" not in name and "swin" not in name
} | {"gated": "vit_giant_patch14_reg4_dinov2", "tanh": "vit_large_patch16_siglip_512"}


@pytest.mark.parametrize("name", KINDS.values())
def test_variants_have_the_settings_of_timm(name: str) -> None:
    """Their own activations, norms, pooling and heads in a network of one narrow layer."""
    patch = int(name.split("_patch")[1].split("_")[0])
    reference = timm.create_model(
        name, num_classes=CLASSES, embed_dim=24, depth=1, num_heads=2, img_size=3 * patch, dynamic_img_size=True
    )
    wide = reference.blocks[0].mlp.fc2.in_features
    small = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": wide}
    net = Network("image", name, {**small, "image_size": 3 * patch, "num_classes": CLASSES}).eval()
    net.load_layout(shaken(reference).state_dict())
    pixels = pixels_of((2 * patch, 4 * patch), 1)
    with torch.no_grad():
        ours, theirs = net(pixels), of_timm(reference, pixels)
    for key, expected in theirs.items():
        assert_close(ours[key], expected, key)


def as_open_clip(state: dict[str, Any]) -> dict[str, Any]:
    return {f"visual.trunk.{name}": tensor for name, tensor in state.items()} | {
        name: torch.zeros(2) for name in ("text.transformer.ln.weight", "logit_scale", "logit_bias")
    }


def as_dinov2(state: dict[str, Any]) -> dict[str, Any]:
    renamed = {name.replace("reg_token", "register_tokens"): tensor for name, tensor in state.items()}
    return {**renamed, "mask_token": torch.zeros(1, 24)}


def as_dinov2_classifier(state: dict[str, Any]) -> dict[str, Any]:
    core = _autograd.Network("image", "dinov2_with_registers", SMALL)
    named = core.to_layout(state, "transformers")
    return {f"dinov2_with_registers.{name}": each for name, each in named.items()} | {"classifier.bias": torch.zeros(2)}


def as_published_by_torchvision(state: dict[str, Any]) -> dict[str, Any]:
    named = _autograd.Network("image", "vit", SMALL).to_layout(state, "torchvision")
    return {
        name.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): each for name, each in named.items()
    }


def with_index(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "layers.1.blocks.0.attn.relative_position_index": torch.zeros(16, 16, dtype=torch.int64)}


def as_published_by_microsoft(state: dict[str, Any]) -> dict[str, Any]:
    named = {name.replace("head.fc", "head"): each for name, each in with_index(state).items()}
    named = {name.replace("layers.1.downsample", "layers.0.downsample"): each for name, each in named.items()}
    return {**named, "layers.0.blocks.1.attn_mask": torch.zeros(4, 16, 16)}


SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "intermediate_size": 48}
SMALL_SWIN = {"embed_dim": 24, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4, "num_classes": CLASSES}


@pytest.mark.parametrize(
    ("name", "config", "rename"),
    [
        ("siglip_vision_model", SMALL, as_open_clip),
        ("dinov2_with_registers", SMALL, as_dinov2),
        ("dinov2_with_registers", SMALL, as_dinov2_classifier),
        ("vit", SMALL, as_published_by_torchvision),
        ("swin", SMALL_SWIN, with_index),
        ("swin", SMALL_SWIN, as_published_by_microsoft),
    ],
)
def test_published_files_name_the_same_tensors(
    name: str, config: dict[str, Any], rename: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    trained, net = Network("image", name, config, seed=1), Network("image", name, config, seed=2)
    net.load_layout(rename(dict(trained.state_dict())))
    for key, tensor in trained.state_dict().items():
        assert torch.equal(net.state_dict()[key], tensor), key
