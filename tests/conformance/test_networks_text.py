"""Text networks against transformers and open_clip.

The same random weights on both sides: hidden states of a ragged batch and the gradients of all parameters within 1e-4,
in evaluation and, with the same random numbers, in training; served frozen from the files that the references write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pictrieve as pt
from pictrieve import _core

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
_autograd = pytest.importorskip("pictrieve._autograd")
finetune = pytest.importorskip("pictrieve.finetune")

WORDS = 61
LENGTHS = [19, 1, 40, 7]
LIKE_BERT = {
    "vocab_size": WORDS, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
    "max_position_embeddings": 48,
}  # fmt: skip
LIKE_CLIP = {**LIKE_BERT, "num_attention_heads": 4, "bos_token_id": 1, "eos_token_id": WORDS - 1, "pad_token_id": 0}
ROPE = {
    "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
}

# Ours, the bare encoder, settings, and classes whose checkpoints hold it beside a head.
CASES: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "bert": ("bert", "Bert", LIKE_BERT, ["ForMaskedLM", "ForSequenceClassification", "ForPreTraining"]),
    "bert_relu": ("bert", "Bert", {**LIKE_BERT, "hidden_act": "relu", "layer_norm_eps": 1e-3}, []),
    "roberta": ("roberta", "Roberta", {**LIKE_BERT, "type_vocab_size": 1}, ["ForMaskedLM", "ForTokenClassification"]),
    "xlm-roberta": ("xlm-roberta", "XLMRoberta", {**LIKE_BERT, "pad_token_id": 3}, ["ForMaskedLM"]),
    "camembert": ("camembert", "Camembert", {**LIKE_BERT, "type_vocab_size": 1}, ["ForSequenceClassification"]),
    "electra": ("electra", "Electra", {**LIKE_BERT, "embedding_size": 16}, ["ForPreTraining", "ForMaskedLM"]),
    "electra_large": ("electra", "Electra", {**LIKE_BERT, "embedding_size": 24}, []),
    "distilbert": (
        "distilbert", "DistilBert",
        {"vocab_size": WORDS, "dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40, "max_position_embeddings": 48},
        ["ForMaskedLM", "ForSequenceClassification"],
    ),
    "mpnet": ("mpnet", "MPNet", {**LIKE_BERT, "max_position_embeddings": 300}, ["ForMaskedLM"]),
    "gpt2": (
        "gpt2", "GPT2", {"vocab_size": WORDS, "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 48},
        ["LMHeadModel", "ForSequenceClassification"],
    ),
    "gpt2_scales": (
        "gpt2", "GPT2",
        {"vocab_size": WORDS, "n_embd": 24, "n_layer": 3, "n_head": 3, "n_positions": 48, "n_inner": 30,
         "scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True, "activation_function": "relu"},
        [],
    ),
    "modernbert": (
        "modernbert", "ModernBert", {**LIKE_BERT, "num_hidden_layers": 4, "local_attention": 8, "pad_token_id": 0},
        ["ForMaskedLM", "ForSequenceClassification"],
    ),
    "modernbert_biases": (
        "modernbert", "ModernBert",
        {**LIKE_BERT, "local_attention": 6, "attention_bias": True, "mlp_bias": True, "norm_bias": True,
         "pad_token_id": 0, "layer_types": ["sliding_attention", "full_attention"], "rope_parameters": ROPE},
        [],
    ),
}  # fmt: skip
DROPOUTS = {
    "hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.3, "dropout": 0.2, "attention_dropout": 0.3,
    "embd_pdrop": 0.2, "resid_pdrop": 0.1, "attn_pdrop": 0.3, "embedding_dropout": 0.2, "mlp_dropout": 0.1,
}  # fmt: skip


def shaken(model: Any, seed: int = 0) -> Any:
    """Give every parameter numbers that matter: as built, biases are zero and norms one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.ndim >= 2:
                tensor.normal_(0, 1.3 * tensor.shape[-1] ** -0.5, generator=generator)
            elif name.endswith("weight"):
                tensor.uniform_(0.7, 1.3, generator=generator)
            else:
                tensor.normal_(0, 0.3, generator=generator)
    return model.eval()


def reference(name: str, settings: Mapping[str, Any], suffix: str = "Model") -> Any:
    config = getattr(transformers, f"{name}Config")(**settings)
    return shaken(getattr(transformers, name + suffix)._from_config(config, attn_implementation="eager"))


def case(name: str, **more: Any) -> tuple[str, Any]:
    architecture, family, settings, _ = CASES[name]
    known = getattr(transformers, f"{family}Config")().to_dict()
    return architecture, reference(family, settings | {key: value for key, value in more.items() if key in known})


