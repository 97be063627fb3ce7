"""Decoding, resampling and preprocessing against Pillow and torchvision's conventions."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

import pictrieve as pt
from pictrieve import images

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
ORIENTATION = 274


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """Encode with Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(data: Path) -> Image.Image:
    """Give a real photo."""
    return Image.open(data / "neardup/images/base_images__ukbench00120.jpg").convert("RGB")


def pillow_rgb(source: bytes | Path) -> NDArray[np.uint8]:
    """Decode with Pillow: upright, transparency composed on white."""
    file = io.BytesIO(source if isinstance(source, bytes) else source.read_bytes())
    image = ImageOps.exif_transpose(Image.open(file))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    return np.asarray(image.convert("RGB"))


def sizes(count: int) -> list[tuple[int, int, int, int]]:
    """Draw source and target sizes: up, down, and extreme shapes."""
    rng = np.random.default_rng(7)
    drawn = [tuple(int(side) for side in rng.integers(1, 600, 4)) for _ in range(count - 20)]
    thin = [tuple(int(side) for side in rng.choice([1, 2, 3, 5, 600], 4)) for _ in range(20)]
    return drawn + thin


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("name", list(FILTERS))
def test_resize_equals_pillow_byte_for_byte(name: str, mode: str) -> None:
    rng = np.random.default_rng(11)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    for height, width, new_height, new_width in sizes(200):
        pixels = rng.integers(0, 256, (height, width, *channels), dtype=np.uint8)
        expected = np.asarray(Image.fromarray(pixels).resize((new_width, new_height), FILTERS[name]))
        actual = pt.resize(pixels, (new_height, new_width), name)
        assert np.array_equal(actual, expected), (height, width, new_height, new_width)


@pytest.mark.parametrize("name", list(FILTERS))
def test_resize_of_a_photo_equals_pillow(data: Path, name: str) -> None:
    image = photo(data)
    for size in [(224, 224), (97, 1203), (image.height, 64), (64, image.width), (1, 1), (480, 640)]:
        expected = np.asarray(image.resize(size[::-1], FILTERS[name]))
        assert np.array_equal(pt.resize(np.asarray(image), size, name), expected), size


def test_resize_of_a_crop_reads_rows_with_gaps(data: Path) -> None:
    image = photo(data)
    part = np.asarray(image)[11:300, 21:222]
    expected = np.asarray(image.crop((21, 11, 222, 300)).resize((50, 60), Image.Resampling.LANCZOS))
    assert np.array_equal(pt.resize(part, (60, 50), "lanczos"), expected)


@pytest.mark.parametrize(
    "name",
    [
        "base_images__ukbench00120.jpg", "ukbench00120_gray.jpg", "alpha_channel_image.png",
        "formats_images__ukbench09380.bmp", "formats_images__ukbench09380.jpeg",
        "formats_images__ukbench09380.png", "formats_images__ukbench09380.webp",
        "formats_images__baboon.pgm", "formats_images__marbles.pbm", "formats_images__copyleft.tiff",
        "formats_images__giphy.gif",
    ],
)  # fmt: skip
def test_real_files_decode_to_pillows_pixels(data: Path, name: str) -> None:
    path = data / "neardup/images" / name
    assert np.array_equal(images.decode(path), pillow_rgb(path))


def test_imagenet_photos_decode_to_pillows_pixels(data: Path) -> None:
    for path in sorted((data / "imagenet_samples/images").rglob("*.*"))[::25]:
        assert np.array_equal(images.decode(path), pillow_rgb(path)), path


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_kinds_decode_to_pillows_pixels(data: Path, subsampling: int, progressive: bool) -> None:
    for size in [(640, 480), (37, 51), (8, 8), (1, 1), (17, 16)]:
        file = encoded(photo(data).resize(size), "JPEG", subsampling=subsampling, progressive=progressive, quality=80)
        assert np.array_equal(images.decode(file), pillow_rgb(file)), size


