"""The data set table, folders of classes, tables of any format, and what a gallery takes of them."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dataset_trees import lines, photo, photos
from gallery_encoders import ColourEncoder, picture
from PIL import Image
from reference_torchvision import torchvision

from pictrieve.datasets import Captions, Dataset, ImageFolder, Table
from pictrieve.gallery import Gallery


def imported_quietly(name: str) -> Any:
    """Import a reference whose own imports warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def small() -> Dataset:
    return Dataset(
        ["a/0.jpg", "a/1.jpg", "b/2.jpg", "b/3.jpg"],
        name="small",
        labels=["dog", "cat", None, "dog"],
        captions=[["one", "two"], "three", None, []],
        splits=["train", "train", "test", "test"],
        metadata={"price": [1, 2, 3, 4], "tags": [["x"], [], [], ["y", "z"]]},
    )


def test_rows_and_columns_of_a_dataset() -> None:
    ds = small()
    assert (ds.classes, ds.labels.tolist()) == (["cat", "dog"], [1, 0, -1, 1])
    assert ds[0] == (Path("a/0.jpg"), "dog", ["one", "two"], None, {"price": 1, "tags": ["x"]})
    assert ds[-1].metadata == {"price": 4, "tags": ["y", "z"]}
    assert [sample.label for sample in ds] == ["dog", "cat", None, "dog"] == ds.column("label")
    assert ds[1::2].to_records() == [ds.to_records()[1], ds.to_records()[3]]
    assert ds.captions == [["one", "two"], ["three"], [], []]
    assert (ds.counts(), ds.rare()) == ({"cat": 1, "dog": 2}, {"cat": 1})
    assert pickle.loads(pickle.dumps(ds)).to_records() == ds.to_records()
    assert ds.to_pandas()["price"].tolist() == [1, 2, 3, 4]
    with pytest.raises(IndexError):
        ds[4]


def test_a_dataset_cannot_be_changed() -> None:
    ds = small()
    for column in (ds.labels, ds.splits, ds.metadata["price"]):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = column[1]
    with pytest.raises(AttributeError):
        ds.labels = None  # type: ignore[misc]
    ds[0].captions.append("more")
    assert ds[0].captions == ["one", "two"]


def test_numbers_of_classes_may_be_none() -> None:
    ds = Dataset(["0.jpg", "1.jpg"], labels=[1, None], classes=["dog", "cat"])
    assert (ds.labels.tolist(), ds.column("label")) == ([1, -1], ["cat", None])


def test_subsets_keep_the_numbers_of_classes() -> None:
    ds = small()
    last = ds.subset([3, 0])
    assert (last.classes, last.labels.tolist(), last.metadata["price"].tolist()) == (["cat", "dog"], [1, 1], [4, 1])
    assert (last.compact().classes, last.compact().labels.tolist()) == (["dog"], [0, 0])
    assert ds.subset(np.array([True, False, False, True])).paths == [Path("a/0.jpg"), Path("b/3.jpg")]
    assert ds.split("test").captions == [[], []]
    assert len(ds.subset([])) == 0
    assert ds.subset([-1, -3]).metadata["price"].tolist() == [4, 2]
    assert ds.filter(lambda sample: sample.metadata["price"] > 2).metadata["price"].tolist() == [3, 4]
    for wrong, message in (([4], "rows below 4"), ([0.5], "float64"), (np.array([True]), "4 pictures, got 1")):
        with pytest.raises(ValueError, match=message):
            ds.subset(wrong)
    with pytest.raises(ValueError, match="expected a split among 'test', 'train', got 'val'"):
        ds.split("val")


def test_labels_come_from_any_column_and_go_back() -> None:
    ds = small().with_labels("price")
    assert (ds.classes, ds[0].label, ds.column("label")) == (["1", "2", "3", "4"], "1", ["dog", "cat", None, "dog"])
    assert ds.with_labels("label").labels.tolist() == small().labels.tolist()
    assert Dataset(["a"] * 3, labels=[10, 9, 100]).classes == ["9", "10", "100"]
    assert Dataset(["a"] * 3, labels=pd.Series([2.0, np.nan, 1.0])).labels.tolist() == [1, -1, 0]
    with pytest.raises(ValueError, match=r"columns .*'price', 'tags', 'label', got 'colour'"):
        ds.with_labels("colour")


