"""`clip`: gradients of the references, an export that they read back, a guard that holds, and wrong data named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import reference_torchvision  # noqa: E402, F401
import transformers  # noqa: E402
from reference_checkpoints import randomised, unit  # noqa: E402
from transformers.convert_slow_tokenizer import bytes_to_unicode  # noqa: E402

import pictrieve as pt  # noqa: E402
from pictrieve import datasets, finetune  # noqa: E402
from pictrieve.augment import Augmentation  # noqa: E402
from pictrieve.finetune import rates  # noqa: E402
from pictrieve.finetune.captions import quality, recalls  # noqa: E402
from pictrieve.finetune.clip import BothTowers, Plan, clip  # noqa: E402
from pictrieve.finetune.joint import Joint  # noqa: E402
from pictrieve.finetune.pictures import numbered, shuffled  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
QUIET: dict[str, Any] = {"show_progress_bar": False}
LENGTH = 48


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CLIP of transformers, with the alphabet of its tokenizer but no merges."""
    folder = tmp_path_factory.mktemp("models") / "clip"
    folder.mkdir()
    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    about = {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH}
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
    size = len(tokens)
    words = {"vocab_size": size, "eos_token_id": size - 1, "bos_token_id": size - 2, "max_position_embeddings": LENGTH}
    config = transformers.CLIPConfig(
        text_config={**TOWER, **words}, vision_config={**TOWER, "image_size": 64, "patch_size": 16}, projection_dim=24
    )
    randomised(transformers.CLIPModel(config)).save_pretrained(folder)
    transformers.CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size=64).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory, clip_folder: Path) -> Path:
    """A small SigLIP, with CLIP's tokenizer: what is compared here begins with ids."""
    folder = tmp_path_factory.mktemp("models") / "siglip"
    folder.mkdir()
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (folder / name).write_bytes((clip_folder / name).read_bytes())
    config = transformers.SiglipConfig(
        text_config={**TOWER, "vocab_size": 514, "max_position_embeddings": LENGTH, "projection_size": 32},
        vision_config={**TOWER, "image_size": 64, "patch_size": 16},
    )
    model = randomised(transformers.SiglipModel(config))
    with torch.no_grad():
        model.logit_scale.fill_(2.0)
        model.logit_bias.fill_(-3.0)
    model.save_pretrained(folder)
    transformers.SiglipImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def photos(data: Path) -> datasets.Dataset:
    """Twelve photos with two captions each, short enough for the small tokenizer."""
    train = datasets.Table(data / "flickr8k" / "captions.csv").split("train").subset(range(12))
    captions = [[text[:40] for text in some[:2]] for some in train.captions or []]
    return datasets.Dataset(train.paths, name="photos", captions=captions, labels=np.arange(12) // 4, classes=[*"abc"])


def task_of(folder: Path, photos: datasets.Dataset, chunk_size: int | None = None, **freeze: Any) -> BothTowers:
    """The task as `clip` makes it."""
    joint = Joint(folder)
    rates.freeze(joint.image.network, freeze.get("image", ()))
    batches = shuffled(numbered(photos), Augmentation("none", preprocess=joint.image.preprocess), 8, 0)
    plan = Plan(batches, photos.captions or [], None, None, None, chunk_size, 0, {})
    return BothTowers(joint, joint.loss(None), plan)


def gradients(task: BothTowers) -> dict[str, torch.Tensor]:
    """Of both towers and the loss, under the names of transformers."""
    found = {}
    for network in (task._joint.image.network, task._joint.text.network):
        zeros = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
        known = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        found |= network._core.to_layout(zeros | known, network.origin.layout)
    found["logit_scale"] = task._objective.temperature.log_scale.grad  # type: ignore[union-attr]
    if hasattr(task._objective, "bias"):
        found["logit_bias"] = task._objective.bias.grad  # type: ignore[assignment]
    return found


def distance(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """Largest difference of a tensor's gradient, relative to it; some are nought but for rounding."""
    least = 1e-3 * max(float(tensor.norm()) for tensor in theirs.values())
    assert ours.keys() == theirs.keys()
    return max(
        float((ours[name].reshape(theirs[name].shape) - tensor).norm()) / max(float(tensor.norm()), least)
        for name, tensor in theirs.items()
    )


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_gradients_are_those_of_transformers(
    kind: str, clip_folder: Path, siglip_folder: Path, photos: datasets.Dataset
) -> None:
    folder = clip_folder if kind == "clip" else siglip_folder
    task = task_of(folder, photos)
    task.modules.train()
    batch = task.batches(0)[0]
    loss = task.backward(batch, lambda value: value, lambda: torch.autocast("cpu", enabled=False))["loss"]
    pixels, ids, mask, labels = batch
    assert len(labels) == len(labels.unique()) == 8
    model = (transformers.CLIPModel if kind == "clip" else transformers.SiglipModel).from_pretrained(folder)
    padded = torch.where(mask == 1, ids, 513)  # the reference finds the end by its token
    if kind == "clip":
        theirs = model(input_ids=padded, attention_mask=mask, pixel_values=pixels, return_loss=True).loss
    else:  # it looks at a text's last place, whatever stands there: texts one by one
        rows = [model.get_text_features(input_ids=ids[i : i + 1, : mask[i].sum()]).pooler_output for i in range(8)]
        a, b = model.get_image_features(pixel_values=pixels).pooler_output, torch.cat(rows)
        a, b = (torch.nn.functional.normalize(rows, dim=1) for rows in (a, b))
        logits = b @ a.T * model.logit_scale.exp() + model.logit_bias
        theirs = -torch.nn.functional.logsigmoid((2 * torch.eye(8) - 1) * logits).sum() / 8
    theirs.backward()
    assert abs(loss.item() - theirs.item()) <= 1e-4 * theirs.item()
    known = {name: p.grad for name, p in model.named_parameters()}
    whole = gradients(task)
    assert distance(whole, known) <= 1e-4
    chunked = task_of(folder, photos, chunk_size=3)
    value = chunked.backward(batch, lambda value: value, lambda: torch.autocast("cpu", enabled=False))["loss"]
    assert abs(value.item() - theirs.item()) <= 1e-4 * theirs.item()
    assert distance(gradients(chunked), known) <= 1e-4


def test_a_locked_tower_stays_and_the_other_learns_as_before(clip_folder: Path, photos: datasets.Dataset) -> None:
    tasks = [task_of(clip_folder, photos, chunk_size=size, image="backbone") for size in (None, 3)]
    for task in tasks:
        task.backward(task.batches(0)[0], lambda value: value, lambda: torch.autocast("cpu", enabled=False))
        assert all(p.grad is None for p in task._joint.image.network.parameters())
    assert distance(gradients(tasks[1]), gradients(tasks[0])) <= 1e-4


def test_captions_are_drawn_by_seed_and_epoch(clip_folder: Path, photos: datasets.Dataset) -> None:
    first, again = task_of(clip_folder, photos), task_of(clip_folder, photos)
    assert all(torch.equal(a, b) for a, b in zip(first.batches(3)[0], again.batches(3)[0], strict=True))
    drawn = {row for epoch in range(8) for row in first.batches(epoch)[0][3].tolist()}
    assert len(drawn) == 24, "every caption has its turn"


def check_against_transformers(run: finetune.Run, model: Any, photos: datasets.Dataset) -> None:
    """The served vectors are those of the towers in torch and of the reference, on the same pixels and ids."""
    dual = run.encoder
    assert isinstance(dual, pt.DualEncoder)
    pixels = torch.from_numpy(dual.image_encoder.preprocess.apply(photos.paths))
    images, texts = dual.encode_images(photos.paths), [some[0] for some in photos.captions or []]
    words = dual.encode_texts(texts)
    ids = [torch.from_numpy(dual.text_encoder.tokenizer.encode(text))[None] for text in texts]
    trained = Joint(run.model)
    with torch.no_grad():
        seen = model.get_image_features(pixel_values=pixels).pooler_output
        read = torch.cat([model.get_text_features(input_ids=row).pooler_output for row in ids])
        mine = trained.image.network.eval()(pixels)["features"], torch.cat([trained.text(r, r * 0 + 1) for r in ids])
    for served, theirs, ours in ((images, seen, mine[0]), (words, read, mine[1])):
        assert np.abs(served - unit(theirs)).max() <= 1e-4
        assert np.abs(served - unit(ours)).max() <= 1e-4


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_it_learns_and_transformers_reads_it_back(
    kind: str, clip_folder: Path, siglip_folder: Path, photos: datasets.Dataset, tmp_path: Path
) -> None:
    folder = clip_folder if kind == "clip" else siglip_folder
    reader = transformers.CLIPModel if kind == "clip" else transformers.SiglipModel
    common: dict[str, Any] = {"epochs": 14, "batch_size": 6, "lr": 2e-3, "layer_decay": 0.9, **QUIET}
    run = clip(folder, photos, validation=photos, out=tmp_path / "run", **common)
    losses = list(run.history["loss"])[1:]
    assert losses[-1] < 0.7 * losses[0]
    report = run.report()
    before = recalls(photos, pt.DualEncoder(folder))
    assert report.before == pytest.approx(before, abs=1e-9)
    assert report.after == pytest.approx(recalls(photos, run.encoder), abs=1e-9)
    assert report.after["recall@5"] > report.before["recall@5"]
    model, found = reader.from_pretrained(run.model, output_loading_info=True)
    assert not any(found.values())
    start = reader.from_pretrained(folder)
    for name, tensor in model.state_dict().items():
        assert name.endswith(("position_ids", "k_proj.bias")) or not torch.equal(tensor, start.state_dict()[name]), name
    check_against_transformers(run, model.eval(), photos)
    assert pt.models.is_dual(run.model)


def test_settings_go_together_and_a_killed_run_ends_the_same(
    clip_folder: Path, photos: datasets.Dataset, tmp_path: Path
) -> None:
    common: dict[str, Any] = {
        "freeze": {"image": 0.5, "text": "embeddings.*"}, "chunk_size": 4, "augment": "standard", "amp": "bfloat16",
        "loss": finetune.losses.InfoNCE(0.2), "batch_size": 6, "epochs": 2, "lr": 1e-3, **QUIET,
    }  # fmt: skip

    class Stop(finetune.Callback):
        def on_step(self, step: int, values: Any) -> None:
            if step == 3:
                raise KeyboardInterrupt

    whole = clip(clip_folder, photos, out=tmp_path / "whole", **common)
    with pytest.raises(KeyboardInterrupt):
        clip(clip_folder, photos, out=tmp_path / "cut", callbacks=[Stop()], **common)
    resumed = clip(clip_folder, photos, out=tmp_path / "cut", **common)
    start, a, b = (
        pt._core.read_weights(str(f / "model.safetensors")) for f in (clip_folder, whole.model, resumed.model)
    )
    assert all(np.array_equal(a[name], b[name]) for name in start)
    stayed = {name for name in start if np.array_equal(a[name], start[name])}
    assert {"text_model.embeddings.token_embedding.weight", "vision_model.embeddings.patch_embedding.weight"} <= stayed
    assert not {"text_projection.weight", "visual_projection.weight", "logit_scale"} & stayed
    with pytest.raises(ValueError, match="another"):
        clip(clip_folder, photos, out=tmp_path / "cut", **{**common, "chunk_size": 3})


def test_open_clip_reads_it_back(photos: datasets.Dataset, tmp_path: Path) -> None:
    import safetensors.torch
    from test_pretrained_pairs import open_clip, small_open_clip, write_open_clip

    model, config = small_open_clip()
    write_open_clip(tmp_path / "theirs", model, config)
    run = clip(tmp_path / "theirs", photos, epochs=1, batch_size=6, lr=1e-3, **QUIET)
    again = open_clip.CLIP(**config)
    again.load_state_dict(safetensors.torch.load_file(run.model / "open_clip_model.safetensors"))
    assert not (run.model / "model.safetensors").exists()
    pixels = torch.from_numpy(run.encoder.image_encoder.preprocess.apply(photos.paths))
    tokenizer, texts = run.encoder.text_encoder.tokenizer, [some[0] for some in photos.captions or []]
    ids = torch.zeros(len(texts), 77, dtype=torch.int64)
    for row, text in zip(ids, texts, strict=True):
        found = torch.from_numpy(tokenizer.encode(text))
        row[: len(found)] = found
    with torch.no_grad():
        assert np.abs(run.encoder.encode_images(photos.paths) - unit(again.eval().encode_image(pixels))).max() <= 1e-4
        assert np.abs(run.encoder.encode_texts(texts) - unit(again.encode_text(ids))).max() <= 1e-4
    moved = {name for name, tensor in again.state_dict().items() if not torch.equal(tensor, model.state_dict()[name])}
    assert {"logit_scale", "text_projection", "visual.proj", "token_embedding.weight", "visual.conv1.weight"} <= moved


def test_equal_captions_are_not_told_apart(siglip_folder: Path, photos: datasets.Dataset) -> None:
    """Names of classes as captions: the pictures of a class belong to the same words, which SigLIP's loss must know."""
    names = datasets.Dataset(photos.paths, captions=[["a dog" if i % 2 else "a child"] for i in range(12)])
    task = task_of(siglip_folder, names)
    pixels, ids, mask, labels = task.batches(0)[0]
    together = (ids[:, None] == ids[None]).all(2)
    assert 0 < together.sum() < together.numel()
    rows = [torch.nn.functional.normalize(r, dim=1) for r in (task._image(pixels), task._text(ids, mask))]
    logits = rows[0] @ rows[1].T * np.exp(2.0) - 3.0
    expected = -torch.nn.functional.logsigmoid(torch.where(together, logits, -logits)).sum() / 8
    assert torch.allclose(task.loss((pixels, ids, mask, labels)), expected, atol=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize("labelled", [False, True])
def test_the_guard_set_keeps_its_quality(
    labelled: bool, clip_folder: Path, photos: datasets.Dataset, tmp_path: Path
) -> None:
    """Far too high a rate ruins the model; between start and end something must hold."""
    rows = pt.DualEncoder(clip_folder).encode_images(photos.paths)
    side = (rows - rows.mean(0)) @ np.linalg.svd(rows - rows.mean(0))[2][0] > 0  # what the model tells apart best
    rest = datasets.Dataset(photos.paths, name="guard", labels=side.astype(np.int64), classes=["a", "b"])
    if not labelled:
        rest = datasets.Dataset(photos.paths[6:], name="guard", captions=(photos.captions or [])[6:])
    train = photos.subset(range(6))
    common: dict[str, Any] = {"epochs": 2, "batch_size": 6, "lr": 0.1, "warmup": 0.0, **QUIET}
    free = clip(clip_folder, train, **common)
    held = clip(clip_folder, train, guard=rest, out=tmp_path / "run", **common)
    before = quality(rest, pt.DualEncoder(clip_folder))
    facts = held.report().facts["guard"]
    assert facts["guard_before"] == pytest.approx(before, abs=1e-9)
    assert facts["guard"] >= before > quality(rest, free.encoder)
    assert quality(rest, held.encoder) == pytest.approx(facts["guard"], abs=1e-9)
    start, end, kept = (
        transformers.CLIPModel.from_pretrained(folder).state_dict() for folder in (clip_folder, free.model, held.model)
    )
    for name, tensor in kept.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, torch.lerp(start[name], end[name], facts["share"]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("error", "match", "change"),
    [
        (ValueError, "expected pictures with captions", lambda known: {"pairs": datasets.Dataset(known.paths)}),
        (ValueError, "captions or labels", lambda known: {"guard": datasets.Dataset(known.paths)}),
        (FileNotFoundError, "nowhere.jpg", lambda _: {"pairs": datasets.Dataset(["nowhere.jpg"], captions=[["a"]])}),
        (ValueError, "a directory of CLIP", lambda _: {"model": "minilm"}),
        (ValueError, "image and text", lambda _: {"freeze": {"picture": "backbone"}}),
        (ValueError, "nothing of the towers", lambda _: {"freeze": "backbone"}),
        (ValueError, "infonce", lambda _: {"loss": "arcface"}),
        (ValueError, "one view", lambda _: {"augment": "simclr"}),
        (ValueError, "chunk_size", lambda _: {"chunk_size": 0}),
        (ValueError, "layer_decay", lambda _: {"layer_decay": 2.0}),
        (ValueError, "in a batch, got 1", lambda _: {"batch_size": 1}),
    ],
)
def test_what_cannot_be_trained_is_named(
    error: type[Exception],
    match: str,
    change: Callable[[datasets.Dataset], dict[str, Any]],
    clip_folder: Path,
    photos: datasets.Dataset,
) -> None:
    given: dict[str, Any] = {"model": clip_folder, "pairs": photos, "epochs": 1, **QUIET, **change(photos)}
    with pytest.raises(error, match=match):
        clip(given.pop("model"), given.pop("pairs"), **given)


def test_ends_that_are_cut_are_told(clip_folder: Path, photos: datasets.Dataset) -> None:
    long = datasets.Dataset(photos.paths[:2], captions=[["a dog " * 30], ["a cat"]])
    with pytest.warns(pt.TruncationWarning, match="1 of 2 captions are longer than 48 tokens"):
        clip(clip_folder, long, epochs=1, batch_size=2, **QUIET)
