"""Lets the references be imported: transformers and timm look for torchvision, which wants help beside a CPU Torch."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

if find_spec("torch") and find_spec("torchvision"):
    import reference_torchvision  # noqa: F401


@pytest.fixture(scope="module")
def photos(data: Path) -> list[Path]:
    """Photos whose margins around a crop of 64 are even: there all backends of transformers agree."""
    found = []
    for path in sorted((data / "coco_captions/images").glob("*.jpg")):
        with Image.open(path) as image:
            width, height = image.size
        margins = {int(side * max(width, height) / min(width, height)) - 64 for side in (64, 73)}
        if all(margin % 2 == 0 for margin in margins):
            found.append(path)
    assert len(found) >= 4
    return found[:4]
