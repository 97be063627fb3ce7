"""Bare networks: what they accept, what they refuse, and what they say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import pictrieve as pt
from pictrieve import _core, models


@pytest.fixture(scope="module")
def image_network() -> pt.nn.ImageNetwork:
    return pt.nn.ImageNetwork("efficientnet_lite0", None, {}, seed=1)


@pytest.fixture(scope="module")
def text_network() -> pt.nn.TextNetwork:
    config = {"vocab_size": 60, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    return pt.nn.TextNetwork("bert", None, {**config, "intermediate_size": 64, "max_position_embeddings": 16}, seed=1)


def test_load_finds_the_network_by_name_and_by_directory(tmp_path: Path) -> None:
    image = pt.nn.load("efficientnet_lite0")
    assert repr(image) == "ImageNetwork('efficientnet_lite0', dim=1280, classes=1000)"
    folder = models.resolve("minilm").weights.parent
    for name in ("config.json", "model.safetensors"):
        shutil.copy(folder / name, tmp_path)
    text = pt.nn.load(tmp_path)
    assert repr(text) == "TextNetwork('bert', layers=6, dim=384, max_tokens=512)"
    assert text.config["model_type"] == "bert"
    ids = np.array([[101, 7592, 102]])
    np.testing.assert_array_equal(text(ids), pt.nn.load("minilm")(ids))


def test_load_says_which_key_does_not_fit(tmp_path: Path) -> None:
    source = models.resolve("minilm")
    shutil.copy(source.weights, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**source.config, "intermediate_size": 1000}))
    with pytest.raises(
        pt.FormatError, match=r"intermediate\.dense\.weight': expected shape \(1000, 384\), got \(1536, 384\)"
    ):
        pt.nn.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**source.config, "num_hidden_layers": 7}))
    with pytest.raises(pt.FormatError, match=r"encoder\.layer\.6"):
        pt.nn.load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("hidden_act", "step", "activation: expected relu, .* or tanh, got 'step'"),
        ("position_embedding_type", "relative_key", "expected position_embedding_type"),
    ],
)
def test_unsupported_configurations_are_refused(key: str, value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        pt.nn.TextNetwork("bert", None, {key: value})


@pytest.mark.parametrize(
    "key",
    ["vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size", "max_position_embeddings"],
)
@pytest.mark.parametrize("value", [0, -5, 2**31 - 1])
def test_sizes_no_network_has_are_refused(key: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{key}: expected 1 to .*, got {value}"):
        pt.nn.TextNetwork("bert", None, {"num_attention_heads": 1, key: value})


def test_a_network_larger_than_memory_is_an_error_in_words() -> None:
    with pytest.raises(pt.Error, match=r"text network bert: .*allocate") as raised:
        pt.nn.TextNetwork("bert", None, {"vocab_size": 1 << 24, "hidden_size": 1 << 24, "num_attention_heads": 1})
    assert "frame #" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_random_networks_are_seeded_and_say_so(image_network: pt.nn.ImageNetwork) -> None:
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 3, 32, 32)).astype(np.float32)
    same = pt.nn.ImageNetwork("efficientnet_lite0", None, {}, seed=1)
    other = pt.nn.ImageNetwork("efficientnet_lite0", None, {}, seed=2)
    np.testing.assert_array_equal(image_network.features(pixels), same.features(pixels))
    assert np.abs(image_network.features(pixels) - other.features(pixels)).max() > 1e-3
    assert "RANDOM" in repr(image_network)


def test_feature_map_pools_to_features(image_network: pt.nn.ImageNetwork) -> None:
    pixels = np.random.default_rng(0).uniform(-1, 1, (3, 3, 70, 100)).astype(np.float32)
    feature_map = image_network(pixels)
    assert feature_map.shape == (3, 1280, 3, 4)
    np.testing.assert_allclose(feature_map.mean((2, 3)), image_network.features(pixels), atol=1e-5)
    assert image_network(pixels[:0]).shape == (0, 1280, 3, 4)
    assert image_network.logits(pixels[:0]).shape == (0, 1000)


def test_one_thread_and_two_give_the_same(image_network: pt.nn.ImageNetwork, text_network: pt.nn.TextNetwork) -> None:
    pixels = np.random.default_rng(0).uniform(-1, 1, (5, 3, 40, 40)).astype(np.float32)
    ids = np.random.default_rng(0).integers(0, 60, (300, 16))
    before, results = pt.num_threads(), []
    try:
        for threads in (1, 2):
            pt.set_num_threads(threads)
            results.append((image_network.logits(pixels), text_network(ids)))
    finally:
        pt.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 3, 8, 8)),
        np.zeros((3, 8, 8), np.float32),
        np.zeros((1, 8, 8, 3), np.float32),
        np.zeros((1, 3, 0, 8), np.float32),
        np.zeros((1, 3, 8, 16), np.float32)[..., ::2],
    ],
)
def test_pixels_of_another_form_are_refused(image_network: pt.nn.ImageNetwork, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"pixels: expected .*\(n, 3, H, W\), got"):
        image_network(pixels)


def test_masked_tokens_are_zero_and_change_nothing(text_network: pt.nn.TextNetwork) -> None:
    ids = np.array([[5, 6, 7, 0, 0], [8, 9, 1, 2, 3], [0, 0, 0, 0, 0]])
    hidden = text_network(ids, mask=np.array([[1, 1, 1, 0, 0], [1] * 5, [0] * 5]))
    assert hidden.shape == (3, 5, 48)
    assert not hidden[0, 3:].any()
    assert not hidden[2].any()
    np.testing.assert_array_equal(hidden[0, :3], text_network(ids[:1, :3])[0])
    assert text_network(ids[:0]).shape == (0, 5, 48)


@pytest.mark.parametrize(
    ("ids", "mask", "message"),
    [
        (np.zeros((1, 3), np.int32), None, r"ids: expected int64 \(n, L\), got int32"),
        (np.zeros(3, np.int64), None, r"ids: expected int64 \(n, L\)"),
        ([[1, 2]], None, "got list"),
        (np.array([[60]]), None, "token ids: expected 0 to 59, got 60"),
        (np.array([[-1]]), None, "ids: expected token ids, got -1 to -1"),
        (np.array([[2**40]]), None, "expected token ids"),
        (np.zeros((1, 17), np.int64), None, "expected 1 to 16 tokens, got 17"),
        (np.zeros((1, 3), np.int64), np.array([[0, 1, 1]]), "come first in each row"),
        (np.zeros((1, 3), np.int64), np.ones((1, 2)), r"mask: expected bool or integer \(1, 3\)"),
    ],
)
def test_ids_and_masks_of_another_form_are_refused(
    text_network: pt.nn.TextNetwork, ids: np.ndarray, mask: np.ndarray | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        text_network(ids, mask=mask)


def test_unknown_architectures_are_refused() -> None:
    assert "efficientnet_lite0" in _core.image_architectures()
    with pytest.raises(ValueError, match=r"expected one of .*efficientnet_lite0, .*, got 'vgg61'"):
        pt.nn.ImageNetwork("vgg61", None, {})
