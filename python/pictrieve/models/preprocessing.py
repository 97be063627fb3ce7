"""How each maker writes down the preparation of pictures, as `Preprocess` objects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pictrieve._presets import IMAGENET_MEAN, IMAGENET_STD
from pictrieve.images import Preprocess

_PILLOW_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}
_STRETCHED = ("ViT", "DeiT", "Siglip", "EfficientNet", "Swin")  # processors that read `"size": 224` as a square
_FILTERS = ("nearest", "box", "bilinear", "bicubic", "lanczos")


def from_transformers(settings: Mapping[str, Any], source: str) -> Preprocess:
    """Read a `preprocessor_config.json` of transformers.

    Raises:
        ValueError: It asks for a step that we do not have; `source` names the file.
    """
    kind = str(settings.get("image_processor_type") or settings.get("feature_extractor_type") or "")
    steps: dict[str, Any] = {}
    if settings.get("do_resize", True):
        _add_resize(steps, settings, kind, source)
    if settings.get("do_center_crop", "crop_size" in settings) and "ConvNext" not in kind:
        steps["crop"] = _sides(settings.get("crop_size", 224), source)
    if settings.get("do_pad"):
        raise ValueError(f"{source}: do_pad: expected pictures that are resized or cropped, got padding")
    scaled, normalised = settings.get("do_rescale", True), settings.get("do_normalize", True)
    divisor = 1 / float(settings.get("rescale_factor", 1 / 255)) if scaled else 1.0
    mean = tuple(settings.get("image_mean") or IMAGENET_MEAN) if normalised else (0.0, 0.0, 0.0)
    std = tuple(settings.get("image_std") or IMAGENET_STD) if normalised else (1.0, 1.0, 1.0)
    if "EfficientNet" in kind and settings.get("include_top", True):
        std = tuple(value * value for value in std)  # this processor divides by it once more
    order = tuple(name for name in ("resize", "crop") if name in steps)
    return Preprocess(
        steps=order, interpolation=_filter(settings, kind, source), mean=mean, std=std,
        divisor=round(divisor) if abs(divisor - round(divisor)) < 1e-3 else divisor, **steps,
    )  # fmt: skip


def _add_resize(steps: dict[str, Any], settings: Mapping[str, Any], kind: str, source: str) -> None:
    size = settings.get("size", 224)
    if "ConvNext" in kind:
        side = int(size["shortest_edge"] if isinstance(size, Mapping) else size)
        if side < 384:  # smaller networks crop, larger ones see the whole picture
            larger = int(side / float(settings.get("crop_pct") or 224 / 256))
            steps.update(resize=larger, resize_mode="shortest", crop=side)
        else:
            steps.update(resize=(side, side), resize_mode="stretch")
        return
    shortest = size.get("shortest_edge") if isinstance(size, Mapping) else size
    if shortest is not None and (isinstance(size, Mapping) or not kind.startswith(_STRETCHED)):
        steps.update(resize=int(shortest), resize_mode="shortest")
    else:
        steps.update(resize=_sides(size, source), resize_mode="stretch")


def _sides(size: Any, source: str) -> tuple[int, int]:
    if isinstance(size, Mapping) and {"height", "width"} <= set(size):
        return int(size["height"]), int(size["width"])
    if isinstance(size, int):
        return size, size
    raise ValueError(f'{source}: expected a size of "height" and "width" or "shortest_edge", got {size!r}')


def _filter(settings: Mapping[str, Any], kind: str, source: str) -> str:
    usual = 3 if kind.startswith(("CLIP", "Siglip", "Bit", "ConvNext")) else 0 if "EfficientNet" in kind else 2
    number = settings.get("resample", usual)
    if number not in _PILLOW_FILTERS:
        raise ValueError(f"{source}: resample: expected one of {sorted(_PILLOW_FILTERS)}, got {number!r}")
    return _PILLOW_FILTERS[number]


def from_timm(settings: Mapping[str, Any], source: str) -> Preprocess:
    """Read a `pretrained_cfg` of timm as its evaluation transform.

    Raises:
        ValueError: It asks for a step that we do not have; `source` names the file.
    """
    height, width = (int(side) for side in settings.get("input_size", (3, 224, 224))[1:])
    share = float(settings.get("crop_pct") or 0.875)
    # timm rounds down, and takes the smaller filter of a "random" one as bilinear
    resized = math.floor(height / share), math.floor(width / share)
    mode = settings.get("crop_mode") or "center"
    if mode not in ("center", "squash") or (mode == "center" and height != width):
        raise ValueError(
            f"{source}: crop_mode: expected a square 'center' or 'squash', got {mode!r} to {height} x {width}"
        )
    steps: dict[str, Any] = {"resize": resized[0] if mode == "center" else resized}
    return Preprocess(
        resize_mode="shortest" if mode == "center" else "stretch", crop=(height, width),
        interpolation=_named_filter(settings.get("interpolation") or "bicubic", source),
        mean=tuple(settings.get("mean") or IMAGENET_MEAN), std=tuple(settings.get("std") or IMAGENET_STD), **steps,
    )  # fmt: skip


def from_open_clip(settings: Mapping[str, Any], size: int, source: str) -> Preprocess:
    """Read the `preprocess_cfg` of an open_clip model whose pictures have sides of `size` pixels."""
    mode = settings.get("resize_mode") or "shortest"
    if mode not in ("shortest", "squash"):
        raise ValueError(f"{source}: resize_mode: expected 'shortest' or 'squash', got {mode!r}")
    return Preprocess(
        "clip", resize=size if mode == "shortest" else (size, size), crop=size,
        resize_mode="shortest" if mode == "shortest" else "stretch", mean=settings.get("mean"), std=settings.get("std"),
        interpolation=_named_filter(settings.get("interpolation") or "bicubic", source),
    )  # fmt: skip


def _named_filter(name: str, source: str) -> str:
    if name not in _FILTERS:
        raise ValueError(f"{source}: interpolation: expected one of {', '.join(_FILTERS)}, got {name!r}")
    return name


# torchvision's evaluation transforms: short side, centre crop, filter; by architecture, or by the name that
# torchvision's own checkpoint file begins with.
_TORCHVISION_DEFAULT = (256, 224, "bilinear")
_TORCHVISION: dict[str, tuple[int, int, str]] = {
    "inception_v3": (342, 299, "bilinear"),
    "efficientnet_b0": (256, 224, "bicubic"), "efficientnet_b1": (256, 240, "bicubic"),
    "efficientnet_b2": (288, 288, "bicubic"), "efficientnet_b3": (320, 300, "bicubic"),
    "efficientnet_b4": (384, 380, "bicubic"), "efficientnet_b5": (456, 456, "bicubic"),
    "efficientnet_b6": (528, 528, "bicubic"), "efficientnet_b7": (600, 600, "bicubic"),
    "convnext_tiny": (236, 224, "bilinear"), "convnext_small": (230, 224, "bilinear"),
    "convnext_base": (232, 224, "bilinear"), "convnext_large": (232, 224, "bilinear"),
    "vit_l_16": (242, 224, "bilinear"), "swin_t": (232, 224, "bicubic"), "swin_s": (246, 224, "bicubic"),
    "swin_b": (238, 224, "bicubic"),
}  # fmt: skip
_SECOND_RECIPE = (232, 224, "bilinear")
_TORCHVISION_FILES: dict[str, tuple[int, int, str]] = {
    **dict.fromkeys(
        ("resnet50-11ad3fa6", "resnet101-cd907fc2", "resnet152-f82ba261", "resnext50_32x4d-1a0047aa",
         "resnext101_32x8d-110c445d", "resnext101_64x4d-173b62eb", "wide_resnet50_2-9ba9bcbe",
         "wide_resnet101_2-d733dc28", "mobilenet_v2-7ebf99e0", "mobilenet_v3_large-5c1a4163"),
        _SECOND_RECIPE,
    ),
    "efficientnet_b1-c27df63c": (255, 240, "bilinear"),
}  # fmt: skip


def from_torchvision(architecture: str, file_name: str = "", transform_input: bool = False) -> Preprocess:
    """Give the evaluation transform of torchvision's weights for an architecture.

    Args:
        architecture: A network's name, as torchvision has it.
        file_name: That of the checkpoint: torchvision's own files of the second recipe ("IMAGENET1K_V2") are known.
        transform_input: The network itself takes the first step of torchvision's Inception.
    """
    stem = file_name.removesuffix(".pth")
    usual = _TORCHVISION.get(architecture, _TORCHVISION_DEFAULT)
    resize, crop, interpolation = _TORCHVISION_FILES.get(stem, usual)
    # torchvision's Inception turns ImageNet's normalisation into this one as its first step.
    half = (0.5, 0.5, 0.5) if architecture == "inception_v3" and not transform_input else None
    return Preprocess("imagenet", resize=resize, crop=crop, interpolation=interpolation, mean=half, std=half)
