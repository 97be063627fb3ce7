"""Make torchvision, and timm which imports it, run beside a Torch without CUDA.

PyPI's torchvision is built for CUDA: beside a CPU build of Torch its library of operators does not load, and its import
stops at the first operator that it registers something for. Its models, detection aside, use none of them; so the
schemas are declared here, without kernels.

Example:
    >>> from reference_torchvision import torchvision
    >>> model = torchvision.models.resnet18()
"""

from __future__ import annotations

import sys

import pytest

torch = pytest.importorskip("torch")

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align": "(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
}

try:
    import torchvision
except ModuleNotFoundError:
    torchvision = pytest.importorskip("torchvision")
except RuntimeError:  # operator torchvision::nms does not exist
    for part in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[part]
    for name, schema in _SCHEMAS.items():
        torch.library.define(f"torchvision::{name}", schema)
    import torchvision

__all__ = ["torchvision"]
