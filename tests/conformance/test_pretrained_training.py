"""Checkpoints as training leaves them: inside wrappers of the network, beside optimisers, options and averages."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_checkpoints import randomised
from reference_torchvision import torchvision

import pictrieve as pt
from pictrieve import _core, finetune

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
safetensors_torch = pytest.importorskip("safetensors.torch")

NAME = "mobilenet_v3_small"
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # torch.compile's


class Lightning(torch.nn.Module):
    """Holds the network as a LightningModule usually does."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model


def averaged(model: Any) -> Any:
    return torch.optim.swa_utils.AveragedModel(model)


WRAPPERS = {
    "parallel": torch.nn.DataParallel,
    "compiled": torch.compile,
    "parallel and compiled": lambda model: torch.nn.DataParallel(torch.compile(model)),
    "compiled and parallel": lambda model: torch.compile(torch.nn.DataParallel(model)),
    "lightning": Lightning,
    "lightning, compiled": lambda model: Lightning(torch.compile(model)),
    "averaged": averaged,
    "averaged, parallel": lambda model: averaged(torch.nn.DataParallel(model)),
}


@pytest.fixture(scope="module")
def model() -> Any:
    return randomised(torchvision.models.mobilenet_v3_small(num_classes=5))


def check(path: Path, expected: Any) -> None:
    """The file is read as the tensors of the network itself."""
    arrays = _core.read_weights(path)
    assert arrays.keys() == expected.state_dict().keys()
    assert all(np.array_equal(arrays[name], tensor) for name, tensor in expected.state_dict().items())


def test_a_wrapped_file_serves_and_trains(tmp_path: Path, model: Any) -> None:
    path = tmp_path / "model.pth"
    torch.save({"state_dict": torch.nn.DataParallel(model).state_dict()}, path)
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(pixels).numpy()
    found = pt.nn.load(NAME, weights=path).logits(pixels.numpy())
    assert np.abs(found - logits).max() <= 1e-4 * np.abs(logits).max()
    pt.ImageEncoder(NAME, weights=path).save_pretrained(tmp_path / "ours")
    finetune.network(NAME, {"num_classes": 5}, weights=path).save_pretrained(tmp_path / "trained")
    for folder in ("ours", "trained"):
        again = torchvision.models.mobilenet_v3_small(num_classes=5)
        again.load_state_dict(safetensors_torch.load_file(tmp_path / folder / "model.safetensors"))
        with torch.no_grad():
            assert np.array_equal(again.eval()(pixels).numpy(), logits)


@pytest.mark.parametrize("file", ["model.pth", "model.safetensors"])
@pytest.mark.parametrize("name", WRAPPERS)
def test_wrapped_networks(tmp_path: Path, name: str, file: str, model: Any) -> None:
    state = WRAPPERS[name](model).state_dict()
    assert not set(state) & set(model.state_dict())
    (torch.save if file.endswith("pth") else safetensors_torch.save_file)(state, tmp_path / file)
    check(tmp_path / file, model)


def training_of(model: Any) -> dict[str, Any]:
    """What torchvision's and timm's scripts write beside the weights."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    model(torch.zeros(2, 3, 32, 32)).sum().backward()
    optimizer.step()
    scheduler.step()
    options = Namespace(lr=0.1, model=NAME, crop=(224, 224), distributed=True, resume=None)
    return {
        "epoch": 3, "arch": NAME, "args": options, "metric": np.float64(71.5), "count": np.int64(3),
        "optimizer": optimizer.state_dict(), "lr_scheduler": scheduler.state_dict(),
    }  # fmt: skip


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_weights_beside_the_state_of_training(tmp_path: Path, key: str, new: bool) -> None:
    model = randomised(torchvision.models.mobilenet_v3_small(num_classes=5))
    beside = training_of(model)
    content = {**beside, key: torch.nn.DataParallel(model).state_dict()}
    torch.save(content, tmp_path / "checkpoint.pth", _use_new_zipfile_serialization=new)
    check(tmp_path / "checkpoint.pth", model)


@pytest.mark.parametrize(("plain", "average"), [("model", "model_ema"), ("state_dict", "state_dict_ema")])
def test_averaged_weights_come_first(tmp_path: Path, plain: str, average: str, model: Any) -> None:
    other = randomised(torchvision.models.mobilenet_v3_small(num_classes=5), seed=1)
    content = {plain: other.state_dict(), average: averaged(model).state_dict()}
    torch.save(content, tmp_path / "checkpoint.pth")
    check(tmp_path / "checkpoint.pth", model)


def test_a_prefix_of_some_names_stays(tmp_path: Path, model: Any) -> None:
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    state["classifier.3.bias"] = state.pop("module.classifier.3.bias")
    torch.save(state, tmp_path / "half.pth")
    assert _core.read_weights(tmp_path / "half.pth").keys() == state.keys()
    with pytest.raises(pt.FormatError, match="is not a parameter"):
        pt.nn.load(NAME, weights=tmp_path / "half.pth")


def test_a_wrapped_network_in_a_directory_of_transformers(tmp_path: Path) -> None:
    config = transformers.BertConfig(
        vocab_size=90, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    model = randomised(transformers.BertModel(config))
    config.save_pretrained(tmp_path)
    torch.save({"model": torch.compile(model).state_dict()}, tmp_path / "pytorch_model.bin")
    ids = torch.arange(12)[None] * 7 % 90
    with torch.no_grad():
        expected = model(input_ids=ids).last_hidden_state.numpy()
    assert np.abs(pt.nn.load(tmp_path)(ids.numpy()) - expected).max() <= 1e-4
