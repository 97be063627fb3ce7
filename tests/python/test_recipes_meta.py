"""Meta-learning: first-order gradients against plain copies of a network, and new classes of real photos."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from pictrieve import datasets, finetune  # noqa: E402
from pictrieve.finetune.adapt import embedder_of  # noqa: E402
from pictrieve.finetune.inner_loop import InnerLoop, fomaml, reptile  # noqa: E402
from pictrieve.finetune.samplers import EpisodeBatches  # noqa: E402
from pictrieve.finetune.starting import start_from  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

WAYS = 3
TWO: list[dict[str, int]] = [{"rank": 0, "world": 2}, {"rank": 1, "world": 2}]
FREEZE = 0.7  # of the depth; batch norms after that learn, but not their statistics
QUICK: dict[str, Any] = {
    "ways": 3, "shots": 1, "queries": 2, "size": 32, "freeze": FREEZE, "episodes": 4, "tasks": 2, "epochs": 2,
    "show_progress_bar": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def products(data: Path) -> datasets.Dataset:
    every = datasets.Table(data / "grocery" / "labels.csv")
    return every.filter(lambda one: one.metadata["coarse_label"] in ("Apple", "Milk", "Pear")).compact()


def tiny() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 5)).double()
    network[1].bias.requires_grad_(False)  # what is frozen has no part in any of it
    return network


def episode(per_class: int, seed: int) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    labels = torch.arange(WAYS).repeat_interleave(per_class)
    return torch.randn(len(labels), 3, 2, 2, generator=chance, dtype=torch.float64) + labels[
        :, None, None, None
    ], labels


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True)


def naive_head(network: nn.Module, pixels: Tensor, head: str) -> tuple[Tensor, Tensor]:
    if head == "zeros":
        return torch.zeros(WAYS, 5).double(), torch.zeros(WAYS).double()
    means = torch.stack([part.mean(0) for part in unit(network(pixels)).chunk(WAYS)])
    return 2 * means, -(means * means).sum(1)


def naive_learner(
    loop: InnerLoop, network: nn.Module, pixels: Tensor, labels: Tensor
) -> tuple[nn.Module, list[Tensor]]:
    """A copy of the network and a head, trained by torch's own SGD."""
    learner = copy.deepcopy(network)
    head = [nn.Parameter(part.detach().clone()) for part in naive_head(network, pixels, loop.head)]
    optimizer = torch.optim.SGD([*(p for p in learner.parameters() if p.requires_grad), *head], lr=loop.lr)
    for _ in range(loop.steps):
        optimizer.zero_grad()
        functional.cross_entropy(naive_scores(loop, learner, head, pixels), labels).backward()
        optimizer.step()
    optimizer.zero_grad()
    return learner, head


def naive_scores(loop: InnerLoop, network: nn.Module, head: list[Tensor], pixels: Tensor) -> Tensor:
    return loop.scale * (unit(network(pixels)) @ head[0].T + head[1])


@pytest.mark.parametrize("head", ["prototypes", "zeros"])
def test_the_gradient_of_fomaml_is_that_of_a_copy_after_its_steps(head: str) -> None:
    loop, network = InnerLoop(steps=4, lr=0.05, head=head, scale=3.0), tiny()
    support, queries = episode(2, seed=1), episode(3, seed=2)
    before = copy.deepcopy(network.state_dict())
    found = fomaml(loop, network, support, queries)
    found["loss"].backward()
    learner, parts = naive_learner(loop, network, *support)
    loss = functional.cross_entropy(naive_scores(loop, learner, parts, queries[0]), queries[1])
    loss.backward()
    expected = {name: p.grad for name, p in learner.named_parameters() if p.requires_grad}
    if head == "prototypes":  # the head's gradient goes on to the means that it started from
        twin = copy.deepcopy(network)
        torch.autograd.backward(naive_head(twin, support[0], head), [part.grad for part in parts])
        expected = {name: p.grad + expected[name] for name, p in twin.named_parameters() if p.requires_grad}
    assert found["loss"].item() == pytest.approx(loss.item(), abs=1e-12)
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, before[name]), "an episode leaves the start alone"
        if name in expected:
            assert (parameter.grad - expected[name]).abs().max() < 1e-12
            assert parameter.grad.abs().max() > 1e-3
        else:
            assert parameter.grad is None


