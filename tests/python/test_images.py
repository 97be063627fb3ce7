"""Behaviour and errors of decoding, resizing and preprocessing."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
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


def test_opencv_is_loaded_by_the_first_picture_only() -> None:
    script = (
        "import pictrieve as pt, numpy as np\n"
        "loaded = lambda: 'libopencv' in open('/proc/self/maps').read()\n"
        "assert not loaded()\n"
        "pt.images.encode_png(np.zeros((2, 2), np.uint8))\n"
        "assert loaded()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_paths_bytes_arrays_and_pillow_images_agree(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "bild ü.png"
    path.write_bytes(encoded(pixels, "PNG"))
    sources = [
        path,
        str(path),
        path.read_bytes(),
        bytearray(path.read_bytes()),
        pixels,
        Image.fromarray(pixels),
    ]
    for source in sources:
        assert np.array_equal(images.decode(source), pixels)
    prepared = pt.Preprocess("imagenet").apply(iter(sources))
    assert prepared.shape == (6, 3, 224, 224)
    assert prepared.dtype == np.float32
    assert (prepared == prepared[0]).all()
    assert np.array_equal(pt.Preprocess("imagenet").apply(np.stack([pixels, pixels])), prepared[:2])
    assert pt.Preprocess("imagenet").apply([]).shape == (0, 3, 224, 224)


def test_pillow_images_keep_orientation_and_alpha(pixels: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[274] = 6
    file = encoded(pixels, "PNG", exif=exif)
    assert np.array_equal(images.decode(Image.open(io.BytesIO(file))), images.decode(file))
    assert np.array_equal(images.decode(Image.open(io.BytesIO(file)), exif=False), pixels)
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], 90, np.uint8)])
    assert np.array_equal(images.decode(Image.fromarray(rgba)), images.decode(encoded(rgba, "PNG")))


def test_arrays_with_gaps_and_backward_strides(pixels: NDArray[np.uint8]) -> None:
    for view in (
        pixels[3:20, 4:31],
        pixels[::-1],
        pixels[:, ::-1],
        pixels[..., ::-1],
        pixels.transpose(1, 0, 2),
    ):
        assert np.array_equal(pt.resize(view, (9, 8)), pt.resize(view.copy(), (9, 8)))
        assert np.array_equal(images.decode(view), view)


def test_resize_keeps_dimensions(pixels: NDArray[np.uint8]) -> None:
    assert pt.resize(pixels[..., 0], (7, 9)).shape == (7, 9)
    assert pt.resize(pixels[..., :1], (7, 9)).shape == (7, 9, 1)
    assert pt.resize(pixels, (7, 9)).shape == (7, 9, 3)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), TypeError, r"image \* 255"),
        (np.zeros((4, 4), bool), TypeError, "astype"),
        (np.zeros((4, 4), np.int64), TypeError, "uint8"),
        (np.zeros((3, 8, 9), np.uint8), ValueError, r"transpose\(1, 2, 0\)"),
        (np.zeros((4,), np.uint8), ValueError, "shape"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "empty"),
        ([[0]], TypeError, "np.asarray"),
    ],
)
def test_resize_says_what_is_wrong(image: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pt.resize(image, (2, 2))  # type: ignore[arg-type]


def test_wrong_arguments(pixels: NDArray[np.uint8]) -> None:
    for call, message in [
        (lambda: pt.resize(pixels, (0, 3)), "at least 1 x 1"),
        (lambda: pt.resize(pixels, (3, 3), "cubic"), "bicubic"),
        (lambda: images.decode(encoded(pixels, "PNG"), alpha="pink"), "white, black or drop"),
        (lambda: images.encode_jpeg(pixels, 101), "1 to 100"),
        (lambda: pt.Preprocess("resnet"), "imagenet"),
        (lambda: pt.Preprocess("imagenet", decode="fast"), "exact"),
        (lambda: pt.Preprocess(steps=("resize",)), "one size"),
        (lambda: pt.Preprocess(steps=("rotate",)), "rotate"),
        (lambda: pt.Preprocess(resize=(3, 4)), "stretch"),
        (lambda: pt.Preprocess(crop=1.5), "fraction"),
        (lambda: pt.Preprocess(crop=0), "1 to"),
        (lambda: pt.Preprocess(std=(1, 0, 1)), "std"),
        (lambda: pt.Preprocess(mean=(1, 2)), "mean"),
        (lambda: pt.Preprocess(divisor=0), "divisor"),
        (lambda: pt.Preprocess(order="gbr"), "order"),
        (lambda: pt.Preprocess(antialias=False, interpolation="lanczos"), "bilinear or bicubic"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_things_that_are_no_pictures() -> None:
    for wrong in (None, 3, [None], [3.0], object()):
        with pytest.raises(TypeError, match="expected a path, encoded bytes"):
            pt.Preprocess("imagenet").apply(wrong)  # type: ignore[arg-type]


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for read in (images.read_bytes, images.decode, pt.Preprocess("imagenet").apply):
        with pytest.raises(FileNotFoundError, match=r"missing\.jpg"):
            read(tmp_path / "missing.jpg")
        with pytest.raises(IsADirectoryError):
            read(tmp_path)


def test_errors_name_the_file_and_its_place(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(encoded(pixels, "JPEG")[:-40])
    with pytest.raises(pt.DecodeError, match=r"^[^:]*broken\.jpg: JPEG"):
        pt.Preprocess("imagenet").apply([pixels, path])
    with pytest.raises(pt.DecodeError, match=r"^image 1: JPEG"):
        pt.Preprocess("imagenet").apply([pixels, path.read_bytes()])


def test_a_picture_too_thin_to_resize_is_a_bad_picture(tmp_path: Path) -> None:
    thin = np.zeros((1, 900_000, 3), np.uint8)
    path = tmp_path / "thin.png"
    path.write_bytes(images.encode_png(thin))
    for side, reason in ((200, "pixels are too many"), (2000, "too thin")):
        prepare = pt.Preprocess(resize=side, crop=224)
        with pytest.raises(pt.DecodeError, match=f"^image 0: resize: .*{reason}"):
            prepare.apply(thin)
        with pytest.raises(pt.DecodeError, match=rf"^[^:]*thin\.png: resize: .*{reason}"):
            prepare.apply(path)


def test_opencv_keeps_the_settings_that_others_made(pixels: NDArray[np.uint8]) -> None:
    images.encode_png(pixels)  # opens the decoders here, which tells where OpenCV lies
    core = next(name for name in Path("/proc/self/maps").read_text().split() if "libopencv_core" in name)
    script = (
        "import ctypes, sys, numpy as np, pictrieve as pt\n"
        f"core = ctypes.CDLL({core!r})\n"
        "core._ZN2cv13setNumThreadsEi(5)\n"
        "before = core._ZN2cv5utils7logging11getLogLevelEv()\n"
        "for name in sys.argv[1:]: pt.images.decode(bytes.fromhex(name))\n"
        "assert core._ZN2cv13getNumThreadsEv() == 5, 'threads'\n"
        "assert core._ZN2cv5utils7logging11getLogLevelEv() == before, 'log level'\n"
    )
    files = [encoded(pixels, kind).hex() for kind in ("WEBP", "TIFF", "BMP", "PPM")]
    subprocess.run([sys.executable, "-c", script, *files], check=True, timeout=60)


def test_results_do_not_depend_on_threads(pixels: NDArray[np.uint8]) -> None:
    before = pt.num_threads()
    files = [encoded(np.roll(pixels, shift, 0), "JPEG") for shift in range(9)]
    try:
        pt.set_num_threads(1)
        one = pt.Preprocess("clip").apply(files)
        pt.set_num_threads(3)
        assert np.array_equal(pt.Preprocess("clip").apply(files), one)
    finally:
        pt.set_num_threads(before)


def test_progress_is_told_and_may_stop(pixels: NDArray[np.uint8]) -> None:
    told: list[tuple[int, int]] = []
    pt.Preprocess("imagenet").apply([pixels] * 5, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (5, 5)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pt.Preprocess("imagenet").apply([pixels] * 5, progress=stop)


def variants() -> Iterator[pt.Preprocess]:
    """Give preprocessings that differ in one setting each."""
    yield pt.Preprocess()
    for setting in (
        {"resize": 250}, {"crop": 220}, {"crop": (220, 224)}, {"interpolation": "bicubic"},
        {"antialias": False}, {"decode": "exact"}, {"divisor": 1}, {"mean": (0, 0, 0)}, {"std": (1, 1, 1)},
        {"order": "bgr"}, {"exif": False}, {"alpha": "black"}, {"steps": ("crop",)},
        {"steps": ("resize",), "resize_mode": "pad"}, {"steps": ("resize",), "resize_mode": "stretch"},
    ):  # fmt: skip
        yield pt.Preprocess(**setting)


def test_fingerprint_tells_settings_apart() -> None:
    prints = [prepare.fingerprint for prepare in variants()]
    assert len(set(prints)) == len(prints)
    assert prints[0] == pt.Preprocess("imagenet").fingerprint
    assert repr(pt.Preprocess()) == f"Preprocess({prints[0]})"


def test_cropping_a_small_picture_pads_with_black(pixels: NDArray[np.uint8]) -> None:
    prepare = pt.Preprocess(steps=("crop",), crop=(60, 61), divisor=1, mean=(0, 0, 0), std=(1, 1, 1))
    result = prepare.apply(pixels)[0].transpose(1, 2, 0)
    assert prepare.size == (60, 61)
    assert np.array_equal(result[10:50, 4:56], pixels)
    assert result.sum() == pixels.sum(dtype=np.float64)
