"""Steps of fixed strength against Pillow, torchvision and scipy; random ones against the distributions they claim."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from reference_torchvision import torch, torchvision
from scipy import ndimage, stats

import pictrieve as pt
from pictrieve import augment as aug

F = torchvision.transforms.functional
PIL_BILINEAR = torchvision.transforms.InterpolationMode.BILINEAR
Pixels = NDArray[np.uint8]
BLUE = (10, 20, 250)


@pytest.fixture(scope="module")
def pictures(data: Path) -> list[Image.Image]:
    """Real photos of both orientations, and one with odd sides that are not a multiple of anything."""
    paths = sorted((data / "coco_captions/images").glob("*.jpg"))[:4]
    found = [Image.open(path).convert("RGB") for path in paths]
    return [*found, found[0].resize((151, 97)), found[1].resize((33, 222))]


@pytest.fixture(scope="module")
def colourful() -> Image.Image:
    """Every fifteenth level of all three channels with every other: greys and pure colours are among them."""
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, levels.size, 3)
    return Image.fromarray(cube)


def difference(actual: Pixels, expected: Image.Image | Pixels) -> int:
    return int(np.abs(actual.astype(int) - np.asarray(expected).astype(int)).max())


def tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)


def test_flips_are_pillows(pictures: list[Image.Image]) -> None:
    for image in pictures:
        assert np.array_equal(aug.flip(image), ImageOps.mirror(image))
        assert np.array_equal(aug.flip(image, "vertical"), ImageOps.flip(image))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
def test_resizing_has_pillows_bytes(pictures: list[Image.Image], interpolation: str) -> None:
    kind = {"bilinear": 2, "bicubic": 3, "lanczos": 1}[interpolation]
    mode = {2: "BILINEAR", 3: "BICUBIC", 1: "LANCZOS"}[kind]
    served = pt.Preprocess("imagenet", interpolation=interpolation, decode="exact")

    def run(step: aug.Step, image: Image.Image) -> Pixels:
        return aug.Augmentation([step], preprocess=served, output="uint8").apply(image)[0]

    for image in pictures:
        pillow = Image.Resampling(kind)
        assert np.array_equal(run(aug.Resize("stretch"), image), image.resize((224, 224), pillow))
        padded = ImageOps.pad(image, (224, 224), pillow, color=BLUE)
        assert np.array_equal(run(aug.Resize("pad", fill=BLUE), image), padded)
        resized = F.resize(image, 224, torchvision.transforms.InterpolationMode[mode])
        assert np.array_equal(run(aug.Resize("crop"), image), F.center_crop(resized, 224))


def test_the_middle_is_torchvisions(pictures: list[Image.Image]) -> None:
    for image in pictures:
        for size in [(97, 64), (224, 224), (50, 301)]:
            actual = aug.transform(image, [aug.CentreCrop(size=size)])
            assert np.array_equal(actual, F.center_crop(image, size))
        part = aug.centre_crop(image, 0.7)
        assert np.array_equal(part, F.center_crop(image, part.shape[:2]))
        assert part.shape[:2] == (round(0.7 * image.height), round(0.7 * image.width))


def test_random_windows_are_windows_of_the_padded_picture(pictures: list[Image.Image]) -> None:
    image = pictures[4]
    padded = np.asarray(F.pad(image, 9, fill=7))
    tops = set()
    for index in range(40):
        window = aug.transform(image, [aug.RandomCrop(9, (90, 150), fill=7)], indices=[index])
        found = [
            (top, left)
            for top in range(padded.shape[0] - 89)
            for left in range(padded.shape[1] - 149)
            if np.array_equal(padded[top : top + 90, left : left + 150], window)
        ]
        assert len(found) == 1
        tops.add(found[0])
    assert len(tops) > 30


@pytest.mark.parametrize("degrees", [0.0, 13.5, -30.0, 90.0, 180.0, 271.25])
def test_rotation_has_pillows_bytes(pictures: list[Image.Image], degrees: float) -> None:
    for image in pictures:
        expected = image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=BLUE)
        assert np.array_equal(aug.rotate(image, degrees, BLUE), expected)
        if degrees % 90:  # torchvision hands over to Pillow
            assert np.array_equal(F.rotate(image, degrees, PIL_BILINEAR, fill=BLUE), expected)


def test_affine_maps_are_torchvisions(pictures: list[Image.Image]) -> None:
    for image in pictures:
        step = aug.Affine(degrees=20, shift_x=0.1, shift_y=-0.05, scale=1.3, shear_x=7, shear_y=-4, fill=9)
        shift = [0.1 * image.width, -0.05 * image.height]
        expected = F.affine(image, -20, shift, 1.3, [7, -4], PIL_BILINEAR, fill=9)
        assert np.array_equal(aug.transform(image, [step]), expected)


@pytest.mark.parametrize("factor", [0.0, 0.37, 0.8, 1.0, 1.2, 1.9, 7.5])
def test_brightness_contrast_and_saturation_have_torchvisions_bytes(
    pictures: list[Image.Image], colourful: Image.Image, factor: float
) -> None:
    for image in [*pictures, colourful]:
        assert np.array_equal(aug.adjust(image, brightness=factor), F.adjust_brightness(image, factor))
        assert np.array_equal(aug.adjust(image, contrast=factor), F.adjust_contrast(image, factor))
        assert np.array_equal(aug.adjust(image, saturation=factor), F.adjust_saturation(image, factor))


@pytest.mark.parametrize("shift", [-0.5, -0.21, -0.02, 0.05, 0.2, 0.5])
def test_hue_is_torchvisions_of_tensors(pictures: list[Image.Image], colourful: Image.Image, shift: float) -> None:
    for image in [*pictures[-2:], colourful]:
        expected = F.adjust_hue(tensor(image), shift).permute(1, 2, 0).numpy()
        assert difference(aug.adjust(image, hue=shift), expected) <= 1


def test_hue_is_near_pillows_of_8_bits(pictures: list[Image.Image]) -> None:
    # Pillow's hue has 256 steps of 1.4 degrees and its saturation 256 levels: it differs from the exact turn by this.
    for image in pictures:
        off = np.abs(aug.adjust(image, hue=20 / 255).astype(int) - np.asarray(F.adjust_hue(image, 20.2 / 255)))
        assert off.max() <= 6
        assert off.mean() < 1


def test_grey_solarise_and_posterise_have_pillows_bytes(pictures: list[Image.Image], colourful: Image.Image) -> None:
    for image in [*pictures, colourful]:
        assert np.array_equal(aug.transform(image, [aug.Greyscale()]), image.convert("L").convert("RGB"))
        for threshold in (0, 77, 128, 256):
            expected = ImageOps.solarize(image, threshold)
            assert np.array_equal(aug.transform(image, [aug.Solarise(threshold)]), expected)
        for bits in (1, 3, 4, 8):
            assert np.array_equal(aug.transform(image, [aug.Posterise(bits)]), ImageOps.posterize(image, bits))


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 2.0, 5.3])
def test_blur_is_scipys_and_torchvisions(pictures: list[Image.Image], sigma: float) -> None:
    kernel = 2 * int(4 * sigma + 0.5) + 1
    for image in pictures:
        actual = aug.blur(image, sigma)
        exact = ndimage.gaussian_filter(np.asarray(image).astype(float), (sigma, sigma, 0), mode="mirror")
        assert np.abs(actual - exact).max() < 0.51
        if kernel // 2 < min(image.size):
            reference = F.gaussian_blur(tensor(image), [kernel, kernel], [sigma, sigma]).permute(1, 2, 0).numpy()
            assert difference(actual, reference) <= 1


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 95, 100])
def test_jpeg_has_pillows_bytes(pictures: list[Image.Image], quality: int) -> None:
    for image in pictures:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        assert np.array_equal(aug.jpeg(image, quality), Image.open(file).convert("RGB"))


def test_erasing_fills_one_rectangle(pictures: list[Image.Image]) -> None:
    image = pictures[0]
    step = aug.Erase(area=(0.1, 0.3), aspect=(0.5, 2.0), fill=BLUE, probability=1.0)
    for index in range(30):
        erased = aug.transform(image, [step], indices=[index])
        rows, columns = np.nonzero((erased == BLUE).all(2) & (np.asarray(image) != BLUE).any(2))
        top, left, height, width = rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1
        assert 0.09 < height * width / (image.width * image.height) < 0.31
        assert 0.48 < width / height < 2.1
        window = Image.new("RGB", (int(width), int(height)), BLUE)
        expected = image.copy()
        expected.paste(window, (int(left), int(top)))
        assert np.array_equal(erased, expected)


def test_noise_is_normal_and_has_its_deviation() -> None:
    grey = np.full((300, 400, 3), 128, np.uint8)
    off = aug.noise(grey, 9.0, seed=5).astype(float) - 128
    exact = stats.norm.cdf((np.arange(-40, 41) + 0.5) / 9)
    found = np.array([(off <= level).mean() for level in range(-40, 41)])
    assert np.abs(found - exact).max() < 1.95 / math.sqrt(off.size)  # Kolmogorov and Smirnov at 0.1 %
    assert abs(np.corrcoef(off[..., 0].ravel(), off[..., 1].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(off[:, 1:].ravel(), off[:, :-1].ravel())[0, 1]) < 0.01


def test_flips_happen_as_often_as_they_should() -> None:
    half = np.zeros((4, 4, 3), np.uint8)
    half[:, :2] = 255
    for probability in (0.2, 0.5):
        flipped = aug.transform([half] * 4000, [aug.HorizontalFlip(probability)])
        count = sum(bool(picture[0, 3, 0]) for picture in flipped)
        assert stats.binomtest(count, 4000, probability).pvalue > 1e-3


def ramp(height: int, width: int) -> Pixels:
    """A picture whose red tells the column and whose green tells the row."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, width)[None]
    picture[..., 1] = np.linspace(0, 255, height)[:, None]
    return picture


