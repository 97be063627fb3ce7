"""Vision transformers and Swin against timm, transformers, torchvision and open_clip.

The same random weights on both sides: outputs and the gradients of all parameters within 1e-4, trained through Torch
and served frozen; and their files read and written back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from reference_transformers import (
    CASES,
    CLASSES,
    TOLERANCE,
    Case,
    Outputs,
    assert_close,
    file_of,
    gradients_of,
    of_timm,
    pixels_of,
    shaken,
)

import pictrieve as pt
from pictrieve import _core
from pictrieve.finetune import Network

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")


@dataclass
class Pair:
    """A reference's file, outputs and gradients for some pictures, and our network with the same weights."""

    case: Case
    tensors: dict[str, Any]
    runs: list[tuple[Any, Outputs, dict[str, Any]]]
    net: Network


def mixed(outputs: Outputs) -> Any:
    """Give one number that depends on all outputs."""
    generator = torch.Generator().manual_seed(2)
    return sum((outputs[key] * torch.randn(outputs[key].shape, generator=generator)).sum() for key in sorted(outputs))


@pytest.fixture(scope="module", params=CASES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    case, folder = CASES[request.param], tmp_path_factory.mktemp("file")
    reference = shaken(case.build())
    tensors = file_of(reference, folder)
    runs = []
    for size in case.sizes:
        pixels = pixels_of(size)
        outputs = case.outputs(reference, pixels)
        reference.zero_grad()
        mixed(outputs).backward()
        runs.append((pixels, outputs, gradients_of(reference, folder)))
    net = Network("image", case.name, case.config).eval()
    net.load_layout(tensors)
    return Pair(case, tensors, runs, net)


def test_outputs_and_gradients(pair: Pair) -> None:
    for pixels, theirs, gradients in pair.runs:
        ours = pair.net(pixels)
        assert ours.keys() == theirs.keys()
        pair.net.zero_grad()
        mixed(ours).backward()
        for key in theirs:
            assert theirs[key].std() > 0.1
            assert_close(ours[key], theirs[key], key)
        expected = pair.net._core.from_layout(gradients, "")
        for name, parameter in pair.net.named_parameters():
            largest = float(expected[name].abs().max())
            assert largest > 0, name
            assert float((parameter.grad - expected[name]).abs().max()) <= TOLERANCE * largest, name


def frozen(name: str, config: dict[str, Any], tensors: dict[str, Any], folder: Path) -> pt.nn.ImageNetwork:
    path = folder / "weights.safetensors"
    _core.write_safetensors(path, {key: tensor.contiguous().numpy() for key, tensor in tensors.items()})
    return pt.nn.ImageNetwork(name, path, config)


def assert_frozen(network: pt.nn.ImageNetwork, pixels: Any, theirs: Outputs) -> None:
    assert_close(network(pixels.numpy()), theirs["feature_map"], "feature_map")
    assert_close(network.features(pixels.numpy()), theirs["features"], "features")
    if "logits" in theirs:
        assert_close(network.logits(pixels.numpy()), theirs["logits"], "logits")


def test_frozen_outputs(pair: Pair, tmp_path: Path) -> None:
    network = frozen(pair.case.name, pair.case.config, pair.tensors, tmp_path)
    for pixels, theirs, _ in pair.runs:
        assert_frozen(network, pixels, theirs)


def test_files_are_written_back(pair: Pair) -> None:
    written = pair.net.layout_state(pair.case.layout) if pair.case.layout else pair.net.state_dict()
    for name, tensor in written.items():
        bare = name if name in pair.tensors else name.removeprefix("vision_model.")
        assert torch.equal(tensor, pair.tensors[bare]), name


@pytest.mark.parametrize("name", ["vit_small_patch16_224", "swin_tiny_patch4_window7_224"])
def test_full_size(name: str, tmp_path: Path) -> None:
    reference = shaken(timm.create_model(name, num_classes=CLASSES))
    pixels, config = pixels_of((224, 224), 1), {"num_classes": CLASSES}
    net = Network("image", name, config).eval()
    net.load_layout(reference.state_dict())
    with torch.no_grad():
        theirs, ours = of_timm(reference, pixels), net(pixels)
    for key in theirs:
        assert_close(ours[key], theirs[key], key)
    assert_frozen(frozen(name, config, reference.state_dict(), tmp_path), pixels, theirs)


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("vit", {"global_pool": "max"}, "global_pool: expected one of 'token', 'avg', 'map', got 'max'"),
        ("vit", {"class_token": False}, "global_pool 'token' needs class_token"),
        ("vit", {"num_attention_heads": 7}, "hidden_size to be a multiple of num_attention_heads, got 768 and 7"),
        ("vit", {"image_size": 8}, "image_size to be at least patch_size, got 8 and 16"),
        ("vit", {"num_register_tokens": -1}, "num_register_tokens: expected 0 or more, got -1"),
        ("dinov2", {"mlp_ratio": -1.0}, "mlp_ratio: expected more than 0, at most 32, got -1"),
        ("swin", {"num_heads": [3, 6]}, "depths: expected 2 numbers and at most 16, got 4"),
        ("swin", {"num_heads": [5, 6, 12, 24]}, "to be a multiple of num_heads"),
        ("swin", {"use_absolute_embeddings": True}, "use_absolute_embeddings"),
    ],
)
def test_settings_that_make_no_network(name: str, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        Network("image", name, settings)


def test_a_missing_key_is_named_as_the_file_would_name_it(tmp_path: Path) -> None:
    case = CASES["transformers"]
    tensors = file_of(case.build(), tmp_path)
    del tensors["vit.encoder.layer.1.intermediate.dense.weight"]
    with pytest.raises(_core.FormatError, match=r"'vit\.encoder\.layer\.1\.intermediate\.dense\.weight' is missing"):
        frozen(case.name, case.config, tensors, tmp_path)


def test_pictures_of_no_whole_patch_are_refused() -> None:
    net = Network("image", "vit", CASES["timm"].config)
    with pytest.raises(ValueError, match="expected at least 8 x 8"):
        net(torch.zeros(1, 3, 7, 40))