def batch(lengths: list[int], padding: int = 0, seed: int = 1) -> tuple[Any, Any]:
    """Ids of texts, the last token of each the highest id, and their mask."""
    ids = torch.randint(5, WORDS - 1, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    ids[torch.arange(len(lengths)), torch.tensor(lengths) - 1] = WORDS - 1
    return ids.where(mask, torch.tensor(padding)), mask


def assert_close(ours: Any, theirs: Any, what: str = "outputs") -> None:
    """Equal within 1e-4 of the largest number, or of one."""
    ours, theirs = torch.as_tensor(ours), torch.as_tensor(theirs).detach()
    assert ours.shape == theirs.shape, what
    assert (ours - theirs).abs().max() <= 1e-4 * max(1.0, float(theirs.abs().max())), what


def network_like(architecture: str, model: Any, config: Mapping[str, Any] | None = None) -> Any:
    """Our network with the weights of a reference."""
    network = finetune.Network("text", architecture, config or model.config.to_dict())
    network.load_layout(model.state_dict())
    return network.eval()


def assert_same_gradients(network: Any, model: Any) -> None:
    """Those of the reference, under our names, tell ours."""
    theirs = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in model.named_parameters()}
    named = finetune.Network("text", network.architecture, network.config)
    named.load_layout(theirs)
    expected = named.state_dict()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    assert largest > 1e-2
    for name, parameter in network.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        assert (gradient - expected[name]).abs().max() <= 1e-4 * max(largest, 1e-2), name


def lengths_of(name: str) -> list[int]:
    return [200, 1, 137] if name == "mpnet" else LENGTHS  # its buckets end at distance 128


@pytest.mark.parametrize("name", CASES)
def test_hidden_states_and_gradients(name: str) -> None:
    architecture, model = case(name)
    network = network_like(architecture, model)
    ids, mask = batch(lengths_of(name), model.config.pad_token_id or 0)
    theirs = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state[mask]
    ours = network(ids, mask)["hidden"][mask]
    assert theirs.std() > 0.1
    assert_close(ours.detach(), theirs)
    weights = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(2))
    for hidden in (ours, theirs):
        (hidden * weights).mean().mul(50).backward()
    assert_same_gradients(network, model)


@pytest.mark.parametrize("name", CASES)
def test_dropout_draws_the_same_numbers(name: str) -> None:
    architecture, model = case(name, **DROPOUTS)
    network = network_like(architecture, model)
    ids, mask = batch(LENGTHS, model.config.pad_token_id or 0)
    evaluated = network(ids, mask)["hidden"][mask]
    torch.manual_seed(5)
    theirs = model.train()(input_ids=ids, attention_mask=mask.long()).last_hidden_state[mask]
    torch.manual_seed(5)
    ours = network.train()(ids, mask)["hidden"][mask]
    assert_close(ours.detach(), theirs)
    assert (ours - evaluated).abs().max() > 0.1


@pytest.mark.parametrize("name", CASES)
def test_files_of_transformers_are_served(tmp_path: Path, name: str) -> None:
    architecture, family, settings, heads = CASES[name]
    ids, mask = batch(lengths_of(name), settings.get("pad_token_id", 1))
    for suffix in ["Model", *heads]:
        model = reference(family, settings, suffix)
        model.save_pretrained(tmp_path / suffix)
        config = json.loads((tmp_path / suffix / "config.json").read_text())
        weights = tmp_path / suffix / "model.safetensors"
        network = pt.nn.TextNetwork(architecture, weights, config)
        with torch.no_grad():
            theirs = model.base_model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        assert_close(network(ids.numpy(), mask.numpy()), theirs * mask[..., None], suffix)
        trained = finetune.network(architecture, config, weights=weights).eval()
        assert_close(trained(ids, mask)["hidden"][mask].detach(), theirs[mask], suffix)


@pytest.mark.parametrize("name", CASES)
def test_our_weights_go_back_to_transformers(name: str) -> None:
    architecture, model = case(name)
    network = network_like(architecture, model)
    expected = {key: value for key, value in model.state_dict().items() if not key.startswith("pooler")}
    back = network.layout_state("transformers")
    assert back.keys() == expected.keys()
    assert all(torch.equal(back[key], expected[key]) for key in expected)


def test_norms_with_tensorflows_names() -> None:
    model = reference("Bert", LIKE_BERT, "ForMaskedLM")
    old = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for key, value in model.state_dict().items()
    }
    network = finetune.Network("text", "bert", LIKE_BERT)
    network.load_layout(old)
    expected = network_like("bert", model).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in network.state_dict().items())


