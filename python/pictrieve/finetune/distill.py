"""Knowledge distillation: a small network learns the vectors of a large encoder, and can search in its galleries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pictrieve.datasets import Dataset
from pictrieve.encoders import ImageEncoder
from pictrieve.encoders.rows import Floats
from pictrieve.encoders.whitening import Whitening
from pictrieve.finetune import rates
from pictrieve.finetune.batches import LabelledBatches
from pictrieve.finetune.embedder import Embedder, Projection
from pictrieve.finetune.losses import MSE
from pictrieve.finetune.measuring import Search
from pictrieve.finetune.pictures import (
    PictureSet,
    numbered,
    one_view,
    pictures_fingerprint,
    shuffled,
    start_or_random,
)
from pictrieve.finetune.starting import Model, Start, served
from pictrieve.finetune.task import Batches, Group, Loss, Task
from pictrieve.finetune.trainer import Run, Settings, Trainer
from pictrieve.images import Preprocess

_RIDGE = 1e-2  # of the mean squared length of a direction, where the projection starts


def distill(
    teacher: ImageEncoder | str | Path,
    pictures: PictureSet,
    student: Model = "mobilenet_v3_small",
    *,
    relational: float = 0.0,
    validation: PictureSet | None = None,
    batch_size: int = 32,
    augment: Any = "standard",
    size: int | None = None,
    preprocess: Preprocess | None = None,
    freeze: rates.Freeze = (),
    head_rate: float = 10.0,
    epochs: int = 10,
    lr: float = 1e-3,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train a small network to give the vectors of a large encoder (Hinton et al. 2015; Romero et al. 2015).

    The teacher looks at each picture once, as it is; the student sees it disturbed and has to give the same direction:
    the loss is 1 - cosine. The student ends with a projection to the teacher's length, which starts at the least
    squares solution, so its vectors can be searched among the teacher's.

    Args:
        teacher: An encoder, or what makes one.
        pictures: A data set, whose labels are not looked at, or pictures as `ImageEncoder.encode` takes them.
        student: A name of `list_models()` (one without weights starts at random), a directory, a `Network` (which is
            copied) or an `ImageEncoder`.
        relational: Weight of a second loss: the mean squared difference of the cosines within a batch (Tung and Mori
            2019, arXiv:1907.09682).
        validation: Pictures for the report and the best epoch: "teacher_cosine" is the mean cosine of both vectors
            there, with labels also "map" and "hit@1".
        batch_size: Pictures of a batch, of all processes together.
        augment: How the student's pictures are disturbed: a recipe of `Augmentation` that mixes none, or "none".
        size: Side of the student's input; None for its own.
        preprocess: How the student's pictures are prepared; None for its own way.
        freeze: What of the student stays as it is; see `fit`.
        head_rate: Factor on the learning rate of the projection.
        epochs: Passes over the pictures.
        lr: Learning rate at its height.
        seed: Of everything random.
        out: Folder of the run, which a second call with the same arguments resumes.
        settings: Further fields of `trainer.Settings`.

    Returns:
        The run: `.encoder` is the student; the report's facts hold the teacher's own figures.

    Raises:
        ValueError: An argument is not as described, or `out` holds a run of another setup.
        FileNotFoundError: Pictures are not there.

    Example:
        >>> run = distill("efficientnet_lite0", photos, "mobilenet_v3_small", epochs=20)       # doctest: +SKIP
        >>> gallery_of_teacher.search(vector=run.encoder.encode("cat.jpg"))                      # doctest: +SKIP
    """
    known = Settings(epochs=epochs, lr=lr, seed=seed, out=out, **settings)
    if relational < 0:
        raise ValueError(f"relational: expected a weight of 0 or more, got {relational}")
    start = replace(start_or_random(student, preprocess, seed).at_size(size), projection=None)
    augmentation = one_view(augment, start.preprocess, seed)
    shown = numbered(pictures)
    master = teacher if isinstance(teacher, ImageEncoder) else ImageEncoder(teacher)
    wanted = master.encode(shown.images(), show_progress_bar=known.show_progress_bar)
    with served(start.save, ImageEncoder) as encoder:
        rows = encoder.encode(shown.images(), show_progress_bar=known.show_progress_bar)
    rates.freeze(start.network, freeze)
    rates.freeze_classifier(start.network)
    embedder = Embedder(start.network, start.pooling, Projection(least_squares(rows, wanted)))
    plan = Plan(
        shuffled(shown, augmentation, batch_size, seed),
        wanted,
        relational,
        Agreement(master, validation) if validation is not None else None,
        head_rate,
        {
            "student": start.name, "teacher": master.fingerprint, "pictures": pictures_fingerprint(shown),
            "augment": augmentation.to_dict(), "batch_size": batch_size, "relational": relational,
            "preprocess": start.preprocess.fingerprint, "freeze": freeze, "head_rate": head_rate,
            "start": start.digest(),
        },
    )  # fmt: skip
    return Trainer(Distillation(start, embedder, plan), known).run()


