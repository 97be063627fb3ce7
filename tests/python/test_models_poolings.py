"""Vectors pooled from feature maps, whitened, and of several scales, against loops written from the papers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pictrieve as pt
from pictrieve.encoders.image_parts import scaled

Floats = np.ndarray


@pytest.fixture(scope="module")
def preprocess() -> pt.Preprocess:
    return pt.Preprocess("efficientnet_lite0", steps=("resize",), resize=(256, 352))


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Smooth noise: plain noise gives every picture the same vector."""
    draws = np.random.default_rng(5).integers(0, 256, (30, 6, 8, 3), dtype=np.uint8)
    return [pt.resize(draw, (96, 128), "bicubic") for draw in draws]


def unit(rows: Floats) -> Floats:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def rmac(feature_map: Floats) -> Floats:
    """Tolias et al. 2016, section 3.2, by hand for 8 x 11: two squares of 8 share 62.5 %, three would share 81 %."""
    squares = [(0, left, 8) for left in (0, 3)]
    squares += [(top, left, 5) for top in (0, 3) for left in (0, 3, 6)]
    squares += [(top, left, 4) for top in (0, 2, 4) for left in (0, 2, 4, 7)]
    total = 0
    for top, left, side in squares:
        total = total + unit(feature_map[:, top : top + side, left : left + side].max(axis=(1, 2)))
    return total


def spoc(feature_map: Floats) -> Floats:
    _, height, width = feature_map.shape
    deviation = min(height, width) / 2 / 3
    total = np.zeros(len(feature_map))
    for y in range(height):
        for x in range(width):
            squared = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2
            total += np.exp(-squared / 2 / deviation**2) * feature_map[:, y, x]
    return total


def gem(feature_map: Floats) -> Floats:
    return np.cbrt((np.clip(feature_map.astype(np.float64), 1e-6, None) ** 3).mean(axis=(1, 2)))


POOLINGS: dict[str, Callable[[Floats], Floats]] = {
    "avg": lambda x: x.mean(axis=(1, 2)),
    "max": lambda x: x.max(axis=(1, 2)),
    "gem": gem,
    "rmac": rmac,
    "spoc": spoc,
    "flatten": lambda x: x.ravel(),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_poolings(name: str, preprocess: pt.Preprocess, pictures: list[np.ndarray]) -> None:
    maps = pt.nn.load("efficientnet_lite0")(preprocess.apply(pictures[:3]))
    assert maps.shape == (3, 1280, 8, 11)
    expected = np.stack([POOLINGS[name](feature_map.astype(np.float64)) for feature_map in maps])
    encoder = pt.ImageEncoder("efficientnet_lite0", pooling=name, preprocess=preprocess)
    assert encoder.dim == expected.shape[1]
    found = encoder.encode(pictures[:3], normalize_embeddings=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(pictures[:3]), unit(expected), rtol=0, atol=1e-5)
    assert encoder.classify(pictures[0]).sum() == pytest.approx(1, abs=1e-5)


def test_whitened_vectors_vary_alike_in_all_directions(
    tmp_path: Path, preprocess: pt.Preprocess, pictures: list[np.ndarray]
) -> None:
    plain = pt.ImageEncoder("efficientnet_lite0", pooling="gem", preprocess=preprocess)
    rows = plain.encode(pictures)
    encoder = pt.ImageEncoder("efficientnet_lite0", pooling="gem", preprocess=preprocess).fit_whitening(
        pictures, dim=12
    )
    assert encoder.dim == 12
    assert encoder.fingerprint != plain.fingerprint
    whitened = encoder.encode(pictures, normalize_embeddings=False)
    assert np.abs(whitened.mean(axis=0)).max() < 1e-2
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(12), rtol=0, atol=2e-2)
    from_rows = pt.ImageEncoder("efficientnet_lite0", pooling="gem", preprocess=preprocess).fit_whitening(rows, dim=12)
    np.testing.assert_allclose(np.abs((from_rows.encode(pictures) * encoder.encode(pictures)).sum(1)), 1, atol=1e-3)
    encoder.save_pretrained(tmp_path)
    again = pt.ImageEncoder.from_pretrained(tmp_path)
    assert again.fingerprint == encoder.fingerprint
    assert np.array_equal(again.encode(pictures), encoder.encode(pictures))
    with pytest.raises(ValueError, match="expected 1 to 29"):
        plain.fit_whitening(rows, dim=30)
    with pytest.raises(ValueError, match="at least 2"):
        plain.fit_whitening(rows[:1])


def test_scales_are_the_mean_of_unit_vectors(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    encoder = pt.ImageEncoder("efficientnet_lite0", pooling="rmac", scales=(1, 0.75, 1.25))
    expected = 0
    for scale in encoder.scales:
        preprocess = scaled(encoder.preprocess, scale)
        assert preprocess.size == (round(224 * scale),) * 2
        expected = expected + pt.ImageEncoder("efficientnet_lite0", pooling="rmac", preprocess=preprocess).encode(
            pictures[:2]
        )
    np.testing.assert_allclose(
        encoder.encode(pictures[:2], normalize_embeddings=False), expected / 3, rtol=0, atol=1e-5
    )
    encoder.save_pretrained(tmp_path)
    assert np.array_equal(pt.ImageEncoder(tmp_path).encode(pictures[0]), encoder.encode(pictures[0]))
    with pytest.raises(ValueError, match="positive"):
        pt.ImageEncoder("efficientnet_lite0", scales=(0,))
    with pytest.raises(ValueError, match="flatten"):
        pt.ImageEncoder("efficientnet_lite0", pooling="flatten", scales=(1, 2))


def test_poolings_that_a_network_lacks() -> None:
    with pytest.raises(ValueError, match="class token"):
        pt.ImageEncoder("efficientnet_lite0", pooling="cls")
    with pytest.raises(ValueError, match="pooling"):
        pt.ImageEncoder("efficientnet_lite0", pooling="median")
