"""Networks of torch that the core does not know, written so that it serves them: as TorchScript."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import torch
from torch import nn

from pictrieve.encoders.rows import write_json
from pictrieve.images import Preprocess
from pictrieve.models.own import SCRIPT


def square(size: int) -> Preprocess:
    """Prepare pictures for a small network of one's own: stretched to `size` x `size`, from -1 to 1."""
    half = (0.5, 0.5, 0.5)
    return Preprocess("imagenet", steps=("resize",), resize=size, resize_mode="stretch", mean=half, std=half)


def save_script(network: nn.Module, preprocess: Preprocess, folder: Path) -> None:
    """Write a directory that `ImageEncoder` serves.

    Args:
        network: Pixels `(n, 3, H, W)` to rows `(n, dim)`.
        preprocess: How pictures are prepared for it.
        folder: Exists.
    """
    program = copy.deepcopy(network).cpu().eval()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)  # the one format that the core can run
        torch.jit.script(program).save(str(folder / SCRIPT))  # type: ignore[no-untyped-call]
    write_json(folder / "config.json", {"architecture": "torchscript"})
    write_json(folder / "preprocessor_config.json", preprocess.to_dict())
