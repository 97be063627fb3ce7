"""How encoders behave: inputs they take, what they return, and what they say when they cannot."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pictrieve as pt


@pytest.fixture(scope="module")
def lite0() -> pt.ImageEncoder:
    return pt.ImageEncoder("efficientnet_lite0")


@pytest.fixture(scope="module")
def minilm() -> pt.TextEncoder:
    return pt.TextEncoder("minilm")


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8)


@pytest.fixture
def photo(tmp_path: Path, pixels: np.ndarray) -> Path:
    path = tmp_path / "Foto 照片.png"
    Image.fromarray(pixels).save(path)
    return path


def test_every_kind_of_input_gives_the_same_vector(lite0: pt.ImageEncoder, photo: Path, pixels: np.ndarray) -> None:
    expected = lite0.encode(pixels)
    assert expected.shape == (1280,)
    assert np.linalg.norm(expected) == pytest.approx(1, abs=1e-5)
    for given in (photo, str(photo), photo.read_bytes(), Image.open(photo)):
        assert np.array_equal(lite0.encode(given), expected)


def test_many_pictures_come_back_in_order(lite0: pt.ImageEncoder, photo: Path, pixels: np.ndarray) -> None:
    expected = lite0.encode([pixels, photo, pixels[::-1].copy()])
    assert expected.shape == (3, 1280)
    assert np.array_equal(expected[0], expected[1])
    assert not np.allclose(expected[0], expected[2])
    stacked = np.stack([pixels, pixels, pixels[::-1]])
    assert np.array_equal(lite0.encode(stacked), expected)


def test_a_generator_is_read_as_it_goes(lite0: pt.ImageEncoder, pixels: np.ndarray) -> None:
    def pictures() -> Iterator[np.ndarray]:
        yield from (np.roll(pixels, shift, axis=1) for shift in range(5))

    assert np.array_equal(lite0.encode(pictures()), lite0.encode(list(pictures())))


def test_a_broken_picture_of_a_long_generator_is_named_by_its_place(lite0: pt.ImageEncoder) -> None:
    tiny = np.zeros((8, 8, 3), np.uint8)

    def pictures(wrong: object) -> Iterator[object]:
        yield from [tiny] * 515
        yield wrong

    with pytest.raises(pt.DecodeError, match=r"images\[515\]"):
        lite0.encode(pictures(b"nothing"))
    with pytest.raises(TypeError, match="image 515"):
        lite0.encode(pictures(None))
    assert lite0.encode(pictures(b"nothing"), on_error="skip").errors[0].index == 515


def test_a_vector_does_not_depend_on_its_neighbours(lite0: pt.ImageEncoder, pixels: np.ndarray) -> None:
    pictures = [np.roll(pixels, shift, axis=0) for shift in range(11)]
    together = lite0.encode(pictures)
    for i in (0, 5, 10):
        assert np.abs(lite0.encode(pictures[i]) - together[i]).max() < 1e-6
    assert np.array_equal(lite0.encode(pictures, batch_size=1), together)


def test_threads_may_share_one_encoder(lite0: pt.ImageEncoder, minilm: pt.TextEncoder, pixels: np.ndarray) -> None:
    pictures = [pixels, pixels[::-1].copy()]
    texts = [["a red apple"] * 3, ["two dogs on a beach, seen from far away"] * 3]
    expected = [(lite0.encode(picture), minilm.encode(text)) for picture, text in zip(pictures, texts, strict=True)]

    def encode(which: int) -> bool:
        same = True
        for _ in range(20):
            same &= np.array_equal(lite0.encode(pictures[which]), expected[which][0])
            same &= np.array_equal(minilm.encode(texts[which]), expected[which][1])
        return same

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(encode, (0, 1))) == [True, True]


def test_unreadable_pictures_raise_or_are_reported(lite0: pt.ImageEncoder, photo: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"<html>not found</html>")
    with pytest.raises(pt.DecodeError, match=r"broken\.jpg"):
        lite0.encode([photo, broken])
    with pytest.raises(FileNotFoundError):
        lite0.encode([tmp_path / "absent.jpg"])
    with pytest.raises(pt.DecodeError, match=r"images\[1\]"):
        lite0.encode([photo, b""])
    result = lite0.encode([photo, broken, photo, tmp_path / "absent.jpg", photo], on_error="skip")
    assert result.kept.tolist() == [0, 2, 4]
    assert [error.index for error in result.errors] == [1, 3]
    assert "HTML" in result.errors[0].reason
    assert np.array_equal(result.embeddings, np.stack([lite0.encode(photo)] * 3))


def test_errors_name_a_path_once_and_of_any_bytes(lite0: pt.ImageEncoder, photo: Path, tmp_path: Path) -> None:
    broken = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.jpg")
    Path(broken).write_bytes(b"no picture")
    result = lite0.encode([broken, photo], on_error="skip")
    assert result.kept.tolist() == [1]
    assert result.errors[0].reason.count("bad\udcff.jpg") == 1
    with pytest.raises(pt.DecodeError) as raised:
        lite0.encode([photo, broken])
    assert str(raised.value).count("bad\udcff.jpg") == 1


def test_classify_gives_probabilities(lite0: pt.ImageEncoder, pixels: np.ndarray) -> None:
    assert lite0.classify(pixels).shape == (1000,)
    shares = lite0.classify([pixels, pixels])
    assert shares.shape == (2, 1000)
    assert np.abs(shares.sum(axis=1) - 1).max() < 1e-5
    assert len(lite0.labels) == 1000


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (np.zeros((8, 8, 3), np.float32), "uint8"),
        (np.zeros((3, 8, 8), np.uint8), "channels come last"),
        (17, "expected"),
        ([None], "expected"),
    ],
)
def test_what_is_no_picture_is_refused(lite0: pt.ImageEncoder, given: object, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        lite0.encode(given)


def test_an_empty_list_gives_no_rows(lite0: pt.ImageEncoder, minilm: pt.TextEncoder) -> None:
    assert lite0.encode([]).shape == (0, 1280)
    assert minilm.encode([]).shape == (0, 384)
    assert lite0.classify([]).shape == (0, 1000)


def test_arguments_are_checked(lite0: pt.ImageEncoder, minilm: pt.TextEncoder, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        lite0.encode(pixels, batch_size=0)
    with pytest.raises(ValueError, match="on_error"):
        lite0.encode(pixels, on_error="ignore")
    with pytest.raises(ValueError, match="precision"):
        minilm.encode("a", precision="int3")
    with pytest.raises(ValueError, match="device"):
        pt.TextEncoder("minilm", device="tpu")
    with pytest.raises(ValueError, match="efficientnet_lite0"):
        pt.ImageEncoder("resnet9000")
    with pytest.raises(ValueError, match="for texts"):
        pt.ImageEncoder("minilm")
    with pytest.raises(ValueError, match="max_length"):
        pt.TextEncoder("minilm", max_length=100_000)


def test_rows_as_half_or_as_tensor(minilm: pt.TextEncoder) -> None:
    import torch

    half = minilm.encode(["a", "b"], precision="float16")
    assert half.dtype == np.float16
    tensor = minilm.encode(["a", "b"], convert_to_tensor=True)
    assert isinstance(tensor, torch.Tensor)
    assert tensor.shape == (2, 384)


def test_long_texts_are_cut_and_reported(minilm: pt.TextEncoder) -> None:
    long = "word " * 400
    with pytest.warns(pt.TruncationWarning, match="1 of 2 texts are longer than 256 tokens"):
        rows = minilm.encode([long, "short"])
    assert minilm.truncated == (1, 400 + 2 - 256)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(minilm.encode("word " * 254), rows[0])
        assert minilm.truncated == (0, 0)


def test_texts_of_every_kind(minilm: pt.TextEncoder) -> None:
    rows = minilm.encode(["", "   ", "猫在睡觉", "🙂", "a\x00b", "ﬀ"])
    assert np.isfinite(rows).all()
    assert np.array_equal(rows[0], rows[1])
    for wrong in (b"bytes", [b"bytes"], [None], 5):
        with pytest.raises(TypeError):
            minilm.encode(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"texts\[1\].*surrogate"):
        minilm.encode(["fine", "\ud800"])


def test_saving_and_loading_keeps_the_vectors(
    lite0: pt.ImageEncoder, minilm: pt.TextEncoder, pixels: np.ndarray, tmp_path: Path
) -> None:
    lite0.save_pretrained(tmp_path / "image")
    minilm.save_pretrained(tmp_path / "text")
    image = pt.ImageEncoder.from_pretrained(tmp_path / "image")
    text = pt.TextEncoder.from_pretrained(tmp_path / "text")
    assert np.array_equal(image.encode(pixels), lite0.encode(pixels))
    assert np.array_equal(text.encode("a red apple"), minilm.encode("a red apple"))
    assert image.fingerprint == lite0.fingerprint
    assert text.fingerprint == minilm.fingerprint


def test_fingerprints_tell_encoders_apart(lite0: pt.ImageEncoder, minilm: pt.TextEncoder) -> None:
    others = [
        pt.ImageEncoder("efficientnet_lite0", preprocess=pt.Preprocess("efficientnet_lite0", decode="exact")),
        pt.ImageEncoder("efficientnet_lite0", preprocess=pt.Preprocess("imagenet")),
        pt.ImageEncoder("efficientnet_lite0", weights="random"),
        pt.TextEncoder("minilm", pooling="cls"),
        pt.TextEncoder("minilm", max_length=128),
    ]
    prints = {encoder.fingerprint for encoder in (lite0, minilm, *others)}
    assert len(prints) == 7
    assert pt.ImageEncoder("efficientnet_lite0").fingerprint == lite0.fingerprint


def test_a_search_by_words_loads_no_picture_network() -> None:
    dual = pt.DualEncoder()
    dual.encode_texts("a cat")
    assert len(dual.fingerprint) == 64
    assert "image_encoder" not in vars(dual)


def test_random_weights_say_so() -> None:
    assert "RANDOM" in repr(pt.ImageEncoder("efficientnet_lite0", weights="random"))
    assert "RANDOM" not in repr(pt.TextEncoder("minilm"))


def test_damaged_weights_are_refused(minilm: pt.TextEncoder, tmp_path: Path) -> None:
    minilm.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    with pytest.raises(pt.FormatError, match="safetensors"):
        pt.TextEncoder(tmp_path)


def test_an_orientation_tag_turns_the_picture(lite0: pt.ImageEncoder, pixels: np.ndarray) -> None:
    upright, turned = io.BytesIO(), io.BytesIO()
    Image.fromarray(pixels).save(upright, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(pixels).copy()).save(turned, "PNG", exif=exif)
    assert np.array_equal(lite0.encode(upright.getvalue()), lite0.encode(turned.getvalue()))


def test_the_dual_space_puts_words_near_pictures() -> None:
    dual = pt.DualEncoder()
    assert dual.encode_texts("a cat").shape == (1000,)
    rows = dual.encode_texts(["a cat", "a dog", "a kitten"])
    assert rows[0] @ rows[2] > rows[0] @ rows[1]
    with pytest.raises(ValueError, match=r"image model.*text model"):
        pt.DualEncoder("minilm")


def test_galleries_of_earlier_versions_still_fit(lite0: pt.ImageEncoder, minilm: pt.TextEncoder) -> None:
    """What galleries on disk remember of the bundled encoders must never change."""
    assert lite0.fingerprint == "0d72acd47ca6ccaa4a3cd22a7cbf0c253b96663dbe8af1029777ddb6e513191e"
    assert minilm.fingerprint == "66672f6c81075bc08e17806ea79412232a0b31e62a23cc864f8e122a74f90566"
    both = "5a98cb1a84604d34cd1c0efd895d1b9dede8e90679169fa2ba867200680276e6"
    assert pt.DualEncoder().fingerprint == both