def test_old_gpt2_files_hold_masks() -> None:
    _, model = case("gpt2")
    masks = {f"h.{i}.attn.bias": torch.ones(1, 1, 48, 48) for i in range(2)}
    masks |= {f"h.{i}.attn.masked_bias": torch.tensor(-1e4) for i in range(2)}
    network = finetune.Network("text", "gpt2", model.config.to_dict())
    network.load_layout(model.state_dict() | masks)
    assert torch.equal(network.state_dict()["h.1.attn.c_attn.weight"], model.h[1].attn.c_attn.weight)


def pooled(hidden: Any) -> Any:
    """The last token of each text."""
    return hidden[torch.arange(len(LENGTHS)), torch.tensor(LENGTHS) - 1]


@pytest.mark.parametrize("settings", [{}, {"hidden_act": "gelu", "layer_norm_eps": 1e-3, "projection_dim": 10}])
def test_clip_towers(tmp_path: Path, settings: dict[str, Any]) -> None:
    model = reference("CLIPText", {**LIKE_CLIP, "projection_dim": 24, **settings}, "ModelWithProjection")
    ids, mask = batch(LENGTHS)
    theirs = model(input_ids=ids, attention_mask=mask.long())
    network = network_like("clip_text_model", model)
    hidden = network(ids, mask)["hidden"]
    ours = network.project(pooled(hidden))
    assert network.pooling == "last"
    assert_close(hidden[mask].detach(), theirs.last_hidden_state[mask])
    assert_close(ours.detach(), theirs.text_embeds)
    for embeddings in (ours, theirs.text_embeds):
        (embeddings**2).mean().backward()
    assert_same_gradients(network, model)
    back = network.layout_state("transformers")
    assert back.keys() == model.state_dict().keys()
    model.save_pretrained(tmp_path)
    served = pt.nn.TextNetwork("clip_text_model", tmp_path / "model.safetensors", model.config.to_dict())
    assert_close(served(ids.numpy(), mask.numpy()), theirs.last_hidden_state * mask[..., None])


@pytest.mark.parametrize("projection", [None, 10])
def test_siglip_towers(tmp_path: Path, projection: int | None) -> None:
    model = reference("SiglipText", {**LIKE_CLIP, "projection_size": projection})
    ids, _ = batch(LENGTHS)
    theirs = model(input_ids=ids)
    network = network_like("siglip_text_model", model)
    hidden = network(ids)["hidden"]
    ours = network.project(hidden[:, -1])
    assert_close(hidden.detach(), theirs.last_hidden_state)
    assert_close(ours.detach(), theirs.pooler_output)
    for embeddings in (ours, theirs.pooler_output):
        (embeddings**2).mean().backward()
    assert_same_gradients(network, model)
    model.save_pretrained(tmp_path)
    served = pt.nn.TextNetwork("siglip_text_model", tmp_path / "model.safetensors", model.config.to_dict())
    assert_close(served(ids.numpy()), theirs.last_hidden_state)


@pytest.mark.parametrize("family", ["CLIP", "Siglip"])
def test_whole_checkpoints_of_two_towers(tmp_path: Path, family: str) -> None:
    text = {**LIKE_CLIP, "projection_size": 24}
    vision = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 1, "num_attention_heads": 2}
    settings = {"text_config": text, "vision_config": {**vision, "image_size": 32, "patch_size": 16}}
    model = reference(family, settings | ({"projection_dim": 12} if family == "CLIP" else {}))
    model.save_pretrained(tmp_path)
    config = model.config.text_config.to_dict() | {"projection_dim": 12}
    ids, _ = batch(LENGTHS)
    with torch.no_grad():
        theirs = model.text_model(input_ids=ids).last_hidden_state
    served = pt.nn.TextNetwork(f"{family.lower()}_text_model", tmp_path / "model.safetensors", config)
    assert_close(served(ids.numpy()), theirs)