def test_random_parts_are_distributed_as_torchvisions() -> None:
    height, width, count = 240, 320, 1500
    step = aug.RandomResizedCrop(area=(0.2, 1.0), size=2)
    # Box resampling of a ramp to 2 x 2 gives the means of the halves, from which the window follows.
    served = pt.Preprocess("imagenet", interpolation="box", resize=2, crop=2, decode="exact")
    drawn = aug.Augmentation([step], preprocess=served, output="uint8").apply([ramp(height, width)] * count)
    across = (drawn[:, 0, 1, 0].astype(float) - drawn[:, 0, 0, 0]) * 2 / 255
    down = (drawn[:, 1, 0, 1].astype(float) - drawn[:, 0, 0, 1]) * 2 / 255
    middle = drawn[:, 0, :, 0].astype(float).mean(1) / 255
    torch.manual_seed(3)
    kind, blank = torchvision.transforms.RandomResizedCrop, Image.new("RGB", (width, height))
    boxes = np.array([kind.get_params(blank, (0.2, 1.0), (3 / 4, 4 / 3)) for _ in range(count)], float)
    tops, lefts, heights, widths = boxes.T
    for ours, theirs in [
        (across * down, heights * widths / (height * width)),
        (across / down, (widths / width) / (heights / height)),
        (middle, (lefts + widths / 2) / width),
    ]:
        assert stats.ks_2samp(ours, theirs).pvalue > 1e-3
    assert tops.max() > 0


def test_jitter_is_uniform_in_its_range() -> None:
    grey = np.full((1, 1, 3), 100, np.uint8)
    levels = np.array(aug.transform([grey] * 4000, [aug.ColourJitter(brightness=(0.5, 1.5))]))[:, 0, 0, 0]
    assert stats.kstest(levels + 0.5, stats.uniform(50, 100).cdf).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_weights_of_mixup_are_beta_distributed(alpha: float) -> None:
    blank = [np.zeros((2, 2, 3), np.uint8)] * 2000
    mixed = aug.Augmentation([aug.Resize("stretch"), aug.Mixup(alpha)], size=8).batch(blank)
    assert mixed.weight is not None
    assert stats.kstest(mixed.weight.astype(float), stats.beta(alpha, alpha).cdf).pvalue > 1e-3
