"""Checkpoints of timm and torchvision, TorchScript files, shards, and numbers of half the width."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_checkpoints import encoder_of, exact, pictures, randomised, unit
from reference_torchvision import torchvision

import pictrieve as pt
from pictrieve import _core, finetune
from pictrieve.models import preprocessing

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
safetensors_torch = pytest.importorskip("safetensors.torch")


def write_timm(folder: Path, name: str, model: Any, facts: dict[str, Any]) -> None:
    folder.mkdir()
    content = {
        "architecture": name, "num_classes": model.num_classes, "num_features": model.num_features,
        "pretrained_cfg": {"num_classes": model.num_classes, **facts},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    safetensors_torch.save_file(model.state_dict(), folder / "model.safetensors")


FACTS = {
    "input_size": [3, 96, 96], "interpolation": "bicubic", "crop_pct": 0.9,
    "mean": [0.5, 0.4, 0.5], "std": [0.2, 0.25, 0.3],
}  # fmt: skip


@pytest.mark.parametrize(
    "facts", [FACTS, {**FACTS, "crop_mode": "squash", "crop_pct": 1.0, "interpolation": "bilinear"}]
)
def test_timm(tmp_path: Path, photos: list[Path], facts: dict[str, Any]) -> None:
    model = randomised(timm.create_model("mobilenetv2_050", num_classes=7))
    write_timm(tmp_path / "theirs", "mobilenetv2_050", model, facts)
    settings = timm.data.resolve_data_config({}, pretrained_cfg=facts)
    transform = timm.data.create_transform(**settings)
    pixels = torch.stack([transform(picture) for picture in pictures(photos)])
    with torch.no_grad():
        expected = unit(model.forward_head(model.forward_features(pixels), pre_logits=True))
        shares = model(pixels).softmax(1).numpy()
    encoder = encoder_of(tmp_path / "theirs")
    assert np.abs(encoder.encode(photos) - expected).max() <= 1e-4
    assert np.abs(encoder.classify(photos) - shares).max() <= 1e-4
    assert encoder.labels == [f"class {i}" for i in range(7)]
    encoder.save_pretrained(tmp_path / "ours")
    again = timm.create_model("mobilenetv2_050", num_classes=7)
    again.load_state_dict(safetensors_torch.load_file(tmp_path / "ours" / "model.safetensors"))
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True))
    assert np.array_equal(pt.ImageEncoder(tmp_path / "ours").encode(photos), encoder.encode(photos))


def test_torchvision(tmp_path: Path, photos: list[Path]) -> None:
    model = randomised(torchvision.models.resnet18())
    path = tmp_path / "resnet18-f37072fd.pth"
    torch.save(model.state_dict(), path)
    transform = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    pixels = torch.stack([transform(picture) for picture in pictures(photos)])
    with torch.no_grad():
        shares = model(pixels).softmax(1).numpy()
    plain = pt.ImageEncoder("resnet18", weights=path)
    encoder = pt.ImageEncoder("resnet18", weights=path, preprocess=exact(plain.preprocess))
    assert np.abs(encoder.classify(photos) - shares).max() <= 1e-4
    plain.save_pretrained(tmp_path / "ours")
    again = torchvision.models.resnet18()
    again.load_state_dict(safetensors_torch.load_file(tmp_path / "ours" / "model.safetensors"))
    assert np.array_equal(pt.ImageEncoder(tmp_path / "ours").encode(photos), plain.encode(photos))


def test_every_evaluation_transform_of_torchvision() -> None:
    checked = 0
    for name in torchvision.models.list_models(module=torchvision.models):
        if name not in _core.image_architectures():
            continue
        for weights in torchvision.models.get_model_weights(name):
            if "SWAG" in weights.name:  # fine-tuned at other sizes, under another licence
                continue
            expected = weights.transforms()
            ours = preprocessing.from_torchvision(name, Path(weights.url).name).to_dict()
            assert [ours["resize"]] == expected.resize_size, weights
            assert [ours["crop"]] == expected.crop_size, weights
            assert ours["interpolation"] == expected.interpolation.value, weights
            checked += 1
    assert checked >= 40


def test_inception_sees_what_torchvision_shows_it(photos: list[Path]) -> None:
    model = torchvision.models.inception_v3(init_weights=False, aux_logits=False, transform_input=True)
    transform = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.transforms()
    pixels = model._transform_input(torch.stack([transform(picture) for picture in pictures(photos)]))
    ours = exact(preprocessing.from_torchvision("inception_v3")).apply(photos)
    np.testing.assert_allclose(ours, pixels.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("aux", [False, True])
def test_inception_of_torchvision(tmp_path: Path, photos: list[Path], aux: bool) -> None:
    model = torchvision.models.inception_v3(init_weights=False, aux_logits=aux, transform_input=True, num_classes=5)
    randomised(model)
    torch.save(model.state_dict(), tmp_path / "inception_v3_google-0cc3c7bd.pth")
    transform = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.transforms()
    with torch.no_grad():
        shares = model(torch.stack([transform(picture) for picture in pictures(photos[:2])])).softmax(1).numpy()
    source = {"model": "inception_v3", "weights": tmp_path / "inception_v3_google-0cc3c7bd.pth"}
    encoder = pt.ImageEncoder(**source, preprocess=exact(pt.ImageEncoder(**source).preprocess))
    assert np.abs(encoder.classify(photos[:2]) - shares).max() <= 1e-4
    config = {"architecture": "inception_v3", "transform_input": True, "num_classes": 5, "aux_logits": aux}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert np.abs(encoder_of(tmp_path).classify(photos[:2]) - shares).max() <= 1e-4


@pytest.mark.parametrize("name", ["vgg11", "inception_v3"])
def test_names_of_timm_that_torchvision_has_otherwise(tmp_path: Path, name: str) -> None:
    model = randomised(timm.create_model(name, num_classes=3))
    write_timm(tmp_path / "theirs", name, model, FACTS)
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(pixels).numpy()
    found = pt.nn.load(tmp_path / "theirs").logits(pixels.numpy())
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    finetune.network(tmp_path / "theirs").save_pretrained(tmp_path / "ours")
    again, state = safetensors_torch.load_file(tmp_path / "ours" / "model.safetensors"), model.state_dict()
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], tensor) for key, tensor in state.items() if "num_batches" not in key)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_numbers_of_half_the_width(tmp_path: Path, photos: list[Path], dtype: torch.dtype) -> None:
    model = randomised(torchvision.models.resnet18(num_classes=5)).to(dtype)
    for folder, config in (("half", {}), ("whole", {})):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text(
            json.dumps({"architecture": "resnet18", "num_classes": 5, **config})
        )
    safetensors_torch.save_file(model.state_dict(), tmp_path / "half" / "model.safetensors")
    safetensors_torch.save_file(model.float().state_dict(), tmp_path / "whole" / "model.safetensors")
    half = pt.ImageEncoder(tmp_path / "half")
    assert np.array_equal(half.encode(photos), pt.ImageEncoder(tmp_path / "whole").encode(photos))
    half.save_pretrained(tmp_path / "again")
    stored = safetensors_torch.load_file(tmp_path / "again" / "model.safetensors")
    assert stored["conv1.weight"].dtype == dtype


def test_shards(tmp_path: Path) -> None:
    model = randomised(torchvision.models.resnet18(num_classes=5))
    tensors = model.state_dict()
    halves = list(tensors)[::2], list(tensors)[1::2]
    for i, names in enumerate(halves):
        safetensors_torch.save_file({name: tensors[name] for name in names}, tmp_path / f"model-{i}.safetensors")
    index = {name: f"model-{i}.safetensors" for i, names in enumerate(halves) for name in names}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet18", "num_classes": 5}))
    pixels = np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(pt.nn.load(tmp_path).logits(pixels), expected, rtol=0, atol=1e-4)
    encoder = pt.ImageEncoder(tmp_path)
    encoder.save_pretrained(tmp_path / "one")
    assert pt.ImageEncoder(tmp_path / "one").fingerprint == encoder.fingerprint


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_any_torchscript_is_an_encoder(tmp_path: Path, photos: list[Path]) -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 12, 5, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    path = tmp_path / "mine.ts"
    torch.jit.script(randomised(network)).save(str(path))
    preprocess = pt.Preprocess("clip", resize=96, crop=96, decode="exact")
    encoder = pt.ImageEncoder(path, preprocess=preprocess)
    with torch.no_grad():
        expected = unit(network(torch.from_numpy(preprocess.apply(photos))))
    assert (encoder.dim, encoder.name) == (12, "mine.ts")
    assert np.abs(encoder.encode(photos) - expected).max() <= 1e-5
    with pytest.raises(ValueError, match="give a Preprocess"):
        pt.ImageEncoder(path)
    wrong = tmp_path / "wrong.ts"
    torch.jit.script(torch.nn.Conv2d(3, 2, 3)).save(str(wrong))
    with pytest.raises(pt.FormatError, match="one vector for a picture"):
        pt.ImageEncoder(wrong, preprocess=preprocess)
    (tmp_path / "text.ts").write_text("no archive")
    with pytest.raises(pt.FormatError, match="TorchScript"):
        pt.ImageEncoder(tmp_path / "text.ts", preprocess=preprocess)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "tf_efficientnet_lite0"])
def test_lite_networks_of_timm_and_of_its_tensorflow_names(tmp_path: Path, name: str) -> None:
    model = randomised(timm.create_model(name, num_classes=3))
    write_timm(tmp_path / "theirs", name, model, FACTS)
    config = json.loads((tmp_path / "theirs" / "config.json").read_text())
    config["model_args"] = {"drop_rate": 0.25, "drop_path_rate": 0.125}
    (tmp_path / "theirs" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    network = pt.nn.load(tmp_path / "theirs")
    assert network.config["dropout_rate"] == 0.25
    assert network.config["drop_connect_rate"] == 0.125
    pixels = torch.randn(2, 3, 97, 97, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(pixels).numpy()
    assert np.abs(network.logits(pixels.numpy()) - expected).max() <= 1e-4 * np.abs(expected).max()
