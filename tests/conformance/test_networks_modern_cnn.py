"""EfficientNet, ConvNeXt and CLIP's ResNet towers against timm, torchvision, transformers and open_clip.

The same random weights on both sides: outputs and the gradients of all parameters within 1e-4, trained through Torch
and served frozen; a training step with dropped pictures; files of other libraries; every variant's names and shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_torchvision import torchvision

import pictrieve as pt
from pictrieve import _autograd, _core, models
from pictrieve.finetune import Network

pytestmark = pytest.mark.usefixtures("one_thread")

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")
open_clip = pytest.importorskip("open_clip")

TOLERANCE = 1e-4
SMALL = {"num_classes": 10}
CONVNEXT: dict[str, Any] = {"depths": [1, 2, 1, 1], "hidden_sizes": [16, 24, 32, 48]}
CLIP: dict[str, Any] = {"layers": [1, 2, 1, 1], "width": 16, "image_size": 64, "embed_dim": 24}
OPENAI = ["RN50", "RN101", "RN50x4", "RN50x16", "RN50x64"]
Outputs = dict[str, Any]


def shaken(model: Any) -> Any:
    """Give every tensor numbers that matter: as built, some scales are zero or a millionth."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.ndim >= 2 and not name.endswith("layer_scale"):
                tensor.normal_(0, (1.8 / tensor[0].numel()) ** 0.5, generator=generator)
            elif name.endswith(("running_var", "weight", "gamma", "layer_scale", "layer_scale_parameter")):
                tensor.uniform_(0.7, 1.3, generator=generator)
            elif tensor.is_floating_point():
                tensor.normal_(0, 0.2, generator=generator)
    return model.eval()


def of_timm(model: Any, pixels: Any) -> Outputs:
    feature_map = model.forward_features(pixels)
    return {
        "feature_map": feature_map,
        "features": model.forward_head(feature_map, pre_logits=True),
        "logits": model.forward_head(feature_map),
    }


def of_torchvision(model: Any, pixels: Any) -> Outputs:
    feature_map = model.features(pixels)
    pooled = model.avgpool(feature_map)
    if isinstance(model, torchvision.models.ConvNeXt):
        pooled = model.classifier[0](pooled)
    return {
        "feature_map": feature_map,
        "features": pooled.flatten(1),
        "logits": model.classifier[-1](pooled.flatten(1)),
    }


def of_transformers(model: Any, pixels: Any) -> Outputs:
    output = getattr(model, "convnext", model)(pixels)
    outputs = {"feature_map": output.last_hidden_state, "features": output.pooler_output}
    if hasattr(model, "classifier"):
        outputs["logits"] = model.classifier(output.pooler_output)
    return outputs


def of_open_clip(model: Any, pixels: Any) -> Outputs:
    output = model.forward_intermediates(pixels)
    return {"feature_map": output["image_intermediates"][-1], "features": output["image_features"]}


def half_of_timm(make: str, **options: Any) -> Any:
    """Half of EfficientNet-B0 or Lite0, which also shows the rounding."""
    builder = getattr(timm.models.efficientnet, make)
    return builder("efficientnet_b0", channel_multiplier=0.5, depth_multiplier=0.5, num_classes=10, **options)


def half_of_torchvision() -> Any:
    efficientnet = torchvision.models.efficientnet
    blocks, _ = efficientnet._efficientnet_conf("efficientnet_b0", width_mult=0.5, depth_mult=0.5)
    return efficientnet.EfficientNet(blocks, dropout=0.0, num_classes=10)


def torchvision_convnext() -> Any:
    widths = CONVNEXT["hidden_sizes"]
    shapes = zip(widths, [*widths[1:], None], CONVNEXT["depths"], strict=True)
    configs = [torchvision.models.convnext.CNBlockConfig(*shape) for shape in shapes]
    return torchvision.models.ConvNeXt(configs, num_classes=10)


def transformers_convnext(kind: str) -> Any:
    config = transformers.ConvNextConfig(**CONVNEXT, num_labels=10, layer_norm_eps=1e-3)
    return getattr(transformers, kind)(config)


