"""CLIP and SigLIP: checkpoints of transformers, open_clip and OpenAI, as encoders of pictures and words."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_checkpoints import TEXTS, encoder_of, pictures, randomised, unit

import pictrieve as pt

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
open_clip = pytest.importorskip("open_clip")

TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def clip_tokenizer(folder: Path) -> int:
    """CLIP's own tokenizer without merges: its alphabet alone, so that ids stay small. Gives the vocabulary's size."""
    from open_clip.tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}), encoding="utf-8"
    )
    return len(tokens)


def ids_of(encoder: pt.TextEncoder, texts: list[str], length: int, pad: int = 0) -> torch.Tensor:
    """Our ids, which other tests compare with the references' own, padded for the reference."""
    rows = [encoder.tokenizer.encode_batch([text], max_length=length, padding=False).ids.tolist() for text in texts]
    return torch.tensor([row + [pad] * (length - len(row)) for row in rows])


def transformers_clip(folder: Path) -> Any:
    size = clip_tokenizer(folder)
    config = transformers.CLIPConfig(
        text_config={**TOWER, "vocab_size": size, "eos_token_id": size - 1, "bos_token_id": size - 2},
        vision_config={**TOWER, "image_size": 64, "patch_size": 16}, projection_dim=24,
    )  # fmt: skip
    model = randomised(transformers.CLIPModel(config))
    model.save_pretrained(folder)
    return model


def test_clip_of_transformers(tmp_path: Path, photos: list[Path]) -> None:
    folder = tmp_path / "clip"
    model = transformers_clip(folder)
    sizes = {"size": {"shortest_edge": 73}, "crop_size": {"height": 64, "width": 64}}
    processor = transformers.CLIPImageProcessorPil(**sizes)
    processor.save_pretrained(folder)
    encoder = pt.DualEncoder.from_pretrained(folder)
    assert encoder.dim == 24
    with torch.no_grad():
        vision = model.vision_model(**processor(pictures(photos), return_tensors="pt")).pooler_output
        expected = unit(model.visual_projection(vision))
        ids = ids_of(encoder.text_encoder, TEXTS, 77, model.config.text_config.eos_token_id)
        words = unit(model.text_projection(model.text_model(input_ids=ids).pooler_output))
    assert np.abs(encoder_of(folder).encode(photos) - expected).max() <= 1e-4
    assert np.abs(encoder.encode_texts(TEXTS) - words).max() <= 1e-4
    both = encoder.encode_images_both(photos)
    assert np.array_equal(both.features, both.dual)
    encoder.save_pretrained(tmp_path / "ours")
    again = transformers.CLIPModel.from_pretrained(tmp_path / "ours").eval()
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True))
    assert pt.DualEncoder.from_pretrained(tmp_path / "ours").fingerprint == encoder.fingerprint


def test_clip_is_pickled_by_its_place(tmp_path: Path, photos: list[Path]) -> None:
    folder = tmp_path / "clip"
    transformers_clip(folder)
    transformers.CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size=64).save_pretrained(folder)
    encoder = pt.DualEncoder(folder)
    unused = pickle.dumps(encoder)  # neither side is loaded
    encoder.image_encoder.fit_whitening(photos, dim=2)
    pickled = pickle.dumps(encoder)
    plain, twin = pickle.loads(unused), pickle.loads(pickled)
    assert len(pickled) < 20_000
    assert twin.fingerprint == encoder.fingerprint != plain.fingerprint == pt.DualEncoder(folder).fingerprint
    assert np.array_equal(twin.encode_images(photos), encoder.encode_images(photos))
    assert np.array_equal(plain.encode_texts(TEXTS), encoder.encode_texts(TEXTS))
    randomised(transformers.CLIPModel.from_pretrained(folder), seed=1).save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").replace(folder / "model.safetensors")
    for old in (unused, pickled):
        with pytest.raises(pt.FormatError, match="got others"):
            pickle.loads(old)


def test_clip_is_the_encoder_of_a_gallery(tmp_path: Path, photos: list[Path]) -> None:
    folder = tmp_path / "clip"
    transformers_clip(folder)
    transformers.CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size=64).save_pretrained(folder)
    with pt.Gallery.create(tmp_path / "g", encoder=str(folder)) as gallery:
        gallery.add(photos)
    with pt.Gallery.open(tmp_path / "g") as gallery:
        hits = gallery.search(text=TEXTS[0], k=2)
        vectors = pt.DualEncoder(folder).encode_images(photos) @ pt.DualEncoder(folder).encode_texts(TEXTS[0])
        assert hits[0].score == pytest.approx(float(vectors.max()), abs=1e-5)


