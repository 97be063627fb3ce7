"""One space for pictures and words, learnt from captioned pictures: a linear head on each of two encoders.

    picture   a = unit(A (x - mean_x))        x: unit vector of the picture encoder
    text      b = unit(B (y - mean_y))        y: unit vector of the text encoder
    score     (a . b + w^2 u . v) / (1 + w^2)

u and v are the vectors of `label_space`, which need no captions; w is 0 where they do not help.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pictrieve import _core, models
from pictrieve.encoders.image import ImageEncoder
from pictrieve.encoders.kept import keep, reopen
from pictrieve.encoders.label_space import IMAGE_TEMPERATURE, PROMPT, TEXT_TEMPERATURE, LabelSpace
from pictrieve.encoders.look import Look
from pictrieve.encoders.rows import Floats, digest, write_json
from pictrieve.encoders.text import TextEncoder
from pictrieve.encoders.whitening import Whitening
from pictrieve.models.own import ALIGNED

HEADS = "heads.safetensors"
_SIDES = ("image", "text")


class Heads(NamedTuple):
    """What was learnt.

    Attributes:
        image: Of unit vectors of the picture encoder.
        text: Of unit vectors of the text encoder, to the same length.
        label_weight: w of the formula.
    """

    image: Whitening
    text: Whitening
    label_weight: float


class LabelTexts(LabelSpace):
    """The label space of a text encoder that is there already; its pictures are any classifier's of ImageNet.

    Args:
        text_encoder: The sentence side.
    """

    def __init__(self, text_encoder: TextEncoder) -> None:
        """Take the encoder; the picture side is not needed, since `pictures` is given probabilities."""
        self.text_encoder = text_encoder

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with the vectors of texts."""
        recipe = f"label texts {PROMPT!r} {IMAGE_TEMPERATURE} {TEXT_TEMPERATURE}"
        return digest(recipe, self.text_encoder.fingerprint, *self._descriptions())


class AlignedSpace:
    """The space of a directory that `save` wrote. Each encoder is loaded when it is first needed.

    Args:
        folder: The directory.

    Raises:
        FormatError: Its files do not fit together.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read the heads."""
        self._folder = Path(folder).absolute()
        self._notes = models.read_json(self._folder / ALIGNED)
        missing = [name for name in (*_SIDES, "label_weight") if name not in self._notes]
        if missing:
            raise _core.FormatError(f"{self._folder / ALIGNED}: expected {', '.join(missing)} in it, got none")
        self._heads = self._read_heads()

    @property
    def needs_probabilities(self) -> bool:
        """Whether a look at pictures must give class probabilities too."""
        return self._heads.label_weight > 0

    @cached_property
    def image_encoder(self) -> ImageEncoder:
        """The picture side."""
        encoder: ImageEncoder = reopen(ImageEncoder, self._folder, self._notes["image"])
        return encoder

    @cached_property
    def text_encoder(self) -> TextEncoder:
        """The sentence side."""
        encoder: TextEncoder = reopen(TextEncoder, self._folder, self._notes["text"])
        return encoder

    @property
    def dim(self) -> int:
        """Length of a vector."""
        labels = len(models.imagenet_classes()) if self.needs_probabilities else 0
        return len(self._heads.image.matrix) + labels

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits; a search by words needs no picture network for them."""
        labels = [self._label_texts.fingerprint] if self.needs_probabilities else []
        return digest("aligned space", self.identity(), *labels)

    def identity(self) -> str:
        """Give a text that changes with heads and encoders; those are compared when they are loaded."""
        fingerprints = [self._notes[side]["fingerprint"] for side in _SIDES]
        weights = _core.weights_fingerprint(str(self._folder / HEADS))
        return digest(*fingerprints, weights, repr(self._notes["label_weight"]))

    def __getstate__(self) -> dict[str, object]:
        """Leave out what can be read again."""
        again = ("fingerprint", "image_encoder", "text_encoder", "_label_texts")
        return {name: value for name, value in vars(self).items() if name not in again}

    def pictures(self, look: Look) -> Floats:
        """Project unit features, and put the label space's vectors beside them."""
        labels = self._label_texts.pictures(look) if self.needs_probabilities else None
        return joined(projected(look.features, self._heads.image), labels, self._heads.label_weight)

    def texts(self, texts: list[str], batch_size: int, show_progress_bar: bool | None) -> Floats:
        """Do the same with sentences."""
        rows = self.text_encoder.encode(texts, batch_size, show_progress_bar)
        labels = self._label_texts.texts(texts, batch_size, show_progress_bar) if self.needs_probabilities else None
        return joined(projected(rows, self._heads.text), labels, self._heads.label_weight)

    def save(self, folder: Path) -> None:
        """Write the same space to another directory."""
        save(folder, self.image_encoder, self.text_encoder, self._heads)

    @cached_property
    def _label_texts(self) -> LabelTexts:
        return LabelTexts(self.text_encoder)

    def _read_heads(self) -> Heads:
        path = self._folder / HEADS
        parts = {name: np.array(values) for name, values in _core.read_weights(str(path)).items()}
        sides = [Whitening(parts[f"{side}.mean"], parts[f"{side}.matrix"]) for side in _SIDES]
        if len({len(side.matrix) for side in sides}) > 1 or any(s.matrix.shape[1:] != s.mean.shape for s in sides):
            raise _core.FormatError(f"{path}: expected two heads of one length, got {[s.matrix.shape for s in sides]}")
        return Heads(sides[0], sides[1], float(self._notes["label_weight"]))


def save(folder: Path, image_encoder: ImageEncoder, text_encoder: TextEncoder, heads: Heads) -> None:
    """Write what `AlignedSpace` reads: heads, names of models that come with us, and copies of all others."""
    folder.mkdir(parents=True, exist_ok=True)
    sides = zip(_SIDES, heads[:2], strict=True)
    parts = {f"{side}.{name}": part for side, head in sides for name, part in head._asdict().items()}
    _core.write_safetensors(str(folder / HEADS), parts, {})
    encoders: dict[str, Any] = {"image": image_encoder, "text": text_encoder}
    notes = {side: keep(encoder, folder / side) for side, encoder in encoders.items()}
    write_json(folder / ALIGNED, {**notes, "label_weight": heads.label_weight})


def projected(rows: Floats, head: Whitening) -> Floats:
    """Apply a head to unit rows `(n, d)`; unit rows `(n, dim)`."""
    centred: Floats = rows - head.mean
    made: Floats = centred @ head.matrix.T
    made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), np.float32(1e-30))
    return made


def joined(rows: Floats, labels: Floats | None, weight: float) -> Floats:
    """Put unit rows of the label space beside unit rows, at a weight; unit rows."""
    if labels is None or weight == 0:
        return rows
    both: Floats = np.concatenate([rows, np.float32(weight) * labels], axis=1)
    both /= np.float32(np.sqrt(1 + weight**2))
    return both