def open_clip_resnet() -> Any:
    side, width = CLIP["image_size"], CLIP["width"]
    resnet = open_clip.modified_resnet.ModifiedResNet
    return resnet(CLIP["layers"], CLIP["embed_dim"], heads=width // 2, image_size=side, width=width)


@dataclass
class Case:
    """A reference, and our network of the same shape."""

    make: Callable[[], Any]
    outputs: Callable[[Any, Any], Outputs]
    name: str
    config: dict[str, Any] = field(default_factory=lambda: SMALL)
    layout: str = ""
    size: tuple[int, int] = (40, 33)


HALF = {**SMALL, "width_coefficient": 0.5, "depth_coefficient": 0.5}
TIMM_LITE = {**HALF, "padding": "symmetric", "batch_norm_eps": 1e-5}  # as timm's own weights of Lite0 want it
CASES = {
    "efficientnet": Case(partial(timm.create_model, "efficientnet_b0", **SMALL), of_timm, "efficientnet_b0"),
    "tf": Case(
        partial(half_of_timm, "_gen_efficientnet", bn_eps=1e-3, pad_type="same"), of_timm, "tf_efficientnet_b0", HALF
    ),
    "lite": Case(partial(timm.create_model, "tf_efficientnet_lite0", **SMALL), of_timm, "efficientnet_lite0"),
    "timm's lite": Case(partial(half_of_timm, "_gen_efficientnet_lite"), of_timm, "efficientnet_lite0", TIMM_LITE),
    "efficientnet of torchvision": Case(half_of_torchvision, of_torchvision, "efficientnet_b0", HALF, "torchvision"),
    "convnext": Case(partial(timm.create_model, "convnext_tiny", **SMALL), of_timm, "convnext_tiny"),
    "convnext of torchvision": Case(
        torchvision_convnext, of_torchvision, "convnext", {**SMALL, **CONVNEXT}, "torchvision"
    ),
    "convnext of transformers": Case(
        partial(transformers_convnext, "ConvNextForImageClassification"), of_transformers, "convnext",
        {**SMALL, **CONVNEXT, "layer_norm_eps": 1e-3}, "transformers",
    ),
    "convnext of transformers without classifier": Case(
        partial(transformers_convnext, "ConvNextModel"), of_transformers, "convnext",
        {**CONVNEXT, "num_classes": 0, "layer_norm_eps": 1e-3}, "transformers base",
    ),
    "clip": Case(open_clip_resnet, of_open_clip, "clip_resnet", CLIP, size=(64, 64)),
}  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Case, Any, Any]:
    """A case, its reference with random weights, and pictures."""
    chosen = CASES[request.param]
    pixels = torch.randn(2, 3, *chosen.size, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(0)
    return chosen, shaken(chosen.make()), pixels


def close(ours: Any, theirs: Any, what: str) -> None:
    """Require a largest difference of 1e-4, relative to the largest number where that is above 1."""
    assert ours.shape == theirs.shape, what
    with torch.no_grad():
        assert (ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max().clamp(min=1), what


def test_outputs_and_gradients_equal_the_reference(case: tuple[Case, Any, Any]) -> None:
    chosen, reference, pixels = case
    net = Network("image", chosen.name, chosen.config).eval()
    net.load_layout(reference.state_dict())
    ours, theirs = net(pixels), chosen.outputs(reference, pixels)
    assert ours.keys() == theirs.keys()
    loss = {"ours": torch.zeros(()), "theirs": torch.zeros(())}
    for name, expected in theirs.items():
        assert expected.std() > 0.03, name
        close(ours[name], expected, name)
        direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3))
        loss["ours"] = loss["ours"] + (ours[name] * direction).mean()
        loss["theirs"] = loss["theirs"] + (expected * direction).mean()
    reference.zero_grad()
    loss["ours"].backward()
    loss["theirs"].backward()
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    expected_gradients = net._core.from_layout(gradients, chosen.layout) if chosen.layout else gradients
    most = max(float(gradient.abs().max()) for gradient in expected_gradients.values())
    for name, parameter in net.named_parameters():
        largest = float(expected_gradients[name].abs().max())
        if name == "attnpool.k_proj.bias":  # the same for all keys: softmax does not feel it
            largest = most
        assert largest > 0, name
        assert float((parameter.grad - expected_gradients[name]).abs().max()) <= TOLERANCE * largest, name


