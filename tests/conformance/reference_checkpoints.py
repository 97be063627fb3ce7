"""What tests of checkpoints share: photos, texts, random weights, and our encoder with the references' decoding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pictrieve as pt

torch = pytest.importorskip("torch")

TEXTS = ["a photo of two dogs", "Rain.", "A man in a red coat crosses the street, slowly, in the rain; 14:30"]


def pictures(paths: list[Path]) -> list[Image.Image]:
    """Decode photos as the references take them."""
    found = []
    for path in paths:
        with Image.open(path) as image:
            found.append(image.convert("RGB"))
    return found


def exact(preprocess: pt.Preprocess) -> pt.Preprocess:
    """Decode in full, as the references do."""
    return pt.Preprocess.from_dict(preprocess.to_dict() | {"decode": "exact"})


def encoder_of(folder: Path, **arguments: Any) -> pt.ImageEncoder:
    own = pt.ImageEncoder.from_pretrained(folder, **arguments)
    return pt.ImageEncoder.from_pretrained(folder, preprocess=exact(own.preprocess), **arguments)


def unit(rows: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(rows.detach().flatten(1), dim=1).numpy()


def randomised(model: Any, seed: int = 0) -> Any:
    """Weights of the size of trained ones, so that pictures differ; running statistics as well."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.is_floating_point() and tensor.ndim >= 1:
                fan = tensor[0].numel() if tensor.ndim > 1 else 25
                tensor.normal_(0, 1.5 / fan**0.5, generator=generator)
    return model.eval()
