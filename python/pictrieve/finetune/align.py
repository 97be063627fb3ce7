"""One space for two encoders that never saw each other: a linear head on each, learnt from captioned pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pictrieve.encoders import DualEncoder, ImageEncoder, TextEncoder, aligned
from pictrieve.finetune.batches import whole_batches
from pictrieve.finetune.pairs import Pairs, PairsInput, read_pairs
from pictrieve.finetune.task import Batches, Loss, Task
from pictrieve.finetune.towers import Towers
from pictrieve.finetune.trainer import Settings, Trainer
from pictrieve.finetune.trainer.distributed import rank_and_world
from pictrieve.models import imagenet_classes

HELD_OUT = 0.12  # of the pictures, at most 1,000: what the label space's weight is chosen on
_MOST_HELD_OUT = 1000
_WEIGHTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3)
_EPOCHS, _STEPS = 60, 300  # at least, where the caller names no epochs


def align(
    image_encoder: str | Path | ImageEncoder,
    text_encoder: str | Path | TextEncoder,
    pairs: PairsInput,
    *,
    validation: PairsInput | None = None,
    dim: int = 512,
    dropout: float = 0.5,
    label_space: str | float = "auto",
    epochs: int | None = None,
    batch_size: int = 256,
    lr: float = 1e-3,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> DualEncoder:
    """Bring two encoders into one space with captioned pictures; both stay as they are.

    Each gets a linear head, trained with InfoNCE (van den Oord et al., arXiv:1807.03748; both ways as CLIP does,
    arXiv:2103.00020) on one random caption per picture and step. Where pictures are given and the image encoder is a
    classifier of ImageNet, the space without training of `DualEncoder` stands beside the heads, at a weight chosen on
    pictures that the heads have not seen: it helps most where captions are few.

    Args:
        image_encoder: A name of `list_models()`, a directory or an encoder.
        text_encoder: Likewise.
        pairs: A captioned data set; or features and captions: `(n, dim of the image encoder)` float rows, and for each
            a list of texts, or `(n, c, dim of the text encoder)` float rows. Lengths of rows do not matter.
        validation: In the same form, other pictures: for the report, the best epoch and the label space's weight.
        dim: Length of the heads' vectors.
        dropout: Share of the inputs' numbers that are dropped in training.
        label_space: "auto", or the weight of the label space beside the heads; 0 leaves it out.
        epochs: Passes over the pictures; None for 60, or more where that is less than 300 steps.
        batch_size: Pictures of a batch, of all processes together.
        lr: Learning rate at its height.
        seed: Of everything random.
        out: Folder of the run, which a second call with the same arguments resumes and `finetune.Run` opens for
            history and report; None for one that is deleted when Python ends.
        settings: Further fields of `trainer.Settings`; weight_decay is 0.05 where it is not given.

    Returns:
        An encoder of pictures and words: `save_pretrained` keeps it, a `Gallery` takes it.

    Raises:
        ValueError: An argument is not as described, there are fewer than 2 captioned pictures, or `out` holds a run of
            another setup.

    Example:
        >>> photos = datasets.Table("captions.csv")                                           # doctest: +SKIP
        >>> dual = align("efficientnet_lite0", "minilm", photos.split("train"))               # doctest: +SKIP
        >>> dual.encode_texts("two dogs run").shape                                           # doctest: +SKIP
        (1512,)
    """
    image = image_encoder if isinstance(image_encoder, ImageEncoder) else ImageEncoder(image_encoder)
    text = text_encoder if isinstance(text_encoder, TextEncoder) else TextEncoder(text_encoder)
    wanted = _label_space_wanted(label_space, image)
    common: dict[str, Any] = {"label_space": wanted, "show_progress_bar": settings.get("show_progress_bar")}
    train = read_pairs(pairs, image, text, **common)
    n = len(train.images)
    if n < 2:
        raise ValueError(f"pairs: expected 2 captioned pictures or more, got {n}")
    checked = None if validation is None else read_pairs(validation, image, text, name="validation", **common)
    passes = epochs or max(_EPOCHS, -(-_STEPS // max(n // batch_size, 1)))
    known = Settings(epochs=passes, lr=lr, seed=seed, out=out, **{"weight_decay": 0.05, **settings})
    facts = {"batch_size": batch_size, "dim": dim, "dropout": dropout, "label_space": label_space}
    run = Trainer(Alignment(image, text, train, checked, facts, seed), known).run()
    return DualEncoder.from_pretrained(str(run.model.absolute()))


class Alignment(Task):
    """The task behind `align`.

    Where the label space's weight is to be chosen and there are no validation pictures, a second pair of heads is
    trained beside the first, in the same batches but without some pictures, on which the weight is chosen then.

    Args:
        image_encoder: Of the pictures.
        text_encoder: Of the captions.
        train: What is learnt from.
        validation: What is measured; None for nothing.
        facts: Settings by name: batch_size, dim, dropout, label_space.
        seed: Of everything random.
    """

    encoder = "dual"

    def __init__(
        self,
        image_encoder: ImageEncoder,
        text_encoder: TextEncoder,
        train: Pairs,
        validation: Pairs | None,
        facts: Mapping[str, Any],
        seed: int,
    ) -> None:
        """Make the heads."""
        self._encoders, self._train, self._validation = (image_encoder, text_encoder), train, validation
        self._facts, self._seed = dict(facts), seed
        torch.manual_seed(seed)
        made = {"served": Towers(train, facts["dim"], facts["dropout"], gather=rank_and_world()[1] > 1)}
        self._held_out = self._choose_held_out()
        if len(self._held_out):
            made["probe"] = Towers(train, facts["dim"], facts["dropout"])
        self.modules = nn.ModuleDict(made)
        self._served, self._probe = made["served"], made.get("probe")
        given = facts["label_space"]
        self._label_weight = 0.0 if given == "auto" else float(given)
        self._sampler = whole_batches(len(train.images), facts["batch_size"], seed)
        self._starts = np.cumsum(train.counts) - train.counts

    def batches(self, epoch: int) -> Batches:
        """Give each picture one random caption."""
        self._sampler.set_epoch(epoch)
        drawn = np.random.default_rng([self._seed, epoch, 1]).random(len(self._starts))
        texts = self._starts + (drawn * self._train.counts).astype(np.int64)
        return Batches(self._sampler, lambda rows: self._load(np.array(rows), texts))

    def loss(self, batch: Any) -> Loss:
        """Compute the loss of the heads; that of the others is added, and moves nothing of these."""
        images, texts, seen = batch
        pair_loss: Tensor = self._served(images, texts)
        if self._probe is None or seen.sum() < 2:
            return pair_loss
        return {"loss": pair_loss + self._probe(images[seen], texts[seen]), "pair_loss": pair_loss}

    def evaluate(self) -> dict[str, float]:
        """Measure the validation pictures in the space that is served."""
        pairs, weight = self._validation, self._label_weight
        if pairs is None:
            return {}
        heads = self._served.heads(weight)
        rows = aligned.projected(pairs.images, heads.image), aligned.projected(pairs.texts, heads.text)
        labels = pairs.label_images, pairs.label_texts
        return pairs.recalls(*(aligned.joined(*both, weight) for both in zip(rows, labels, strict=True)))

    def baseline(self) -> dict[str, float]:
        """Measure the label space, which needs no training; heads without training where there is none."""
        checked = self._validation
        if checked is None or checked.label_images is None or checked.label_texts is None:
            return self.evaluate()
        return checked.recalls(checked.label_images, checked.label_texts)

    def finish(self) -> dict[str, Any]:
        """Choose the label space's weight."""
        if self._facts["label_space"] != "auto":
            return {}
        judged, towers = self._validation, self._served
        if self._probe is not None:
            judged, towers = self._train.subset(self._held_out), self._probe
        if judged is None or judged.label_images is None or judged.label_texts is None:
            return {}
        heads = towers.heads(0.0)
        learnt = aligned.projected(judged.texts, heads.text) @ aligned.projected(judged.images, heads.image).T
        labels = judged.label_texts @ judged.label_images.T
        scores = {weight: judged.mean_reciprocal(learnt + weight**2 * labels) for weight in _WEIGHTS}
        self._label_weight = max(scores, key=lambda weight: scores[weight])
        return {"label_weight": self._label_weight, "chosen_on_pictures": len(judged.images)}

    def export(self, folder: Path) -> None:
        """Write heads and encoders."""
        aligned.save(folder, *self._encoders, self._served.heads(self._label_weight))

    def fingerprint(self) -> dict[str, Any]:
        """Give settings, data and encoders."""
        encoders = [encoder.fingerprint for encoder in self._encoders]
        return {**self._facts, "pairs": self._train.digest(), "encoders": encoders}

    def _choose_held_out(self) -> NDArray[np.int64]:
        n = len(self._train.images)
        wanted = self._facts["label_space"] == "auto" and self._validation is None
        if not wanted or self._train.label_images is None:
            return np.empty(0, np.int64)
        count = min(round(HELD_OUT * n), _MOST_HELD_OUT)
        return np.sort(np.random.default_rng([self._seed, 2]).permutation(n)[:count])

    def _load(self, rows: NDArray[np.int64], texts: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        parts = self._train.images[rows], self._train.texts[texts[rows]], ~np.isin(rows, self._held_out)
        images, captions, seen = map(torch.from_numpy, parts)
        return images, captions, seen


def _label_space_wanted(given: str | float, encoder: ImageEncoder) -> bool:
    """Say whether rows of the label space are needed."""
    classes = encoder._core.classes == len(imagenet_classes())
    if given == "auto":
        return classes
    if isinstance(given, str) or not 0 <= given < float("inf"):
        raise ValueError(f'label_space: expected "auto" or a weight of 0 or more, got {given!r}')
    if given > 0 and not classes:
        raise ValueError(
            f"label_space: expected a classifier of the {len(imagenet_classes())} classes of ImageNet for it, got "
            f"{encoder!r}; give 0"
        )
    return given > 0