def test_frozen_network_equals_the_reference(case: tuple[Case, Any, Any], tmp_path: Path) -> None:
    chosen, reference, pixels = case
    path = tmp_path / "model.safetensors"
    _core.write_safetensors(path, {name: tensor.numpy() for name, tensor in reference.state_dict().items()})
    network = pt.nn.ImageNetwork(chosen.name, path, chosen.config)
    with torch.no_grad():
        theirs = chosen.outputs(reference, pixels)
    for name, expected in theirs.items():
        method = {"feature_map": network, "features": network.features, "logits": network.logits}[name]
        close(torch.from_numpy(method(pixels.numpy())), expected, name)


@pytest.mark.parametrize(
    ("name", "config", "make"),
    [
        (
            "efficientnet_b0",
            {**HALF, "drop_connect_rate": 0.3, "dropout_rate": 0.2},
            partial(half_of_timm, "_gen_efficientnet", drop_path_rate=0.3, drop_rate=0.2),
        ),
        (
            "convnext",
            {**SMALL, **CONVNEXT, "drop_path_rate": 0.4},
            partial(
                timm.models.convnext.ConvNeXt, num_classes=10, drop_path_rate=0.4,
                depths=CONVNEXT["depths"], dims=CONVNEXT["hidden_sizes"],
            ),
        ),
    ],
)  # fmt: skip
def test_training_drops_and_normalises_as_timm(name: str, config: dict[str, Any], make: Callable[[], Any]) -> None:
    """The same random numbers drop the same pictures and features; batch norms learn the same statistics."""
    reference = shaken(make()).train()
    net = Network("image", name, config)
    net.load_layout(reference.state_dict())
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    torch.manual_seed(5)
    theirs = reference(pixels)
    torch.manual_seed(5)
    ours = net(pixels)["logits"]
    close(ours, theirs, "logits")
    assert (net.eval()(pixels)["logits"] - ours).abs().max() > 0.1
    state = net.state_dict()
    for key, buffer in reference.named_buffers():
        close(state[key], buffer, key)


def slots_of(name: str, config: dict[str, Any] | None = None) -> dict[str, tuple[int, ...]]:
    return {slot: tuple(shape) for slot, shape, _ in _autograd.Network("image", name, config or {}).slots()}


