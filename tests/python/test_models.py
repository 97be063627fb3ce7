"""Which models there are, how directories are told apart, and what is said of those that are not understood."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pictrieve as pt
from pictrieve import _core, models


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def write_config(folder: Path, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def saved_lite0(folder: Path) -> Path:
    pt.ImageEncoder("efficientnet_lite0").save_pretrained(folder)
    return folder


def test_the_table_has_what_is_bundled_first_and_every_architecture() -> None:
    table = pt.list_models()
    assert [model.name for model in table[:3]] == ["efficientnet_lite0", "minilm", "efficientnet_lite0+minilm"]
    names = [model.name for model in table]
    assert len(set(names)) == len(names)
    assert set(_core.image_architectures()) | set(_core.text_architectures()) < set(names)
    resnet = table[names.index("resnet50")]
    assert (resnet.kind, resnet.dim, resnet.weights) == ("image", 2048, "none")
    assert resnet.licence == "depends on the weights"
    assert "resnet50" in repr(table)


def test_folders_of_models_are_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved_lite0(tmp_path / "mine")
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("PICTRIEVE_MODELS", str(tmp_path))
    local = {model.name: model for model in pt.list_models() if model.weights == "local"}
    assert list(local) == ["mine"]
    assert local["mine"].kind == "image"
    assert pt.ImageEncoder("mine").fingerprint == pt.ImageEncoder("efficientnet_lite0").fingerprint


def test_nothing_touches_the_network_unless_allowed(tmp_path: Path, no_network: None) -> None:
    pt.list_models()
    encoder = pt.ImageEncoder(saved_lite0(tmp_path), allow_download=True)  # a directory needs none
    encoder.encode(np.zeros((8, 8, 3), np.uint8))
    pt.TextEncoder("minilm").encode("a cat")
    for load in (pt.ImageEncoder, pt.TextEncoder, pt.DualEncoder, pt.nn.load):
        with pytest.raises(ValueError, match="somebody/model"):
            load("somebody/model")
    with pytest.raises(Exception, match=r"socket was opened|huggingface_hub|offline|connect"):
        pt.ImageEncoder("somebody/model", allow_download=True)


def test_downloads_need_their_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="pip install huggingface_hub"):
        pt.ImageEncoder("somebody/model", allow_download=True)


def test_an_architecture_wants_weights() -> None:
    with pytest.raises(ValueError, match=r'weights="random"'):
        pt.ImageEncoder("resnet18")
    encoder = pt.ImageEncoder("resnet18", weights="random")
    assert "RANDOM" in repr(encoder)
    assert encoder.encode(np.zeros((50, 40, 3), np.uint8)).shape == (512,)
    with pytest.raises(ValueError, match="random"):
        encoder.save_pretrained("/nowhere")
    with pytest.raises(FileNotFoundError, match="absent"):
        pt.ImageEncoder("resnet18", weights="/nowhere/absent.pth")
    with pytest.raises(ValueError, match="resnet50"):
        pt.ImageEncoder("resnet5O")
    assert "RANDOM" in repr(pt.nn.load("resnet18", weights="random"))


def test_directories_that_are_not_understood(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        pt.ImageEncoder(tmp_path)
    for config, got in [
        ({}, "got neither"),
        ({"model_type": "t5"}, "got model_type 't5'"),
        ({"architecture": "nonet"}, "nonet"),
        ({"architecture": "nonet", "pretrained_cfg": {}}, "nonet"),
    ]:
        with pytest.raises(ValueError, match=got):
            pt.ImageEncoder(write_config(tmp_path, **config))
    with pytest.raises(ValueError, match=r"bert, .*resnet, .*vit"):
        pt.ImageEncoder(write_config(tmp_path, model_type="t5"))
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        pt.ImageEncoder(write_config(tmp_path, model_type="vit"))
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ValueError, match="JSON object"):
        pt.ImageEncoder(tmp_path)
    (tmp_path / "weights.pth").write_bytes(b"")
    with pytest.raises(ValueError, match=r"weights=path"):
        pt.ImageEncoder(tmp_path / "weights.pth")


def test_a_model_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="for images"):
        pt.TextEncoder("efficientnet_lite0")
    with pytest.raises(ValueError, match="for texts"):
        pt.ImageEncoder("minilm")
    _core.write_safetensors(tmp_path / "model.safetensors", {"x": np.zeros(1, np.float32)})
    with pytest.raises(ValueError, match=r'choose by kind="image" or "text"'):
        pt.nn.load(write_config(tmp_path, model_type="clip"))


def test_weights_of_another_network_name_the_key(tmp_path: Path) -> None:
    weights = models.resolve("minilm").weights
    with pytest.raises(pt.FormatError, match=r"another architecture"):
        pt.ImageEncoder("resnet18", weights=weights)
    with pytest.raises(pt.FormatError, match=r"another architecture"):
        pt.ImageEncoder("resnet50", weights=models.resolve("efficientnet_lite0").weights)


def test_pictures_smaller_than_a_network_takes() -> None:
    with pytest.raises(ValueError, match=r"at least 75 x 75 pixels for inception_v3, got 64 x 64"):
        pt.ImageEncoder("inception_v3", weights="random", preprocess=pt.Preprocess("imagenet", resize=64, crop=64))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {
                "image_processor_type": "ViTImageProcessor",
                "size": 384,
                "resample": 2,
                "image_mean": [0.5] * 3,
                "image_std": [0.5] * 3,
            },
            {
                "steps": ("resize",),
                "resize": (384, 384),
                "resize_mode": "stretch",
                "interpolation": "bilinear",
                "mean": (0.5,) * 3,
            },
        ),
        (
            {
                "feature_extractor_type": "CLIPFeatureExtractor",
                "size": 224,
                "crop_size": 224,
                "do_center_crop": True,
                "resample": 3,
            },
            {
                "steps": ("resize", "crop"),
                "resize": 224,
                "resize_mode": "shortest",
                "crop": (224, 224),
                "interpolation": "bicubic",
            },
        ),
        (
            {
                "image_processor_type": "BitImageProcessor",
                "size": {"shortest_edge": 256},
                "crop_size": {"height": 224, "width": 224},
            },
            {"steps": ("resize", "crop"), "resize": 256, "crop": (224, 224), "interpolation": "bicubic"},
        ),
        (
            {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}, "crop_pct": 0.875},
            {"steps": ("resize", "crop"), "resize": 256, "crop": 224},
        ),
        (
            {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}},
            {"steps": ("resize",), "resize": (384, 384), "resize_mode": "stretch"},
        ),
        (
            {"do_normalize": False, "do_rescale": False, "size": {"height": 8, "width": 9}},
            {"divisor": 1.0, "mean": (0.0,) * 3, "std": (1.0,) * 3, "resize": (8, 9)},
        ),
        ({"rescale_factor": 0.00392156862745098, "size": {"height": 8, "width": 8}}, {"divisor": 255}),
    ],
)
def test_preparation_as_transformers_writes_it_down(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    from pictrieve.models.preprocessing import from_transformers

    found = from_transformers(settings, "file").to_dict()
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"resample": 5}, "resample"), ({"do_pad": True}, "do_pad"), ({"size": {"longest_edge": 3}}, "shortest_edge")],
)
def test_preparation_that_we_do_not_have(settings: dict[str, Any], match: str) -> None:
    from pictrieve.models.preprocessing import from_transformers

    with pytest.raises(ValueError, match=f"file: .*{match}"):
        from_transformers(settings, "file")


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_weightedmean_tokens": True}, "weighted_mean"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode": "mean"}, "mean"),
    ],
)
def test_pooling_as_sentence_transformers_writes_it_down(
    tmp_path: Path, pooling: dict[str, Any], expected: str
) -> None:
    encoder = pt.TextEncoder("minilm")
    encoder.save_pretrained(tmp_path)
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 33}')
    found = pt.TextEncoder(tmp_path)
    assert (found.pooling, found.max_length) == (expected, 33)


def test_steps_of_sentence_transformers_that_we_do_not_have(tmp_path: Path) -> None:
    pt.TextEncoder("minilm").save_pretrained(tmp_path)
    steps = json.loads((tmp_path / "modules.json").read_text())
    for name, error in (("LSTM", ValueError), ("Dense", FileNotFoundError)):
        step = {"idx": 2, "name": "2", "path": f"2_{name}", "type": f"sentence_transformers.models.{name}"}
        (tmp_path / "modules.json").write_text(json.dumps([*steps[:2], step]))
        with pytest.raises(error, match=name):
            pt.TextEncoder(tmp_path)
    (tmp_path / "modules.json").write_text("{}")
    with pytest.raises(ValueError, match="list of steps"):
        pt.TextEncoder(tmp_path)
    (tmp_path / "modules.json").unlink()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_sqrt_len_tokens": true}')
    with pytest.raises(ValueError, match="one of the poolings"):
        pt.TextEncoder(tmp_path)


def test_a_bare_checkpoint_tells_its_classes(tmp_path: Path) -> None:
    trained = pt.nn.load("resnet18", weights="random")
    state = random_state("resnet18", {"num_classes": 6})
    _core.write_safetensors(tmp_path / "six.safetensors", state)
    assert pt.nn.load("resnet18", weights=tmp_path / "six.safetensors").classes == 6
    headless = {name: array for name, array in state.items() if not name.startswith("fc.")}
    _core.write_safetensors(tmp_path / "none.safetensors", headless)
    encoder = pt.ImageEncoder("resnet18", weights=tmp_path / "none.safetensors")
    assert encoder.encode(np.zeros((50, 40, 3), np.uint8)).shape == (trained.dim,)


def random_state(architecture: str, config: dict[str, Any]) -> dict[str, Any]:
    from pictrieve import finetune

    net = finetune.network(architecture, config, weights="random")
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


def test_weights_take_the_place_of_missing_ones(tmp_path: Path) -> None:
    folder = write_config(tmp_path / "described", architecture="resnet18", num_classes=3)
    _core.write_safetensors(tmp_path / "three.safetensors", random_state("resnet18", {"num_classes": 3}))
    assert pt.ImageEncoder(folder, weights=tmp_path / "three.safetensors").labels == ["class 0", "class 1", "class 2"]
    assert "RANDOM" in repr(pt.ImageEncoder(folder, weights="random"))
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        pt.ImageEncoder(folder)


def test_arguments_of_the_wrong_type_are_named() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"model": {}}, "model: expected a name or a path, got dict"),
        ({"weights": {}}, 'weights: expected a path or "random", got dict; save a state dict'),
        ({"weights": "random", "scales": 1.0}, r"scales: expected a sequence of numbers .*, got 1\.0"),
        ({"weights": "random", "preprocess": "imagenet"}, "preprocess: expected a Preprocess .*, got 'imagenet'"),
    ]
    for arguments, text in wrong:
        with pytest.raises(TypeError, match=text):
            pt.ImageEncoder(**{"model": "resnet18", **arguments})


def test_a_text_architecture_alone_has_no_tokenizer() -> None:
    with pytest.raises(ValueError, match=r"model 'bert': expected a directory with a tokenizer"):
        pt.TextEncoder("bert", weights="random")
    with pytest.raises(TypeError, match="max_length: expected a number of tokens, got '64'"):
        pt.TextEncoder("minilm", max_length="64")  # type: ignore[arg-type]
