"""Write the small pictures of tests/data/images and what Pillow makes of them, for the C++ tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).resolve().parent / "images"


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(exist_ok=True)
    y, x = np.mgrid[0:24, 0:32]
    pixels = np.stack([x * 8, y * 10, (x * y) % 256], axis=2).astype(np.uint8)
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[274] = 6
    picture.save(FOLDER / "plain.png")
    picture.save(FOLDER / "turned.jpg", exif=exif, quality=90)
    picture.quantize(16).save(FOLDER / "palette.gif")
    picture.save(FOLDER / "lossless.webp", lossless=True)
    for name in ("bicubic", "lanczos"):
        resized = picture.resize((13, 9), Image.Resampling[name.upper()])
        (FOLDER / f"plain_13x9_{name}.rgb").write_bytes(np.asarray(resized).tobytes())


if __name__ == "__main__":
    main()
