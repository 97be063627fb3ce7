"""Convolutional networks against torchvision, timm and transformers: outputs, gradients, names, real weights."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reference_torchvision import torchvision

import pictrieve as pt
from pictrieve import _autograd, _core

pytestmark = pytest.mark.usefixtures("one_thread")

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
timm = pytest.importorskip("timm")

TOLERANCE = 1e-4
VGGS = [f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")]
RESNETS = [
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
]  # fmt: skip
OTHERS = [
    "inception_v3", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "squeezenet1_0", "squeezenet1_1",
]  # fmt: skip
SMALL = {"num_classes": 10}


def made(name: str, **options: Any) -> Any:
    """Give torchvision's network of this name."""
    quick = {"init_weights": False} if name == "inception_v3" else {}
    return getattr(torchvision.models, name)(weights=None, **quick, **options)


def resnet(depths: list[int], **options: Any) -> Any:
    """Give a ResNet of torchvision with bottlenecks."""
    return torchvision.models.resnet.ResNet(torchvision.models.resnet.Bottleneck, depths, num_classes=10, **options)


def randomized(reference: Any) -> Any:
    """Draw weights that keep activations near 1, and norms that do something."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in reference.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.weight.normal_(0, (2 / module.weight[0].numel()) ** 0.5, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0, 0.1, generator=generator)
            elif isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.0, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
                module.num_batches_tracked.zero_()
    return reference


def core_of(name: str, config: dict[str, Any]) -> Any:
    """Give our network without tensors: its names, shapes and layouts."""
    return _autograd.Network("image", name, config)


def slots_of(name: str, config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Give the shapes of our parameters and buffers by name."""
    return {slot: tuple(shape) for slot, shape, _ in core_of(name, config).slots()}


def shapes_of(reference: Any) -> dict[str, tuple[int, ...]]:
    """Give the shapes of a reference's parameters and buffers by name."""
    return {name: tuple(tensor.shape) for name, tensor in reference.state_dict().items()}


def pixels_of(size: tuple[int, int], count: int = 2) -> Any:
    """Draw pictures."""
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(2))


def logits_of(output: Any) -> Any:
    """Give the logits of a torchvision or transformers network; Inception in training brings a second set."""
    return output if isinstance(output, torch.Tensor) else output.logits


def close(ours: Any, theirs: Any, what: str) -> None:
    """Require a largest difference of 1e-4, relative to the largest number."""
    ours, theirs = ours.detach(), theirs.detach()
    assert ours.shape == theirs.shape, what
    largest = float(theirs.abs().max())
    assert float((ours - theirs).abs().max()) <= TOLERANCE * largest, what


def compare(core: Any, net: Any, reference: Any, pixels: Any, layout: str = "") -> None:
    """Compare logits and the gradient of every parameter, which `core` brings from the reference's layout to ours."""
    theirs = logits_of(reference(pixels))
    ours = net(pixels)["logits"]
    assert theirs.std() > 1e-2
    close(ours, theirs, "logits")
    direction = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(3))
    for network, output in ((reference, theirs), (net, ours)):
        network.zero_grad()
        (output * direction).sum().backward()
    named = {name: parameter.grad for name, parameter in reference.named_parameters()}
    reached = {name: gradient for name, gradient in named.items() if gradient is not None}
    expected = core.from_layout(reached, layout) if layout else reached
    # In training, what shifts the input of a batch norm has no gradient but rounding: hence a share of the largest.
    least = max(float(gradient.abs().max()) for gradient in expected.values()) / 100 if net.training else 0.0
    for name, parameter in net.named_parameters():
        if name not in expected:
            assert name.startswith("AuxLogits."), name
            assert parameter.grad is None or not parameter.grad.any(), name
            continue
        largest = float(expected[name].abs().max())
        assert largest > 0, name
        assert float((parameter.grad - expected[name]).abs().max()) <= TOLERANCE * max(largest, least), name


