"""Faster R-CNN against torchvision's with the same random weights; its two operators are written out here."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from reference_torchvision import torchvision

torch = pytest.importorskip("torch")

import pictrieve as pt  # noqa: E402
from pictrieve import _core  # noqa: E402
from pictrieve.regions import Detector  # noqa: E402

CLASSES = 5
SIZE = (128, 180)
OPTIONS = {"num_classes": CLASSES, "size": SIZE, "min_score": 0.05, "batch_norm_eps": 1e-5}


def plain_nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    kept: list[int] = []
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = scores.argsort(descending=True, stable=True)
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        corner = torch.minimum(boxes[best, 2:], boxes[order, 2:]) - torch.maximum(boxes[best, :2], boxes[order, :2])
        shared = corner.clamp(min=0).prod(dim=1)
        order = order[shared / (area[best] + area[order] - shared) <= threshold]
    return torch.tensor(kept, dtype=torch.int64)


def plain_roi_align(
    maps: torch.Tensor, rois: torch.Tensor, scale: float, rows: int, columns: int, samples: int, aligned: bool
) -> torch.Tensor:
    shift = 0.5 if aligned else 0.0
    height, width = maps.shape[2:]
    results = []
    for roi in rois:
        x1, y1, x2, y2 = (roi[1:] * scale - shift).tolist()
        wide, high = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1.0), max(y2 - y1, 1.0))
        ys = y1 + (torch.arange(rows * samples) + 0.5) * high / (rows * samples)
        xs = x1 + (torch.arange(columns * samples) + 0.5) * wide / (columns * samples)
        inside = ((ys >= -1) & (ys <= height))[:, None] & ((xs >= -1) & (xs <= width))[None]
        ys, xs = ys.clamp(0, height - 1), xs.clamp(0, width - 1)
        top, left = ys.floor().long(), xs.floor().long()
        bottom, right = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
        down, across = (ys - top)[:, None], (xs - left)[None]
        plane = maps[int(roi[0])]
        upper = plane[:, top][:, :, left] * (1 - across) + plane[:, top][:, :, right] * across
        lower = plane[:, bottom][:, :, left] * (1 - across) + plane[:, bottom][:, :, right] * across
        values = (upper * (1 - down) + lower * down) * inside
        results.append(values.view(-1, rows, samples, columns, samples).mean(dim=(2, 4)))
    return torch.stack(results) if results else maps.new_empty((0, maps.shape[1], rows, columns))


@pytest.fixture(scope="module")
def reference(data: Path) -> torch.nn.Module:
    for name, plain in (("nms", plain_nms), ("roi_align", plain_roi_align)):
        torch.library.impl(f"torchvision::{name}", "CPU", plain)
    for module in ("torchvision.extension", "torchvision.ops.roi_align"):
        sys.modules[module]._has_ops = lambda: True
    torch.manual_seed(0)
    model = torchvision.models.detection.fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=CLASSES, min_size=SIZE[0], max_size=SIZE[1]
    )
    with torch.no_grad():  # statistics of a real picture, and louder heads: proposals and labels that differ clearly
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = 1.0
        tensor = torch.from_numpy(photo(data, 0).copy()).permute(2, 0, 1).float() / 255
        model.backbone.train()(model.transform([tensor])[0].tensors)
        model.rpn.head.cls_logits.weight.mul_(5)
    return model.eval()


@pytest.fixture(scope="module")
def weights(reference: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detector") / "model.pth"
    torch.save(reference.state_dict(), path)
    return path


def photo(data: Path, index: int) -> np.ndarray:
    return pt.images.decode(sorted((data / "coco_captions" / "images").iterdir())[index])


@pytest.mark.parametrize("index", [0, 7])
def test_detections_equal_torchvision(data: Path, reference: torch.nn.Module, weights: Path, index: int) -> None:
    image = photo(data, index)
    tensor = torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255
    with torch.no_grad():
        expected = reference([tensor])[0]
    found = Detector(weights=weights, **OPTIONS).detect(image)
    assert len(found.boxes) == len(expected["boxes"]) > 3
    np.testing.assert_allclose(found.scores, expected["scores"].numpy(), atol=1e-4)
    unmatched = set(range(len(found.boxes)))
    for box, label, score in zip(*(expected[name].numpy() for name in ("boxes", "labels", "scores")), strict=True):
        near = [
            i
            for i in unmatched
            if found.labels[i] == label
            and abs(found.scores[i] - score) < 1e-4
            and np.abs(found.boxes[i] - box).max() < 0.05
        ]
        assert near, (box, label, score)
        unmatched.remove(near[0])


def test_older_names_of_checkpoints(data: Path, reference: torch.nn.Module, tmp_path: Path, weights: Path) -> None:
    state = {
        re.sub(r"((inner|layer)_blocks\.\d)\.0", r"\1", name).replace("rpn.head.conv.0.0", "rpn.head.conv"): tensor
        for name, tensor in reference.state_dict().items()
    }
    torch.save(state, tmp_path / "old.pth")
    image = photo(data, 0)
    old, new = (Detector(weights=path, **OPTIONS).detect(image) for path in (tmp_path / "old.pth", weights))
    np.testing.assert_array_equal(old.boxes, new.boxes)


def test_regions_by_detector_and_by_hand(data: Path, weights: Path) -> None:
    image = photo(data, 0)
    encoder = pt.ImageEncoder()
    detector = Detector(weights=weights, **OPTIONS)
    found = encoder.encode_regions(image, detector=detector)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(detector)).detect(image).boxes, found.boxes)
    assert found.embeddings.shape == (len(found.boxes), encoder.dim)
    assert found.labels is not None
    again = encoder.encode_regions(image, found.boxes[:3])
    np.testing.assert_array_equal(again.embeddings, found.embeddings[:3])
    assert again.labels is None
    whole = encoder.encode_regions(image, [[0, 0, image.shape[1], image.shape[0]]])
    np.testing.assert_allclose(whole.embeddings[0], encoder.encode(image), atol=1e-6)
    assert encoder.encode_regions(image, []).embeddings.shape == (0, encoder.dim)


def test_bad_input_is_named(data: Path, weights: Path) -> None:
    image, encoder = photo(data, 0), pt.ImageEncoder()
    with pytest.raises(ValueError, match="expected boxes or a detector, got neither"):
        encoder.encode_regions(image)
    with pytest.raises(ValueError, match=r"boxes\[1\]: expected x1 < x2"):
        encoder.encode_regions(image, [[0, 0, 9, 9], [5, 5, 5, 9]])
    with pytest.raises(ValueError, match=r"boxes: expected \(n, 4\)"):
        encoder.encode_regions(image, [1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"boxes: expected \(n, 4\) numbers .*, got 'abc'"):
        encoder.encode_regions(image, "abc")
    with pytest.raises(ValueError, match=r"boxes\[0\]: .*, got 0, 0, inf, 9"):
        encoder.encode_regions(image, [[0, 0, np.inf, 9]])
    with pytest.raises(ValueError, match="has no weights of its own"):
        Detector()
    with pytest.raises(ValueError, match=r"size: expected the shorter and the longer side.*, got 800"):
        Detector(weights="random", size=800)  # type: ignore[arg-type]
    with pytest.raises(_core.FormatError, match="cls_score"):
        Detector(weights=weights, num_classes=7)
    assert "RANDOM" in repr(Detector(weights="random", num_classes=3))
