"""Fine-tuning CLIP and SigLIP on captioned pictures, both towers at once, without losing what they knew."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pictrieve.augment import Augmentation
from pictrieve.datasets import Dataset
from pictrieve.encoders import DualEncoder
from pictrieve.finetune import rates
from pictrieve.finetune.batches import LabelledBatches
from pictrieve.finetune.captions import captioned, guard_set, identity, quality, recalls
from pictrieve.finetune.embedder import Embedder
from pictrieve.finetune.gradient_cache import InPrecision, cached_backward
from pictrieve.finetune.guard import choose_share
from pictrieve.finetune.joint import Joint, Words
from pictrieve.finetune.pictures import numbered, shuffled
from pictrieve.finetune.starting import served
from pictrieve.finetune.task import Batches, Group, Loss, Precision, Scale, Task
from pictrieve.finetune.trainer import Run, Settings, Trainer

Freeze = rates.Freeze | Mapping[str, rates.Freeze]
_SIDES = ("image", "text")


def clip(
    model: str | Path,
    pairs: Dataset,
    *,
    validation: Dataset | None = None,
    guard: Dataset | None = None,
    loss: str | nn.Module | None = None,
    freeze: Freeze = (),
    layer_decay: float | None = None,
    batch_size: int = 64,
    chunk_size: int | None = None,
    augment: Any = "none",
    epochs: int = 5,
    lr: float = 1e-5,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Fine-tune a model of pictures and words in one space on captioned pictures.

    Both towers learn to bring a picture and its caption together, with the loss and from the temperature that the
    checkpoint was trained with (CLIP, Radford et al. 2021, arXiv:2103.00020; SigLIP, Zhai et al. 2023,
    arXiv:2303.15343). A picture shows one of its captions a step, drawn anew each epoch. Pictures of a batch with the
    same caption belong together, too.

    Args:
        model: A directory of CLIP or SigLIP, in the layout of transformers or open_clip.
        pairs: Captioned pictures; those without a caption are left out.
        validation: Captioned pictures, others than those: "recall@10" (the epoch where it is best is kept), "recall@1",
            "recall@5" of searches by caption and "image_to_text_recall@1", for the report and early stops.
        guard: Pictures on which the model must not get worse, captioned (the mean of the same recalls) or labelled (mAP
            of searches by picture): of the weights between the start and the end (WiSE-FT, Wortsman et al. 2022,
            arXiv:2109.01903) those are taken that keep this and are best on `validation`, or went furthest.
        loss: "infonce" (CLIP's), "siglip", None for the checkpoint's own, or a module (which is copied) called with
            rows of pictures, rows of captions and labels that are equal where these belong together.
        freeze: What stays as it is, in both towers or in each: `{"image": "backbone"}` locks the picture tower,
            `{"image": 0.5, "text": "embeddings.*"}` half the depth of one and the word vectors of the other; see `fit`.
        layer_decay: Factor on the learning rate from each block to the one before it; None for one rate.
        batch_size: Pictures of a batch, of all processes together; the others of a batch are what a pair is told from.
        chunk_size: Pairs that run at once: gradients of the whole batch in the memory of a chunk.
        augment: How pictures are disturbed: a recipe of `Augmentation`, or one, that gives one view and mixes none.
            "standard" mirrors pictures, which captions with "left" and "right" do not survive.
        epochs: Passes over the pictures.
        lr: Learning rate at its height.
        seed: Of everything random.
        out: Folder of the run, which a second call with the same arguments resumes; None for one that is deleted when
            Python ends.
        settings: Further fields of `trainer.Settings`.

    Returns:
        The run: `.encoder` is a `DualEncoder`, `.model` a directory that the checkpoint's library reads back.

    Raises:
        ValueError: An argument is not as described, or `out` holds a run of another setup.
        FileNotFoundError: Pictures are not there.

    Example:
        >>> run = clip("clip-vit-base-patch32", photos, guard=others, batch_size=512, chunk_size=32)  # doctest: +SKIP
        >>> run.encoder.encode_texts("two dogs run").shape                                            # doctest: +SKIP
        (512,)
    """
    known = Settings(epochs=epochs, lr=lr, seed=seed, out=out, **settings)
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size: expected 1 or more, got {chunk_size}")
    if layer_decay is not None and not 0 < layer_decay <= 1:
        raise ValueError(f"layer_decay: expected a factor above 0, up to 1, got {layer_decay}")
    data, captions = captioned(pairs)
    if min(len(data), batch_size) < 2:
        raise ValueError(f"pairs: expected 2 captioned pictures or more in a batch, got {min(len(data), batch_size)}")
    joint = Joint(model, seed)
    for side, network in (("image", joint.image.network), ("text", joint.text.network)):
        rates.freeze(network, _of_side(freeze, side))
    objective = copy.deepcopy(loss) if isinstance(loss, nn.Module) else joint.loss(loss)
    augmentation = _augmentation(augment, joint, seed)
    facts = {
        "start": joint.dual.fingerprint, "pairs": identity(data), "validation": identity(validation),
        "guard": identity(guard), "loss": type(objective).__name__, "freeze": freeze, "layer_decay": layer_decay,
        "batch_size": batch_size, "chunk_size": chunk_size, "augment": augmentation.to_dict(),
    }  # fmt: skip
    checked = None if validation is None else captioned(validation)[0]
    plan = Plan(
        shuffled(numbered(data), augmentation, batch_size, seed), captions, checked, guard_set(guard), layer_decay,
        chunk_size, seed, facts,
    )  # fmt: skip
    return Trainer(BothTowers(joint, objective, plan), known).run()