CASES = [
    ("vgg11", {"num_classes": 10, "intermediate_size": 64}, (37, 64)),
    ("vgg13_bn", {"num_classes": 10, "intermediate_size": 64}, (32, 32)),
    ("resnet18", SMALL, (64, 45)),
    ("resnet50", {"num_classes": 10, "depths": [1, 2, 1, 1]}, (64, 64)),
    ("resnext50_32x4d", {"num_classes": 10, "depths": [1, 1, 1, 1]}, (33, 64)),
    ("wide_resnet50_2", {"num_classes": 10, "depths": [1, 1, 1, 1]}, (64, 64)),
    ("inception_v3", SMALL, (75, 96)),
    ("mobilenet_v2", SMALL, (64, 45)),
    ("mobilenet_v3_large", SMALL, (64, 45)),
    ("mobilenet_v3_small", SMALL, (64, 64)),
    ("squeezenet1_0", SMALL, (47, 64)),
    ("squeezenet1_1", SMALL, (64, 53)),
]


def reference_of(name: str, config: dict[str, Any]) -> Any:
    """Build torchvision's network with our settings."""
    classes = config["num_classes"]
    if name.startswith("vgg"):
        reference = made(name, num_classes=classes, dropout=0.0)
        wide = config["intermediate_size"]
        reference.classifier[0] = torch.nn.Linear(512 * 49, wide)
        reference.classifier[3] = torch.nn.Linear(wide, wide)
        reference.classifier[6] = torch.nn.Linear(wide, classes)
        return reference
    if "depths" in config:
        shapes = {"resnext50_32x4d": {"groups": 32, "width_per_group": 4}, "wide_resnet50_2": {"width_per_group": 128}}
        return resnet(config["depths"], **shapes.get(name, {}))
    return made(name, num_classes=classes, **({} if "resnet" in name else {"dropout": 0.0}))


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any], Any, Any]:
    """Give a name, its settings, our network and torchvision's with the same weights."""
    name, config = request.param
    config = {**config, "dropout": 0.0, "classifier_dropout_prob": 0.0}
    with torch.device("meta"):
        reference = reference_of(name, config)
    randomized(reference.to_empty(device="cpu"))
    net = pt.finetune.network(name, config, weights="random")
    net.load_layout(reference.state_dict())
    return name, config, net, reference


@pytest.mark.parametrize(
    ("pair", "size"), [((n, c), s) for n, c, s in CASES], indirect=["pair"], ids=[c[0] for c in CASES]
)
def test_outputs_and_gradients_equal_torchvision(
    pair: tuple[str, dict[str, Any], Any, Any], size: tuple[int, int], tmp_path: Path
) -> None:
    name, config, net, reference = pair
    pixels = pixels_of(size)
    core = core_of(name, config)
    compare(core, net.eval(), reference.eval(), pixels)
    frozen_equals(name, config, net, pixels, tmp_path)
    if name == "inception_v3":
        reference.AuxLogits = None  # needs larger pictures
    compare(core, net.train(), reference.train(), pixels)
    for slot, buffer in reference.named_buffers():
        close(dict(net.named_buffers())[slot].double(), buffer.double(), slot)


def frozen_equals(name: str, config: dict[str, Any], net: Any, pixels: Any, folder: Path) -> None:
    """Compare all outputs of the served network with the trained one's."""
    path = folder / "model.safetensors"
    _core.write_safetensors(path, {key: value.numpy() for key, value in net.state_dict().items()})
    frozen = _core.FrozenImageNetwork(name, config, str(path), 0)
    with torch.no_grad():
        expected = net(pixels)
    outputs = list(expected)
    for output, ours in zip(outputs, frozen.run(pixels.numpy(), outputs), strict=True):
        close(torch.from_numpy(ours), expected[output], f"frozen {output}")
    assert outputs == ["feature_map", "features", "logits"]
    close(expected["features"], expected["feature_map"].mean((2, 3)), "features")


@pytest.mark.parametrize("name", VGGS + RESNETS + OTHERS)
def test_names_and_shapes_equal_torchvision(name: str) -> None:
    with torch.device("meta"):
        reference = made(name)
    assert slots_of(name, {}) == shapes_of(reference)


@pytest.mark.parametrize("factor", [0.35, 0.5, 1.4])
@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"])
def test_widths_equal_torchvision(name: str, factor: float) -> None:
    with torch.device("meta"):
        reference = made(name, width_mult=factor)
    assert slots_of(name, {"depth_multiplier": factor}) == shapes_of(reference)


