"""Binary codes of pictures: a linear head on frozen vectors whose signs are the bits."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pictrieve import evaluate
from pictrieve.encoders import ImageEncoder, binary
from pictrieve.encoders.binary import BinaryEncoder
from pictrieve.encoders.rows import Floats
from pictrieve.encoders.whitening import Whitening
from pictrieve.finetune.batches import whole_batches
from pictrieve.finetune.cached import Features, Labelled, features_of, rows_of
from pictrieve.finetune.task import Batches, Loss, Task
from pictrieve.finetune.towers import Head
from pictrieve.finetune.trainer import Settings, Trainer

_ROUNDS = 50  # of ITQ, as in the paper
_METHODS = ("csq", "itq")


def hashing(
    encoder: str | Path | ImageEncoder,
    train: Labelled | Any,
    *,
    bits: int = 64,
    method: str = "csq",
    validation: Labelled | None = None,
    quantization: float = 0.1,
    dropout: float = 0.5,
    epochs: int = 60,
    batch_size: int = 64,
    lr: float = 1e-3,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> BinaryEncoder:
    """Learn binary codes for pictures; the encoder stays as it is.

    "csq" brings the pictures of a class to one code (central similarity quantization, Yuan et al. 2020,
    arXiv:1908.00347): codes of classes are rows of a Hadamard matrix, which differ in half of their bits. Take it where
    classes are those that will be searched. "itq" needs no labels (iterative quantization, Gong et al. 2013): it turns
    the strongest directions of the vectors so that signs lose least, and keeps what the vectors know of other classes.

    Args:
        encoder: A name of `list_models()`, a directory or an encoder.
        train: A labelled data set; or `(rows, labels)`, `(n, dim)` floats of the encoder. For "itq" labels may be
            absent: any data set, or rows alone.
        bits: Length of a code, a multiple of 8; for "itq" at most the encoder's dim and the number of pictures.
        method: "csq" or "itq".
        validation: In the form of `train`, other pictures, for the report and the best epoch of "csq".
        quantization: Weight of the loss that keeps outputs near -1 and 1.
        dropout: Share of the inputs' numbers that are dropped in training.
        epochs: Passes over the pictures.
        batch_size: Pictures of a batch, of all processes together.
        lr: Learning rate at its height.
        seed: Of everything random.
        out: Folder of the run, which a second call resumes; None for one that is deleted when Python ends.
        settings: Further fields of `trainer.Settings`; weight_decay is 0.05 where it is not given.

    Raises:
        ValueError: An argument is not as described.

    Example:
        >>> codes = hashing("efficientnet_lite0", train, bits=64)                             # doctest: +SKIP
        >>> codes.encode("shoe.jpg").shape                                                    # doctest: +SKIP
        (8,)
    """
    if method not in _METHODS:
        raise ValueError(f"method: expected one of {', '.join(_METHODS)}, got {method!r}")
    if bits < 8 or bits % 8:
        raise ValueError(f"bits: expected 8, 16, 24, ..., got {bits}")
    image = encoder if isinstance(encoder, ImageEncoder) else ImageEncoder(encoder)
    if method == "itq":
        given = train[0] if isinstance(train, tuple) else train
        folder = Path(out or _temporary_folder()) / "model"
        binary.write(folder, image, rotated(rows_of(image, given, image.dim), bits, seed))
        return BinaryEncoder.from_pretrained(str(folder.absolute()))
    known = Settings(epochs=epochs, lr=lr, seed=seed, out=out, **{"weight_decay": 0.05, **settings})
    checked = None if validation is None else features_of(image, validation)
    facts = {"bits": bits, "quantization": quantization, "dropout": dropout, "batch_size": batch_size}
    task = CentralSimilarity(image, features_of(image, train), checked, facts, seed)
    run = Trainer(task, known).run()
    return BinaryEncoder.from_pretrained(str(run.model.absolute()))


def rotated(rows: Floats, bits: int, seed: int, rounds: int = _ROUNDS) -> Whitening:
    """Fit ITQ: principal directions, rotated so that the signs of the projections are nearest to the projections.

    Args:
        rows: `(n, d)` unit vectors.
        bits: How many directions.
        seed: Of the first rotation.
        rounds: How often signs and rotation take turns.

    Raises:
        ValueError: The rows vary in fewer than `bits` directions.
    """
    if bits > min(len(rows) - 1, rows.shape[1]):
        raise ValueError(
            f"bits: expected at most {min(len(rows) - 1, rows.shape[1])}, the directions in which {rows.shape} rows "
            f"can vary, got {bits}"
        )
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean
    if len(rows) < rows.shape[1]:
        directions = np.linalg.svd(centred, full_matrices=False)[2][:bits].T
    else:  # the smaller problem where there are many rows
        directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :bits]
    projected = centred @ directions
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((bits, bits)))
    for _ in range(rounds):
        signs = np.where(projected @ rotation > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(signs.T @ projected)
        rotation = right.T @ left.T
    return Whitening(mean.astype(np.float32), np.ascontiguousarray((directions @ rotation).T, np.float32))


def class_codes(classes: int, bits: int, seed: int) -> NDArray[np.float32]:
    """Give each class a code of 0 and 1, `(classes, bits)`: any two differ in about half of the bits.

    Rows of a Hadamard matrix and their opposites, in random order, where `bits` is a power of two and these are enough;
    random codes with as many ones as zeros otherwise, as in the paper.
    """
    chance = np.random.default_rng([seed, 3])
    if bits & (bits - 1) == 0 and classes <= 2 * bits:
        matrix = np.ones((1, 1))
        while len(matrix) < bits:
            matrix = np.block([[matrix, matrix], [matrix, -matrix]])
        rows = np.concatenate([matrix, -matrix])[chance.permutation(2 * bits)[:classes]]
        return (rows > 0).astype(np.float32)
    half = np.arange(bits) < bits // 2
    return np.stack([chance.permutation(half) for _ in range(classes)]).astype(np.float32)


class CentralSimilarity(Task):
    """Central similarity quantization; see `hashing`.

    Args:
        encoder: Of the pictures.
        train: What is learnt from.
        validation: What is measured; None for nothing.
        facts: Settings by name: bits, quantization, dropout, batch_size.
        seed: Of everything random.
    """

    encoder = "binary"

    def __init__(
        self, encoder: ImageEncoder, train: Features, validation: Features | None, facts: dict[str, Any], seed: int
    ) -> None:
        """Make the head and the codes of the classes."""
        self._image, self._train, self._validation, self._facts = encoder, train, validation, facts
        torch.manual_seed(seed)
        self._head = Head(train.rows, facts["bits"], facts["dropout"], each=True)
        self.modules = nn.ModuleDict({"head": self._head})
        self._codes = torch.from_numpy(class_codes(len(train.classes), facts["bits"], seed))
        self._sampler = whole_batches(len(train.rows), facts["batch_size"], seed)

    def batches(self, epoch: int) -> Batches:
        """Give rows, and the codes of their classes."""
        self._sampler.set_epoch(epoch)
        return Batches(self._sampler, self._load)

    def loss(self, batch: Any) -> Loss:
        """Compute the cross entropy of each bit, and how far outputs are from -1 and 1."""
        rows, codes = batch
        made: Tensor = self._head(rows)
        central = functional.binary_cross_entropy_with_logits(2 * made, codes)  # (1 + tanh(z)) / 2 = sigmoid(2 z)
        rest = (made.tanh().abs() - 1).cosh().log().mean()
        return {
            "loss": central + self._facts["quantization"] * rest,
            "central_loss": central,
            "quantization_loss": rest,
        }

    def evaluate(self) -> dict[str, float]:
        """Measure the search by codes, and by the numbers whose signs they are."""
        if self._validation is None:
            return {}
        head = self._head.parts()
        made = np.ascontiguousarray((self._validation.rows - head.mean) @ head.matrix.T)
        codes = np.packbits(made > 0, axis=1)
        labels = self._validation.labels
        bits = evaluate.embeddings(codes, labels=labels, metric="hamming", ties="worst")
        floats = evaluate.embeddings(np.tanh(made), labels=labels)
        return {"map": bits["map"], "float_map": floats["map"]}

    def export(self, folder: Path) -> None:
        """Write head and encoder."""
        binary.write(folder, self._image, self._head.parts())

    def fingerprint(self) -> dict[str, Any]:
        """Give settings, data and encoder."""
        return {**self._facts, "classes": self._train.classes, "data": self._train.digest(),
                "encoder": self._image.fingerprint}  # fmt: skip

    def _load(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self._train.rows[rows]), self._codes[self._train.labels[rows]]


def _temporary_folder() -> str:
    path = tempfile.mkdtemp(prefix="pictrieve-codes-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
