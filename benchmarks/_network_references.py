"""The references that networks are held against: how each is built, what it answers, and its settings in our words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "conformance"))

import reference_torchvision  # noqa: F401  # before timm and transformers, which look for torchvision
import reference_transformers as vits
import test_networks_cnn as cnns
import test_networks_modern_cnn as modern
import test_networks_text as texts

import pictrieve as pt

torch, timm, transformers, open_clip = vits.torch, vits.timm, vits.transformers, vits.open_clip
Outputs = dict[str, Any]
TOKENS = 64


@dataclass
class Contest:
    """One of our networks and its reference with the same weights."""

    name: str
    """What we call it."""
    package: Any
    reference: str
    """What the package calls it."""
    build: Callable[[], Any]
    outputs: Callable[[Any, Any], Outputs]
    """Of the reference, for pixels or for (ids, mask)."""
    config: dict[str, Any] = field(default_factory=dict)
    size: int = 224
    """Side of the pictures; 0 for texts."""
    shown: str = ""
    """How the table calls it, where the name alone does not tell."""
    masked: bool = True
    """Whether texts may differ in length."""


def logits(model: Any, pixels: Any) -> Outputs:
    """Give what torchvision's classifiers answer."""
    return {"logits": cnns.logits_of(model(pixels))}


def hidden(model: Any, inputs: Any) -> Outputs:
    """Give what a bare text network of transformers answers."""
    ids, mask = inputs
    return {"hidden": model(input_ids=ids, attention_mask=mask.long()).last_hidden_state[mask]}


def of_clip_text(model: Any, inputs: Any) -> Outputs:
    """Give hidden states and the projected end of each text."""
    ids, mask = inputs
    output = model(input_ids=ids, attention_mask=mask.long())
    return {"hidden": output.last_hidden_state[mask], "projected": output.text_embeds}


def of_siglip_text(model: Any, inputs: Any) -> Outputs:
    """Give hidden states and the projected last token."""
    output = model(input_ids=inputs[0])
    return {"hidden": output.last_hidden_state.flatten(0, 1), "projected": output.pooler_output}


def of_dinov2(model: Any, pixels: Any) -> Outputs:
    """Give the map of patches and the class token."""
    output = model(pixels)
    feature_map = vits.as_picture(output.last_hidden_state, 1, pixels, model.config.patch_size)
    return {"feature_map": feature_map, "features": output.pooler_output}


def of_siglip(model: Any, pixels: Any) -> Outputs:
    """Give the map of patches and what the pooling head makes of it."""
    output = model(pixels)
    feature_map = vits.as_picture(output.last_hidden_state, 0, pixels, model.config.patch_size)
    return {"feature_map": feature_map, "features": output.pooler_output}


def of_clip_vit(model: Any, pixels: Any) -> Outputs:
    """Give the map of patches and the projected class token."""
    model.visual.output_tokens = True
    features, tokens = model.visual(pixels)
    return {"feature_map": vits.as_picture(tokens, 0, pixels, model.visual.patch_size[0]), "features": features}


def torchvision(name: str, size: int = 224) -> Contest:
    """Hold a network against torchvision's of the same name."""
    return Contest(name, cnns.torchvision, name, lambda: cnns.randomized(cnns.made(name)).eval(), logits, size=size)


def of_timm(name: str, theirs: str = "") -> Contest:
    """Hold a network against timm's."""
    theirs = theirs or name
    transformer = theirs.startswith(("vit", "swin"))
    part = vits if transformer else modern
    options: dict[str, Any] = {"img_size": 224} if "dinov2" in theirs else {}
    config: dict[str, Any] = {"image_size": 224, "num_classes": 0} if options else {}
    build = partial(timm.create_model, theirs, **options)
    return Contest(name, timm, theirs, lambda: part.shaken(build()), part.of_timm, config)


def text(name: str, family: str, suffix: str = "Model", outputs: Any = hidden, **more: Any) -> Contest:
    """Hold a text network in its default size against transformers'."""
    config = getattr(transformers, f"{family}Config")().to_dict()
    build = partial(texts.reference, family, {}, suffix)
    return Contest(name, transformers, family + suffix, build, outputs, config, 0, **more)


