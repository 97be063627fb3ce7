"""`fit` on real pictures: what is trained is what is served, nothing is lost, and wrong data is named."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pictrieve as pt  # noqa: E402
from pictrieve import datasets, finetune  # noqa: E402
from pictrieve.finetune import measuring, rates, starting  # noqa: E402
from pictrieve.finetune.batches import count_shared  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

KINDS = ("Golden-Delicious", "Lemon", "Zucchini", "Oatly-Oat-Milk")
QUICK: dict[str, Any] = {"size": 64, "epochs": 1, "batch_size": 8, "show_progress_bar": False}


@pytest.fixture(scope="module")
def grocery(data: Path) -> datasets.Dataset:
    every = datasets.Table(data / "grocery" / "labels.csv")
    few = every.filter(lambda sample: sample.label in KINDS and int(sample.path.stem[-2:]) < 4)
    return few.compact()


@pytest.fixture
def train(grocery: datasets.Dataset) -> datasets.Dataset:
    return grocery.split("train")


@pytest.fixture
def test(grocery: datasets.Dataset) -> datasets.Dataset:
    return grocery.split("test")


@pytest.fixture
def small() -> finetune.Network:
    return finetune.network("cifar_resnet20", {"num_classes": 4}, weights="random", seed=1)


def trained_rows(run: finetune.Run, start: Any, images: Any) -> np.ndarray[Any, Any]:
    """Embed with the training network of the run's last checkpoint, by torch."""
    state = torch.load(run.path / "best.pt", weights_only=True)["modules"]
    network = start.network.eval()
    network.load_state_dict(
        {n.removeprefix("embedder.network."): t for n, t in state.items() if n.startswith("embedder.network.")}
    )
    with torch.no_grad():
        rows = network(torch.from_numpy(start.preprocess.apply(images)))["features"]
        rows = torch.nn.functional.normalize(rows)
        if "embedder.projection.matrix" in state:
            rows = (rows - state["embedder.projection.mean"]) @ state["embedder.projection.matrix"].T
            rows = torch.nn.functional.normalize(rows)
    return np.asarray(rows)


def test_a_projection_is_trained_and_served(train: datasets.Dataset, test: datasets.Dataset, tmp_path: Path) -> None:
    run = finetune.fit(
        "efficientnet_lite0", train, loss="triplet", loss_settings={"margin": 0.3}, validation=test, dim=6,
        layer_decay=0.8, amp="bfloat16", out=tmp_path / "a", **QUICK,
    )  # fmt: skip
    start = starting.start_from("efficientnet_lite0", None).at_size(64)
    served = run.encoder.encode(test.images())
    assert served.shape == (len(test), 6)
    assert np.abs(served - trained_rows(run, start, test.images())).max() < 1e-4
    frozen = pt.ImageEncoder("efficientnet_lite0", preprocess=start.preprocess)
    before = ranked_map(frozen.encode(test.images()), test.labels)
    assert abs(run.report().before["map"] - before) < 1e-9
    assert abs(run.report().after["map"] - ranked_map(served, test.labels)) < 1e-9
    page = run._repr_html_()
    assert page.count("data:image/jpeg;base64") >= 8
    assert "hit@1" in page
    again = finetune.fit(run.encoder, train, loss="triplet", validation=test, **QUICK)
    assert again.encoder.dim == 6
    assert abs(again.report().before["map"] - run.report().after["map"]) < 1e-9


def ranked_map(rows: Any, labels: Any) -> float:
    """Mean average precision of each picture among the others, by plain loops."""
    values = []
    for query in range(len(rows)):
        others = [row for row in range(len(rows)) if row != query]
        others.sort(key=lambda row: -float(rows[query] @ rows[row]))
        hits = [labels[row] == labels[query] for row in others]
        places = [i + 1 for i, hit in enumerate(hits) if hit]
        values.append(sum((i + 1) / place for i, place in enumerate(places)) / len(places))
    return float(np.mean(values))


