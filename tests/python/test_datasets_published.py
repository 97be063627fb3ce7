"""Loaders of published data sets, each on a small tree of its layout; the published sizes are checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_trees import lines, photo, photos

from pictrieve import datasets
from pictrieve.datasets import PUBLISHED, Coco, CountWarning, Dataset, Karpathy

pytestmark = pytest.mark.filterwarnings("ignore::pictrieve.datasets.CountWarning")


def names_of(ds: Dataset) -> list[str]:
    return [path.name for path in ds.paths]


def flickr8k(root: Path) -> Path:
    tokens = [f"{i}.jpg#{k}\tcaption {k}, of {i} ." for i in range(5) for k in range(5)]
    lines(root / "Flickr8k_text" / "Flickr8k.token.txt", *tokens)
    for split, name in (("train", "0.jpg"), ("dev", "1.jpg"), ("test", "3.jpg")):
        lines(root / "Flickr8k_text" / f"Flickr_8k.{split}Images.txt", name)
    photos(root / "Flicker8k_Dataset", [f"{i}.jpg" for i in range(5)])
    return root


def test_flickr8k(tmp_path: Path) -> None:
    ds = datasets.Flickr8k(flickr8k(tmp_path), check_files=True)
    assert (names_of(ds), ds.splits.tolist()) == (["0.jpg", "1.jpg", "3.jpg"], ["train", "val", "test"])
    assert ds.captions[2] == [f"caption {k}, of 3 ." for k in range(5)]
    lines(tmp_path / "Flickr8k_text" / "Flickr_8k.testImages.txt", "9.jpg")
    with pytest.raises(ValueError, match=r"captions of every listed photo, 9\.jpg has none"):
        datasets.Flickr8k(tmp_path)
    lines(tmp_path / "Flickr8k_text" / "Flickr8k.token.txt", "0.jpg#0\ta", "no tab, no comma")
    with pytest.raises(ValueError, match=r"Flickr8k\.token\.txt, line 2: expected 'name\.jpg#0<tab>caption'"):
        datasets.Flickr8k(tmp_path)


def test_captions_with_commas_and_quotes_below_a_head(tmp_path: Path) -> None:
    lines(tmp_path / "captions.txt", "image,caption", 'a.jpg,"He said ""hi"", twice ."', "a.jpg,one, two, b.jpg, three",
          'b,c.jpg,"quoted" start')  # fmt: skip
    ds = datasets.Flickr8k(tmp_path)
    assert names_of(ds) == ["a.jpg", "b,c.jpg"]
    assert ds.captions == [['He said "hi", twice .', "one, two, b.jpg, three"], ['"quoted" start']]
    assert ds.splits is None


def test_flickr30k_of_both_layouts(tmp_path: Path) -> None:
    lines(tmp_path / "results_20130124.token", "1.jpg#0\tA, b", "1.jpg#1\tC", "2.jpg#0\tD")
    (tmp_path / "flickr30k-images").mkdir()
    ds = datasets.Flickr30k(tmp_path)
    assert (ds.captions, ds.paths[1]) == ([["A, b", "C"], ["D"]],
                                          tmp_path / "flickr30k-images" / "2.jpg")  # fmt: skip
    lines(tmp_path / "flickr30k_test_karpathy.txt", "image,caption", "1.jpg,A, b", "1.jpg,C")
    lines(tmp_path / "flickr30k_val_karpathy.txt", "image,caption", "2.jpg,D")
    ds = datasets.Flickr30k(tmp_path)
    assert (ds.split("test").captions, ds.split("val").captions) == ([["A, b", "C"]], [["D"]])
    lines(tmp_path / "flickr30k_val_karpathy.txt", "image,caption", "1.jpg,D")
    with pytest.raises(ValueError, match="each photo in one split, 1 are in two"):
        datasets.Flickr30k(tmp_path)


def test_karpathys_splits(tmp_path: Path) -> None:
    splits = [("train", "train"), ("val", "restval"), ("val", "val"), ("val", "test")]
    images = [
        {"filename": f"{i}.jpg", "filepath": f"{year}2014", "split": split, "cocoid": i, "sentids": [i],
         "sentences": [{"raw": f"Nr. {i}, said. ", "tokens": []}] * 5}
        for i, (year, split) in enumerate(splits)
    ]  # fmt: skip
    path = lines(tmp_path / "dataset_coco.json", json.dumps({"images": images, "dataset": "coco"}))
    ds = Karpathy(path, tmp_path / "coco")
    assert ds.splits.tolist() == ["train", "train", "val", "test"]
    assert (ds.paths[1], ds.captions[1]) == (tmp_path / "coco/val2014/1.jpg", ["Nr. 1, said."] * 5)
    assert ds.metadata["cocoid"].tolist() == [0, 1, 2, 3]
    assert Karpathy(path, restval="keep").splits.tolist() == ["train", "restval", "val", "test"]
    assert Karpathy(path, restval="drop").splits.tolist() == ["train", "val", "test"]
    for restval, train in (("train", "113,287"), ("drop", "82,783"), ("keep", "82,783")):
        with pytest.raises(ValueError, match=f"train: {train} expected, {2 if restval == 'train' else 1} got"):
            Karpathy(path, restval=restval, strict=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='expected "images" with filename, split and sentences'):
        Karpathy(lines(path, '{"images": [{}]}'))


def test_coco_captions_and_objects(tmp_path: Path) -> None:
    images = [{"id": 7, "file_name": "7.jpg"}, {"id": 3, "file_name": "3.jpg"}]
    captions = [{"id": 1, "image_id": 3, "caption": "b "}, {"id": 2, "image_id": 3, "caption": "a"}]
    path = tmp_path / "annotations" / "captions_val2017.json"
    lines(path, json.dumps({"images": images, "annotations": captions}))
    photos(tmp_path / "val2017", ["3.jpg", "7.jpg"])
    ds = Coco(path, check_files=True)
    assert (ds.captions, ds.metadata["image_id"].tolist()) == ([[], ["b", "a"]], [7, 3])
    objects = [{"id": 1, "image_id": 3, "category_id": 18, "bbox": [1, 2, 10, 20], "iscrowd": 0},
               {"id": 2, "image_id": 3, "category_id": 18, "bbox": [1, 2, 0, 20], "iscrowd": 0},
               {"id": 3, "image_id": 3, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 1}]  # fmt: skip
    path = tmp_path / "annotations" / "instances_val2017.json"
    lines(path, json.dumps({"images": images, "annotations": objects, "categories": [{"id": 18, "name": "dog"}]}))
    with pytest.warns(UserWarning, match="1 boxes without area"):
        ds = Coco(path)
    assert (ds.boxes.tolist(), ds.classes, names_of(ds)) == ([[1, 2, 11, 22]], ["dog"], ["3.jpg"])
    captions[0]["image_id"] = 4
    lines(path, json.dumps({"images": images, "annotations": captions}))
    with pytest.raises(ValueError, match="annotation 1 is of picture 4, which is not listed"):
        Coco(path)
    with pytest.raises(ValueError, match=r"line 2: expected JSON"):
        Coco(lines(path, "{", "]"))


def products(root: Path) -> Path:
    head = "image_id class_id super_class_id path"
    lines(root / "Ebay_train.txt", head, "1 1 1 bicycle_final/111_0.JPG", "2 2 1 bicycle_final/112_0.JPG")
    lines(root / "Ebay_test.txt", head, "3 11319 12 toaster_final/113_0.JPG")
    return root


def test_stanford_online_products(tmp_path: Path) -> None:
    ds = datasets.StanfordOnlineProducts(products(tmp_path))
    assert (ds.classes, ds.splits.tolist()) == (["1", "2", "11319"], ["train", "train", "test"])
    assert ds.metadata["super_class"].tolist() == ["bicycle", "bicycle", "toaster"]
    lines(tmp_path / "Ebay_test.txt", "image_id class_id super_class_id path", "3 11319 12")
    with pytest.raises(ValueError, match=r"Ebay_test\.txt, line 2: expected 4 fields, got 3"):
        datasets.StanfordOnlineProducts(tmp_path)


def test_in_shop(tmp_path: Path) -> None:
    names = [f"img/WOMEN/Dresses/id_{i:08d}/0{i}_1_front.jpg" for i in range(3)]
    rows = [
        f"{name} id_{i:08d} {status}"
        for i, (name, status) in enumerate(zip(names, ("train", "query", "gallery"), strict=True))
    ]
    path = lines(tmp_path / "Eval" / "list_eval_partition.txt", "3", "image_name item_id evaluation_status", *rows)
    boxes = [f"{name} 2 1 5 6 {20 + i} {30 + i}" for i, name in enumerate(names)]
    lines(tmp_path / "Anno" / "list_bbox_inshop.txt", "3", "image_name clothes_type pose_type x_1 y_1 x_2 y_2", *boxes)
    ds = datasets.InShop(tmp_path, boxes=True)
    assert (ds.splits.tolist(), ds.is_query.tolist(), ds.is_gallery.tolist()) == (
        ["train", "test", "test"], [False, True, False], [False, False, True])  # fmt: skip
    assert (ds.boxes[1].tolist(), ds[2].label, ds[0].metadata) == (
        [5, 6, 21, 31],
        "id_00000002",
        {"category": "Dresses"},
    )
    lines(path, "4", "image_name item_id evaluation_status", *rows)
    with pytest.raises(ValueError, match=r"as many rows as its first line says, \['4'\], got 3"):
        datasets.InShop(tmp_path)


def cub(root: Path) -> Path:
    birds = [1, 100, 101, 200]
    names = [f"{bird:03d}.Bird/{bird}_{k}.jpg" for bird in birds for k in range(2)]
    lines(root / "images.txt", *(f"{i} {name}" for i, name in enumerate(names, 1)))
    lines(root / "image_class_labels.txt", *(f"{i} {birds[(i - 1) // 2]}" for i in range(1, 9)))
    lines(root / "train_test_split.txt", *(f"{i} {i % 2}" for i in range(1, 9)))
    lines(root / "bounding_boxes.txt", *(f"{i} 10.0 20.0 {i}.0 5.5" for i in range(1, 9)))
    lines(root / "classes.txt", *(f"{i} {i:03d}.Bird" for i in range(1, 201)))
    return root


def test_cub_by_both_protocols(tmp_path: Path) -> None:
    cub(tmp_path / "CUB_200_2011")
    ds = datasets.CUB200(tmp_path, protocol="metric")
    assert set(ds.split("train").labels.tolist()) == {0, 99}
    assert set(ds.split("test").labels.tolist()) == {100, 199}
    official = datasets.CUB200(tmp_path, protocol="official", boxes=True)
    assert official.splits.tolist() == ["train", "test"] * 4
    assert (official.boxes[1].tolist(), official.classes[99]) == ([10, 20, 12, 25.5], "100.Bird")
    for loader in (datasets.CUB200, datasets.Cars196):
        with pytest.raises(TypeError, match=r"protocol metric \(unseen classes\) or official, got None"):
            loader(tmp_path)
    with pytest.raises(ValueError, match="expected protocol metric"):
        datasets.CUB200(tmp_path, protocol="both")  # type: ignore[arg-type]
    lines(tmp_path / "CUB_200_2011" / "train_test_split.txt", "1 1")
    with pytest.raises(ValueError, match=r"a line for every picture of images\.txt, 2 has none"):
        datasets.CUB200(tmp_path, protocol="official")


CARS = [(1, 0), (98, 1), (99, 0), (196, 1)]  # class, whether official test


def cars_in_one_file(root: Path) -> None:
    io = pytest.importorskip("scipy.io")
    kinds = [("relative_im_path", object), *((f"bbox_{side}", object) for side in ("x1", "y1", "x2", "y2")),
             ("class", object), ("test", object)]  # fmt: skip
    rows = [(f"car_ims/{i}.jpg", 1, 2, 30 + i, 40, number, test) for i, (number, test) in enumerate(CARS)]
    names = np.array([f"Car {i}" for i in range(1, 197)], object)
    io.savemat(root / "cars_annos.mat", {"annotations": np.array(rows, kinds), "class_names": names})


def cars_in_the_devkit(root: Path) -> None:
    io = pytest.importorskip("scipy.io")
    (root / "devkit").mkdir()
    kinds = [(f"bbox_{side}", object) for side in ("x1", "y1", "x2", "y2")] + [("class", object), ("fname", object)]
    for file, wanted in (("devkit/cars_train_annos.mat", 0), ("cars_test_annos_withlabels.mat", 1)):
        rows = [(1, 2, 30 + i, 40, number, f"{i}.jpg") for i, (number, test) in enumerate(CARS) if test == wanted]
        io.savemat(root / file, {"annotations": np.array(rows, kinds)})
    names = np.array([f"Car {i}" for i in range(1, 197)], object)
    io.savemat(root / "devkit" / "cars_meta.mat", {"class_names": names})


def cars_in_a_table(root: Path) -> None:
    rows = [f"{i}.jpg,{number},{test},1,2,{30 + i},40" for i, (number, test) in enumerate(CARS)]
    lines(root / "cars.csv", "path,class,test,x1,y1,x2,y2", *rows)


@pytest.mark.parametrize("write", [cars_in_one_file, cars_in_the_devkit, cars_in_a_table])
def test_cars_by_both_protocols(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path)
    options: dict[str, Any] = {"annotations": tmp_path / "cars.csv"} if write is cars_in_a_table else {}
    metric = datasets.Cars196(tmp_path, protocol="metric", boxes=True, **options)
    assert sorted(metric.split("train").labels.tolist()) == [0, 97]
    assert sorted(metric.split("test").labels.tolist()) == [98, 195]
    assert sorted(metric.boxes[:, 2].tolist()) == [30, 31, 32, 33]
    official = datasets.Cars196(tmp_path, protocol="official", **options)
    assert sorted(official.split("train").labels.tolist()) == [0, 98]
    assert len(official.classes) == 196
    if write is not cars_in_a_table:
        assert sorted(official.split("test").column("label")) == ["Car 196", "Car 98"]


def test_groups_by_file_name(tmp_path: Path) -> None:
    photos(tmp_path / "full", [f"ukbench{i:05d}.jpg" for i in range(8)])
    ds = datasets.UKBench(tmp_path)
    assert ds.labels.tolist() == [0] * 4 + [1] * 4
    photos(tmp_path / "jpg", ["100000.jpg", "100001.jpg", "100100.jpg"])
    ds = datasets.Holidays(tmp_path / "jpg")
    assert (ds.classes, ds.labels.tolist(), ds.is_query.tolist()) == (["1000", "1001"], [0, 0, 1], [True, False, True])
    assert ds.rare() == {"1001": 1}
    with pytest.raises(ValueError, match="expected pictures named"):
        datasets.Holidays(tmp_path / "full")
    photo(tmp_path / "again" / "ukbench00003.jpg")
    with pytest.raises(ValueError, match="expected each picture once"):
        datasets.UKBench(tmp_path)


@pytest.mark.filterwarnings("error")
def test_another_size_than_published_is_said_and_refused_when_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = (
        "StanfordOnlineProducts differs from its published size; train: 59,551 expected, 2 got; test: 60,502 expected"
    )
    with pytest.warns(CountWarning, match=message) as caught:
        datasets.StanfordOnlineProducts(products(tmp_path))
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match=message):
        datasets.StanfordOnlineProducts(tmp_path, strict=True)
    monkeypatch.setitem(PUBLISHED, "StanfordOnlineProducts", {"train": 2, "test": 1})
    assert len(datasets.StanfordOnlineProducts(tmp_path, strict=True)) == 3
    with pytest.raises(FileNotFoundError, match=r"3 of 3 pictures are absent.*111_0\.JPG"):
        datasets.StanfordOnlineProducts(tmp_path, check_files=True)


LOADERS = [datasets.Flickr8k, datasets.Flickr30k, datasets.StanfordOnlineProducts, datasets.InShop, datasets.UKBench,
           datasets.Holidays, datasets.RevisitedOxford, datasets.RevisitedParis]  # fmt: skip


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
def test_absent_folders_and_lists_are_named(tmp_path: Path, loader: Callable[[Path], Dataset]) -> None:
    with pytest.raises(FileNotFoundError, match=f"{loader.__name__}: no such folder; download"):
        loader(tmp_path / "gone")
    with pytest.raises((FileNotFoundError, ValueError), match=f"{loader.__name__}: expected"):
        loader(tmp_path)