def test_the_gradient_of_reptile_is_the_way_to_a_copy_after_its_steps() -> None:
    loop, network = InnerLoop(steps=3, lr=0.05, head="prototypes", scale=3.0), tiny()
    pictures = episode(4, seed=3)
    found = reptile(loop, network, *pictures)["loss"]
    (3 * found).backward()
    learner, _ = naive_learner(loop, network, *pictures)
    ends = dict(learner.named_parameters())
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            way = (parameter - ends[name]) / loop.lr
            assert (parameter.grad - 3 * way).abs().max() < 1e-12
            assert way.abs().max() > 1e-3
    last, head = naive_learner(InnerLoop(2, 0.05, "prototypes", 3.0), network, *pictures)
    loss = functional.cross_entropy(naive_scores(loop, last, head, pictures[0]), pictures[1])
    assert found.item() == pytest.approx(loss.item(), abs=1e-12)


def test_without_steps_it_is_a_prototypical_network() -> None:
    loop, network = InnerLoop(steps=0, lr=1.0, head="prototypes", scale=7.0), tiny()
    support, queries = episode(2, seed=1), episode(3, seed=2)
    fomaml(loop, network, support, queries)["loss"].backward()
    twin = tiny()
    means = torch.stack([part.mean(0) for part in unit(twin(support[0])).chunk(WAYS)])
    distances = torch.cdist(unit(twin(queries[0])), means).square()
    functional.cross_entropy(-7.0 * distances, queries[1]).backward()
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        assert not ours.requires_grad or (ours.grad - theirs.grad).abs().max() < 1e-9


def test_processes_share_out_whole_episodes() -> None:
    labels = np.repeat(np.arange(6), [9, 3, 7, 8, 2, 6])
    alone, *shares = (EpisodeBatches(labels, 3, 2, 4, 6, seed=5, **more) for more in ({}, *TWO))
    for epoch in (0, 4):
        for sampler in (alone, *shares):
            sampler.set_epoch(epoch)
        assert list(alone) == [rows for pair in zip(*shares, strict=True) for rows in pair]
        for rows in alone:
            assert len(set(rows)) == 18
            drawn = labels[rows]
            assert set(drawn) <= {0, 2, 3, 5}
            assert np.array_equal(drawn[:6], np.repeat(drawn[[0, 2, 4]], 2))
            assert np.array_equal(drawn[6:], np.repeat(drawn[[0, 2, 4]], 4))
    with pytest.raises(ValueError, match=r"count: expected a multiple of world \(2\), got 5"):
        EpisodeBatches(labels, 3, 2, 4, 5, rank=0, world=2)


class Crash(finetune.Callback):
    """Ends a run in the middle of its second epoch."""

    def on_step(self, step: int, values: Any) -> None:
        if step == 3:
            raise RuntimeError("the power failed")