def test_a_classifier_is_trained_and_served(train: datasets.Dataset, test: datasets.Dataset) -> None:
    run = finetune.fit(
        "efficientnet_lite0", train, loss="softmax", validation=test, augment="none", freeze=["norms", 0.5],
        monitor="accuracy", **QUICK | {"epochs": 6},
    )  # fmt: skip
    encoder = run.encoder
    assert encoder.labels == sorted(KINDS)
    guessed = encoder.classify(test.images()).argmax(1)
    accuracy = float((guessed == test.labels).mean())
    assert accuracy == run.report().after["accuracy"] == run.history["accuracy"].max()
    assert accuracy >= 0.75
    untouched = finetune.network("efficientnet_lite0").state_dict()
    after = torch.load(run.path / "best.pt", weights_only=True)["modules"]
    same = {name for name, tensor in untouched.items() if torch.equal(tensor, after.get(f"embedder.network.{name}"))}
    stages = rates.blocks(finetune.network("efficientnet_lite0"))
    assert {name for names in stages[: round(len(stages) / 2)] for name in names} <= same
    assert "blocks.6.0.conv_pw.weight" not in same
    assert "blocks.6.0.bn1.running_mean" in same


def test_every_loss_trains_a_network_of_torch(
    small: finetune.Network, train: datasets.Dataset, grocery: datasets.Dataset
) -> None:
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    given: dict[str, Any] = {**QUICK, "size": 32, "preprocess": pt.Preprocess("imagenet")}
    for loss, more in (
        ("softmax", {"augment": "none", "adversarial": "fgsm"}),
        ("arcface", {"sampler": "balanced", "adversarial": "pgd"}),
        ("infonce", {"augment": "simclr"}),
        ("supcon", {"chunk_size": 4, "freeze": ()}),
        ("proxy_anchor", {"head": "lda", "dim": 3}),
        ("siglip", {"dim": 20, "freeze": None}),  # more directions than pictures
        (finetune.losses.Contrastive(), {"sampler": finetune.samplers.PKBatches(train.labels, 2, 3)}),
    ):
        run = finetune.fit(small, train, loss=loss, **{**given, **more})
        assert np.isfinite(run.history["loss"].iloc[1])
        assert np.isfinite(run.encoder.encode(train.images())).all()
    assert all(torch.equal(before[name], tensor) for name, tensor in small.state_dict().items())