def test_columns_that_do_not_fit_are_refused() -> None:
    for columns, message in (
        ({"labels": ["x"]}, "labels: expected one entry for each of the 2 pictures, got 1"),
        ({"metadata": {"m": [1]}}, "m: expected one entry"),
        ({"labels": [0, 2], "classes": ["a", "b"]}, "expected -1 to 1, got 2 for picture 1"),
        ({"boxes": [[0, 0, 5, 5], [4, 4, 2, 2]]}, "x1 < x2"),
        ({"boxes": [[0, 0], [1, 1]]}, r"expected \(n, 4\)"),
        ({"is_query": ["yes", "no"]}, "is_query: expected true or false, got 'yes'"),
        ({"captions": "one text"}, "captions: expected a list"),
    ):
        with pytest.raises(ValueError, match=message):
            Dataset(["1.jpg", "2.jpg"], **columns)


def test_pictures_are_cropped_to_their_boxes_as_pillow_does(tmp_path: Path) -> None:
    paths = photos(tmp_path, ["0.png", "1.png"])
    ds = Dataset(paths, boxes=[[3, 2, 20, 19], [np.nan] * 4])
    images = ds.images()
    with Image.open(paths[0]) as whole:
        assert np.array_equal(images[0], np.asarray(whole.crop((3, 2, 20, 19))))
    assert images[1] == paths[1]
    assert ds[1].box is None
    assert Dataset(paths).images() == paths
    with pytest.raises(ValueError, match=r"0\.png: expected a box that holds pixels of 32 x 24"):
        Dataset(paths[:1], boxes=[[40, 0, 50, 9]]).images()[0]


def test_missing_files_are_rows_of_a_table(tmp_path: Path) -> None:
    there = photo(tmp_path / "there.png")
    ds = Dataset([tmp_path / "gone.png", there, tmp_path / "lost.png"], labels=["a", "b", "c"])
    assert ds.missing().to_pandas()[["label", "row"]].to_numpy().tolist() == [["a", 0], ["c", 2]]
    assert ds.existing().paths == [there]
    lines(tmp_path / "t.csv", "path,label", "gone.png,x", "there.png,y")
    assert len(Table(tmp_path / "t.csv")) == 2
    with pytest.raises(FileNotFoundError, match=r"1 of 2 pictures are absent.*gone\.png"):
        Table(tmp_path / "t.csv", check_files=True)


def test_a_notebook_shows_pictures_and_says_what_is_broken(tmp_path: Path) -> None:
    ds = Dataset([photo(tmp_path / "x.png"), tmp_path / "<gone>.png"], labels=["<b>", "y"])
    page = ds._repr_html_()
    assert page.count("data:image/jpeg;base64") == 1
    assert "&lt;b&gt;" in page
    assert "<gone>" not in page
    assert "<b>" not in page
    assert repr(small()) == (
        "Dataset 'small': 4 pictures; 2 classes; 3 captions; splits test 2, train 2; columns price, tags"
    )


def test_folders_are_read_in_the_order_of_torchvision(tmp_path: Path, data: Path) -> None:
    names = ["b/2.jpg", "b/10.jpg", "B/1.png", "a b/deep/er/x.JPG", "a b/z.png", "a b/deep/y.bmp", "猫/一.jpg"]
    photos(tmp_path, names)
    lines(tmp_path / "b" / "notes.txt", "no picture")
    for root in (tmp_path, data / "grocery" / "images", data / "cifar10" / "images"):
        reference = torchvision.datasets.ImageFolder(str(root))
        ds = ImageFolder(root)
        assert ds.classes == reference.classes
        assert [(str(path), label) for path, label in zip(ds.paths, ds.labels, strict=True)] == reference.samples
    photo(tmp_path / ".ipynb_checkpoints" / "x.png")
    (tmp_path / "b" / "again").symlink_to(tmp_path / "b")  # a circle
    assert len(ImageFolder(tmp_path)) == len(names)


def test_folders_named_as_splits_are_splits(tmp_path: Path) -> None:
    photos(tmp_path, ["train/cat/1.png", "train/dog/2.png", "validation/cat/3.png", "test/owl/4.png"])
    ds = ImageFolder(tmp_path)
    assert (ds.classes, ds.splits.tolist()) == (["cat", "dog", "owl"], ["test", "train", "train", "val"])
    assert ds.split("val").column("label") == ["cat"]
    assert ImageFolder(tmp_path, split_folders=False).classes == ["test", "train", "validation"]
    assert ImageFolder(tmp_path / "train" / "cat").labels is None


