"""The frozen networks against independent implementations: stored logits, torch, transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pictrieve as pt
from pictrieve import _core, models

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def lite0() -> pt.nn.ImageNetwork:
    return pt.nn.load("efficientnet_lite0")


@pytest.fixture(scope="module")
def minilm() -> pt.nn.TextNetwork:
    return pt.nn.load("minilm")


@pytest.fixture(scope="module")
def bert():
    return transformers.BertModel.from_pretrained(
        models.resolve("minilm").weights.parent, add_pooling_layer=False
    ).eval()


def preprocessed(data: Path) -> np.ndarray:
    images = np.load(data / "weights/goldens/inputs_224.npz")["bilinear_u8"]
    return np.ascontiguousarray(((images.astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2))


def same_conv(x, weight, stride: int, groups: int):
    """TensorFlow's SAME convolution."""
    padding = []
    for size, kernel in zip(x.shape[:1:-1], weight.shape[:1:-1], strict=True):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        padding += [total // 2, total - total // 2]
    return torch.nn.functional.conv2d(torch.nn.functional.pad(x, padding), weight, None, stride, 0, 1, groups)


def eager_lite0(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """EfficientNet-Lite0 in plain torch, straight from the checkpoint."""
    w = torch.load(models.resolve("efficientnet_lite0").weights, weights_only=True)

    def norm(x, key):
        parts = (w[f"{key}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return torch.nn.functional.batch_norm(x, *parts, False, 0.0, 1e-3)

    strides = {1: 2, 3: 2, 5: 2, 11: 2}
    with torch.no_grad():
        x = torch.from_numpy(pixels)
        x = norm(same_conv(x, w["_conv_stem.weight"], 2, 1), "_bn0").clamp(0, 6)
        for i in range(16):
            b, before = f"_blocks.{i}", x
            if i:
                x = norm(same_conv(x, w[f"{b}._expand_conv.weight"], 1, 1), f"{b}._bn0").clamp(0, 6)
            x = same_conv(x, w[f"{b}._depthwise_conv.weight"], strides.get(i, 1), x.shape[1])
            x = norm(x, f"{b}._bn1").clamp(0, 6)
            x = norm(same_conv(x, w[f"{b}._project_conv.weight"], 1, 1), f"{b}._bn2")
            if x.shape == before.shape:
                x = x + before
        x = norm(same_conv(x, w["_conv_head.weight"], 1, 1), "_bn1").clamp(0, 6)
        features = x.mean((2, 3))
        logits = features @ w["_fc.weight"].T + w["_fc.bias"]
    return x.numpy(), features.numpy(), logits.numpy()


def test_lite0_gives_the_stored_features_and_logits(data: Path, lite0: pt.nn.ImageNetwork) -> None:
    golden = np.load(data / "weights/goldens/efficientnet_lite0.npz")
    pixels = preprocessed(data)
    features, logits = lite0.features(pixels), lite0.logits(pixels)
    cosines = (features * golden["features"]).sum(1) / (
        np.linalg.norm(features, axis=1) * np.linalg.norm(golden["features"], axis=1)
    )
    assert cosines.min() > 0.9999
    assert np.abs(logits - golden["logits"]).max() < 1e-2


@pytest.mark.parametrize("size", [(224, 224), (225, 193), (97, 130), (33, 32), (7, 1), (1, 1)])
def test_lite0_of_any_size_equals_eager_torch(lite0: pt.nn.ImageNetwork, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 3, *size)).astype(np.float32)
    for ours, theirs in zip(
        (lite0(pixels), lite0.features(pixels), lite0.logits(pixels)), eager_lite0(pixels), strict=True
    ):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)  # sums in another order, batch norm folded


def random_tokens(lengths: list[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(seed).integers(1000, 30000, (len(lengths), max(lengths)))
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    return ids * mask, mask


@pytest.mark.parametrize("lengths", [[1], [2], [3, 1, 7], [16], [17, 31, 2], [64, 5], [255], [256, 33], [512]])
def test_minilm_equals_transformers(minilm: pt.nn.TextNetwork, bert, lengths: list[int]) -> None:
    ids, mask = random_tokens(lengths, len(lengths))
    with torch.no_grad():
        theirs = bert(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state.numpy()
    ours = minilm(ids, mask=mask)
    np.testing.assert_allclose(ours, theirs * mask[..., None], rtol=0, atol=1e-4)
    assert not ours[mask == 0].any()


def test_a_row_does_not_depend_on_its_neighbours(lite0: pt.nn.ImageNetwork, minilm: pt.nn.TextNetwork) -> None:
    ids, mask = random_tokens([5, 30, 1, 101, 12, 12, 77], 3)
    together = minilm(ids, mask=mask)
    for i, length in enumerate(mask.sum(axis=1)):
        np.testing.assert_array_equal(minilm(ids[i : i + 1, :length])[0], together[i, :length])
    pixels = np.random.default_rng(1).uniform(-1, 1, (3, 3, 64, 96)).astype(np.float32)
    for method in (lite0.features, lite0.logits, lite0):
        np.testing.assert_array_equal(method(pixels)[1:2], method(pixels[1:2]))


def test_random_bert_of_another_shape_equals_transformers() -> None:
    config = transformers.BertConfig(
        vocab_size=97, hidden_size=72, num_hidden_layers=2, num_attention_heads=3, intermediate_size=100,
        max_position_embeddings=40,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.BertModel(config).eval()
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.3)
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    ids = np.random.default_rng(2).integers(0, 97, (3, 40))
    with torch.no_grad():
        theirs = model(input_ids=torch.from_numpy(ids)).last_hidden_state.numpy()
    assert theirs.std() > 0.1
    np.testing.assert_allclose(network_of(weights, config.to_dict())(ids), theirs, rtol=0, atol=1e-4)


def network_of(weights: dict[str, np.ndarray], config: dict) -> pt.nn.TextNetwork:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        _core.write_safetensors(path, weights)
        return pt.nn.TextNetwork("bert", path, config)


def test_torch_keeps_its_threads(lite0: pt.nn.ImageNetwork, minilm: pt.nn.TextNetwork) -> None:
    before = torch.get_num_threads()
    lite0.logits(np.zeros((3, 3, 32, 32), np.float32))
    minilm(np.full((300, 12), 2000))
    assert torch.get_num_threads() == before