def test_the_result_does_not_depend_on_threads_and_an_interrupted_run_is_the_same(
    small: finetune.Network, train: datasets.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {**QUICK, "size": 32, "epochs": 2, "loss": "contrastive", "save_every": 1}
    first = finetune.fit(small, train, out=tmp_path / "a", **given)
    pt.set_num_threads(2)
    steps = 0
    step = finetune.trainer.trainer.Optimization.step

    def stop_in_the_second_epoch(*arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise RuntimeError("power cut")
        return step(*arguments)

    monkeypatch.setattr(finetune.trainer.trainer.Optimization, "step", stop_in_the_second_epoch)
    with pytest.raises(RuntimeError, match="power cut"):
        finetune.fit(small, train, out=tmp_path / "b", **given)
    monkeypatch.undo()
    second = finetune.fit(small, train, out=tmp_path / "b", **given)
    files = [(run.model / "model.safetensors").read_bytes() for run in (first, second)]
    assert files[0] == files[1]
    with pytest.raises(ValueError, match=r"task.train.classes \(the run has 4, now 3: no longer 'Zucchini'\)"):
        finetune.fit(small, train.subset(train.labels < 3), out=tmp_path / "b", **given)


def test_a_guard_set_holds_the_weights_back(train: datasets.Dataset, test: datasets.Dataset) -> None:
    run = finetune.fit(
        "efficientnet_lite0", train, loss="proxy_anchor", guard=test, lr=0.05, freeze=(), **QUICK | {"epochs": 2}
    )
    facts = run.report().facts["guard"]
    encoder = run.encoder
    quality = ranked_map(encoder.encode(test.images()), test.labels)
    assert facts["guard"] >= facts["guard_before"]
    assert 0 <= facts["share"] < 1  # so high a rate ruins the network
    assert abs(quality - facts["guard"]) < 1e-9


def test_a_guard_set_holds_back_the_projection_of_the_model_too(
    small: finetune.Network, train: datasets.Dataset, test: datasets.Dataset
) -> None:
    given: dict[str, Any] = QUICK | {"size": 32}
    encoder = finetune.fit(small, train, dim=6, preprocess=pt.Preprocess("imagenet"), **given).encoder
    before = ranked_map(encoder.encode(test.images()), test.labels)
    run = finetune.fit(encoder, train, guard=test, lr=0.05, head_rate=100.0, **given)
    facts = run.report().facts["guard"]
    assert abs(facts["guard_before"] - before) < 1e-9
    assert facts["guard"] >= before
    assert abs(ranked_map(run.encoder.encode(test.images()), test.labels) - facts["guard"]) < 1e-9


def test_the_users_generators_and_loss_are_left_alone(
    small: finetune.Network, train: datasets.Dataset, test: datasets.Dataset
) -> None:
    torch.manual_seed(5)
    loss = finetune.losses.ProxyAnchor(4, small.dim)
    proxies, state = loss.proxies.detach().clone(), torch.get_rng_state()
    finetune.fit(small, train, loss=loss, augment=pt.Augmentation("simclr"), **QUICK | {"size": 32})
    assert torch.equal(loss.proxies, proxies)
    assert torch.equal(torch.get_rng_state(), state)


def test_queries_search_the_gallery_without_themselves(train: datasets.Dataset) -> None:
    rows = np.arange(len(train))
    roles = datasets.Dataset(train.paths, labels=train.labels, is_query=rows % 2 == 0, is_gallery=rows % 3 != 0)
    encoder = pt.ImageEncoder("efficientnet_lite0")
    vectors = encoder.encode(train.images())
    values = {}
    for query in np.flatnonzero(roles.is_query):
        gallery = [row for row in np.flatnonzero(roles.is_gallery) if row != query]
        gallery.sort(key=lambda row: -float(vectors[query] @ vectors[row]))
        places = [i + 1 for i, row in enumerate(gallery) if train.labels[row] == train.labels[query]]
        values[str(train.paths[query])] = float(np.mean([(i + 1) / place for i, place in enumerate(places)]))
    search = measuring.Search(roles)
    assert abs(search.measure(encoder)["map"] - np.mean(list(values.values()))) < 1e-9
    worst = search.worst(encoder, 3)
    assert [round(one["score"], 9) for one in worst] == [round(value, 9) for value in sorted(values.values())[:3]]
    for one in worst:
        assert values[one["query"]] == pytest.approx(one["score"])
        assert one["query"] not in one["found"]
        assert len(one["found"]) == 5


def test_depth_and_rates() -> None:
    network = finetune.network("vit_small_patch16_224", {"num_classes": 3}, weights="random", kind="image")
    groups = rates.groups(network, 1.0, 0.5, 10.0)
    assert groups[-1]["lr"] == 10.0
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    by_id = {id(p): group["lr"] for group in groups for p in group["params"]}
    blocks = [by_id[id(network.get_parameter(f"blocks.{i}.attn.qkv.weight"))] for i in range(12)]
    assert all(later == 2 * earlier for earlier, later in pairwise(blocks))
    assert set(rates.freeze(network, "backbone")) == {n for n, _ in network.named_parameters()} - {
        "head.weight", "head.bias",
    }  # fmt: skip


WRONG: list[tuple[Callable[[datasets.Dataset], Any], dict[str, Any], type[Exception], str]] = [
    (lambda ds: datasets.Dataset(ds.paths), {}, ValueError, "expected labels to train with"),
    (lambda ds: ds.subset(ds.labels == 0), {}, ValueError, "expected at least 2 classes with pictures, got 1"),
    (
        lambda ds: datasets.Dataset([*ds.paths, "不存在.jpg"], labels=[*ds.labels, 0]),
        {},
        FileNotFoundError,
        r"1 of 17 pictures are not there: 不存在.jpg; .*existing\(\)",
    ),
    (lambda ds: ds, {"loss": "softmax", "dim": 3}, ValueError, "takes neither"),
    (lambda ds: ds, {"loss": "magic"}, ValueError, "loss: expected one of arcface"),
    (lambda ds: ds, {"loss": "infonce", "per_class": 3}, ValueError, "even per_class"),
    (lambda ds: ds, {"freeze": "layer9.*"}, ValueError, "fits none"),
    (lambda ds: ds, {"freeze": 1.0}, ValueError, "nothing of the encoder is left to train"),
    (lambda ds: ds, {"freeze": ["*"], "loss": "softmax"}, ValueError, "is everything frozen"),
    (lambda ds: ds, {"loss": "mse"}, ValueError, "loss: expected one of arcface"),
    (lambda ds: ds, {"loss": "softmax", "loss_settings": {"margin": 1}}, ValueError, "among label_smoothing, got marg"),
    (lambda ds: ds, {"loss": finetune.losses.SupCon(), "loss_settings": {"margin": 1}}, ValueError, "with a module"),
    (lambda ds: ds, {"head": "lda"}, ValueError, "head: 'lda' starts a projection"),
    (lambda ds: ds, {"batch_size": 4}, ValueError, "at least two classes of per_class pictures, got 4 and 4"),
    (lambda ds: ds, {"sampler": finetune.samplers.PKBatches([0, 1], 2, 2, world=2)}, ValueError, "those of this proc"),
    (
        lambda ds: datasets.Dataset([*ds.paths, ds.paths[0]], labels=[*ds.labels, -1]),
        {"sampler": finetune.samplers.PKBatches([0, 1], 2, 2)},
        ValueError,
        "sampler: its rows are those of all 17 pictures, of which 16 have a label",
    ),
    (
        lambda ds: ds,
        {"guard": datasets.Dataset(["不存在.jpg", "b.jpg"], labels=[0, 0])},
        FileNotFoundError,
        "2 of 2 pictures are not there: 不存在.jpg",
    ),
    (lambda ds: ds, {"dim": 10_000}, ValueError, "dim: expected 1 to"),
    (lambda ds: ds.subset([0, 5, 9]), {"augment": "none"}, ValueError, "every class has one picture"),
    (lambda ds: str(ds.paths[0].parent), {}, TypeError, "train: expected a data set, such as datasets.ImageFolder"),
    (lambda ds: ds, {"loss": finetune.losses.Triplet}, TypeError, "loss: expected a name or a module"),
    (lambda ds: ds, {"learning_rate": 1}, TypeError, "settings among accumulate, .* got learning_rate"),
    (lambda ds: ds, {"size": 0}, ValueError, "size: expected at least 1 pixel, got 0"),
    (lambda ds: ds, {"head_rate": 0}, ValueError, "head_rate: expected a factor above 0"),
    (lambda ds: ds, {"layer_decay": 1.5}, ValueError, "layer_decay: expected a factor above 0, up to 1"),
    (lambda ds: ds, {"patience": 1}, ValueError, "patience: expected a metric to watch"),
]


@pytest.mark.parametrize(("change", "more", "kind", "message"), WRONG)
def test_wrong_data_is_named(
    small: finetune.Network, train: datasets.Dataset, change: Any, more: dict[str, Any], kind: Any, message: str
) -> None:
    with pytest.raises(kind, match=message):
        finetune.fit(small, change(train), **{**QUICK, "size": 32, "loss": "triplet", **more})


def test_a_monitor_is_checked_before_anything_is_trained(
    small: finetune.Network, train: datasets.Dataset, test: datasets.Dataset, tmp_path: Path
) -> None:
    for given, known in (
        ({"monitor": "map"}, "loss"),
        ({"monitor": "nomap", "validation": test}, "map, hit@1, loss"),
        ({"monitor": "nomap", "validation": test, "loss": "softmax"}, "accuracy, map, hit@1, loss"),
        ({"monitor": "nomap", "adversarial": "fgsm"}, "loss, plain_loss, attacked_loss"),
    ):
        with pytest.raises(ValueError, match=f"monitor: expected one of {known}, got '{given['monitor']}'"):
            finetune.fit(small, train, out=tmp_path / "run", **QUICK | given)
    assert not (tmp_path / "run").exists()


def test_files_that_are_no_pictures_are_all_named_before_the_training(
    small: finetune.Network, train: datasets.Dataset, tmp_path: Path
) -> None:
    names = []
    for row, path in enumerate(train.paths):
        names.append(tmp_path / f"图{row}.jpg")
        names[-1].write_bytes(path.read_bytes())
    names[3].write_bytes(b"")
    names[5].write_text("<html>404</html>")
    names[9].write_bytes(names[9].read_bytes()[:100])
    content = names[1].read_bytes()  # a long comment comes before its header
    names[1].write_bytes(content[:2] + b"\xff\xfe\xff\xff" + bytes(65533) + content[2:])
    damaged = datasets.Dataset(names, labels=train.labels, classes=train.classes)
    message = (
        r"3 of 16 files are no pictures: .*图3.jpg \(.* 0 bytes\); .*图5.jpg \(.*HTML.*\); .*图9.jpg \(.*truncated"
    )
    with pytest.raises(pt.DecodeError, match=message):
        finetune.fit(small, damaged, out=tmp_path / "run", **QUICK)
    with pytest.raises(pt.DecodeError, match=message):
        finetune.fit(small, train, validation=damaged, out=tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()
    rest = damaged.filter(lambda sample: sample.path not in (names[3], names[5], names[9]))
    assert finetune.fit(small, rest, loss="softmax", **QUICK).history["loss"].notna().iloc[1]


def test_validation_that_misleads_is_named(
    small: finetune.Network, train: datasets.Dataset, test: datasets.Dataset
) -> None:
    with pytest.raises(ValueError, match="expected pictures of two classes or more to evaluate with, got one"):
        finetune.fit(small, train, validation=test.subset(test.labels == 1), **QUICK)
    both = datasets.Dataset([*test.paths, *train.paths[:3]], labels=[*test.labels, *train.labels[:3]])
    boxes = np.full((len(train), 4), np.nan, np.float32)
    boxes[0] = 0, 0, 9, 9
    cut = datasets.Dataset(train.paths, labels=train.labels, boxes=boxes)
    assert count_shared(cut, train) == len(train) - 1
    assert count_shared(train, test) == 0
    with pytest.warns(UserWarning, match=rf"validation: 3 of {len(both)} pictures are in train, too"):
        finetune.fit(small, train, validation=both, monitor="loss", **QUICK)


def test_pictures_of_unknown_classes_are_left_out_of_the_accuracy_with_a_warning(
    train: datasets.Dataset, test: datasets.Dataset
) -> None:
    three = train.subset(train.labels < 3).compact()
    unknown = int((test.labels == 3).sum())
    message = rf"accuracy: {unknown} of {len(test)} pictures are left out, of 1 classes .*trained: Zucchini"
    with pytest.warns(UserWarning, match=message):
        run = finetune.fit("efficientnet_lite0", three, loss="softmax", validation=test, **QUICK)
    known = test.subset(test.labels < 3)
    guessed = run.encoder.classify(known.images()).argmax(1)
    assert run.report().after["accuracy"] == (guessed == known.labels).mean()


def test_a_training_that_does_harm_says_so(train: datasets.Dataset, test: datasets.Dataset) -> None:
    with pytest.warns(
        finetune.trainer.WorseWarning, match=r"map is 0.\d+ after the training, 0.\d+ before; try a small"
    ):
        run = finetune.fit("efficientnet_lite0", train, validation=test, lr=0.1, freeze=(), **QUICK)
    report = run.report()
    assert report.after["map"] < report.before["map"]
    assert "worse than before: map is" in repr(report)