def test_folders_without_pictures_and_pictures_without_class(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        ImageFolder(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="expected pictures in folders"):
        ImageFolder(tmp_path)
    photos(tmp_path, ["loose.png", "full/1.png"])
    with pytest.warns(UserWarning, match="1 pictures beside the class folders are left out, first loose.png"):
        ds = ImageFolder(tmp_path)
    assert (ds.counts(), ds.rare()) == ({"empty": 0, "full": 1}, {"full": 1})


def test_metadata_of_an_imagefolder_is_that_of_hugging_face(tmp_path: Path) -> None:
    hub = imported_quietly("datasets")
    photos(tmp_path / "data", ["train/0.png", "train/deep/1.png", "test/2.png"])
    rows = [
        {"file_name": "0.png", "text": 'two, "dogs"', "stars": 3},
        {"file_name": "deep/1.png", "text": "猫", "stars": 4},
    ]
    lines(tmp_path / "data" / "train" / "metadata.jsonl", *(json.dumps(row, ensure_ascii=False) for row in rows))
    lines(tmp_path / "data" / "test" / "metadata.csv", "file_name,text,stars", '2.png,"a, b",5')
    ds = ImageFolder(tmp_path / "data")
    assert ds.split("train").captions == [['two, "dogs"'], ["猫"]]
    assert ds.labels is None  # pictures with metadata lie beside the folders: these are no classes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        arguments = {"data_dir": str(tmp_path / "data" / "train"), "cache_dir": str(tmp_path / "cache")}
        reference = hub.load_dataset("imagefolder", split="train", **arguments)
    assert [[row["text"]] for row in reference] == ds.split("train").captions
    assert reference["stars"][:] == list(ds.split("train").metadata["stars"])


def test_metadata_that_is_not_used_is_said(tmp_path: Path) -> None:
    photos(tmp_path, ["a/0.png", "a/1.png"])
    lines(tmp_path / "metadata.csv", "file,text", "a/0.png,x")
    with pytest.warns(UserWarning, match=r"metadata\.csv is not used: expected a column 'file_name', got file, text"):
        assert ImageFolder(tmp_path).captions is None
    lines(tmp_path / "metadata.csv", "file_name,text", "a/0.png,x")
    with pytest.warns(UserWarning, match=r"1 pictures have no row of metadata, the first is .*1\.png"):
        assert ImageFolder(tmp_path).captions == [["x"], []]
    lines(tmp_path / "metadata.csv", "file_name,text", "a/0.png,x", "a/9.png,y")
    with pytest.raises(ValueError, match=r"names 1 pictures that are not there, the first is .*9\.png"):
        ImageFolder(tmp_path)


def test_a_gallery_takes_a_dataset(tmp_path: Path) -> None:
    for name in ("red", "green", "blue"):
        Image.fromarray(picture(name)).save(tmp_path / f"{name}.png")
    lines(tmp_path / "t.csv", "path,label,caption,split,price", "red.png,warm,a red one,train,3",
          "red.png,warm,again,train,3", "blue.png,cold,a blue one,test,4", "gone.png,cold,lost,test,5")  # fmt: skip
    ds = Table(tmp_path / "t.csv")
    with Gallery.create(tmp_path / "g", ColourEncoder()) as gallery:
        report = gallery.add(ds)
        assert (report.added, report.failed) == (2, 1)
        items = list(gallery)
        assert [item.text for item in items] == ["a red one\nagain", "a blue one"]
        assert items[0].path == str(tmp_path / "red.png")
        assert items[1].metadata == {"label": "cold", "split": "test", "price": 4}
        assert gallery.add(ds).added == 0
        cropped = Dataset([tmp_path / "green.png", tmp_path / "lost.png"], boxes=[[0, 0, 4, 4], [0, 0, 4, 4]])
        report = gallery.add(cropped)
        assert (report.added, report.failed) == (1, 1)
        assert list(gallery)[-1].metadata == {"source": str(tmp_path / "green.png")}
        outside = Dataset([tmp_path / "red.png", tmp_path / "blue.png"], boxes=[[900, 0, 904, 4], [1, 1, 4, 4]])
        report = gallery.add(outside)
        assert (report.added, report.failed) == (1, 1)
        assert report.rows[-1][1] == "corrupt"
        assert report.rows[-1][2].startswith(f"{tmp_path / 'red.png'}: expected a box that holds pixels of")


def test_captions_need_captions(tmp_path: Path) -> None:
    lines(tmp_path / "t.csv", "path,label", "0.png,x")
    with pytest.raises(ValueError, match="expected a column of captions"):
        Captions(tmp_path / "t.csv")
    lines(tmp_path / "t.csv", "path,caption", "0.png,x", "1.png,")
    with pytest.raises(ValueError, match=r"1 have none, first .*1\.png"):
        Captions(tmp_path / "t.csv")
