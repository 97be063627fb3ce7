"""Checkpoints of transformers that become trainable networks, and are written back under the names they had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_checkpoints import randomised

import pictrieve as pt
from pictrieve import finetune

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VISION = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "image_size": 64, "patch_size": 16,
}  # fmt: skip
TEXT = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "vocab_size": 1200, "max_position_embeddings": 60, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
STAGES = {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 2]}
MODELS: dict[str, tuple[str, dict[str, Any], str]] = {
    "ViTModel": ("ViTConfig", VISION, "image"),  # the same network with and without a prefix
    "ViTForImageClassification": ("ViTConfig", VISION, "image"),
    "Dinov2Model": ("Dinov2Config", VISION | {"mlp_ratio": 2}, "image"),
    "Dinov2ForImageClassification": ("Dinov2Config", VISION | {"mlp_ratio": 2}, "image"),
    "ResNetModel": ("ResNetConfig", STAGES, "image"),
    "BertModel": ("BertConfig", TEXT, "text"),
    "BertForMaskedLM": ("BertConfig", TEXT, "text"),
    "CLIPModel": ("CLIPConfig", {"text_config": TEXT, "vision_config": VISION, "projection_dim": 16}, "image"),
}


@pytest.mark.parametrize("name", MODELS)
def test_everything_of_a_checkpoint_is_written_back(name: str, tmp_path: Path) -> None:
    config, settings, kind = MODELS[name]
    model = randomised(getattr(transformers, name)(getattr(transformers, config)(**settings)))
    model.save_pretrained(tmp_path / "theirs")
    finetune.network(tmp_path / "theirs", kind=kind).save_pretrained(tmp_path / "ours")
    again, report = getattr(transformers, name).from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(report.values())
    for key, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor), key


NEW_HEADS = {
    "ResNetModel": ("ResNet", STAGES),
    "ResNetForImageClassification": ("ResNet", STAGES),
    "ViTModel": ("ViT", VISION),
    "Dinov2Model": ("Dinov2", VISION | {"mlp_ratio": 2}),
    "Dinov2ForImageClassification": ("Dinov2", VISION | {"mlp_ratio": 2}),
    "Dinov2WithRegistersModel": ("Dinov2WithRegisters", VISION | {"mlp_ratio": 2}),
}


@pytest.mark.parametrize("name", NEW_HEADS)
def test_a_new_classifier_is_read_by_transformers(name: str, tmp_path: Path) -> None:
    family, settings = NEW_HEADS[name]
    config = getattr(transformers, f"{family}Config")(**settings)
    randomised(getattr(transformers, name)(config)).save_pretrained(tmp_path / "theirs")
    net = finetune.network(tmp_path / "theirs", {"num_classes": 5}).eval()
    net.save_pretrained(tmp_path / "ours")
    reader = getattr(transformers, f"{family}ForImageClassification")
    again, report = reader.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert report.pop("unexpected_keys") <= {"pooler.dense.bias", "pooler.dense.weight"}  # of ViTModel, kept
    assert not any(report.values())
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs = again.eval()(pixels).logits.numpy()
        assert np.abs(theirs - net(pixels)["logits"].numpy()).max() <= 1e-4
    assert np.abs(theirs - pt.nn.load(tmp_path / "ours").logits(pixels.numpy())).max() <= 1e-4
