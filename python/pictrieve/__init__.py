"""Turn pictures and words into vectors, and find the nearest ones."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pictrieve import _libraries

_libraries.load_torch_libraries()

from pictrieve import augment, evaluate, images, models, nn, rank, text  # noqa: E402
from pictrieve._core import (  # noqa: E402
    DecodeError,
    Error,
    FormatError,
    num_threads,
    set_num_threads,
)
from pictrieve._core import version as _version  # noqa: E402
from pictrieve.augment import Augmentation  # noqa: E402
from pictrieve.distances import pairwise, pairwise_blocks  # noqa: E402
from pictrieve.encoders import (  # noqa: E402
    DualEncoder,
    EncodedImages,
    EncodeError,
    ImageEncoder,
    TextEncoder,
    TruncationWarning,
)
from pictrieve.images import Preprocess, resize  # noqa: E402
from pictrieve.index import Index  # noqa: E402
from pictrieve.index_plan import Plan, plan  # noqa: E402
from pictrieve.models import list_models  # noqa: E402
from pictrieve.regions import Detections, Detector, Regions  # noqa: E402
from pictrieve.search_result import Health, SearchResult  # noqa: E402

if TYPE_CHECKING:
    from pictrieve import datasets, finetune
    from pictrieve.gallery import (
        FingerprintError,
        Gallery,
        GalleryError,
        GalleryLockedError,
        GalleryProfile,
        Hit,
        Hits,
        Report,
        Session,
    )

__version__ = _version()

_GALLERY = (
    "FingerprintError",
    "Gallery",
    "GalleryError",
    "GalleryLockedError",
    "GalleryProfile",
    "Hit",
    "Hits",
    "Report",
    "Session",
)


def __getattr__(name: str) -> Any:
    """Import the gallery with SQLite, loaders, and training with torch when asked for: encoders start without."""
    if name in ("datasets", "finetune"):
        return import_module(f"pictrieve.{name}")
    if name not in _GALLERY:
        raise AttributeError(f"module 'pictrieve' has no attribute {name!r}")
    from pictrieve import gallery

    return getattr(gallery, name)


def __dir__() -> list[str]:
    """List the public names, those of the gallery included."""
    return __all__


__all__ = [
    "Augmentation",
    "DecodeError",
    "Detections",
    "Detector",
    "DualEncoder",
    "EncodeError",
    "EncodedImages",
    "Error",
    "FingerprintError",
    "FormatError",
    "Gallery",
    "GalleryError",
    "GalleryLockedError",
    "GalleryProfile",
    "Health",
    "Hit",
    "Hits",
    "ImageEncoder",
    "Index",
    "Plan",
    "Preprocess",
    "Regions",
    "Report",
    "SearchResult",
    "Session",
    "TextEncoder",
    "TruncationWarning",
    "augment",
    "datasets",
    "evaluate",
    "finetune",
    "images",
    "list_models",
    "models",
    "nn",
    "num_threads",
    "pairwise",
    "pairwise_blocks",
    "plan",
    "rank",
    "resize",
    "set_num_threads",
    "text",
]
