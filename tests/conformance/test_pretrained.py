"""Checkpoints that other libraries wrote: read, encoded to their vectors, written, and read back by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_checkpoints import TEXTS, encoder_of, pictures, randomised, unit

import pictrieve as pt

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def vision(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        "image_size": 64, "patch_size": 16, **more,
    }  # fmt: skip


def text(**more: Any) -> dict[str, Any]:
    return {
        "vocab_size": 1200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 64, "max_position_embeddings": 60, **more,
    }  # fmt: skip


SQUARE = {"size": {"height": 64, "width": 64}, "resample": 2}
SHORTEST = {"size": {"shortest_edge": 73}, "crop_size": {"height": 64, "width": 64}, "resample": 3}
NETWORKS: dict[str, tuple[str, str, dict[str, Any], str, dict[str, Any]]] = {
    "vit": ("ViTModel", "ViTConfig", vision(), "ViTImageProcessorPil", SQUARE),
    "dinov2": ("Dinov2Model", "Dinov2Config", vision(mlp_ratio=2), "BitImageProcessorPil", SHORTEST),
    "resnet": (
        "ResNetModel", "ResNetConfig", {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 2]},
        "ConvNextImageProcessorPil", {"size": {"shortest_edge": 64}, "crop_pct": 64 / 73},
    ),
    "convnext": (
        "ConvNextModel", "ConvNextConfig", {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 2, 1]},
        "ConvNextImageProcessorPil", {"size": {"shortest_edge": 64}, "crop_pct": 64 / 73},
    ),
    "swin": (
        "SwinModel", "SwinConfig", {
            "image_size": 64, "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 4], "window_size": 4,
        },
        "ViTImageProcessorPil", SQUARE,
    ),
}  # fmt: skip


def image_reference(model: Any, pixels: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        out = model(pixel_values=pixels)
    if model.config.model_type in ("vit", "dinov2"):
        return unit(out.last_hidden_state[:, 0])
    return unit(out.pooler_output)


@pytest.mark.parametrize("name", NETWORKS)
def test_image_networks_of_transformers(name: str, tmp_path: Path, photos: list[Path]) -> None:
    model_name, config_name, settings, processor_name, preparation = NETWORKS[name]
    model = randomised(getattr(transformers, model_name)(getattr(transformers, config_name)(**settings)))
    processor = getattr(transformers, processor_name)(**preparation)
    model.save_pretrained(tmp_path / "theirs")
    processor.save_pretrained(tmp_path / "theirs")
    pixels = processor(pictures(photos), return_tensors="pt")["pixel_values"]
    expected = image_reference(model, pixels)
    encoder = encoder_of(tmp_path / "theirs")
    assert np.abs(encoder.encode(photos) - expected).max() <= 1e-4
    assert np.abs(expected - expected[0]).max() > 1e-2  # pictures do differ
    pt.ImageEncoder.from_pretrained(tmp_path / "theirs").save_pretrained(tmp_path / "ours")
    again = getattr(transformers, model_name).from_pretrained(tmp_path / "ours").eval()
    assert np.array_equal(image_reference(again, pixels), expected)
    back = transformers.AutoImageProcessor.from_pretrained(tmp_path / "ours", backend="pil")
    assert back.to_dict() == processor.to_dict()
    assert (
        pt.ImageEncoder.from_pretrained(tmp_path / "ours").fingerprint
        == pt.ImageEncoder(tmp_path / "theirs").fingerprint
    )


def word_pieces(folder: Path, config: Any, specials: str = "[PAD] [UNK] [CLS] [SEP] [MASK]") -> None:
    """A small vocabulary of letters and a few words."""
    pieces = [*"abcdefghijklmnopqrstuvwxyz0123456789.,;:", "photo", "dogs", "rain", "red", "man"]
    tokens = [*specials.split(), *pieces, *(f"##{piece}" for piece in pieces if piece.isalnum())]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=60)
    assert len(tokens) < config.vocab_size
    tokenizer.save_pretrained(folder)


def byte_pairs(folder: Path, specials: list[str], template: str | None) -> None:
    """A byte-level tokenizer trained on the texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=350, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    if template:
        ids = {token: tokenizer.token_to_id(token) for token in specials}
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[(token, ids[token]) for token in specials]
        )
    kinds = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), specials, strict=False))
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=60, **kinds).save_pretrained(
        folder
    )


ROBERTA = (["<s>", "<pad>", "</s>", "<unk>"], "<s> $A </s>")
SENTENCES: dict[str, tuple[str, str, dict[str, Any], Any]] = {
    "bert": ("BertModel", "BertConfig", text(), None),
    "distilbert": (
        "DistilBertModel", "DistilBertConfig",
        {
            "vocab_size": 1200, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 60,
        },
        None,
    ),
    "roberta": ("RobertaModel", "RobertaConfig", text(pad_token_id=1, max_position_embeddings=62), ROBERTA),
    "mpnet": ("MPNetModel", "MPNetConfig", text(pad_token_id=1, max_position_embeddings=62), ROBERTA),
    "gpt2": (
        "GPT2Model", "GPT2Config", {"vocab_size": 1200, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 60},
        (["<|endoftext|>"], None),
    ),
    "modernbert": (
        "ModernBertModel", "ModernBertConfig",
        text(pad_token_id=1, global_attn_every_n_layers=2, local_attention=8, cls_token_id=0, sep_token_id=2), ROBERTA,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_text_networks_of_transformers(name: str, tmp_path: Path) -> None:
    model_name, config_name, settings, tokenizer = SENTENCES[name]
    config = getattr(transformers, config_name)(**settings)
    model = randomised(getattr(transformers, model_name)(config))
    folder = tmp_path / "theirs"
    model.save_pretrained(folder)
    word_pieces(folder, config) if tokenizer is None else byte_pairs(folder, *tokenizer)
    reader = transformers.AutoTokenizer.from_pretrained(folder)
    expected = []
    for sentence in TEXTS:
        given = reader(sentence, return_tensors="pt", truncation=True, max_length=60)
        with torch.no_grad():
            hidden = model(input_ids=given["input_ids"]).last_hidden_state
        expected.append(unit(hidden[:, -1] if name == "gpt2" else hidden.mean(1))[0])
    encoder = pt.TextEncoder.from_pretrained(folder)
    assert np.abs(encoder.encode(TEXTS) - np.stack(expected)).max() <= 1e-4
    encoder.save_pretrained(tmp_path / "ours")
    again = getattr(transformers, model_name).from_pretrained(tmp_path / "ours").eval()
    with torch.no_grad():
        assert torch.equal(again(input_ids=given["input_ids"]).last_hidden_state, hidden)
    assert np.array_equal(pt.TextEncoder(tmp_path / "ours").encode(TEXTS), encoder.encode(TEXTS))
