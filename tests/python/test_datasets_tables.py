"""Tables of pictures: what csv, jsonl and parquet hold, as pandas reads it, and what is wrong in them, by line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dataset_trees import lines

from pictrieve.datasets import Captions, Table

HOSTILE = [
    "a dog, a cat",
    'she said "no"',
    "two\nlines",
    "  spaces  ",
    "中文，逗号",
    "tab\there",
    "'",
    '""',
    "NULL",
    "1.50",
]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_hostile_captions_survive_every_format(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame(
        {"image": [f"{i}.jpg" for i in range(len(HOSTILE))], "caption": HOSTILE, "n": range(len(HOSTILE))}
    )
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"t.{suffix}"
    write = {
        "csv": lambda: frame.to_csv(path, index=False),
        "tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True, force_ascii=False),
        "json": lambda: frame.to_json(path, orient="records"),
        "parquet": lambda: frame.to_parquet(path),
    }
    write[suffix]()
    for ds in (Captions(path), Captions(frame, root=tmp_path)):
        assert ds.captions == [[text] for text in HOSTILE]
        assert ds.paths == [tmp_path / name for name in frame["image"]]
        assert ds.metadata["n"].tolist() == list(range(len(HOSTILE)))


def test_real_tables_are_what_pandas_reads(data: Path) -> None:
    frame = pd.read_csv(data / "grocery" / "labels.csv")
    ds = Table(data / "grocery" / "labels.csv", check_files=True)
    assert ds.column("label") == frame["label"].tolist()
    assert ds.with_labels("coarse_label").classes == sorted(set(frame["coarse_label"]))
    assert ds.metadata["coarse_id"].tolist() == frame["coarse_id"].tolist()
    assert ds.splits.tolist() == frame["split"].tolist()
    frame = pd.read_csv(data / "flickr8k" / "captions.csv")
    ds = Captions(data / "flickr8k" / "captions.csv", check_files=True)
    grouped = frame.groupby("image", sort=False)
    assert ds.captions == [group["caption"].tolist() for _, group in grouped]
    assert ds.metadata["caption_id"] == [group["caption_id"].tolist() for _, group in grouped]
    frame = pd.read_csv(data / "flickr8k_features" / "captions.csv")
    ds = Captions(data / "flickr8k_features" / "captions.csv", image="flickr8k_name")
    assert ds.captions == frame[[f"caption_{i}" for i in range(5)]].to_numpy().tolist()
    frame = pd.read_csv(data / "coco_captions" / "captions.csv")
    assert [text for own in Captions(data / "coco_captions" / "captions.csv").captions for text in own] == frame[
        "caption"
    ].tolist()


def test_omls_table_is_taken_as_it_is(tmp_path: Path) -> None:
    frame = pd.DataFrame({
        "label": [0, 0, 1, 1], "path": ["images/0.jpg", "images/1.jpg", "images/2.jpg", "images/2.jpg"],
        "split": ["train", "train", "validation", "validation"], "is_query": [None, None, True, False],
        "is_gallery": [None, None, False, True], "category": ["bags"] * 4, "sequence": [0, 0, 1, 1],
        "x_1": [1.0, None, 2, 5], "x_2": [9.0, None, 8, 9], "y_1": [1.0, None, 2, 3], "y_2": [7.0, None, 8, 9],
    })  # fmt: skip
    frame.to_csv(tmp_path / "df.csv", index=False)
    for ds in (Table(tmp_path / "df.csv"), Table(frame, root=tmp_path)):
        assert np.array_equal(ds.boxes, np.array(frame[["x_1", "y_1", "x_2", "y_2"]], np.float32), equal_nan=True)
        assert ds.is_query.tolist() == [False, False, True, False]
        assert ds.is_gallery.tolist() == [False, False, False, True]
        assert ds.labels.tolist() == [0, 0, 1, 1]
        assert ds.split("validation").queries().paths == [tmp_path / "images/2.jpg"]
        assert list(ds.metadata) == ["category", "sequence"]


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.csv", "photo,sku,words,part,path", "0.jpg,007,a,x,p", "1.jpg,7,b,y,q")
    ds = Table(path, image="photo", label="sku", caption="words", split="part", root="/data")
    assert (ds.classes, ds.column("sku")) == (["007", "7"], ["007", "7"])
    assert (ds.captions, ds.splits.tolist(), ds.paths[0]) == ([["a"], ["b"]], ["x", "y"], Path("/data/0.jpg"))
    with pytest.raises(ValueError, match="expected a column 'colour' for label=, got 'photo', 'sku', 'words', 'part'"):
        Table(path, label="colour")
    lines(path, "photo,sku", "0.jpg,1")
    with pytest.raises(
        ValueError, match="expected a column 'path', 'image', 'file_name' or image=, got 'photo', 'sku'"
    ):
        Table(path)


def test_lists_of_captions_in_json(tmp_path: Path) -> None:
    rows = [{"image": "0.jpg", "captions": ["a", "b"]}, {"image": "1.jpg", "captions": [], "extra": 1}]
    path = lines(tmp_path / "t.jsonl", *map(json.dumps, rows))
    ds = Table(path)
    assert (ds.captions, ds.metadata["extra"]) == ([["a", "b"], []], [None, 1])
    lines(path, json.dumps({"image": "0.jpg", "caption": {"raw": "a"}}), json.dumps({"image": "1.jpg", "caption": "b"}))
    assert Table(path).captions == [["a"], ["b"]]


def test_texts_by_language_are_no_captions(data: Path) -> None:
    ds = Table(data / "emoji" / "emoji.jsonl")
    assert ds.captions is None
    assert ds[0].metadata["text"]["zh"]["label"] == "嘿嘿"
    with pytest.raises(ValueError, match="expected a column 'text' for caption="):
        Table(data / "emoji" / "emoji.jsonl", caption="text")


def test_pictures_named_twice(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.csv", "path,label", "0.jpg,a", "1.jpg,a", "0.jpg,a")
    with pytest.raises(ValueError, match=r"each picture once, row 2 repeats '0.jpg'"):
        Table(path)
    lines(path, "path,caption,split", "0.jpg,a,train", "0.jpg,b,test")
    with pytest.raises(ValueError, match=r"row 1 gives its picture the split 'test', an earlier row 'train'"):
        Table(path)
    lines(path, "path,caption,label", "0.jpg,a,", "0.jpg,b,cat")
    with pytest.raises(ValueError, match=r"row 1 gives its picture the label 'cat', an earlier row ''"):
        Table(path)


def test_broken_files_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for content, message in (
        (b"path,caption\n0.jpg,a, b\n", r"t\.csv, line 2: expected 2 cells as the head has, got 3"),
        (b"path,caption\n0.jpg,a\n1.jpg\n", r"t\.csv, line 3: expected 2 cells as the head has, got 1"),
        (b'path,caption\n0.jpg,"a\n', r"t\.csv, line 2: .*is a quote left open"),
        (b"path,path\n", r"line 1: expected different names"),
        ("path,caption\n0.jpg,ok\n1.jpg,狗\n".encode("gb18030"), r"t\.csv, line 3: expected UTF-8, got byte 0xb9"),
        ("path,caption\n0.jpg,café\n".encode("utf-16"), r"t\.csv, line 1: expected UTF-8, got UTF-16"),
        (b"path,caption\n", "expected a column 'path'"),
        (b"", "expected a column 'path'"),
        (b"path,x_1,y_1,x_2,y_2\n0.jpg,1,2,a,4\n", "expected numbers in"),
        (b"path,label\n,x\n", "row 0 has nothing in its column 'path'"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            Table(path)
    path.write_bytes("path,caption\n0.jpg,狗\n".encode("utf-8-sig"))
    assert Table(path).captions == [["狗"]]
    with pytest.raises(ValueError, match=r"line 2: expected a JSON object, Expecting"):
        Table(lines(tmp_path / "t.jsonl", '{"path": "0.jpg"}', '{"path": '))
    with pytest.raises(ValueError, match=r"expected \.csv, \.tsv, .* got '\.xlsx'"):
        Table(lines(tmp_path / "t.xlsx", "x"))
    with pytest.raises(FileNotFoundError):
        Table(tmp_path / "gone.csv")
    with pytest.raises(TypeError, match="expected a path or a DataFrame, got int"):
        Table(3)


def test_numbers_are_told_from_codes(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.csv", "path,label,zip,price,mixed,hole", "0.jpg,10,00501,1.5,3,1", "1.jpg,9,10001,2,x,")
    ds = Table(path)
    assert ds.classes == ["9", "10"]
    assert ds.metadata["zip"].tolist() == ["00501", "10001"]
    assert ds.metadata["price"].tolist() == [1.5, 2.0]
    assert ds.metadata["mixed"].tolist() == ["3", "x"]
    assert np.array_equal(ds.metadata["hole"], [1.0, np.nan], equal_nan=True)