def calm(model: Any) -> Any:
    """Keep the sums of many blocks near 1: else the softmax behind them sees scores of a million, and only rounding."""
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("bn3.weight"):
                tensor.mul_(0.2)
    return model


def clip_resnet(name: str) -> Contest:
    """CLIP's ResNet towers, without the text tower."""
    config = open_clip.get_model_config(name)
    vision = config["vision_cfg"]
    build = partial(
        open_clip.modified_resnet.ModifiedResNet, vision["layers"], config["embed_dim"], vision["width"] // 2,
        vision["image_size"], vision["width"],
    )  # fmt: skip
    return Contest(name, open_clip, f"{name}, image tower", lambda: calm(modern.shaken(build())), modern.of_open_clip)


def clip_vit(name: str) -> Contest:
    """CLIP's transformer towers; the whole checkpoint is loaded."""
    build = partial(open_clip.CLIP, **open_clip.get_model_config(name))
    return Contest(name, open_clip, f"{name}, image tower", lambda: vits.shaken(build()), of_clip_vit)


def dinov2_small() -> Contest:
    """DINOv2 with the names of transformers."""
    sizes = {"hidden_size": 384, "num_attention_heads": 6, "num_hidden_layers": 12, "image_size": 518, "patch_size": 14}
    build = partial(transformers.Dinov2Model, transformers.Dinov2Config(**sizes))
    reference = Contest("dinov2", transformers, "Dinov2Model", lambda: vits.shaken(build()), of_dinov2, sizes)
    reference.shown = "dinov2 (small, 14)"
    return reference


def siglip() -> Contest:
    """SigLIP's image tower in its base size."""
    config = transformers.SiglipVisionConfig()
    build = partial(transformers.SiglipVisionModel, config)
    return Contest(
        "siglip_vision_model", transformers, "SiglipVisionModel", lambda: vits.shaken(build()), of_siglip,
        config.to_dict(), shown="siglip_vision_model (base, 16)",
    )  # fmt: skip


def real_lite0() -> Contest:
    """EfficientNet-Lite0 with its trained weights, in timm."""

    def build() -> Any:
        reference = timm.create_model("tf_efficientnet_lite0").eval()
        reference.load_state_dict(pt.finetune.network("efficientnet_lite0").state_dict())
        return reference

    shown = "efficientnet_lite0, trained"
    return Contest("efficientnet_lite0", timm, "tf_efficientnet_lite0", build, modern.of_timm, shown=shown)


def real_minilm() -> Contest:
    """all-MiniLM-L6-v2 with its trained weights, in transformers."""
    found = pt.models.resolve("minilm")
    build = partial(
        transformers.BertModel.from_pretrained, found.weights.parent, add_pooling_layer=False,
        attn_implementation="eager",
    )  # fmt: skip
    config, shown = dict(found.config), "minilm, trained"
    return Contest("bert", transformers, "BertModel", lambda: build().eval(), hidden, config, 0, shown)


def contests() -> list[Contest]:
    """Give all rows of the table."""
    return [
        *(torchvision(name) for name in ("vgg16_bn", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2")),
        torchvision("inception_v3", 299),
        *(torchvision(name) for name in ("mobilenet_v2", "mobilenet_v3_large")),
        of_timm("efficientnet_b0"),
        of_timm("efficientnet_lite0", "tf_efficientnet_lite0"),
        of_timm("convnext_tiny"),
        *(of_timm(name) for name in ("vit_small_patch16_224", "vit_small_patch14_reg4_dinov2")),
        dinov2_small(),
        of_timm("swin_tiny_patch4_window7_224"),
        clip_resnet("RN50"),
        clip_vit("ViT-B-32"),
        siglip(),
        text("bert", "Bert"),
        text("roberta", "Roberta"),
        text("distilbert", "DistilBert"),
        text("mpnet", "MPNet"),
        text("modernbert", "ModernBert"),
        text("gpt2", "GPT2"),
        text("clip_text_model", "CLIPText", "ModelWithProjection", of_clip_text),
        text("siglip_text_model", "SiglipText", outputs=of_siglip_text, masked=False),
        real_lite0(),
        real_minilm(),
    ]
