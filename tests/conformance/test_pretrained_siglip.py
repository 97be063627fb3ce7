"""SigLIP: checkpoints of transformers and of open_clip, whose towers and tokenizers come from timm and transformers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_checkpoints import TEXTS, encoder_of, pictures, randomised, unit

import pictrieve as pt

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
open_clip = pytest.importorskip("open_clip")
sentencepiece = pytest.importorskip("sentencepiece")
safetensors_torch = pytest.importorskip("safetensors.torch")

TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
WORDS = [*TEXTS, "snake_case, UPPER  case\tand (brackets) & more!"]


@pytest.fixture(scope="module")
def pieces(glosses: list[str]) -> bytes:
    """A SentencePiece model with the ids that SigLIP's has: no padding token, `</s>` is 1."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(glosses[:2_000]), model_writer=model, vocab_size=290, hard_vocab_limit=False,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


def transformers_siglip(folder: Path, pieces: bytes, length: int = 16) -> tuple[Any, Any, Any]:
    """A small SigLIP, its image processor and its tokenizer, all written into the folder."""
    folder.mkdir()
    (folder / "spiece.model").write_bytes(pieces)
    tokenizer = transformers.SiglipTokenizer(str(folder / "spiece.model"), model_max_length=length)
    tokenizer.save_pretrained(folder)
    config = transformers.SiglipConfig(
        text_config={**TOWER, "vocab_size": 300, "max_position_embeddings": length, "projection_size": 32},
        vision_config={**TOWER, "image_size": 64, "patch_size": 16},
    )
    model = randomised(transformers.SiglipModel(config))
    model.save_pretrained(folder)
    processor = transformers.SiglipImageProcessorPil(size={"height": 64, "width": 64})
    processor.save_pretrained(folder)
    return model, processor, tokenizer


def test_siglip_of_transformers(tmp_path: Path, photos: list[Path], pieces: bytes) -> None:
    model, processor, tokenizer = transformers_siglip(tmp_path / "theirs", pieces)
    ids = tokenizer(WORDS, padding="max_length", truncation=True, max_length=16, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        words = unit(model.get_text_features(input_ids=ids).pooler_output)
        seen = unit(model.get_image_features(**processor(pictures(photos), return_tensors="pt")).pooler_output)
    encoder = pt.DualEncoder.from_pretrained(tmp_path / "theirs")
    with pytest.warns(pt.TruncationWarning):
        assert np.abs(encoder.encode_texts(WORDS) - words).max() <= 1e-4
    assert np.abs(words - words[0]).max() > 1e-2  # texts do differ
    assert np.abs(encoder_of(tmp_path / "theirs").encode(photos) - seen).max() <= 1e-4
    encoder.save_pretrained(tmp_path / "ours")
    again, report = transformers.SiglipModel.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(report.values())
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True))
    reader = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    assert reader(WORDS)["input_ids"] == tokenizer(WORDS)["input_ids"]
    assert pt.DualEncoder(tmp_path / "ours").fingerprint == encoder.fingerprint


WORDS_OF_OPEN_CLIP = {
    "context_length": 16, "vocab_size": 300, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
    "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 32, "heads": 2, "layers": 2, "mlp_ratio": 3.7362,
    "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6},
}  # fmt: skip


