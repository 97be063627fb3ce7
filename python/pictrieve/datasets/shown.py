"""How a data set looks in a console and in a notebook."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

import numpy as np

from pictrieve import _core
from pictrieve.datasets.columns import printable
from pictrieve.datasets.pixels import pixels

if TYPE_CHECKING:
    from pictrieve.datasets.dataset import Dataset

_EXAMPLES = 8
_SIDE = 96  # pixels of the short side


def summary(ds: Dataset) -> str:
    """Say in one line how much there is of what."""
    parts = [f"{len(ds):,} pictures"]
    if ds.labels is not None:
        parts.append(f"{len(np.unique(ds.labels[ds.labels >= 0])):,} classes")
    if ds.captions is not None:
        parts.append(f"{sum(map(len, ds.captions)):,} captions")
    if ds.splits is not None:
        names, counts = np.unique(ds.splits, return_counts=True)
        parts.append("splits " + ", ".join(f"{name or 'none'} {n:,}" for name, n in zip(names, counts, strict=True)))
    for role, flags in (("queries", ds.is_query), ("in the gallery", ds.is_gallery)):
        if flags is not None:
            parts.append(f"{int(flags.sum()):,} {role}")
    if ds.boxes is not None:
        parts.append(f"{int((~np.isnan(ds.boxes[:, 0])).sum()):,} boxes")
    if ds.metadata:
        parts.append(f"columns {', '.join(ds.metadata)}")
    return f"Dataset {ds.name!r}: {'; '.join(parts)}"


def page(ds: Dataset) -> str:
    """Show the line and a few pictures from all over the data set, each with its label or first caption."""
    rows = np.unique(np.linspace(0, max(0, len(ds) - 1), min(_EXAMPLES, len(ds))).astype(int)).tolist()
    figures = "".join(_figure(ds, row) for row in rows)
    return printable(f"<p>{html.escape(summary(ds))}</p><div>{figures}</div>")


def _figure(ds: Dataset, row: int) -> str:
    path, label, captions, _, _ = ds[row]
    words = html.escape(label or (captions[0] if captions else path.name))
    try:
        image = pixels(ds.images()[row])
        scale = _SIDE / min(image.shape[:2])
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        small = _core.resize(image, height, width, "bilinear")
        data = base64.b64encode(_core.encode_jpeg(small, 80)).decode()
        shown = f"<img src='data:image/jpeg;base64,{data}' height='{_SIDE}' alt='{words}'>"
    except (OSError, ValueError) as error:
        shown = f"<em>{html.escape(str(error))}</em>"
    style = "display:inline-block;margin:4px;max-width:200px"
    return f"<figure style='{style}'>{shown}<figcaption>{words}</figcaption></figure>"
