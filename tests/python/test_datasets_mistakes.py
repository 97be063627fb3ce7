"""What newcomers hand in: Excel's tables, other encodings, heads in capitals, damaged files, lists for one."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dataset_trees import lines, photos

from pictrieve.datasets import Captions, Dataset, EmbeddingFolder, ImageFolder, Table, read_vectors


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_the_head_shows_the_separator(tmp_path: Path, separator: str, suffix: str) -> None:
    frame = pd.DataFrame({"path": ["0.jpg", "1.jpg"], "label": ["a", f"b{separator}c"], "price": ["1,5", "2|0;\t"]})
    frame.to_csv(tmp_path / f"t.{suffix}", sep=separator, index=False, lineterminator="\r\n", encoding="utf-8-sig")
    ds = Table(tmp_path / f"t.{suffix}")
    assert ds.column("label") == frame["label"].tolist()
    assert ds.metadata["price"].tolist() == frame["price"].tolist()


def test_messages_name_the_separator(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.csv", "path;label", "0.jpg;a;b")
    with pytest.raises(ValueError, match="line 2: expected 2 cells as the head has, got 3; ';' separates them"):
        Table(path)
    lines(path, "path;label,x", "0.jpg;a,b")  # could be either: the suffix decides
    with pytest.raises(ValueError, match=r"expected a column 'path'.* got 'path;label', 'x'"):
        Table(path)
    lines(path, "path\tlabel", '0.jpg\t"a')
    with pytest.raises(ValueError, match=r"separated by '\\t'; is a quote left open"):
        Table(path)


def test_other_encodings_are_told_only_where_the_bytes_tell(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for encoding, text, found in (
        ("utf-16", "红", r"line 1: expected UTF-8, got UTF-16; .*iconv -f UTF-16 -t"),
        ("utf-16-le", "a", "line 1: expected UTF-8, got UTF-16LE without a byte order mark; .*iconv -f UTF-16LE"),
        ("utf-16-be", "a", "line 1: expected UTF-8, got UTF-16BE without a byte order mark; .*iconv -f UTF-16BE"),
        ("gbk", "红色", "line 2: .* byte 0xba; if the line is '0.jpg,红色', .*iconv -f GB18030"),
        ("latin-1", "café", "line 2: .* byte 0xe9; .*find its encoding .*iconv -f ENCODING"),
        ("latin-1", "München", "line 2: .* byte 0xfc; .*find its encoding"),
        ("utf-8", "a\0", "line 2: .* byte 0x00; .*find its encoding"),
    ):
        path.write_bytes(f"path,label\n0.jpg,{text}\n".encode(encoding))
        with pytest.raises(ValueError, match=found) as caught:
            Table(path)
        assert ("GB18030" in str(caught.value)) == (encoding == "gbk")


def test_columns_are_found_in_capitals_and_with_blanks(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.csv", "Path, Label ,SPLIT, X1,Y1, X2,Y2, Is_Query,Caption 0, Brand",
                 '0.jpg, a,train, 1,2, 3,4, true,one, "x, y"', "1.jpg,b,test,1,2,3,4,0,two,z")  # fmt: skip
    for ds in (Table(path), Table(pd.read_csv(path, skipinitialspace=True), root=tmp_path)):
        assert (ds.classes, ds.splits.tolist(), ds.captions) == (["a", "b"], ["train", "test"], [["one"], ["two"]])
        assert (ds.boxes.tolist(), ds.is_query.tolist()) == ([[1, 2, 3, 4]] * 2, [True, False])
        assert ds.metadata["Brand"].tolist() == ["x, y", "z"]
    assert Table(path, label="brand").classes == ["x, y", "z"]
    assert Table(lines(path, "path,Label,label", "0.jpg,a,b"), name="t").classes == ["b"]
    photos(tmp_path / "f", ["0.jpg"])
    lines(tmp_path / "f" / "metadata.csv", "File_Name;Text", "0.jpg;a dog")
    assert ImageFolder(tmp_path / "f").captions == [["a dog"]]


def test_a_picture_has_one_label_and_one_path(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.jsonl", *(json.dumps({"path": f"{i}.jpg", "label": ["a", "b"][:i]}) for i in range(3)))
    with pytest.raises(ValueError, match=r"one class for each picture, got \[\] for picture 0; keep several in meta"):
        Table(path)
    with pytest.raises(ValueError, match=r"one class for each picture, got \['x'\] for picture 0"):
        Dataset(["0.jpg", "1.jpg"], metadata={"tags": [["x"], []]}).with_labels("tags")
    lines(path, '{"path": "p/0.jpg", "label": "a"}', '{"path": "./p/0.jpg", "label": "b"}')
    with pytest.raises(ValueError, match=r"expected each picture once, row 1 repeats '\./p/0\.jpg'"):
        Table(path)
    ds = Captions(lines(tmp_path / "t.csv", "path,caption", "p/0.jpg,one", "./p/0.jpg,two"))
    assert ds.captions == [["one", "two"]]


def test_one_path_is_no_list_of_paths() -> None:
    for path in ("abc.jpg", Path("abc.jpg")):
        with pytest.raises(TypeError, match=r"paths: expected a list of paths, got one, 'abc\.jpg'; write \[path\]"):
            Dataset(path)  # type: ignore[arg-type]


def test_several_rows_are_a_subset() -> None:
    ds = Dataset(["0.jpg", "1.jpg"])
    for rows in ([0, 1], np.array([True, False]), np.array([1]), "0"):
        with pytest.raises(TypeError, match=r"expected a row or a slice, got \w+; ds\.subset takes several"):
            ds[rows]  # type: ignore[index]
    assert ds[np.int64(1)].path == Path("1.jpg")


def test_captions_of_any_length(tmp_path: Path) -> None:
    limit, text = csv.field_size_limit(), "猫" * 200_000
    assert Captions(lines(tmp_path / "t.csv", "path,caption", f"0.jpg,{text}")).captions == [[text]]
    assert csv.field_size_limit() == limit


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.npy"
    np.save(whole, np.ones((9, 4), np.float32))
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([{}], object), allow_pickle=True)
    (tmp_path / "e" / "img_emb").mkdir(parents=True)
    for content in (b"", b"hello" * 5, whole.read_bytes()[:-9], b"PK\3\4" + b"x" * 40, objects.read_bytes()):
        for path in (tmp_path / "bad.npy", tmp_path / "e" / "img_emb" / "img_emb_0.npy"):
            path.write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.npy: expected a \.npy file of numbers, ") as caught:
            read_vectors(tmp_path / "bad.npy")
        assert "allow_pickle" not in str(caught.value)
        with pytest.raises(ValueError, match=r"img_emb_0\.npy: expected a \.npy file of numbers, "):
            EmbeddingFolder.read(tmp_path / "e")
    pytest.importorskip("pyarrow")
    for content in (b"", b"hello", b"PAR1" * 9):
        (tmp_path / "bad.parquet").write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.parquet: expected a parquet file, ") as caught:
            Table(tmp_path / "bad.parquet")
        assert type(caught.value) is ValueError
    with pytest.raises(FileNotFoundError):
        Table(tmp_path / "gone.parquet")


def test_file_names_of_other_bytes_can_be_shown(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xc1\xf7"
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    photos(Path(os.fsdecode(folder)), ["0.jpg"])
    ds = ImageFolder(tmp_path)
    assert ds.to_pandas()["label"].tolist() == ["\\udcc1\\udcf7"]
    assert "\\udcc1\\udcf7" in ds._repr_html_().encode("utf-8").decode()