@pytest.mark.parametrize("name", [*RESNETS, "inception_v3"])
def test_names_equal_timm(name: str) -> None:
    with torch.device("meta"):
        reference = timm.create_model(name)
    assert slots_of(name, {"aux_logits": False}) == shapes_of(reference)


@pytest.mark.parametrize("name", ["vgg11_bn", "resnet50", "inception_v3", "mobilenet_v2", "mobilenet_v3_small"])
def test_no_classes_leave_out_the_classifier(name: str) -> None:
    gone = ("fc.", "classifier.", "AuxLogits.")
    expected = {key: shape for key, shape in slots_of(name, {}).items() if not key.startswith(gone)}
    assert slots_of(name, {"num_classes": 0}) == expected
    net = pt.finetune.network(name, {"num_classes": 0}, weights="random")
    with torch.no_grad():
        assert set(net.eval()(pixels_of((75, 75), 1))) == {"feature_map", "features"}


def test_inception_takes_pixels_as_its_checkpoints_do() -> None:
    reference = randomized(made("inception_v3", transform_input=True)).eval()
    config = {"transform_input": True}
    net = pt.finetune.network("inception_v3", config, weights="random")
    net.load_layout(reference.state_dict())
    compare(core_of("inception_v3", config), net.eval(), reference, pixels_of((75, 75)))


TRANSFORMERS = [
    ("resnet", {"layer_type": "bottleneck", "hidden_act": "relu"}),
    ("resnet", {"layer_type": "basic", "hidden_act": "gelu", "downsample_in_first_stage": True}),
    ("resnet", {"layer_type": "bottleneck", "hidden_act": "silu", "downsample_in_bottleneck": True}),
    ("mobilenet_v2", {"depth_multiplier": 0.35, "tf_padding": True}),
    ("mobilenet_v2", {"depth_multiplier": 0.5, "tf_padding": False, "hidden_act": "relu"}),
]