def open_clip_siglip(folder: Path, pieces: bytes, **words: Any) -> Any:
    """As Hugging Face's repositories of open_clip's SigLIPs: a tower of timm, a tokenizer of T5."""
    config = {
        "embed_dim": 768, "init_logit_bias": -10, "custom_text": True,
        "vision_cfg": {
            "image_size": 256, "timm_model_name": "vit_base_patch32_siglip_256", "timm_model_pretrained": False,
            "timm_pool": "map", "timm_proj": "none",
        },
        "text_cfg": WORDS_OF_OPEN_CLIP | words,
    }  # fmt: skip
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    folder.mkdir()
    content = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "spiece.model").write_bytes(pieces)
    told = {"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "pad_token": "</s>", "model_max_length": 16}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    transformers.T5Tokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "spiece.model").unlink()
    made = {name: value for name, value in config.items() if name != "custom_text"}
    model = randomised(open_clip.CustomTextCLIP(**made))
    safetensors_torch.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return model


def test_siglip_of_open_clip(tmp_path: Path, photos: list[Path], pieces: bytes) -> None:
    model = open_clip_siglip(tmp_path / "theirs", pieces, act_kwargs={"approximate": "tanh"})
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'theirs'}")
    half = (0.5, 0.5, 0.5)
    transform = open_clip.image_transform(256, is_train=False, mean=half, std=half, resize_mode="squash")
    pixels = torch.stack([transform(picture) for picture in pictures(photos[:2])])
    with torch.no_grad():
        words = model.encode_text(tokenizer(WORDS), normalize=True).numpy()
        seen = model.encode_image(pixels, normalize=True).numpy()
    encoder = pt.DualEncoder.from_pretrained(tmp_path / "theirs")
    with pytest.warns(pt.TruncationWarning):
        assert np.abs(encoder.encode_texts(WORDS) - words).max() <= 1e-4
    assert np.abs(words - words[0]).max() > 1e-2  # texts do differ
    assert np.abs(encoder_of(tmp_path / "theirs").encode(photos[:2]) - seen).max() <= 1e-4
    encoder.save_pretrained(tmp_path / "ours")
    again = open_clip.create_model(f"local-dir:{tmp_path / 'ours'}")
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True))
    assert pt.DualEncoder(tmp_path / "ours").fingerprint == encoder.fingerprint


def test_one_tower_alone(tmp_path: Path, pieces: bytes) -> None:
    transformers_siglip(tmp_path / "theirs", pieces)
    alone = pt.TextEncoder(tmp_path / "theirs")
    assert alone.pooling == "last"
    assert np.array_equal(alone.encode(WORDS[:2]), pt.DualEncoder(tmp_path / "theirs").encode_texts(WORDS[:2]))
    with pytest.raises(ValueError, match=r"pooling: expected .*'last'.*got 'eos'"):
        pt.TextEncoder(tmp_path / "theirs", pooling="eos")


def test_pictures_of_any_shape_are_refused(tmp_path: Path) -> None:
    transformers.Siglip2Config().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="NaFlex"):
        pt.ImageEncoder(tmp_path)


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("image", {"timm_model_name": "vitamin_small_224"}, "vision_cfg.timm_model_name: .*'vitamin_small_224'"),
        ("image", {"timm_model_name": "convnext_base"}, "vision_cfg.timm_model_name: .*'convnext_base'"),
        ("image", {"timm_proj": "linear"}, "vision_cfg.timm_proj: .*'linear'"),
        ("image", {"timm_model_name": None, "pool_type": "avg"}, "vision_cfg.(pool_type|timm_p).*got"),
        ("text", {"hf_model_name": "roberta-base"}, "text_cfg.hf_model_name: .*'roberta-base'"),
        ("text", {"no_causal_mask": False}, "text_cfg.*got"),
        ("text", {"pool_type": "first"}, "text_cfg.pool_type: expected 'last', got 'first'"),
        ("text", {"embed_cls": True}, "text_cfg.embed_cls: .*got True"),
        ("text", {"act_kwargs": {"approximate": "none"}}, "text_cfg.act_kwargs: .*none"),
        ("text", {"norm_kwargs": {"elementwise_affine": False}}, "text_cfg.norm_kwargs: .*elementwise_affine"),
    ],
)
def test_towers_that_we_do_not_have(tmp_path: Path, kind: str, change: dict[str, Any], reason: str) -> None:
    vision = {
        "image_size": 256, "timm_model_name": "vit_base_patch32_siglip_256", "timm_pool": "map", "timm_proj": "none",
    }  # fmt: skip
    config = {"embed_dim": 768, "vision_cfg": vision, "text_cfg": dict(WORDS_OF_OPEN_CLIP)}
    config["vision_cfg" if kind == "image" else "text_cfg"].update(change)
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}), encoding="utf-8")
    with pytest.raises(ValueError, match=reason):
        pt.nn.load(tmp_path, kind=kind, weights="random")