def test_siglip_of_transformers(tmp_path: Path, photos: list[Path]) -> None:
    config = transformers.SiglipConfig(
        text_config={**TOWER, "vocab_size": 300, "max_position_embeddings": 16, "projection_size": 32},
        vision_config={**TOWER, "image_size": 64, "patch_size": 16},
    )
    model = randomised(transformers.SiglipModel(config))
    model.save_pretrained(tmp_path)
    processor = transformers.SiglipImageProcessorPil(size={"height": 64, "width": 64})
    processor.save_pretrained(tmp_path)
    with torch.no_grad():
        expected = unit(model.vision_model(**processor(pictures(photos), return_tensors="pt")).pooler_output)
        ids = torch.arange(16)[None] * 7 % 300
        hidden = model.text_model(input_ids=ids).last_hidden_state
    assert np.abs(encoder_of(tmp_path).encode(photos) - expected).max() <= 1e-4
    ours = pt.nn.load(tmp_path, kind="text")(ids.numpy())
    np.testing.assert_allclose(ours, hidden.numpy(), rtol=0, atol=1e-4)


def small_open_clip(layers: Any = 2, width: int = 32, image_size: int = 64) -> tuple[Any, dict[str, Any]]:
    vision = {"image_size": image_size, "layers": layers, "width": width, "patch_size": 16, "head_width": 16}
    if isinstance(layers, list):
        vision = {"image_size": image_size, "layers": layers, "width": width, "head_width": width * 2}
    words = {"context_length": 77, "vocab_size": 514, "width": 64, "heads": 1, "layers": 2}
    config = {"embed_dim": 24, "quick_gelu": True, "vision_cfg": vision, "text_cfg": words}
    return randomised(open_clip.CLIP(**config)), config


def write_open_clip(folder: Path, model: Any, config: dict[str, Any]) -> None:
    import safetensors.torch

    clip_tokenizer(folder)
    preprocess = {
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.3, 0.25],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    content = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(content), encoding="utf-8")
    safetensors.torch.save_file(model.state_dict(), folder / "open_clip_model.safetensors")


@pytest.mark.parametrize("layers", [2, [1, 1, 1, 1]])
def test_open_clip(tmp_path: Path, photos: list[Path], layers: Any) -> None:
    model, config = small_open_clip(layers)
    folder = tmp_path / "theirs"
    write_open_clip(folder, model, config)
    transform = open_clip.image_transform(64, is_train=False, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    pixels = torch.stack([transform(picture) for picture in pictures(photos)])
    encoder = pt.DualEncoder(folder)
    with torch.no_grad():
        assert np.abs(encoder_of(folder).encode(photos) - unit(model.encode_image(pixels))).max() <= 1e-4
        words = unit(model.encode_text(ids_of(encoder.text_encoder, TEXTS, 77)))
    assert np.abs(encoder.encode_texts(TEXTS) - words).max() <= 1e-4
    encoder.save_pretrained(tmp_path / "ours")
    again = open_clip.CLIP(**config)
    again.load_state_dict(state_of(tmp_path / "ours"))
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True))


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    import safetensors.torch

    return safetensors.torch.load_file(folder / "open_clip_model.safetensors")


class Scripted(torch.nn.Module):
    """OpenAI's files are programs whose module has these names."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        for name, child in model.named_children():
            setattr(self, name, child)
        for name, tensor in model.named_parameters(recurse=False):
            self.register_parameter(name, torch.nn.Parameter(tensor.detach().half()))
        self.input_resolution = 64

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.visual(pixels)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_openai_archives_are_read_without_running_them(tmp_path: Path, photos: list[Path]) -> None:
    _, config = small_open_clip(width=64)
    config["vision_cfg"]["head_width"] = 64  # as all of OpenAI's
    model = randomised(open_clip.CLIP(**config))
    path = tmp_path / "ViT-tiny.pt"
    with torch.no_grad():
        scripted = torch.jit.trace(Scripted(model), torch.zeros(1, 3, 64, 64))
    scripted.save(str(path))
    transform = open_clip.image_transform(64, is_train=False)
    pixels = torch.stack([transform(picture) for picture in pictures(photos)])
    with torch.no_grad():
        expected = unit(model.encode_image(pixels))
    assert np.abs(encoder_of(path).encode(photos) - expected).max() <= 1e-4
