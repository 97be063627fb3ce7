"""The task behind `fit`: labelled pictures, classified or brought together by class."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from pictrieve.encoders import ImageEncoder
from pictrieve.finetune import rates
from pictrieve.finetune.adversarial import Attack
from pictrieve.finetune.batches import LabelledBatches
from pictrieve.finetune.embedder import Embedder, Projection
from pictrieve.finetune.gradient_cache import InPrecision, cached_backward
from pictrieve.finetune.guard import choose_share
from pictrieve.finetune.measuring import Search
from pictrieve.finetune.starting import Start, classifier_names, served
from pictrieve.finetune.task import Batches, Group, Loss, Precision, Scale, Task

_WORST = 8  # queries in a report


class Objective(nn.Module):
    """A loss of labelled pictures.

    Args:
        loss: Of embeddings and labels; None for the cross entropy of the network's own classifier.
        pairs: Whether it takes pairs `(a, b, labels)`: the pictures of a class two by two, as "pk" batches have them.
        label_smoothing: Of the cross entropy.
    """

    def __init__(self, loss: nn.Module | None, *, pairs: bool = False, label_smoothing: float = 0.0) -> None:
        """Hold the loss, whose parameters are trained too."""
        super().__init__()
        self.loss, self.pairs, self.label_smoothing = loss, pairs, label_smoothing

    def forward(self, embedder: Embedder, pixels: Tensor, labels: Tensor, *mixed: Tensor) -> Tensor:
        """Compute the loss of a batch of pictures.

        Args:
            embedder: Has the network.
            pixels: `(n, 3, H, W)`.
            labels: `(n,)` int64.
            mixed: Of mixed pictures `(n,)` labels of the others in them, and `(n,)` the share of the first.
        """
        if self.loss is not None:
            return self.of_rows(embedder(pixels), labels)
        logits = embedder.network(pixels)["logits"].float()
        if not mixed:
            return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        others, share = mixed
        losses = [
            functional.cross_entropy(logits, wanted, label_smoothing=self.label_smoothing, reduction="none")
            for wanted in (labels, others)
        ]
        return (share * losses[0] + (1 - share) * losses[1]).mean()

    def of_rows(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss of embeddings."""
        assert self.loss is not None
        arguments = (rows[0::2], rows[1::2], labels[0::2]) if self.pairs else (rows, labels)
        result: Tensor = self.loss(*arguments)
        return result


