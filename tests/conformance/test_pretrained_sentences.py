"""Folders of sentence-transformers: their poolings, and the linear layers behind these."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_checkpoints import TEXTS, randomised
from test_pretrained import text, word_pieces

import pictrieve as pt
from pictrieve import finetune

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")
modules_of = pytest.importorskip("sentence_transformers.sentence_transformer.modules")


def sentence_model(folder: Path, *more: Any, pooling: Any = "mean") -> Any:
    """A small BERT with a pooling and more modules, written by sentence-transformers."""
    config = transformers.BertConfig(**text())
    randomised(transformers.BertModel(config)).save_pretrained(folder / "bert")
    word_pieces(folder / "bert", config)
    modules = [modules_of.Transformer(str(folder / "bert"), max_seq_length=60), modules_of.Pooling(32, pooling), *more]
    model = sentence_transformers.SentenceTransformer(modules=modules, device="cpu").eval()
    model.save_pretrained(str(folder / "theirs"))
    return model


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "weightedmean", "lasttoken"])
def test_poolings(tmp_path: Path, pooling: str) -> None:
    model = sentence_model(tmp_path, pooling=pooling)
    expected = model.encode(TEXTS, normalize_embeddings=True)
    assert np.abs(pt.TextEncoder(tmp_path / "theirs").encode(TEXTS) - expected).max() <= 1e-4


def dense(out: int, activation: Any, **options: Any) -> Any:
    return randomised(modules_of.Dense(32 if out == 24 else 24, out, activation_function=activation, **options))


def test_linear_layers_behind_the_pooling(tmp_path: Path) -> None:
    layers = [dense(24, torch.nn.Tanh()), dense(16, torch.nn.Identity(), bias=False), modules_of.Normalize()]
    model = sentence_model(tmp_path, *layers, pooling="cls")
    expected = model.encode(TEXTS)
    encoder = pt.TextEncoder(tmp_path / "theirs")
    found = encoder.encode(TEXTS)
    assert encoder.dim == 16
    assert found.shape == expected.shape == (3, 16)
    assert np.abs(found - expected).max() <= 1e-4
    assert np.abs(expected - expected[0]).max() > 1e-2
    plain = encoder.encode(TEXTS, normalize_embeddings=False)
    features = model.preprocess(TEXTS)
    with torch.no_grad():
        for module in list(model)[:-1]:
            features = module(features)
    assert np.abs(plain - features["sentence_embedding"].numpy()).max() <= 1e-4
    assert np.array_equal(pickle.loads(pickle.dumps(encoder)).encode(TEXTS), found)
    with pytest.raises(ValueError, match="linear layers 2_Dense, 3_Dense"):
        finetune.network(tmp_path / "theirs")
    encoder.save_pretrained(tmp_path / "ours")
    again = sentence_transformers.SentenceTransformer(str(tmp_path / "ours"), device="cpu")
    assert np.abs(again.encode(TEXTS) - expected).max() <= 1e-6
    assert pt.TextEncoder(tmp_path / "ours").fingerprint == encoder.fingerprint


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"activation_function": "torch.nn.modules.activation.GELU"}, "activation_function.*GELU"),
        ({"use_residual": True}, "use_residual"),
        ({"module_input_name": "token_embeddings"}, "module_input_name.*token_embeddings"),
        ({"out_features": 25}, r"linear.weight \(25, 32\)"),
    ],
)
def test_linear_layers_that_we_do_not_have(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    sentence_model(tmp_path, dense(24, torch.nn.Tanh()))
    path = tmp_path / "theirs" / "2_Dense" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises((ValueError, pt.FormatError), match=reason):
        pt.TextEncoder(tmp_path / "theirs").encode(TEXTS)


def test_several_poolings_at_once_are_refused(tmp_path: Path) -> None:
    sentence_model(tmp_path, pooling=["mean", "cls"])
    with pytest.raises(ValueError, match=r"\['mean', 'cls'\]; several at once"):
        pt.TextEncoder(tmp_path / "theirs")


def test_layers_behind_the_normalisation_are_refused(tmp_path: Path) -> None:
    sentence_model(tmp_path, modules_of.Normalize(), dense(24, torch.nn.Tanh()))
    with pytest.raises(ValueError, match=r"in this order, got .*'Normalize', 'Dense'"):
        pt.TextEncoder(tmp_path / "theirs")
