"""Meta-learning: a network learns to learn new classes from a few pictures of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pictrieve.augment import Augmentation
from pictrieve.datasets import Dataset
from pictrieve.finetune import rates
from pictrieve.finetune.adapt import embedder_of, save
from pictrieve.finetune.batches import LabelledBatches, data_fingerprint, labelled, labels_of
from pictrieve.finetune.embedder import Embedder
from pictrieve.finetune.inner_loop import InnerLoop, fomaml, reptile
from pictrieve.finetune.pictures import one_view
from pictrieve.finetune.samplers import EpisodeBatches
from pictrieve.finetune.starting import Model, Start, start_from
from pictrieve.finetune.task import Batches, Loss, Task
from pictrieve.finetune.trainer import Run, Settings, Trainer
from pictrieve.finetune.trainer.distributed import rank_and_world
from pictrieve.finetune.trainer.optimization import to_device
from pictrieve.images import Preprocess

ALGORITHMS = ("fomaml", "reptile")


def meta_learn(
    model: Model,
    train: Dataset,
    *,
    algorithm: str = "fomaml",
    ways: int = 5,
    shots: int = 5,
    queries: int = 5,
    inner_steps: int = 5,
    inner_lr: float = 0.03,
    head: str = "prototypes",
    scale: float = 10.0,
    tasks: int = 4,
    episodes: int = 100,
    validation: Dataset | None = None,
    validation_episodes: int = 50,
    augment: Any = "standard",
    size: int | None = None,
    preprocess: Preprocess | None = None,
    freeze: rates.Freeze = "norms",
    epochs: int = 10,
    lr: float = 3e-4,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train a network to be a good start for learning new classes from a few pictures, as `adapt` does.

    Every episode draws classes and plays a user who has a few pictures of each: the network and a new classifier learn
    from these by a few steps of gradient descent. "fomaml" asks how well they then know other pictures of the classes,
    and takes the gradient there as the start's (first-order MAML, Finn et al. 2017, arXiv:1703.03400). "reptile" learns
    from all pictures of the episode and moves the start towards where that led (Nichol et al. 2018, arXiv:1803.02999).
    Statistics of batch norms stay as they are.

    Args:
        model: A name of `list_models()`, a directory, a `Network` (which is copied) or an `ImageEncoder`.
        train: Labelled pictures of many classes; classes of fewer than `shots + queries` pictures are left out.
        algorithm: "fomaml" or "reptile".
        ways: Classes of an episode. Later there may be any number of them.
        shots: Pictures of a class to learn from.
        queries: Pictures of a class to ask for.
        inner_steps: Steps in an episode. With 0 and "fomaml" these are prototypical networks (Snell et al. 2017).
        inner_lr: Learning rate of these steps.
        head: Where the classifier of an episode starts: "prototypes" takes the class whose mean is nearest, through
            which "fomaml" learns, too (Proto-MAML, Triantafillou et al. 2020, arXiv:1903.03096); or "zeros".
        scale: Factor on the classifier's scores of unit vectors.
        tasks: Episodes whose gradients are averaged into a step, of all processes together.
        episodes: Episodes of an epoch, of all processes together.
        validation: Pictures of other classes. "accuracy" is the mean over episodes drawn from them after their inner
            steps, "prototype_accuracy" before them; the epoch of the best accuracy is kept.
        validation_episodes: How many; they are the first ones that `finetune.episodes` draws with this seed.
        augment: How pictures are disturbed: a recipe of `Augmentation` that mixes none, or "none".
        size: Side of the network's input in training and afterwards; None for the model's own.
        preprocess: How pictures are prepared; None for the model's own way.
        freeze: What no episode changes; see `fit`.
        epochs: Passes.
        lr: Learning rate of the start at its height.
        seed: Of everything random.
        out: Folder of the run, which a second call with the same arguments resumes.
        settings: Further fields of `trainer.Settings` but accumulate, which `tasks` sets.

    Returns:
        The run: `adapt(run.encoder, pictures)` learns new classes, with the same inner steps.

    Raises:
        ValueError: An argument is not as described, or `out` holds a run of another setup.
        FileNotFoundError: Pictures are not there.
        FloatingPointError: The loss became NaN; the last good checkpoint stays.

    Example:
        >>> run = meta_learn("efficientnet_lite0", train, shots=1, validation=others)        # doctest: +SKIP
        >>> finetune.adapt(run.encoder, five_new_classes).predict("photo.jpg")               # doctest: +SKIP
    """
    _check(algorithm, inner_steps, tasks, settings)
    world = rank_and_world()[1]
    known = Settings(epochs=epochs, lr=lr, seed=seed, out=out, accumulate=tasks // world, **settings)
    loop = InnerLoop(inner_steps, inner_lr, head, scale)
    start = start_from(model, None, preprocess, seed).at_size(size)
    augmentation = one_view(augment, start.preprocess, seed)
    embedder = embedder_of(start, freeze)
    if not rates.parameters_of(embedder):
        raise ValueError("freeze: nothing of the encoder is left to train; freeze less")
    sizes = ways, shots, queries
    plan = Plan(
        algorithm,
        loop,
        Drawn(train, sizes, episodes, augmentation, shared=True),
        Drawn(validation, sizes, validation_episodes, Augmentation("none", preprocess=start.preprocess, seed=seed))
        if validation is not None
        else None,
        {
            "model": start.name, "algorithm": algorithm, "sizes": sizes, "steps": inner_steps, "inner_lr": inner_lr,
            "head": head, "scale": scale, "episodes": episodes, "augment": augmentation.to_dict(),
            "train": data_fingerprint(train), "validation": data_fingerprint(validation), "freeze": freeze,
            "validation_episodes": validation_episodes, "preprocess": start.preprocess.fingerprint,
            "start": start.digest(),
        },
    )  # fmt: skip
    return Trainer(MetaLearning(start, embedder, plan), known).run()


class Drawn:
    """Episodes of a data set.

    Args:
        dataset: Labelled pictures.
        sizes: Ways, shots and queries.
        count: Episodes of an epoch.
        augmentation: Reads, disturbs and prepares pictures; its seed is that of the draws, too.
        shared: Whether several processes share them; else each has all.
    """

    def __init__(
        self, dataset: Dataset, sizes: tuple[int, int, int], count: int, augmentation: Augmentation, *,
        shared: bool = False,
    ) -> None:  # fmt: skip
        """Check that there are enough pictures."""
        data = labelled(dataset, least=2)
        rank, world = rank_and_world() if shared else (0, 1)
        sampler = EpisodeBatches(labels_of(data), *sizes, count, augmentation.seed, rank=rank, world=world)
        self._batches = LabelledBatches(data, sampler, augmentation)
        self._sizes = sizes

    def of_epoch(self, epoch: int) -> Batches:
        """Give episodes; see `parts` for what is in each."""
        return self._batches.of_epoch(epoch)

    def parts(self, episode: Any) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Give pixels and labels of the support and of the queries; labels count the classes of the episode."""
        ways, shots, queries = self._sizes
        pixels, _ = episode
        support, asked = pixels.split([ways * shots, ways * queries])
        number = torch.arange(ways, device=pixels.device)
        return (support, number.repeat_interleave(shots)), (asked, number.repeat_interleave(queries))


@dataclass(frozen=True)
class Plan:
    """What `meta_learn` was asked for.

    Attributes:
        algorithm: "fomaml" or "reptile".
        loop: What happens in an episode.
        train: Episodes to learn from.
        validation: Episodes to measure; None for nothing.
        facts: What must be the same for a run to be resumed.
    """

    algorithm: str
    loop: InnerLoop
    train: Drawn
    validation: Drawn | None
    facts: Mapping[str, Any]


class MetaLearning(Task):
    """A start from which new classes are learnt; see `meta_learn`.

    Args:
        start: What it starts from.
        embedder: The network of `start`; frozen parameters are frozen already.
        plan: Everything else.
    """

    def __init__(self, start: Start, embedder: Embedder, plan: Plan) -> None:
        """Join the parts."""
        self.modules = embedder
        self._start, self._embedder, self._plan = start, embedder, plan

    def batches(self, epoch: int) -> Batches:
        """Give this process's episodes, one at a time."""
        return self._plan.train.of_epoch(epoch)

    def loss(self, batch: Any) -> Loss:
        """Play an episode."""
        self.modules.eval()  # an episode's few pictures shall not move the statistics of batch norms
        plan = self._plan
        support, queries = plan.train.parts(batch)
        if plan.algorithm == "fomaml":
            return fomaml(plan.loop, self._embedder, support, queries)
        pixels, labels = (torch.cat(both) for both in zip(support, queries, strict=True))
        return reptile(plan.loop, self._embedder, pixels, labels)

    def evaluate(self) -> dict[str, float]:
        """Measure the accuracy after the inner steps and before them."""
        if self._plan.validation is None:
            return {}
        found = np.array([self._right(episode) for episode in self._plan.validation.of_epoch(0)])
        return dict(zip(("accuracy", "prototype_accuracy"), found.mean(axis=0).tolist(), strict=True))

    def export(self, folder: Path) -> None:
        """Write the start."""
        save(self._start, self._embedder, folder)

    def fingerprint(self) -> dict[str, Any]:
        """Give the data, the settings and the start."""
        return dict(self._plan.facts)

    def _right(self, episode: Any) -> tuple[float, float]:
        """Give the share of an episode's queries that are told apart after the inner steps, and by prototypes alone."""
        loop, validation = self._plan.loop, self._plan.validation
        assert validation is not None
        device = rates.parameters_of(self._embedder)[0].device
        support, (asked, wanted) = validation.parts(to_device(episode, str(device)))
        plain = replace(loop, head="prototypes")
        scores = (
            loop.scores(self._embedder, loop.run(self._embedder, *support)[0], asked),
            plain.scores(self._embedder, plain.start(self._embedder, *support), asked),
        )
        after, before = (float((found.argmax(1) == wanted).float().mean()) for found in scores)
        return after, before


def _check(algorithm: str, inner_steps: int, tasks: int, settings: Mapping[str, Any]) -> None:
    """Refuse what does not go together."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm: expected one of {', '.join(ALGORITHMS)}, got {algorithm!r}")
    if algorithm == "reptile" and inner_steps < 1:
        raise ValueError(f"inner_steps: expected 1 or more with reptile, got {inner_steps}")
    world = rank_and_world()[1]
    if tasks < 1 or tasks % world:
        raise ValueError(f"tasks: expected a multiple of the processes ({world}), 1 or more, got {tasks}")
    if "accumulate" in settings:
        raise ValueError("accumulate: expected none, since tasks= says how many episodes make a step")
    if settings.get("amp") == "float16":
        raise ValueError('amp: expected "bfloat16" or None, since the inner steps have no loss scale, got "float16"')