class Agreement:
    """How near a student's vectors are to its teacher's, and how well each searches where there are labels.

    Args:
        teacher: Looks at the pictures once.
        pictures: What is measured on.
    """

    def __init__(self, teacher: ImageEncoder, pictures: PictureSet) -> None:
        """Encode the pictures."""
        shown = numbered(pictures)
        self._images = shown.images()
        self._wanted = teacher.encode(self._images, show_progress_bar=False)
        is_labelled = isinstance(pictures, Dataset) and pictures.labels is not None
        self._search = Search(pictures) if is_labelled and isinstance(pictures, Dataset) else None
        self.of_teacher = self._search.measure(teacher) if self._search else {}

    def measure(self, student: ImageEncoder) -> dict[str, float]:
        """Give "teacher_cosine", and with labels "map" and "hit@1"."""
        rows = student.encode(self._images, show_progress_bar=False)
        cosine = float((rows * self._wanted).sum(1, dtype=np.float64).mean())
        return {"teacher_cosine": cosine, **(self._search.measure(student) if self._search else {})}


@dataclass(frozen=True)
class Plan:
    """What `distill` was asked for.

    Attributes:
        batches: Pixels and rows of pictures.
        wanted: `(n, dim)` unit vectors of the teacher.
        relational: Weight of the loss of cosines within a batch.
        validation: What the report measures; None for nothing.
        head_rate: Factor on the learning rate of the projection.
        facts: What must be the same for a run to be resumed.
    """

    batches: LabelledBatches
    wanted: NDArray[np.float32]
    relational: float
    validation: Agreement | None
    head_rate: float
    facts: Mapping[str, Any]


class Distillation(Task):
    """A student that learns the vectors of a teacher; see `distill`.

    Args:
        start: What the student starts from; frozen parameters are frozen already.
        embedder: The network of `start` with its projection.
        plan: Everything else.
    """

    def __init__(self, start: Start, embedder: Embedder, plan: Plan) -> None:
        """Join the parts."""
        self.modules = embedder
        self._start, self._embedder, self._plan = start, embedder, plan
        self._wanted = torch.from_numpy(plan.wanted)
        self._loss = MSE(normalise=True)

    def batches(self, epoch: int) -> Batches:
        """Give this process's share of the epoch."""
        return self._plan.batches.of_epoch(epoch)

    def loss(self, batch: Any) -> Loss:
        """Compare directions, and cosines within the batch where wanted."""
        pixels, rows = batch
        given = self._embedder(pixels)
        wanted = self._wanted[rows.cpu()].to(given.device)
        direction = self._loss(given, wanted) / 2  # 1 - cosine
        if not self._plan.relational:
            return {"loss": direction}
        relations = (_cosines(given) - _cosines(wanted)).square().mean()
        total = direction + self._plan.relational * relations
        return {"loss": total, "direction_loss": direction, "relational_loss": relations}

    def parameter_groups(self, rate: float) -> list[Group]:
        """Give the projection a higher rate."""
        head = rate * self._plan.head_rate
        new = rates.parameters_of(self._embedder.projection)
        return [*rates.groups(self._embedder.network, rate, None, head), {"params": new, "lr": head}]

    def evaluate(self) -> dict[str, float]:
        """Measure what the core serves."""
        if self._plan.validation is None:
            return {}
        with served(self.export, ImageEncoder) as encoder:
            return self._plan.validation.measure(encoder)

    def finish(self) -> dict[str, Any]:
        """Tell the teacher's own figures."""
        validation = self._plan.validation
        return {"teacher": validation.of_teacher} if validation and validation.of_teacher else {}

    def export(self, folder: Path) -> None:
        """Write the student."""
        assert self._embedder.projection is not None
        replace(self._start, projection=self._embedder.projection.parts()).save(folder)

    def fingerprint(self) -> dict[str, Any]:
        """Give the data, the settings and the start."""
        return dict(self._plan.facts)


def least_squares(rows: Floats, wanted: Floats) -> Whitening:
    """Give the linear map of unit vectors `(n, d)` that comes nearest to `(n, dim)`, with a ridge."""
    x = rows.astype(np.float64)
    gram = x.T @ x
    ridge = _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    matrix = np.linalg.solve(gram + ridge, x.T @ wanted.astype(np.float64)).T
    return Whitening(np.zeros(x.shape[1], np.float32), np.ascontiguousarray(matrix, np.float32))


def _cosines(rows: Tensor) -> Tensor:
    unit = nn.functional.normalize(rows, eps=1e-30)
    return unit @ unit.T