def transformers_pair(kind: str, settings: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Give transformers' classifier, its backbone alone, and our settings: those of its config.json."""
    if kind == "resnet":
        settings = {"embedding_size": 12, "hidden_sizes": [16, 24, 32], "depths": [1, 2, 1], **settings}
        config = transformers.ResNetConfig(num_labels=10, **settings)
        classifier, backbone = transformers.ResNetForImageClassification, transformers.ResNetModel
    else:
        config = transformers.MobileNetV2Config(num_labels=10, classifier_dropout_prob=0.0, **settings)
        classifier, backbone = transformers.MobileNetV2ForImageClassification, transformers.MobileNetV2Model
    return randomized(classifier(config)), randomized(backbone(config)), {**config.to_dict(), "num_classes": 10}


@pytest.mark.parametrize(("kind", "settings"), TRANSFORMERS)
def test_outputs_and_gradients_equal_transformers(kind: str, settings: dict[str, Any], tmp_path: Path) -> None:
    reference, backbone, config = transformers_pair(kind, settings)
    core = core_of(kind, config)
    net = pt.finetune.network(kind, config, weights="random")
    net.load_layout(reference.state_dict())
    pixels = pixels_of((65, 48))
    compare(core, net.eval(), reference.eval(), pixels, "transformers")
    frozen_equals(kind, config, net, pixels, tmp_path)
    compare(core, net.train(), reference.train(), pixels, "transformers")
    returns_unchanged(core, reference, "transformers")

    bare = pt.finetune.network(kind, {**config, "num_classes": 0}, weights="random")
    bare.load_layout(backbone.state_dict())
    with torch.no_grad():
        close(bare.eval()(pixels)["feature_map"], backbone.eval()(pixels).last_hidden_state, "feature map")


def returns_unchanged(core: Any, reference: Any, layout: str) -> None:
    """Require that a state dict comes back from our names as it was."""
    state = dict(reference.state_dict())
    ours = core.from_layout(state, "")
    assert set(ours) == {name for name, _, _ in core.slots()}
    back = core.to_layout(ours, layout)
    assert set(back) == set(state)
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize(
    "name", ["mobilenetv2_050", "mobilenetv3_large_100", "mobilenetv3_small_100", "tf_mobilenetv3_small_100"]
)
def test_outputs_and_gradients_equal_timm(name: str, tmp_path: Path) -> None:
    reference = randomized(timm.create_model(name, num_classes=10))
    config = {"num_classes": 10, "classifier_dropout_prob": 0.0}
    core = core_of(name, config)
    net = pt.finetune.network(name, config, weights="random")
    net.load_layout(reference.state_dict())
    pixels = pixels_of((64, 45))
    compare(core, net.eval(), reference.eval(), pixels, "timm")
    frozen_equals(name, config, net, pixels, tmp_path)
    returns_unchanged(core, reference, "timm")


@pytest.mark.parametrize("name", ["mobilenetv2_035", "mobilenetv2_140", "tf_mobilenetv3_large_100"])
def test_names_map_to_timm(name: str) -> None:
    returns_unchanged(core_of(name, {}), timm.create_model(name), "timm")


GOLDENS = [("mobilenet_v2_folded", "mobilenet_v2_1.0_224"), ("squeezenet1_1", "squeezenet1_1")]


@pytest.mark.parametrize(("name", "weights"), GOLDENS)
def test_real_weights_give_the_stored_features_and_logits(data: Path, name: str, weights: str) -> None:
    pixels = np.load(data / "weights/goldens/inputs_224.npz")["bilinear_u8"].astype(np.float32)
    mean, deviation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if "squeeze" in name else (0.5, 0.5)
    pixels = (pixels / 255 - np.float32(mean)) / np.float32(deviation)
    pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
    network = _core.FrozenImageNetwork(name, {}, str(data / f"weights/{weights}.safetensors"), 0)
    golden = np.load(data / f"weights/goldens/{weights}.npz")
    features, logits = network.run(pixels, ["features", "logits"])
    lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(golden["features"], axis=1)
    assert ((features * golden["features"]).sum(1) / lengths).min() > 0.9999
    assert np.abs(logits - golden["logits"]).max() < 1e-2


@pytest.mark.parametrize(("depth", "right"), [(20, 804), (56, 825)])
def test_cifar_networks_know_their_classes(data: Path, depth: int, right: int) -> None:
    with (data / "cifar10/labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    pictures = np.stack([np.asarray(Image.open(data / "cifar10" / row["image"])) for row in rows])
    pixels = (pictures / np.float32(255) - np.float32((0.485, 0.456, 0.406))) / np.float32((0.229, 0.224, 0.225))
    pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
    weights = data / f"weights/cifar10_resnet{depth}.safetensors"
    network = _core.FrozenImageNetwork(f"cifar_resnet{depth}", {}, str(weights), 0)
    logits = network.run(pixels, ["logits"])[0]
    labels = np.array([int(row["label_id"]) for row in rows])
    assert (logits.argmax(1) == labels).sum() == pytest.approx(right, abs=2)


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("resnet50", {"depths": [1, 2]}, "depths: expected 4 numbers and at most 16, got 2"),
        ("resnet50", {"depths": [1, 2, 1, 5000]}, "depths: expected at most 4096, got 5000"),
        ("resnet50", {"hidden_sizes": [256, 510, 1024, 2048]}, "hidden_sizes: expected multiples of 4, got 510"),
        ("resnet50", {"layer_type": "dense"}, "layer_type: expected 'bottleneck' or 'basic', got 'dense'"),
        ("resnet50", {"num_classes": -1}, "num_classes: expected 0 to"),
        ("vgg11", {"dropout": 1.5}, "dropout: expected 0 to 1, got 1.5"),
        ("mobilenet_v2", {"depth_multiplier": 0.0}, "depth_multiplier: expected more than 0"),
        ("mobilenet_v3", {"model_size": "medium"}, "model_size: expected 'large' or 'small', got 'medium'"),
        ("squeezenet", {"version": "2"}, "version: expected '1_0' or '1_1', got '2'"),
    ],
)
def test_settings_that_make_no_network_are_named(name: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        core_of(name, config)
