"""Crop, resize to 224, flip and jitter of JPEG photos, against torchvision on Pillow images and v2 on tensors."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
from _pairing import medians, say_machine

import pictrieve as pt
from pictrieve import augment as aug

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

import torch  # noqa: E402
from PIL import Image  # noqa: E402
from reference_torchvision import torchvision  # noqa: E402

JITTER = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2}


def theirs(transforms: object, paths: list[Path], first: list[object]) -> torch.Tensor:
    """Decode with Pillow and take each picture through torchvision's transforms."""
    recipe = transforms.Compose([  # type: ignore[attr-defined]
        *first,
        transforms.RandomResizedCrop(224, (0.5, 1.0), antialias=True),  # type: ignore[attr-defined]
        transforms.RandomHorizontalFlip(),  # type: ignore[attr-defined]
        transforms.ColorJitter(**JITTER),  # type: ignore[attr-defined]
        *last(transforms),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),  # type: ignore[attr-defined]
    ])  # fmt: skip
    return torch.stack([recipe(Image.open(path).convert("RGB")) for path in paths])


def last(transforms: object) -> list[object]:
    """Bytes to floats, in either version."""
    if hasattr(transforms, "ToDtype"):
        return [transforms.ToImage(), transforms.ToDtype(torch.float32, scale=True)]  # type: ignore[attr-defined]
    return [transforms.ToTensor()]  # type: ignore[attr-defined]


def same_pixels(paths: list[Path]) -> None:
    """Compare the fixed part of both, byte for byte, before anything is timed."""
    served = pt.Preprocess("imagenet", decode="exact")
    steps = [aug.Resize("crop"), aug.HorizontalFlip(1.0), aug.ColourJitter(0.9), aug.ColourJitter(1.0, 1.1)]
    ours = pt.Augmentation(steps, preprocess=served, output="uint8").apply(paths)
    functional = torchvision.transforms.functional
    for pixels, path in zip(ours, paths, strict=True):
        image = functional.center_crop(functional.resize(Image.open(path).convert("RGB"), 224), 224)
        image = functional.adjust_contrast(functional.adjust_brightness(functional.hflip(image), 0.9), 1.1)
        if not np.array_equal(pixels, image):
            raise SystemExit(f"augment: {path.name}: expected the bytes of torchvision on Pillow")


def main() -> None:
    """Compare, then time one thread of each, and all of ours."""
    say_machine()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared/data/coco_captions/images"
    paths = sorted(folder.rglob("*.jpg"))[:48]
    sizes = [Image.open(path).size for path in paths]
    print(f"{len(paths)} photos, median {np.median([w * h for w, h in sizes]) / 1e6:.2f} megapixels")
    same_pixels(paths)
    torch.set_num_threads(1)
    threads = pt.num_threads()
    scaled, exact = (
        pt.Augmentation("standard", preprocess=pt.Preprocess("imagenet", decode=kind)) for kind in ("scaled", "exact")
    )

    def ours(augmentation: pt.Augmentation, count: int) -> None:
        pt.set_num_threads(count)
        augmentation.apply(paths)

    v1, v2 = torchvision.transforms, import_module("torchvision.transforms.v2")
    taken = medians(
        {
            "torchvision, Pillow": lambda: theirs(v1, paths, []),
            "torchvision v2, tensors": lambda: theirs(v2, paths, [v2.ToImage()]),
            "ours, exact, 1 thread": lambda: ours(exact, 1),
            "ours, scaled, 1 thread": lambda: ours(scaled, 1),
            f"ours, scaled, {threads} threads": lambda: ours(scaled, threads),
        }
    )
    best = min(taken["torchvision, Pillow"], taken["torchvision v2, tensors"])
    print(f"augment, all threads: {best / taken[f'ours, scaled, {threads} threads']:.2f}")
    print(f"augment, decoded in full, 1 thread: {best / taken['ours, exact, 1 thread']:.2f}")
    print(f"augment: {best / taken['ours, scaled, 1 thread']:.2f}")


if __name__ == "__main__":
    main()