@pytest.mark.filterwarnings("ignore::pictrieve.finetune.trainer.WorseWarning")  # two steps at 32 pixels
@pytest.mark.parametrize("algorithm", ["fomaml", "reptile"])
def test_a_run_that_crashed_goes_on_to_the_same_start(
    algorithm: str, products: datasets.Dataset, tmp_path: Path
) -> None:
    known = products.subset(products.labels < 5)
    new = products.subset(products.labels >= 5)

    def learnt(out: str, **more: Any) -> finetune.Run:
        return finetune.meta_learn(
            "efficientnet_lite0", known, algorithm=algorithm, inner_steps=2, validation=new, validation_episodes=3,
            out=tmp_path / out, save_every=1, **QUICK, **more,
        )  # fmt: skip

    whole = learnt("whole")
    with pytest.raises(RuntimeError, match="the power failed"):
        learnt("cut", callbacks=[Crash()])
    resumed = learnt("cut")
    ours, theirs, start = (
        finetune.network(model).state_dict() for model in (whole.model, resumed.model, "efficientnet_lite0")
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    changed = {name for name in ours if not torch.equal(ours[name], start[name])}
    assert changed
    assert not any("running" in name for name in changed)
    rows = [run.history.drop(columns="seconds") for run in (whole, resumed)]
    assert repr(rows[0]) == repr(rows[1])
    assert {"loss", "accuracy", "prototype_accuracy"} <= set(rows[0].columns)
    assert list(rows[0]["step"]) == [0, 2, 4]
    frozen = finetune.episodes(whole.encoder, new, ways=3, shots=1, queries=2, count=3, seed=0)
    after = whole.report().after["prototype_accuracy"]
    assert after == pytest.approx(frozen.accuracy, abs=1 / 18), "the same episodes; one query may be on the fence"


def first(products: datasets.Dataset, classes: int, begin: int, end: int) -> datasets.Dataset:
    """Some pictures of each of the first classes."""
    rows = [np.flatnonzero(products.labels == i)[begin:end] for i in range(classes)]
    return products.subset(np.concatenate(rows)).compact()


def test_new_classes_are_learnt_and_served(products: datasets.Dataset) -> None:
    """What the core serves gives the scores that the steps led to."""
    few, others = first(products, 4, 0, 3), first(products, 4, 3, 9)
    right, losses = np.arange(12), []
    for steps in (0, 1, 4):
        learnt = finetune.adapt("efficientnet_lite0", few, steps=steps, lr=0.03, size=64, freeze=FREEZE)
        losses.append(-np.log(learnt.predict_proba(few)[right, few.labels]).mean())
        start = start_from("efficientnet_lite0", None).at_size(64)
        embedder, loop = embedder_of(start, FREEZE).eval(), InnerLoop(steps, 0.03, "prototypes", 10.0)
        pixels = [torch.from_numpy(start.preprocess.apply(part.images()).copy()) for part in (few, others)]
        learner, _ = loop.run(embedder, pixels[0], torch.tensor(few.labels))
        scores = loop.scores(embedder, learner, pixels[1]).detach().numpy()
        assert np.abs(learnt.scores(others) - scores).max() < 1e-3
    assert losses[0] > losses[1] > losses[2]
    assert learnt.classes == few.classes
    assert set(learnt.predict(others)) <= set(few.classes)
    assert learnt.report(others).accuracy.mean > 0.5
    assert Path(learnt.encoder._model.directory).is_dir()


def test_wrong_arguments_are_named(products: datasets.Dataset) -> None:
    for more, message in (
        ({"algorithm": "magic"}, "algorithm: expected one of fomaml, reptile, got 'magic'"),
        ({"ways": 40}, r"ways: expected at most \d+, the classes with 3 pictures \(shots \+ queries\), got 40"),
        ({"shots": 30}, r"ways: expected at most 0, the classes with 32 pictures \(shots \+ queries\), got 3"),
        ({"ways": 1}, "ways, shots, queries, count: expected 2, 1, 1, 1 or more"),
        ({"validation": first(products, 4, 0, 2)}, "ways: expected at most 0, the classes with 3 pictures"),
        ({"algorithm": "reptile", "inner_steps": 0}, "inner_steps: expected 1 or more with reptile"),
        ({"head": "zeros", "inner_steps": 0}, "steps: expected 1 or more with head zeros"),
        ({"head": "best"}, "head: expected one of prototypes, zeros"),
        ({"inner_lr": 0.0}, "lr, scale: expected numbers above 0"),
        ({"tasks": 0}, "tasks: expected a multiple of the processes"),
        ({"accumulate": 2}, "accumulate: expected none, since tasks="),
        ({"amp": "float16", "device": "cuda"}, 'amp: expected "bfloat16" or None'),
        ({"augment": "simclr"}, "augment: expected a recipe that gives one view"),
        ({"freeze": "backbone"}, "freeze: nothing of the encoder is left to train"),
    ):
        with pytest.raises(ValueError, match=message):
            finetune.meta_learn("efficientnet_lite0", products, **(QUICK | more))
    with pytest.raises(ValueError, match="expected at least 2 classes with pictures, got 1"):
        finetune.adapt("efficientnet_lite0", first(products, 1, 0, 3))