@dataclass(frozen=True)
class Plan:
    """What `clip` was asked for beside model and loss.

    Attributes:
        batches: Pixels and rows of the pictures.
        captions: Of each picture, one or more.
        validation: What the report measures; None for nothing.
        guard: What must not get worse; None for nothing.
        layer_decay: Factor on the rate from each block to the one before it; None for one rate.
        chunk_size: Pairs that run at once; None for whole batches.
        seed: Of the captions that are drawn.
        facts: What must be the same for a run to be resumed.
    """

    batches: LabelledBatches
    captions: list[list[str]]
    validation: Dataset | None
    guard: Dataset | None
    layer_decay: float | None
    chunk_size: int | None
    seed: int
    facts: Mapping[str, Any]


class BothTowers(Task):
    """Fine-tuning of both towers; see `clip`.

    Args:
        joint: What it starts from; frozen parameters are frozen already.
        objective: The loss of rows of pictures, rows of captions and labels.
        plan: Everything else.
    """

    encoder = "dual"

    def __init__(self, joint: Joint, objective: nn.Module, plan: Plan) -> None:
        """Join the parts."""
        self._joint, self._objective, self._plan = joint, objective, plan
        self._image, self._text = Embedder(joint.image.network, joint.image.pooling), joint.text
        self.modules = nn.ModuleDict({"image": self._image, "text": self._text, "objective": objective})
        if not rates.parameters_of(self._image, self._text):
            raise ValueError("freeze: nothing of the towers is left to train; freeze less")
        self._start = {name: tensor.clone() for name, tensor in self.modules.state_dict().items()} if plan.guard else {}
        flat = [text for some in plan.captions for text in some]
        self._words = Words(flat, joint.dual.text_encoder)
        self._counts = np.array([len(some) for some in plan.captions], np.int64)
        self._same = np.unique(flat, return_inverse=True)[1].astype(np.int64)

    def batches(self, epoch: int) -> Batches:
        """Give this process's share of the epoch, each picture with one random caption."""
        drawn = np.random.default_rng([self._plan.seed, epoch, 1]).random(len(self._counts))
        starts = np.cumsum(self._counts) - self._counts
        chosen = starts + (drawn * self._counts).astype(np.int64)
        pictures = self._plan.batches.of_epoch(epoch)
        return Batches(range(len(pictures)), lambda i: self._with_words(pictures[i], chosen))

    def loss(self, batch: Any) -> Loss:
        """Compute the loss of a batch of pairs."""
        pixels, ids, mask, labels = batch
        value: Tensor = self._objective(self._image(pixels), self._text(ids, mask), labels)
        return value

    def backward(self, batch: Any, scale: Scale, precision: Precision) -> Mapping[str, Tensor]:
        """Take large batches in chunks, where asked to; a tower that is frozen runs once, without a graph."""
        size = self._plan.chunk_size
        if size is None:
            return super().backward(batch, scale, precision)
        pixels, ids, mask, labels = batch
        sides = [(InPrecision(self._image, precision), (pixels,)), (InPrecision(self._text, precision), (ids, mask))]
        learns = [bool(rates.parameters_of(tower)) for tower, _ in sides]
        fixed = [None if trained else _rows(*side, size) for side, trained in zip(sides, learns, strict=True)]

        def loss(*rows: Tensor) -> Tensor:
            given: Iterator[Tensor] = iter(rows)
            a, b = (next(given) if known is None else known for known in fixed)
            value: Tensor = self._objective(a, b, labels)
            return value

        trained = [side for side, known in zip(sides, fixed, strict=True) if known is None]
        return {"loss": cached_backward(loss, *trained, chunk_size=size, scale=scale)}

    def parameter_groups(self, rate: float) -> list[Group]:
        """Give blocks of both towers their own rates."""
        networks = (self._image.network, self._text.network)
        groups = [group for one in networks for group in rates.groups(one, rate, self._plan.layer_decay, rate)]
        learnt = rates.parameters_of(self._objective)
        return [*groups, {"params": learnt, "lr": rate}] if learnt else groups

    def evaluate(self) -> dict[str, float]:
        """Measure what the core serves."""
        if self._plan.validation is None:
            return {}
        with served(self.export, DualEncoder) as dual:
            return recalls(self._plan.validation, dual)

    def baseline(self) -> dict[str, float]:
        """Measure the model as it was."""
        return recalls(self._plan.validation, self._joint.dual) if self._plan.validation is not None else {}

    def finish(self) -> dict[str, Any]:
        """Go back towards the start as far as the guard set asks."""
        guard = self._plan.guard
        if guard is None:
            return {}

        def now() -> float:
            with served(self.export, DualEncoder) as dual:
                return quality(guard, dual)

        gain = (lambda: self.evaluate()["recall@10"]) if self._plan.validation is not None else None
        floor = quality(guard, self._joint.dual)
        return {"guard": choose_share(self.modules, self._start, now, floor, gain)}

    def export(self, folder: Path) -> None:
        """Write both towers in one directory."""
        self._joint.save(folder, self._objective)

    def fingerprint(self) -> dict[str, Any]:
        """Give the data, the settings and the start."""
        return dict(self._plan.facts)

    def _with_words(self, pictures: tuple[Tensor, Tensor], chosen: NDArray[np.int64]) -> tuple[Tensor, ...]:
        pixels, rows = pictures
        texts = chosen[rows.numpy()]
        return pixels, *self._words.batch(texts), torch.from_numpy(self._same[texts])


def _rows(tower: nn.Module, inputs: tuple[Tensor, ...], size: int) -> Tensor:
    with torch.no_grad():
        return torch.cat([tower(*chunk) for chunk in zip(*(torch.split(part, size) for part in inputs), strict=True)])


def _of_side(freeze: Freeze, side: str) -> rates.Freeze:
    if not isinstance(freeze, Mapping):
        return freeze
    if not set(freeze) <= set(_SIDES):
        raise ValueError(f"freeze: expected the towers {' and '.join(_SIDES)}, got {', '.join(map(repr, freeze))}")
    return freeze.get(side, ())


def _augmentation(recipe: Any, joint: Joint, seed: int) -> Augmentation:
    own = isinstance(recipe, Augmentation)
    prepare = joint.image.preprocess
    made = recipe if own else Augmentation("none" if recipe is None else recipe, preprocess=prepare, seed=seed)
    if made.mixing or made.views > 1:
        raise ValueError("augment: expected a recipe that gives one view and mixes no pictures, got another")
    return Augmentation(made.steps, preprocess=prepare, seed=seed) if own else made
