"""Augmentation as users call it: the same pixels wherever they are computed, recipes, errors."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt
from pictrieve import augment as aug

EVERYTHING = [
    aug.RandomResizedCrop(),
    aug.HorizontalFlip(),
    aug.VerticalFlip(),
    aug.Rotate(),
    aug.Affine(shift_x=(-0.1, 0.1), scale=(0.9, 1.1), probability=0.5),
    aug.ColourJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1)),
    aug.Greyscale(probability=0.2),
    aug.Blur(probability=0.5),
    aug.Jpeg(probability=0.5),
    aug.Noise(probability=0.5),
    aug.Solarise(probability=0.1),
    aug.Posterise(probability=0.1),
    aug.Erase(),
]


@pytest.fixture(scope="module")
def photos(data: Path) -> list[Path]:
    """Real photos, large enough that some are decoded at reduced scale for an input of 64 pixels."""
    return sorted((data / "coco_captions/images").glob("*.jpg"))[:12]


@pytest.fixture
def threads() -> Iterator[None]:
    """Leave the thread budget as it was."""
    before = pt.num_threads()
    yield
    pt.set_num_threads(before)


def everything(**settings: object) -> pt.Augmentation:
    return pt.Augmentation(EVERYTHING, size=64, seed=5, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_threads_gives_the_same_bytes(photos: list[Path], threads: None, count: int) -> None:
    pt.set_num_threads(1)
    expected = everything().apply(photos, epoch=3)
    pt.set_num_threads(count)
    assert np.array_equal(everything().apply(photos, epoch=3), expected)


def test_any_order_and_batch_size_give_the_same_bytes(photos: list[Path]) -> None:
    augmentation = everything()
    numbers = np.arange(100, 100 + len(photos))
    expected = augmentation.apply(photos, numbers, epoch=1)
    order = np.random.default_rng(0).permutation(len(photos))
    assert np.array_equal(augmentation.apply([photos[i] for i in order], numbers[order], epoch=1), expected[order])
    for size in (1, 5):
        parts = [
            augmentation.apply(photos[start : start + size], numbers[start : start + size], epoch=1)
            for start in range(0, len(photos), size)
        ]
        assert np.array_equal(np.concatenate(parts), expected)


def test_python_threads_share_one_augmentation(photos: list[Path]) -> None:
    augmentation = everything()
    expected = augmentation.apply(photos)
    found: dict[int, NDArray[np.float32]] = {}

    def work(place: int) -> None:
        found[place] = augmentation.apply(photos)

    workers = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(np.array_equal(pixels, expected) for pixels in found.values())
    assert len(found) == 4


def _in_another_process(settings: str, paths: list[str], connection: object) -> None:
    pixels = pt.Augmentation.from_dict(json.loads(settings)).apply(paths, epoch=7)
    connection.send_bytes(pixels.tobytes())  # type: ignore[attr-defined]


def test_another_process_gives_the_same_bytes(photos: list[Path]) -> None:
    augmentation = everything()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    arguments = (json.dumps(augmentation.to_dict()), [str(path) for path in photos], there)
    worker = context.Process(target=_in_another_process, args=arguments)
    worker.start()
    there.close()  # so that a worker that fails ends the wait
    received = here.recv_bytes()
    worker.join()
    assert received == augmentation.apply(photos, epoch=7).tobytes()


def test_seed_epoch_and_index_each_draw_anew(photos: list[Path]) -> None:
    photo = photos[0]
    looks = [
        pt.Augmentation("strong", size=64, seed=seed).apply(photo, [index], epoch)
        for seed in (0, 1, 2**64 - 1)
        for index in (0, 1, 2**40)
        for epoch in (0, 1, 2**32 - 1)
    ]
    assert len({look.tobytes() for look in looks}) == len(looks)


def test_two_views_are_independent_and_the_first_is_the_only_one(photos: list[Path]) -> None:
    two = pt.Augmentation("simclr", size=64, seed=1)
    views = two.apply(photos, epoch=4)
    assert two.views == 2
    assert views.shape == (2, len(photos), 3, 64, 64)
    assert np.array_equal(pt.Augmentation("simclr", size=64, seed=1, views=1).apply(photos, epoch=4), views[0])
    three = pt.Augmentation("simclr", size=64, seed=1, views=3).apply(photos, epoch=4)
    assert np.array_equal(three[:2], views)
    assert all(not np.array_equal(views[0, i], views[1, i]) for i in range(len(photos)))


@pytest.mark.parametrize("name", ["imagenet", "efficientnet_lite0", "caffe", "siglip"])
def test_none_prepares_as_in_serving(photos: list[Path], name: str) -> None:
    served = pt.Preprocess(name)
    assert np.array_equal(pt.Augmentation("none", preprocess=served).apply(photos), served.apply(photos))


def test_a_recipe_without_a_size_ends_as_served(photos: list[Path]) -> None:
    served = pt.Preprocess("efficientnet_lite0", decode="exact")
    augmentation = pt.Augmentation([aug.HorizontalFlip(1.0)], preprocess=served)
    assert augmentation.steps[-1] == aug.AsServed()
    flipped = [aug.flip(path) for path in photos]
    assert np.array_equal(augmentation.apply(photos), served.apply(flipped))


def test_reduced_decoding_stays_close_to_the_whole(photos: list[Path]) -> None:
    step = aug.RandomResizedCrop(area=(0.5, 1.0))
    scaled, exact = (
        pt.Augmentation([step], size=48, preprocess=pt.Preprocess("imagenet", decode=kind), output="uint8")
        for kind in ("scaled", "exact")
    )
    difference = np.abs(scaled.apply(photos).astype(int) - exact.apply(photos))
    assert difference.max() > 0  # it was decoded smaller
    assert difference.mean() < 3


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_bytes_and_floats_are_the_same_picture(photos: list[Path], order: str) -> None:
    served = pt.Preprocess("imagenet", order=order)
    floats = pt.Augmentation("strong", preprocess=served).apply(photos)
    pixels = pt.Augmentation("strong", preprocess=served, output="uint8").apply(photos)
    assert pixels.shape == (len(photos), 224, 224, 3)
    plain = pt.Preprocess("imagenet", order=order, steps=["crop"])
    assert np.array_equal(plain.apply(pixels), floats)


def test_erased_parts_are_zero_for_the_network() -> None:
    served = pt.Preprocess("efficientnet_lite0", order="bgr", mean=(10.0, 100.0, 200.0))
    step = aug.Erase(area=0.3, fill="mean", probability=1.0)
    white = np.full((50, 50, 3), 255, np.uint8)
    pixels = pt.Augmentation([aug.AsServed(), step], preprocess=served).apply(white)[0]
    assert ((pixels == 0).all(0)).mean() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("recipe", [*aug.RECIPES, EVERYTHING, [*EVERYTHING, aug.Mixup(0.3)], [aug.CutMix()]])
def test_settings_survive_json(photos: list[Path], recipe: str | list[aug.Step]) -> None:
    augmentation = pt.Augmentation(recipe, size=32, seed=2**63, output="uint8")
    again = pt.Augmentation.from_dict(json.loads(json.dumps(augmentation.to_dict())))
    assert again.to_dict() == augmentation.to_dict()
    assert repr(again) == repr(augmentation)
    assert np.array_equal(again.batch(photos[:3]).pixels, augmentation.batch(photos[:3]).pixels)


def test_the_repr_names_every_step() -> None:
    text = repr(pt.Augmentation([aug.RandomResizedCrop(), aug.Blur(1.5), aug.Mixup(0.4)], size=96, seed=3))
    for part in ("RandomResizedCrop(", "Blur(sigma=1.5", "Mixup(alpha=0.4", "(96, 96)", "seed=3"):
        assert part in text


@pytest.mark.parametrize("output", ["float32", "uint8"])
def test_mixup_is_the_weighted_mean_of_two(photos: list[Path], output: str) -> None:
    plain = pt.Augmentation("none", size=64, output=output).apply(photos)
    pixels, _, _, partner, weight = pt.Augmentation([aug.Mixup(1.0)], size=64, output=output).batch(photos)
    assert partner is not None
    assert weight is not None
    assert sorted(partner) == list(range(len(photos)))
    share = weight[:, None, None, None]
    expected = share * plain + (1 - share) * plain[partner]
    assert np.abs(pixels - expected).max() <= (0.51 if output == "uint8" else 1e-6)


@pytest.mark.parametrize("output", ["float32", "uint8"])
def test_cutmix_pastes_one_rectangle_of_its_weight(photos: list[Path], output: str) -> None:
    plain = pt.Augmentation("none", size=64, output=output).apply(photos)
    pixels, _, _, partner, weight = pt.Augmentation([aug.CutMix()], size=64, output=output).batch(photos)
    assert partner is not None
    assert weight is not None
    axis = 3 if output == "uint8" else 1
    for i, other in enumerate(partner):
        own = (pixels[i] == plain[i]).all(axis - 1)
        rows, columns = np.nonzero(~own)
        inside = np.zeros((64, 64), bool)
        if rows.size:
            inside[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        assert ((pixels[i] == plain[other]).all(axis - 1) | ~inside).all()
        assert 1 - inside.mean() == pytest.approx(weight[i], abs=0.02)  # equal pixels hide its edge


def test_mixing_depends_on_the_pictures_of_the_batch_not_on_their_order(photos: list[Path]) -> None:
    augmentation = pt.Augmentation([*EVERYTHING, aug.Mixup(0.5, probability=0.7)], size=64)
    numbers = np.arange(7, 7 + len(photos))
    expected = augmentation.batch(photos, numbers)
    order = np.random.default_rng(1).permutation(len(photos))
    actual = augmentation.batch([photos[i] for i in order], numbers[order])
    assert np.array_equal(actual.pixels, expected.pixels[order])
    assert expected.partner is not None
    assert expected.weight is not None
    assert actual.partner is not None
    assert np.array_equal(order[actual.partner], expected.partner[order])
    assert 0 < (expected.weight == 1).sum() < len(photos)


def test_unreadable_pictures_are_named_or_left_out(photos: list[Path], tmp_path: Path) -> None:
    damaged = tmp_path / "böse 图.jpg"
    damaged.write_bytes(photos[0].read_bytes()[:2000])
    images = [photos[0], damaged, photos[1], tmp_path / "absent.jpg", b"rubbish"]
    augmentation = everything()
    with pytest.raises(pt.DecodeError, match="böse 图"):
        augmentation.apply(images[:3])
    with pytest.raises(FileNotFoundError, match="absent"):
        augmentation.apply(images[3])
    with pytest.raises(pt.DecodeError, match=r"images\[1\]"):
        augmentation.apply([photos[0], b"rubbish"])
    batch = augmentation.batch(images, on_error="skip")
    assert list(batch.kept) == [0, 2]
    assert [error.index for error in batch.errors] == [1, 3, 4]
    assert "böse 图" in batch.errors[0].reason
    assert np.array_equal(batch.pixels, augmentation.apply([photos[0], photos[1]], [0, 2]))
    mixed = pt.Augmentation([aug.Mixup()], size=32).batch(images, on_error="skip")
    assert mixed.partner is not None
    assert sorted(mixed.partner) == [0, 1]
    assert pt.Augmentation("simclr", size=32).batch(images, on_error="skip").pixels.shape == (2, 2, 3, 32, 32)


def test_pictures_of_every_kind_and_shape(photos: list[Path]) -> None:
    rng = np.random.default_rng(3)
    shapes = [(1, 1), (1, 300), (300, 1), (2, 2, 1), (40, 50, 3), (40, 50, 4)]
    pictures = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
    before = [picture.copy() for picture in pictures]
    assert everything().apply([*pictures, photos[0].read_bytes()]).shape == (7, 3, 64, 64)
    assert all(np.array_equal(*pair) for pair in zip(pictures, before, strict=True))  # borrowed, not written
    assert everything().apply([]).shape == (0, 3, 64, 64)
    assert all(picture.ndim == 3 for picture in aug.blur(pictures, 3.0))


@pytest.mark.parametrize(
    ("recipe", "settings", "message"),
    [
        ("hard", {}, "expected one of none, standard, strong, simclr"),
        ([aug.Blur((2, 1))], {}, "sigma: expected low <= high"),
        ([aug.Jpeg(101)], {}, "quality: expected"),
        ([aug.HorizontalFlip(1.5)], {}, "probability: expected 0 to 1, got 1.5"),
        ([aug.Resize("squeeze")], {}, "mode: expected stretch, pad or crop"),
        ([aug.Erase(fill="black")], {}, "fill: expected a colour, mean or noise"),
        ([aug.RandomResizedCrop(size=100)], {}, "expected an end at 224 x 224"),
        ([aug.RandomResizedCrop(probability=0.5)], {}, "expected an end at 224 x 224"),
        ([aug.Mixup(), aug.Blur(1)], {}, "as the last step"),
        ([{"step": "sharpen"}], {}, "step: expected one of affine"),
        ([{"step": "blur", "radius": 2}], {}, "blur: expected parameters among probability, sigma, got radius"),
        ("none", {"size": (100, 50)}, "size: expected 224 x 224 times some factor"),
        ("none", {"views": 0}, "views: expected at least 1"),
        ([aug.Mixup()], {"views": 2}, "views: expected 1 where pictures are mixed"),
        ("none", {"seed": -1}, "seed: expected at least 0"),
        ("none", {"output": "float16"}, 'output: expected "float32" or "uint8"'),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(
    recipe: str | list[aug.Step], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        pt.Augmentation(recipe, **settings)  # type: ignore[arg-type]


def test_parameters_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="blur: expected sigma as a number or a pair"):
        aug.Blur("much")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rotate: expected fill"):
        aug.Rotate(fill=300)
    with pytest.raises(ValueError, match="resize: expected size as a side"):
        aug.Resize(size=0)
    with pytest.raises(TypeError, match="expected steps such as"):
        pt.Augmentation([aug.Blur])  # type: ignore[list-item]


def test_indices_epochs_and_mixing_are_checked(photos: list[Path]) -> None:
    augmentation = everything()
    with pytest.raises(ValueError, match="indices: expected one whole number for each of 2 pictures"):
        augmentation.apply(photos[:2], [1])
    with pytest.raises(ValueError, match="indices: expected numbers of at least 0, got -4"):
        augmentation.apply(photos[:2], [1, -4])
    with pytest.raises(ValueError, match="epoch: expected at least 0"):
        augmentation.apply(photos[0], epoch=-1)
    with pytest.raises(ValueError, match="use batch"):
        pt.Augmentation([aug.Mixup()]).apply(photos[0])
    with pytest.raises(ValueError, match='on_error: expected "raise" or "skip"'):
        augmentation.batch(photos[0], on_error="ignore")
    with pytest.raises(ValueError, match="got one that mixes"):
        aug.transform(photos[0], [aug.CutMix()])


def test_one_picture_gives_an_array_and_many_a_list(photos: list[Path]) -> None:
    single = aug.blur(photos[0], 1.0)
    assert single.shape == pt.images.decode(photos[0]).shape
    many = aug.blur(photos[:2], 1.0)
    assert isinstance(many, list)
    assert np.array_equal(many[0], single)


def test_random_steps_of_transform_follow_seed_index_and_epoch(photos: list[Path]) -> None:
    first = aug.noise(photos[0], 5.0, seed=1)
    assert np.array_equal(aug.noise(photos[0], 5.0, seed=1), first)
    assert not np.array_equal(aug.noise(photos[0], 5.0, seed=2), first)
    moved = aug.transform([photos[0]] * 2, [aug.Noise(5.0)], indices=[4, 0], seed=1)
    assert not np.array_equal(moved[0], first)
    assert np.array_equal(moved[1], first)
    assert not np.array_equal(aug.transform(photos[0], [aug.Noise(5.0)], epoch=1, seed=1), first)