def open_clip_model(siglip: bool, custom: bool = True) -> Any:
    open_clip = pytest.importorskip("open_clip")
    vision = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 32}
    text = {"context_length": 48, "vocab_size": WORDS, "width": 24, "heads": 3, "layers": 2, "mlp_ratio": 2}
    if siglip:
        text |= {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"}
        text |= {"norm_kwargs": {"eps": 1e-6}, "act_kwargs": {"approximate": "tanh"}}
    made = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(16, vision, text, quick_gelu=not siglip)
    return shaken(made)


@pytest.mark.parametrize(("siglip", "custom"), [(False, False), (False, True), (True, True)])
def test_names_of_open_clip(siglip: bool, custom: bool) -> None:
    model = open_clip_model(siglip, custom)
    config = {**LIKE_CLIP, "num_attention_heads": 3, "intermediate_size": 48, "projection_dim": 16}
    config["projection_size"] = 16
    architecture = "siglip_text_model" if siglip else "clip_text_model"
    network = network_like(architecture, model, config)
    ids, _ = batch([48] * 3)
    ours, theirs = network.project(network(ids)["hidden"][:, -1]), model.encode_text(ids)
    assert theirs.std() > 0.1
    assert_close(ours.detach(), theirs)
    kept = {key: value for key, value in model.state_dict().items() if not key.startswith(("visual", "logit_"))}
    own, names = network.state_dict(), network._core
    assert names.from_layout(kept, "").keys() == own.keys()
    if not custom:
        back = network.layout_state("open_clip")
        assert back.keys() == kept.keys()
        assert all(torch.equal(back[key], value) for key, value in kept.items())


FULL = {
    "bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "camembert": "Camembert", "electra": "Electra",
    "distilbert": "DistilBert", "mpnet": "MPNet", "gpt2": "GPT2", "modernbert": "ModernBert",
    "clip_text_model": "CLIPText", "siglip_text_model": "SiglipText",
}  # fmt: skip


@pytest.mark.parametrize("name", FULL)
def test_default_sizes_are_those_of_transformers(name: str) -> None:
    with torch.device("meta"):
        model = getattr(transformers, FULL[name] + "Model")(getattr(transformers, FULL[name] + "Config")())
    theirs = {key: tuple(value.shape) for key, value in model.named_parameters() if not key.startswith("pooler")}
    ours = {key: tuple(shape) for key, shape, _ in _autograd.Network("text", name, {}).slots()}
    if name == "clip_text_model":
        theirs["text_projection.weight"] = (512, 512)
    if name in ("distilbert", "mpnet"):  # other names, which their small networks prove
        assert sorted(ours.values()) == sorted(theirs.values())
    else:
        assert ours == theirs


@pytest.mark.parametrize(
    ("architecture", "config", "error"),
    [
        ("bert", {"num_attention_heads": 5}, "hidden_size to be a multiple of num_attention_heads, got 768 and 5"),
        ("bert", {"hidden_act": "mish"}, "activation: expected relu, .* or tanh, got 'mish'"),
        ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type 'absolute', got 'relative_key'"),
        ("bert", {"is_decoder": True}, "expected is_decoder to be false, got true"),
        ("bert", {"model_type": "xlnet"}, "model_type: expected one of bert, .*, got 'xlnet'"),
        ("bert", {"hidden_dropout_prob": 1.5}, "hidden_dropout_prob: expected 0 to 1, got 1.5"),
        ("bert", {"layer_norm_eps": 0.0}, "positive layer_norm_eps"),
        ("bert", {"num_hidden_layers": 5000}, "num_hidden_layers: expected at most 4096, got 5000"),
        ("roberta", {"pad_token_id": 511}, "max_position_embeddings beyond pad_token_id"),
        ("mpnet", {"relative_attention_num_buckets": 16}, "relative_attention_num_buckets: expected 32, got 16"),
        ("distilbert", {"n_heads": 7}, "dim to be a multiple of n_heads"),
        ("gpt2", {"add_cross_attention": True}, "expected add_cross_attention to be false"),
        ("gpt2", {"n_head": 7}, "n_embd to be a multiple of n_head"),
        ("modernbert", {"layer_types": ["full_attention"]}, "layer_types: expected 22 of them, got 1"),
        ("modernbert", {"layer_types": ["linear"]}, "layer_types: expected .*, got 'linear'"),
        (
            "modernbert",
            {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}},
            "expected 'default', got 'yarn'",
        ),
        ("modernbert", {"hidden_size": 36, "num_attention_heads": 4}, "heads of an even size, got 9"),
        ("clip_text_model", {"num_attention_heads": 7}, "hidden_size to be a multiple of num_attention_heads"),
    ],
)
def test_settings_that_make_no_network(architecture: str, config: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        pt.nn.TextNetwork(architecture, None, config)


def test_a_missing_tensor_has_the_name_of_the_file(tmp_path: Path) -> None:
    model = reference("MPNet", LIKE_BERT, "ForMaskedLM")
    state = {
        key: value.numpy()
        for key, value in model.state_dict().items()
        if key != "mpnet.encoder.layer.1.attention.attn.k.bias"
    }
    _core.write_safetensors(tmp_path / "model.safetensors", state)
    with pytest.raises(pt.FormatError, match=r"'mpnet\.encoder\.layer\.1\.attention\.attn\.k\.bias' is missing"):
        pt.nn.TextNetwork("mpnet", tmp_path / "model.safetensors", LIKE_BERT)


def test_rows_of_a_frozen_batch_are_alone() -> None:
    network = pt.nn.TextNetwork("modernbert", None, {**LIKE_BERT, "local_attention": 8}, seed=3)
    ids, mask = (array.numpy() for array in batch(LENGTHS))
    together = network(ids, mask)
    for i, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(network(ids[i : i + 1, :length])[0], together[i, :length])