def on_meta(make: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, tuple[int, ...]]:
    """Build a reference without memory, for its names and shapes."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in make(*arguments, **options).state_dict().items()}


TIMM_NAMES = [
    *(f"{kind}efficientnet_{series}{size}" for kind in ("", "tf_") for series in ("b", "lite") for size in range(5)),
    *(f"convnext_{size}" for size in ("tiny", "small", "base", "large", "xlarge")),
]


@pytest.mark.parametrize("name", TIMM_NAMES)
def test_variant_has_the_names_shapes_and_size_of_timm(name: str) -> None:
    assert slots_of(name) == on_meta(timm.create_model, name)
    assert _autograd.Network("image", name, {}).facts["input_size"] == timm.get_pretrained_cfg(name).input_size[1]


@pytest.mark.parametrize(
    "name", [*(f"efficientnet_b{size}" for size in range(5)), *(f"convnext_{size}" for size in ("tiny", "base"))]
)
def test_variant_has_the_names_and_shapes_of_torchvision(name: str) -> None:
    theirs = on_meta(getattr(torchvision.models, name))
    numbered = {key: torch.tensor([float(number)]) for number, key in enumerate(theirs)}
    renamed = _autograd.Network("image", name, {}).from_layout(numbered, "")
    keys = list(theirs)
    shapes = {ours: theirs[keys[int(number)]] for ours, number in renamed.items()}
    trimmed = {ours: shape[:1] if ours.endswith("gamma") else shape for ours, shape in shapes.items()}
    assert trimmed == slots_of(name)


@pytest.mark.parametrize("name", OPENAI)
def test_clip_towers_have_the_names_and_shapes_of_open_clip(name: str) -> None:
    config = open_clip.get_model_config(name)
    vision = config["vision_cfg"]
    theirs = on_meta(
        open_clip.modified_resnet.ModifiedResNet, vision["layers"], config["embed_dim"], vision["width"] // 2,
        vision["image_size"], vision["width"],
    )  # fmt: skip
    assert slots_of(name) == theirs


def test_the_tower_of_a_whole_clip_is_found() -> None:
    config = {**CLIP, "heads": 8}
    vision = {"image_size": 64, "layers": CLIP["layers"], "width": 16, "patch_size": None, "head_width": 64}
    text = {"context_length": 7, "vocab_size": 11, "width": 16, "heads": 2, "layers": 1}
    torch.manual_seed(0)
    whole = shaken(open_clip.model.CLIP(CLIP["embed_dim"], vision, text))
    net = Network("image", "clip_resnet", config).eval()
    net.load_layout(whole.state_dict())
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(6))
    close(net(pixels)["features"], whole.encode_image(pixels), "features")


def test_clip_towers_refuse_pictures_of_other_sizes(tmp_path: Path) -> None:
    net = Network("image", "clip_resnet", CLIP).eval()
    assert net(torch.zeros(1, 3, 64, 64))["features"].shape == (1, 24)
    with pytest.raises(ValueError, match="expected pictures of 64 x 64 pixels"):
        net(torch.zeros(1, 3, 96, 64))


def test_the_bundled_weights_keep_their_names_and_vectors(tmp_path: Path) -> None:
    """Its file is read through the layout of the library that wrote it, and can be written back."""
    path = models.resolve("efficientnet_lite0").weights
    theirs = torch.load(path, weights_only=True)
    net = Network("image", "efficientnet_lite0").eval()
    net.load_layout(theirs)
    back = net.layout_state("lukemelas")
    assert {key: back[key].shape for key in theirs} == {key: tensor.shape for key, tensor in theirs.items()}
    assert all(torch.equal(back[key], tensor) for key, tensor in theirs.items() if tensor.is_floating_point())
    reference = timm.create_model("tf_efficientnet_lite0").eval()
    reference.load_state_dict(net.state_dict())
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 3, 97, 130)).astype(np.float32)
    with torch.no_grad():
        expected = of_timm(reference, torch.from_numpy(pixels))
    served = pt.nn.load("efficientnet_lite0")
    close(torch.from_numpy(served.features(pixels)), expected["features"], "features")
    close(torch.from_numpy(served.logits(pixels)), expected["logits"], "logits")


def test_names_with_underscores_go_both_ways() -> None:
    """The names of lukemelas' EfficientNet, which number blocks through all stages."""
    net = Network("image", "efficientnet_b0", HALF, seed=1)
    theirs = net.layout_state("lukemelas")
    assert {"_conv_stem.weight", "_blocks.0._se_reduce.bias", "_blocks.1._expand_conv.weight", "_fc.bias"} <= set(
        theirs
    )
    assert all(name.startswith("_") for name in theirs)
    other = Network("image", "efficientnet_b0", HALF, seed=2)
    other.load_layout(theirs)
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in other.state_dict().items())


@pytest.mark.parametrize("name", [name for name, chosen in CASES.items() if chosen.layout])
def test_weights_can_be_given_back_to_the_reference(name: str) -> None:
    chosen = CASES[name]
    torch.manual_seed(0)
    reference = chosen.make()
    net = Network("image", chosen.name, chosen.config, seed=3)
    reference.load_state_dict(net.layout_state(chosen.layout))
    pixels = torch.randn(1, 3, *chosen.size, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        close(net.eval()(pixels)["features"], chosen.outputs(reference.eval(), pixels)["features"], "features")


@pytest.mark.parametrize(
    ("name", "config", "match"),
    [
        ("efficientnet_b0", {"padding": "valid"}, "padding: expected 'same' or 'symmetric', got 'valid'"),
        ("efficientnet_b0", {"strides": [1, 2]}, "strides: expected 7 numbers and at most 16, got 2"),
        ("efficientnet_b0", {"width_coefficient": 0.0}, "width_coefficient: expected more than 0"),
        ("efficientnet_b0", {"squeeze_expansion_ratio": 2.0}, "squeeze_expansion_ratio: expected 0 to 1, got 2"),
        ("convnext", {"depths": [1], "hidden_sizes": [8, 8]}, "depths: expected 2 numbers and at most 16, got 1"),
        ("clip_resnet", {**CLIP, "heads": 7}, "heads that divide 32 widths"),
        ("clip_resnet", {**CLIP, "image_size": 31}, "image_size: expected at least 32"),
    ],
)
def test_settings_that_make_no_network_are_refused(name: str, config: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Network("image", name, config)
