"""Parts of pictures: found by a detector, or given by the user, each with a vector of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import _core
from pictrieve._portable import Portable
from pictrieve.images import as_sources, decode
from pictrieve.progress import progress_bar

if TYPE_CHECKING:
    from pictrieve.encoders.image import ImageEncoder
    from pictrieve.images import ImageInput

_ARCHITECTURE = "fasterrcnn_resnet50_fpn"


class Detections(NamedTuple):
    """Objects of one picture, best first.

    Attributes:
        boxes: `(n, 4)` float32: x1, y1, x2, y2 in pixels of the upright picture.
        labels: `(n,)` int64, 1 and up; `Detector.labels` names them.
        scores: `(n,)` float32 probabilities.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]


class Regions(NamedTuple):
    """Parts of one picture with their vectors.

    Attributes:
        boxes: `(n, 4)` float32: x1, y1, x2, y2 in pixels of the upright picture.
        labels: `(n,)` int64 of a detector; None where the user gave the boxes.
        scores: `(n,)` float32 of a detector; None where the user gave the boxes.
        embeddings: `(n, dim)` float32: the encoder's vector of each part.
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    scores: NDArray[np.float32] | None
    embeddings: NDArray[np.float32]


class Detector(Portable):
    """Finds objects with Faster R-CNN (Ren et al., arXiv:1506.01497) on a feature pyramid, as torchvision does.

    Copies share the network; pickles hold the settings and the place of the weights.

    Args:
        model: "fasterrcnn_resnet50_fpn", the only one so far.
        weights: A checkpoint with torchvision's names (`.pth` or safetensors), or "random" for an untrained network.
        min_score: Least probability of a detection.
        max_overlap: Most overlap (intersection over union) of two detections of one label.
        max_detections: Of a picture, the best ones.
        size: Shorter and longer side to which pictures are scaled before.
        num_classes: Classes of the checkpoint, the background among them: 91 for COCO.
        batch_norm_eps: 0 as torchvision has it for its weights of COCO; 1e-5 for networks trained by its recipes.
        labels: Names of the classes, the background first; None numbers them.

    Raises:
        ValueError: The model is unknown, weights are missing, or a number is out of range.
        FormatError: The weights do not fit the network.
    """

    def __init__(
        self,
        model: str = _ARCHITECTURE,
        *,
        weights: str | Path | None = None,
        min_score: float = 0.5,
        max_overlap: float = 0.5,
        max_detections: int = 100,
        size: tuple[int, int] = (800, 1333),
        num_classes: int = 91,
        batch_norm_eps: float = 0.0,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Load the network; see the class for the arguments."""
        if model != _ARCHITECTURE:
            raise ValueError(f"model: expected {_ARCHITECTURE!r}, got {model!r}")
        if weights is None:
            raise ValueError(
                f'{model}: it has no weights of its own; give weights="a checkpoint of torchvision" or weights="random"'
            )
        if not 0 <= min_score <= 1 or not 0 <= max_overlap <= 1:
            raise ValueError(f"min_score, max_overlap: expected 0 to 1, got {min_score} and {max_overlap}")
        if not isinstance(size, Sequence) or len(size) != 2:
            raise ValueError(f"size: expected the shorter and the longer side, such as (800, 1333), got {size!r}")
        if labels is not None and len(labels) != num_classes:
            raise ValueError(f"labels: expected {num_classes} names, the background first, got {len(labels)}")
        self.name = model
        self.labels = [str(label) for label in labels] if labels else [f"class {i}" for i in range(num_classes)]
        self._weights = None if weights == "random" else Path(weights).absolute()
        self._options = {
            "least_score": min_score,
            "most_overlap": max_overlap,
            "most_detections": max_detections,
            "short_side": size[0],
            "long_side": size[1],
        }
        self._settings = {"num_classes": num_classes, "batch_norm_eps": float(batch_norm_eps)}
        self._connect()

    def _connect(self) -> None:
        self._core = _core.Detector(self._settings, self._weights_path, 0, self._options)

    def detect(self, images: ImageInput | Iterable[ImageInput], show_progress_bar: bool | None = None) -> Any:
        """Find the objects of one picture, or of many.

        Args:
            images: A path, encoded bytes, a PIL image or a uint8 array `(H, W[, 3 or 4])` in RGB; or many of these.
            show_progress_bar: None shows a bar on a terminal once the work has lasted a second.

        Returns:
            `Detections` for one picture, a list of them for many.

        Raises:
            FileNotFoundError: A path does not exist.
            DecodeError: A picture is damaged or of an unknown format.
        """
        sources, single = as_sources(images)
        with progress_bar(len(sources), "images", show_progress_bar) as report:
            found = [Detections(*each) for each in self._core.detect(sources, report)]
        return found[0] if single else found

    def __repr__(self) -> str:
        """Say what the detector is; RANDOM where its weights are."""
        return f"Detector({self.name!r}, {'RANDOM weights, ' if self._random else ''}classes={self._core.classes})"


def encode_regions(
    encoder: ImageEncoder, image: ImageInput, boxes: Any = None, detector: Detector | None = None
) -> Regions:
    """Encode parts of a picture; `ImageEncoder.encode_regions` explains the arguments."""
    if (boxes is None) == (detector is None):
        raise ValueError("regions: expected boxes or a detector, got " + ("neither" if boxes is None else "both"))
    pixels = decode(image) if not isinstance(image, np.ndarray) else image
    found = detector.detect(pixels) if detector is not None else None
    places = _checked(found.boxes if found else boxes, pixels.shape[:2])
    crops = [_crop(pixels, box) for box in places]
    vectors = encoder.encode(crops) if crops else np.empty((0, encoder.dim), np.float32)
    return Regions(places, found.labels if found else None, found.scores if found else None, vectors)


def _checked(boxes: Any, size: tuple[int, ...]) -> NDArray[np.float32]:
    """Give the boxes as float32 `(n, 4)`, each with pixels of the picture in it."""
    try:
        array = np.ascontiguousarray(boxes, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"boxes: expected (n, 4) numbers x1, y1, x2, y2, got {boxes!r}") from error
    if array.size == 0:
        return np.empty((0, 4), np.float32)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes: expected (n, 4) numbers x1, y1, x2, y2, got shape {array.shape}")
    height, width = size
    for i, (x1, y1, x2, y2) in enumerate(array.tolist()):
        finite = all(map(math.isfinite, (x1, y1, x2, y2)))
        if not (finite and x1 < x2 and y1 < y2 and x1 < width and y1 < height and x2 > 0 and y2 > 0):
            raise ValueError(
                f"boxes[{i}]: expected x1 < x2 and y1 < y2 with pixels of a picture of width {width} and height "
                f"{height} between them, got {x1:g}, {y1:g}, {x2:g}, {y2:g}"
            )
    return array


def _crop(pixels: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Cut out every pixel that the box touches."""
    x1, y1, x2, y2 = box.tolist()
    top, left = max(math.floor(y1), 0), max(math.floor(x1), 0)
    return np.ascontiguousarray(pixels[top : math.ceil(y2), left : math.ceil(x2)])