@dataclass(frozen=True)
class Plan:
    """What `fit` was asked for beside network and loss.

    Attributes:
        batches: What is learnt from.
        classes: Names of the classes.
        validation: What the report measures; None for nothing.
        guard: What must not get worse; None for nothing.
        head_rate: Factor on the rate of what starts anew: classifier, projection, and what the loss learns.
        layer_decay: Factor on the rate from each block to the one before it; None for one rate.
        chunk_size: Pictures that run at once, for batches that do not fit into memory; None for whole batches.
        attack: How pictures are attacked; None for not.
        facts: What must be the same for a run to be resumed.
    """

    batches: LabelledBatches
    classes: Sequence[str]
    validation: Search | None
    guard: Search | None
    head_rate: float
    layer_decay: float | None
    chunk_size: int | None
    attack: Attack | None
    facts: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Refuse rates that are none."""
        if not self.head_rate > 0:
            raise ValueError(f"head_rate: expected a factor above 0, got {self.head_rate}")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay: expected a factor above 0, up to 1, got {self.layer_decay}")


class Supervised(Task):
    """Fine-tuning of an image network on labelled pictures; see `fit`.

    Args:
        start: What it starts from; frozen parameters are frozen already.
        embedder: The network of `start` with its projection.
        objective: What is learnt.
        plan: Everything else.
    """

    def __init__(self, start: Start, embedder: Embedder, objective: Objective, plan: Plan) -> None:
        """Join the parts."""
        self._start, self._embedder, self._objective, self._plan = start, embedder, objective, plan
        self.modules = nn.ModuleDict({"embedder": embedder, "objective": objective})
        self._is_classifier = objective.loss is None
        self._original = replace(start, network=copy.deepcopy(start.network))
        if self._is_classifier:
            return
        rates.freeze_classifier(start.network)
        if not rates.parameters_of(embedder):
            raise ValueError(
                'freeze: nothing of the encoder is left to train; freeze less, give dim=, or take loss="softmax"'
            )

    def batches(self, epoch: int) -> Batches:
        """Give this process's share of the epoch."""
        return self._plan.batches.of_epoch(epoch)

    def loss(self, batch: Any) -> Loss:
        """Compute the loss, and that of attacked pictures where there is an attack."""
        pixels, *labels = batch
        plain: Tensor = self._objective(self._embedder, pixels, *labels)
        attack = self._plan.attack
        if attack is None:
            return plain
        self.modules.eval()  # statistics of batch norms are those of pictures, not of attempts
        attacked = attack(pixels, lambda tried: self._objective(self._embedder, tried, *labels))
        self.modules.train()
        against: Tensor = self._objective(self._embedder, attacked, *labels)
        share = attack.settings.share
        return {"loss": (1 - share) * plain + share * against, "plain_loss": plain, "attacked_loss": against}

    def backward(self, batch: Any, scale: Scale, precision: Precision) -> Mapping[str, Tensor]:
        """Take large batches in chunks, where asked to."""
        if self._plan.chunk_size is None:
            return super().backward(batch, scale, precision)
        pixels, labels = batch
        tower = InPrecision(self._embedder, precision)
        loss = cached_backward(
            lambda rows: self._objective.of_rows(rows, labels),
            (tower, pixels),
            chunk_size=self._plan.chunk_size,
            scale=scale,
        )
        return {"loss": loss}

    def parameter_groups(self, rate: float) -> list[Group]:
        """Give blocks their own rates, and what is new a higher one."""
        head = rate * self._plan.head_rate
        groups = rates.groups(self._embedder.network, rate, self._plan.layer_decay, head)
        new = rates.parameters_of(self._embedder.projection, self._objective)
        return [*groups, {"params": new, "lr": head}] if new else groups

    def evaluate(self) -> dict[str, float]:
        """Measure what the core serves."""
        return self._measure(self._plan.validation, self.export)

    def baseline(self) -> dict[str, float]:
        """Measure the model as it was."""
        return self._measure(self._plan.validation, self._original.save, classify=False)

    def finish(self) -> dict[str, Any]:
        """Go back towards the start as far as the guard set asks."""
        guard = self._plan.guard
        if guard is None:
            return {}
        original = self._original.network.state_dict()
        new = classifier_names(self._original.network) if self._is_classifier else ()
        start = {f"network.{name}": tensor for name, tensor in original.items() if name not in new}
        if self._original.projection is not None:
            known = Projection(self._original.projection).state_dict()
            start |= {f"projection.{name}": tensor for name, tensor in known.items()}
        result = choose_share(
            self._embedder,
            start,
            guard=lambda: self._measure(guard, self.export, classify=False)["map"],
            floor=self._measure(guard, self._original.save, classify=False)["map"],
            gain=(lambda: self.evaluate()["map"]) if self._plan.validation else None,
        )
        return {"guard": result}

    def examples(self) -> list[dict[str, Any]]:
        """Give the worst queries of the validation data."""
        if self._plan.validation is None:
            return []
        with served(self.export, ImageEncoder) as encoder:
            return self._plan.validation.worst(encoder, _WORST)

    def export(self, folder: Path) -> None:
        """Write the trained encoder."""
        projection = self._embedder.projection
        start = replace(self._start, projection=projection.parts() if projection is not None else None)
        start.save(folder, self._plan.classes if self._is_classifier else None)

    def fingerprint(self) -> dict[str, Any]:
        """Give the data, the settings and the start."""
        return {**self._plan.facts, "start": self._original.digest()}

    def _measure(
        self, search: Search | None, save: Callable[[Path], None], *, classify: bool = True
    ) -> dict[str, float]:
        if search is None:
            return {}
        with served(save, ImageEncoder) as encoder:
            return search.measure(encoder, self._plan.classes if classify and self._is_classifier else None)