def test_cmyk_jpeg_converts_as_pillow(data: Path) -> None:
    file = encoded(photo(data).resize((120, 90)).convert("CMYK"), "JPEG", quality=95)
    assert np.array_equal(images.decode(file), pillow_rgb(file))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(data: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    lossless = {"lossless": True} if kind == "WEBP" else {}
    file = encoded(photo(data).resize((45, 31)), kind, exif=exif, **lossless)
    raw = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    assert np.array_equal(images.decode(file), pillow_rgb(file))
    assert np.array_equal(images.decode(file, exif=False), raw) or kind == "TIFF"  # Pillow turns TIFF in place
    assert images.decode(file).shape == ((45, 31, 3) if orientation >= 5 else (31, 45, 3))
    assert images.decode(file, exif=False).shape == (31, 45, 3)


def transparent(data: Path, mode: str) -> Image.Image:
    """Give a photo with a gradient of transparency."""
    image = photo(data).resize((64, 48))
    image.putalpha(Image.linear_gradient("L").resize((64, 48)))
    return image.convert(mode)


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF")])
def test_alpha_is_composed_on_white(data: Path, mode: str, kind: str) -> None:
    file = encoded(transparent(data, mode), kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert np.array_equal(images.decode(file), pillow_rgb(file))


def test_alpha_policies(data: Path) -> None:
    image = transparent(data, "RGBA")
    file = encoded(image, "PNG")
    black = Image.new("RGB", image.size)
    black.paste(image, mask=image.getchannel("A"))
    assert np.array_equal(images.decode(file, alpha="black"), np.asarray(black))
    assert np.array_equal(images.decode(file, alpha="drop"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_transparency(data: Path, kind: str) -> None:
    image = photo(data).resize((64, 48)).quantize(32)
    for options in ({}, {"transparency": 3}):
        file = encoded(image, kind, **options)
        assert np.array_equal(images.decode(file), pillow_rgb(file))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM", "BMP"])
@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_and_bilevel(data: Path, kind: str, mode: str) -> None:
    for width in (1, 7, 8, 65):
        file = encoded(photo(data).resize((width, 31)).convert(mode), kind)
        assert np.array_equal(images.decode(file), pillow_rgb(file)), width


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_keeps_the_high_byte(kind: str) -> None:
    # Pillow itself clips its mode I;16 at 255 when converting: the reference is the high byte.
    values = np.linspace(0, 65535, 60 * 40).astype(np.uint16).reshape(40, 60)
    file = encoded(Image.fromarray(values), kind)
    assert np.array_equal(images.decode(file), np.repeat((values >> 8).astype(np.uint8)[..., None], 3, 2))


def test_tiff_compressions(data: Path) -> None:
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        file = encoded(photo(data).resize((70, 50)), "TIFF", compression=compression)
        assert np.array_equal(images.decode(file), pillow_rgb(file)), compression


def test_interlaced_gif_and_first_frame(data: Path) -> None:
    first, second = photo(data).resize((50, 40)).quantize(64), Image.new("P", (50, 40), 3)
    for interlace in (0, 1):
        file = encoded(first, "GIF", interlace=interlace)
        assert np.array_equal(images.decode(file), pillow_rgb(file))
    file = encoded(first, "GIF", save_all=True, append_images=[second])
    assert np.array_equal(images.decode(file), pillow_rgb(file))


def test_first_frame_of_animated_webp(data: Path) -> None:
    first = transparent(data, "RGBA")
    file = encoded(first, "WEBP", save_all=True, append_images=[Image.new("RGBA", first.size)], lossless=True)
    assert np.array_equal(images.decode(file), pillow_rgb(file))


def shortest(image: Image.Image, side: int, kind: str) -> Image.Image:
    """Resize as torchvision.transforms.Resize(side) does with Pillow images."""
    short, long = sorted(image.size)
    other = int(side * long / short)
    size = (side, other) if image.width <= image.height else (other, side)
    return image.resize(size, FILTERS[kind])


def centre(image: Image.Image, side: int) -> Image.Image:
    """Crop as torchvision.transforms.CenterCrop(side) does."""
    top, left = round((image.height - side) / 2.0), round((image.width - side) / 2.0)
    return image.crop((left, top, left + side, top + side))


def chw(image: Image.Image, divisor: float, mean: object, std: object) -> NDArray[np.float32]:
    """Normalise in float32, in the usual order of operations."""
    values = np.asarray(image, np.float32) / np.float32(divisor)
    return ((values - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)).transpose(2, 0, 1)


def reference(preset: str, image: Image.Image) -> NDArray[np.float32]:
    """Prepare with Pillow and NumPy alone."""
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    if preset == "efficientnet_lite0":
        side = int(0.875 * min(image.size))
        left, top = (image.width - side + 1) // 2, (image.height - side + 1) // 2
        square = image.crop((left, top, left + side, top + side)).resize((224, 224), FILTERS["bicubic"])
        return chw(square, 1, 127, 128)
    if preset == "imagenet":
        return chw(centre(shortest(image, 256, "bilinear"), 224), 255, *imagenet)
    if preset == "clip":
        statistics = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
        return chw(centre(shortest(image, 224, "bicubic"), 224), 255, *statistics)
    if preset == "caffe":
        bgr = Image.merge("RGB", centre(shortest(image, 256, "bilinear"), 224).split()[::-1])
        return chw(bgr, 1, (103.939, 116.779, 123.68), 1)
    side, kind = (224, "bicubic") if preset == "siglip" else (299, "bilinear")
    return chw(image.resize((side, side), FILTERS[kind]), 255, 0.5, 0.5)


@pytest.mark.parametrize("preset", ["efficientnet_lite0", "imagenet", "clip", "siglip", "inception", "caffe"])
def test_presets_equal_their_pillow_pipelines(data: Path, preset: str) -> None:
    prepare = pt.Preprocess(preset, decode="exact")
    paths = sorted((data / "imagenet_samples/images").rglob("*.*"))[:3]
    paths += [data / "neardup/images/base_images__ukbench00120.jpg"]
    for path, row in zip(paths, prepare.apply(paths), strict=True):
        assert np.array_equal(row, reference(preset, Image.fromarray(pillow_rgb(path)))), path
    for size in [(225, 224), (227, 301), (300, 40), (1000, 501), (23, 29)]:
        image = photo(data).resize(size)
        assert np.array_equal(prepare.apply(image)[0], reference(preset, image)), size


def test_pad_equals_pillows_imageops(data: Path) -> None:
    for size in [(640, 480), (333, 500), (7, 400), (224, 224), (3, 3)]:
        image = photo(data).resize(size)
        prepare = pt.Preprocess(
            steps=("resize",), resize=(200, 224), resize_mode="pad", pad_value=114, interpolation="bicubic",
            divisor=1, mean=(0, 0, 0), std=(1, 1, 1),
        )  # fmt: skip
        expected = ImageOps.pad(image, (224, 200), FILTERS["bicubic"], color=(114, 114, 114))
        assert np.array_equal(prepare.apply(image)[0], chw(expected, 1, 0, 1)), size


def test_lite0_crop_matches_the_goldens(data: Path) -> None:
    # The goldens were resized by OpenCV, so within one level; a shift of one pixel would change up to 100.
    goldens = np.load(data / "weights/goldens/inputs_224.npz")
    for name, expected in zip(goldens["names"], goldens["bicubic_u8"], strict=True):
        prepare = pt.Preprocess(
            "efficientnet_lite0", antialias=False, decode="exact", divisor=1, mean=(0, 0, 0), std=(1, 1, 1)
        )
        actual = prepare.apply(data / str(name))[0].transpose(1, 2, 0)
        assert np.abs(actual - expected.astype(np.float32)).max() <= 1, name


def test_scaled_decoding_stays_close_to_full_decoding(data: Path) -> None:
    large = photo(data).resize((2600, 1950), FILTERS["bicubic"])
    file = encoded(large, "JPEG", quality=92)
    scaled, exact = (pt.Preprocess("imagenet", decode=kind).apply(file) for kind in ("scaled", "exact"))
    assert not np.array_equal(scaled, exact)
    assert np.abs(scaled - exact).mean() < 0.02


def test_encoded_jpeg_and_png_read_back_in_pillow(data: Path) -> None:
    pixels = np.asarray(photo(data))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(images.encode_png(pixels)))), pixels)
    for quality in (50, 95):
        ours, theirs = images.encode_jpeg(pixels, quality), encoded(photo(data), "JPEG", quality=quality)
        assert np.array_equal(pillow_rgb(ours), pillow_rgb(theirs)), quality
