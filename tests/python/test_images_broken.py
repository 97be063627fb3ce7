"""Damaged, hostile and foreign bytes: a DecodeError that says what is wrong, and nothing else."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import pictrieve as pt
from pictrieve import images


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    """Give a smooth picture with some noise."""
    rng = np.random.default_rng(3)
    ramp = np.linspace(0, 200, 40 * 52 * 3).reshape(40, 52, 3)
    return (ramp + rng.integers(0, 50, ramp.shape)).astype(np.uint8)


def encoded(pixels: NDArray[np.uint8], kind: str, **options: object) -> bytes:
    """Encode with Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def png_with_size(width: int, height: int) -> bytes:
    """Write a PNG whose header claims any size."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IEND\xaeB`\x82"


BROKEN = {
    "0 bytes": b"",
    "HTML": b"<!DOCTYPE html><html><body>404</body></html>",
    "SVG": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0",
    "AVIF": b"\0\0\0\x18ftypavif\0\0\0\0",
    "PDF": b"%PDF-1.7\n",
    "none of them": bytes(range(100, 200)),
    "JSON": b'{"error": "not found"}',
}


@pytest.mark.parametrize("kind", list(BROKEN))
def test_foreign_bytes_are_named(kind: str) -> None:
    with pytest.raises(pt.DecodeError, match=kind):
        images.decode(BROKEN[kind])


@pytest.mark.parametrize(
    "bomb",
    [
        png_with_size(100_000, 100_000), png_with_size(2**31 - 1, 2**31 - 1), png_with_size(1, 2**31 - 1),
        b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0",
        b"P6 4294967296 4294967296 255\n", b"P5 99999999999999999999 1 255\n",
        b"BM" + b"\0" * 12 + struct.pack("<Iii", 40, 2**31 - 1, -(2**31)) + b"\0" * 40,
    ],
)  # fmt: skip
def test_bombs_are_refused_by_their_header(bomb: bytes) -> None:
    with pytest.raises(pt.DecodeError, match="max_pixels"):
        images.decode(bomb)


def gif_with_frame(file: bytes, width: int, height: int) -> bytes:
    """Change the size of the first frame, but not that of the canvas."""
    place = file.index(b"\x2c\0\0\0\0") + 5
    return file[:place] + struct.pack("<HH", width, height) + file[place + 4 :]


def test_a_gif_frame_larger_than_its_canvas_is_bounded(pixels: NDArray[np.uint8]) -> None:
    file = encoded(pixels, "GIF", interlace=0)
    with pytest.raises(pt.DecodeError, match="max_pixels"):
        images.decode(gif_with_frame(file, 65535, 65535))
    whole = images.decode(file)
    assert np.array_equal(images.decode(gif_with_frame(file, 52, 3_000)), whole)  # rows below the canvas stay unread


def test_encoding_without_memory_is_an_error() -> None:
    script = (
        "import re, resource, numpy as np, pictrieve as pt\n"
        "noise = np.random.default_rng(0).integers(0, 256, (3000, 3000, 3), np.uint8)\n"
        "pt.images.encode_jpeg(noise[:9, :9])\n"
        "used = int(re.search(r'VmSize:\\s+(\\d+)', open('/proc/self/status').read())[1]) << 10\n"
        "for spare in (4, 8, 12, 16, 24):\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (used + (spare << 20), -1))\n"
        "    try:\n"
        "        pt.images.encode_jpeg(noise, 100)\n"
        "        raise SystemExit('expected too little memory')\n"
        "    except (MemoryError, pt.Error):\n"
        "        pass\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_max_pixels(pixels: NDArray[np.uint8]) -> None:
    file = encoded(pixels, "PNG")
    assert images.decode(file, max_pixels=40 * 52).shape == (40, 52, 3)
    with pytest.raises(pt.DecodeError, match=r"at most 2079 pixels.*52 x 40"):
        images.decode(file, max_pixels=40 * 52 - 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM"])
def test_every_prefix_is_an_error_or_the_whole_picture(pixels: NDArray[np.uint8], kind: str) -> None:
    file = encoded(pixels[:16, :17], kind)
    whole = images.decode(file)
    decoded = 0
    for length in range(len(file)):
        try:
            prefix = images.decode(file[:length])
        except pt.DecodeError:
            continue
        decoded += 1
        assert np.array_equal(prefix, whole), length
    assert decoded < 30  # checksums and end marks only


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM"])
def test_flipped_bytes_never_crash(pixels: NDArray[np.uint8], kind: str) -> None:
    rng = np.random.default_rng(5)
    file = np.frombuffer(encoded(pixels[:16, :17], kind), np.uint8)
    for _ in range(300):
        damaged = file.copy()
        damaged[rng.integers(0, len(file), 4)] = rng.integers(0, 256, 4)
        with contextlib.suppress(pt.DecodeError):  # the only kind that may leave
            assert images.decode(damaged.tobytes(), max_pixels=1_000_000).ndim == 3


def test_truncated_jpeg_is_an_error(data: Path) -> None:
    file = (data / "neardup/images/base_images__ukbench00120.jpg").read_bytes()
    for length in (len(file) - 2, len(file) // 2, 700):
        with pytest.raises(pt.DecodeError, match="truncated"):
            images.decode(file[:length])


def test_broken_exif_does_not_refuse_the_picture(pixels: NDArray[np.uint8]) -> None:
    for exif in (
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\1\x12",
        b"\xff" * 60,
    ):
        file = encoded(pixels, "JPEG")
        segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        assert np.array_equal(images.decode(file[:2] + segment + file[2:]), images.decode(file))


def test_nothing_is_printed(pixels: NDArray[np.uint8], capfd: pytest.CaptureFixture[str]) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "GIF"):
        file = encoded(pixels, kind)
        for damaged in (file[: len(file) // 2], file[:-40] + b"\xff" * 40):
            try:
                images.decode(damaged)
            except pt.DecodeError:
                continue
    assert capfd.readouterr() == ("", "")
