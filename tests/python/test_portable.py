"""Encoders and networks in other processes: pickles hold the place of weights, copies share them."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pictrieve as pt

SMALL_BERT = {"vocab_size": 60, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
PIXELS = np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8)
FLOATS = np.random.default_rng(3).normal(size=(1, 3, 64, 64)).astype(np.float32)
TEXT = "a red 苹果"


def whitened() -> pt.ImageEncoder:
    pictures = [np.roll(PIXELS, 9 * shift, axis=0) for shift in range(6)]
    return pt.ImageEncoder("resnet18", weights="random", pooling="gem").fit_whitening(pictures, dim=3)


# what is made, and what it is asked
CASES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "image": (pt.ImageEncoder, lambda encoder: encoder.encode(PIXELS)),
    "scales": (lambda: pt.ImageEncoder(scales=(0.5, 1), pooling="max"), lambda encoder: encoder.encode(PIXELS)),
    "preprocess": (
        lambda: pt.ImageEncoder(preprocess=pt.Preprocess("imagenet", crop=96)),
        lambda encoder: encoder.encode(PIXELS),
    ),
    "whitened": (whitened, lambda encoder: encoder.encode(PIXELS)),
    "text": (lambda: pt.TextEncoder(pooling="max", max_length=8), lambda encoder: encoder.encode(TEXT)),
    "dual": (pt.DualEncoder, lambda dual: np.stack([dual.encode_texts(TEXT), dual.encode_images(PIXELS)])),
    "prepared": (lambda: pt.Preprocess("clip", resize=70, crop=(64, 60), std=(1, 2, 3)), lambda p: p.apply(PIXELS)),
    "image network": (lambda: pt.nn.load("efficientnet_lite0"), lambda network: network.logits(FLOATS)),
    "random network": (
        lambda: pt.nn.ImageNetwork("resnet18", None, {"num_classes": 5}, seed=7),
        lambda network: network.logits(FLOATS),
    ),
    "text network": (
        lambda: pt.nn.TextNetwork("bert", None, SMALL_BERT, seed=7),
        lambda network: network(np.array([[5, 6, 7]])),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_copies_and_pickles_give_the_same_numbers(name: str) -> None:
    make, ask = CASES[name]
    made = make()
    unasked = pickle.dumps(made)  # before what is made at the first question
    expected = ask(made)
    assert expected.size > 0
    pickled = pickle.dumps(made)
    assert len(pickled) < 20_000, "a pickle holds no weights"
    for twin in (copy.copy(made), copy.deepcopy(made), pickle.loads(unasked), pickle.loads(pickled)):
        assert type(twin) is type(made)
        assert repr(twin) == repr(made)
        assert np.array_equal(ask(twin), expected)
        assert getattr(twin, "fingerprint", "") == getattr(made, "fingerprint", "")


def test_another_process_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pt.TextEncoder().save_pretrained(tmp_path / "text")
    monkeypatch.chdir(tmp_path)  # a relative path must not be read from wherever a process happens to be
    text, image, dual = pt.TextEncoder("text"), whitened(), pt.DualEncoder()
    monkeypatch.chdir("/")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for call, given in ((text.encode, TEXT), (image.encode, PIXELS), (dual.encode_texts, TEXT)):
            assert np.array_equal(pool.apply(call, (given,)), call(given))


def test_copies_share_the_network_but_not_what_is_set_later() -> None:
    encoder = whitened()
    twin = copy.deepcopy(encoder)
    assert twin._network is encoder._network
    before = encoder.encode(PIXELS)
    twin.fit_whitening([np.roll(PIXELS, 5 * shift, axis=1) for shift in range(4)], dim=2)
    assert (twin.dim, encoder.dim) == (2, 3)
    assert twin.fingerprint != encoder.fingerprint
    assert np.array_equal(encoder.encode(PIXELS), before)


class Named(pt.ImageEncoder):
    """A user's own encoder, with an attribute of its own."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__("resnet18", weights="random")
        self.notes = notes


def test_a_subclass_keeps_its_attributes() -> None:
    made = Named(["one"])
    for twin in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert type(twin) is Named
        assert twin.notes == ["one"]
        assert twin.notes is not made.notes


def test_scikit_learn_clones_what_holds_an_encoder() -> None:
    from sklearn.base import clone
    from sklearn.preprocessing import FunctionTransformer

    encoder = pt.TextEncoder()
    step = clone(FunctionTransformer(encoder.encode))
    assert np.array_equal(step.transform([TEXT]), encoder.encode([TEXT]))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    pt.ImageEncoder().save_pretrained(tmp_path / "image")
    pt.TextEncoder().save_pretrained(tmp_path / "text")
    return tmp_path / "image", tmp_path / "text"


def test_weights_that_are_gone_are_named(folders: tuple[Path, Path]) -> None:
    image, text = folders
    pickles = [pickle.dumps(each) for each in (pt.ImageEncoder(image), pt.TextEncoder(text), pt.nn.load(image))]
    shutil.rmtree(image)
    shutil.rmtree(text)
    for pickled in pickles:
        with pytest.raises(FileNotFoundError, match=r"not the weights: expected them at /.*model\.safetensors"):
            pickle.loads(pickled)


def test_files_that_were_replaced_are_refused(folders: tuple[Path, Path]) -> None:
    image, text = folders
    made = [pt.ImageEncoder(image), pt.TextEncoder(text), pt.nn.load(image), pt.nn.load(text)]
    pickles = [pickle.dumps(each) for each in made]
    for folder in folders:
        weights = folder / "model.safetensors"
        changed = bytearray(weights.read_bytes())
        changed[-1] ^= 1
        weights.unlink()  # the old file stays open
        weights.write_bytes(changed)
    for pickled in pickles:
        with pytest.raises(pt.FormatError, match=r"expected /.*model\.safetensors and .* as they were, got others"):
            pickle.loads(pickled)


def test_a_tokenizer_that_was_replaced_is_refused(folders: tuple[Path, Path]) -> None:
    _, text = folders
    pickled = pickle.dumps(pt.TextEncoder(text))
    for path in (text / "vocab.txt", text / "tokenizer.json"):
        if path.is_file():
            path.write_text(path.read_text(encoding="utf-8").replace("apple", "aqqle"), encoding="utf-8")
    with pytest.raises(pt.FormatError, match="got others"):
        pickle.loads(pickled)
