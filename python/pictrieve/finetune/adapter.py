"""Adapters: a small residual layer on the vectors of a frozen encoder, trained on features that are computed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pictrieve import evaluate
from pictrieve.encoders import ImageEncoder, whitening
from pictrieve.encoders.rows import Floats
from pictrieve.encoders.whitening import Whitening
from pictrieve.finetune import losses
from pictrieve.finetune.batches import check_two_classes, pk_batches
from pictrieve.finetune.cached import Features, Labelled, features_of
from pictrieve.finetune.task import Batches, Loss, Task
from pictrieve.finetune.trainer import Run, Settings, Trainer
from pictrieve.models.own import WHITENING


def adapter(
    encoder: str | Path | ImageEncoder,
    train: Labelled,
    *,
    validation: Labelled | None = None,
    loss: str = "multi_similarity",
    loss_settings: dict[str, Any] | None = None,
    rank: int = 64,
    ratio: float = 1.0,
    batch_size: int = 64,
    per_class: int = 4,
    epochs: int = 60,
    lr: float = 3e-4,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train `y = x + ratio * U V x` on an encoder's vectors x, by labels; the encoder stays as it is.

    The residual adapter on cached features of CLIP-Adapter (Gao et al. 2021, arXiv:2110.04544), its bottleneck without
    the activation, as in LoRA (Hu et al. 2021, arXiv:2106.09685): being linear it is one matrix, which an encoder
    serves as its whitening, at the same speed and in every program that the directory can go to. U starts at zero, so
    training starts from the frozen encoder.

    Args:
        encoder: A name of `list_models()`, a directory or an encoder.
        train: A labelled data set; or `(rows, labels)`, `(n, dim)` floats of the encoder.
        validation: In the same form, other pictures, for "map" (mean average precision of each picture's search for
            its class among the others) in the report, and the best epoch.
        loss: One of `losses.LABEL_LOSSES`.
        loss_settings: Its own, such as `{"margin": 0.3}`.
        rank: Rows of V, the width of the bottleneck: at most the encoder's dim.
        ratio: Share of the learnt part, above 0.
        batch_size: Pictures of a batch, of all processes together.
        per_class: Pictures of a class in a batch.
        epochs: Passes over the pictures.
        lr: Learning rate at its height.
        seed: Of everything random.
        out: Folder of the run, which a second call with the same arguments resumes.
        settings: Further fields of `trainer.Settings`.

    Returns:
        The run: `.encoder` is the encoder with the adapter; galleries must be encoded anew.

    Raises:
        ValueError: An argument is not as described, or there are fewer than 2 classes.

    Example:
        >>> run = adapter("efficientnet_lite0", train, validation=test)                       # doctest: +SKIP
        >>> run.encoder.encode("cat.jpg").shape                                               # doctest: +SKIP
        (1280,)
    """
    known = Settings(epochs=epochs, lr=lr, seed=seed, out=out, **settings)
    if loss not in losses.LABEL_LOSSES:
        raise ValueError(f"loss: expected one of {', '.join(sorted(losses.LABEL_LOSSES))}, got {loss!r}")
    check_two_classes(batch_size, per_class)
    image = encoder if isinstance(encoder, ImageEncoder) else ImageEncoder(encoder)
    if image._random:
        raise ValueError(f"encoder: expected trained weights, got {image!r}")
    if not 1 <= rank <= image.dim or not 0 < ratio < float("inf"):
        raise ValueError(f"rank, ratio: expected 1 to {image.dim} and a number above 0, got {rank} and {ratio}")
    shown = settings.get("show_progress_bar")
    features = features_of(image, train, show_progress_bar=shown)
    checked = None if validation is None else features_of(image, validation, show_progress_bar=shown)
    facts = {
        "loss": loss, "loss_settings": dict(loss_settings or {}), "rank": rank, "ratio": ratio,
        "batch_size": batch_size, "per_class": per_class,
    }  # fmt: skip
    return Trainer(Adaptation(image, features, checked, facts, seed), known).run()


class Residual(nn.Module):
    """y = x + ratio * U V x of rows x; U is zero at the start.

    Args:
        dim: Length of x.
        rank: Rows of V.
        ratio: Share of the learnt part.
    """

    def __init__(self, dim: int, rank: int, ratio: float) -> None:
        """Draw V at random."""
        super().__init__()
        self.down, self.up = nn.Linear(dim, rank, bias=False), nn.Linear(rank, dim, bias=False)
        nn.init.zeros_(self.up.weight)
        self.ratio = ratio

    def forward(self, rows: Tensor) -> Tensor:
        """Adapt `(n, dim)`."""
        made: Tensor = rows + self.ratio * self.up(self.down(rows))
        return made

    def behind(self, before: Whitening | None) -> Whitening:
        """Give what an encoder computes; `before` is its projection up to now, which the adapter's input comes from."""
        up, down = (layer.weight.detach().double().cpu().numpy() for layer in (self.up, self.down))
        matrix = np.eye(len(up)) + self.ratio * up @ down
        if before is None:
            return Whitening(np.zeros(len(up), np.float32), np.ascontiguousarray(matrix, np.float32))
        whole = matrix @ before.matrix  # that x has unit length in between does not change a direction
        return Whitening(before.mean, np.ascontiguousarray(whole, np.float32))


class Adaptation(Task):
    """The task behind `adapter`.

    Args:
        encoder: Of the pictures.
        train: What is learnt from.
        validation: What is measured; None for nothing.
        facts: Settings by name: loss, loss_settings, rank, ratio, batch_size, per_class.
        seed: Of everything random.
    """

    def __init__(
        self, encoder: ImageEncoder, train: Features, validation: Features | None, facts: dict[str, Any], seed: int
    ) -> None:
        """Make the adapter and its loss."""
        self._image, self._train, self._validation, self._facts = encoder, train, validation, facts
        torch.manual_seed(seed)
        self._residual = Residual(encoder.dim, facts["rank"], facts["ratio"])
        made = losses.make(facts["loss"], classes=len(train.classes), dim=encoder.dim, **facts["loss_settings"])
        self.modules = nn.ModuleDict({"residual": self._residual, "loss": made})
        self._sampler = pk_batches(train.labels, len(train.classes), facts["batch_size"], facts["per_class"], seed)

    def batches(self, epoch: int) -> Batches:
        """Give rows and labels, some of each class in a batch."""
        self._sampler.set_epoch(epoch)
        return Batches(self._sampler, self._load)

    def loss(self, batch: Any) -> Loss:
        """Compute the loss of adapted rows."""
        rows, labels = batch
        value: Tensor = self.modules["loss"](self._residual(rows), labels)  # type: ignore[index]
        return value

    def evaluate(self) -> dict[str, float]:
        """Measure the search among the validation pictures."""
        if self._validation is None:
            return {}
        device = self._residual.up.weight.device
        rows: Floats = self._residual(torch.from_numpy(self._validation.rows).to(device)).float().cpu().numpy()
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return {"map": float(evaluate.embeddings(rows, labels=self._validation.labels)["map"])}

    def export(self, folder: Path) -> None:
        """Write the encoder with the adapter."""
        self._image.save_pretrained(folder)
        whitening.save(folder / WHITENING, self._residual.behind(self._image._whitening))

    def fingerprint(self) -> dict[str, Any]:
        """Give settings, data and encoder."""
        return {**self._facts, "train": self._train.digest(), "encoder": self._image.fingerprint}

    def _load(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        numbers = np.array(rows)
        return torch.from_numpy(self._train.rows[numbers]), torch.from_numpy(self._train.labels[numbers])
