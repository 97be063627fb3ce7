"""Pictures in archives, in Arrow files and in videos, clip-retrieval's folders, and files of vectors."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_trees import lines, photo, photos
from gallery_encoders import ColourEncoder
from PIL import Image

from pictrieve.datasets import Dataset, EmbeddingFolder, HuggingFace, VideoFrames, WebDataset, read_vectors
from pictrieve.gallery import Gallery


def quietly(name: str) -> Any:
    """Import a reference whose own imports warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def shard(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def encoded(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 20, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def two_shards(folder: Path) -> dict[str, bytes]:
    pictures = {f"{i:05d}": encoded(i) for i in range(4)}
    facts = [{"caption": f"caption, {i}", "url": f"http://x/{i}", "width": 20 + i} for i in range(4)]
    for number in range(2):
        members: dict[str, bytes] = {}
        for i in (2 * number, 2 * number + 1):
            members[f"{i:05d}.png"] = pictures[f"{i:05d}"]
            members[f"{i:05d}.json"] = json.dumps(facts[i]).encode()
            members[f"{i:05d}.txt"] = f"text {i}\n".encode() if i else b"\xef\xbb\xbf\xe7\x8c\xab"
        shard(folder / f"{number:05d}.tar", members)
    return pictures


def test_webdataset_is_read_in_place(tmp_path: Path) -> None:
    pictures = two_shards(tmp_path)
    ds = WebDataset(tmp_path)
    assert list(ds.images()) == list(pictures.values())
    assert ds.captions == [["猫"], ["text 1"], ["text 2"], ["text 3"]]
    assert ds.metadata["width"].tolist() == [20, 21, 22, 23]
    assert ds.paths[3] == tmp_path / "00001.tar" / "00003.png"
    assert len(ds.missing()) == 0
    assert pickle.loads(pickle.dumps(ds.subset([2, 0]))).images()[0] == pictures["00002"]
    files = ds.subset([3, 1]).extract(tmp_path / "out")
    assert [path.read_bytes() for path in files.images()] == [pictures["00003"], pictures["00001"]]
    assert files.paths[0] == tmp_path / "out" / "00001.tar" / "00003.png"
    assert ds._repr_html_().count("data:image/jpeg") == 4


def test_a_gallery_takes_what_is_packed(tmp_path: Path) -> None:
    two_shards(tmp_path)
    with Gallery.create(tmp_path / "g", ColourEncoder()) as gallery:
        assert gallery.add(WebDataset(tmp_path)).added == 4
        item = list(gallery)[1]
        assert (item.path, item.text) == (None, "text 1")
        assert item.metadata["source"] == str(tmp_path / "00000.tar" / "00001.png")


def test_a_gallery_notes_what_was_cut_off(tmp_path: Path) -> None:
    two_shards(tmp_path)
    ds = WebDataset(tmp_path)
    (tmp_path / "00001.tar").write_bytes((tmp_path / "00001.tar").read_bytes()[:600])
    with Gallery.create(tmp_path / "g", ColourEncoder()) as gallery:
        report = gallery.add(ds)
        assert (report.added, report.failed) == (2, 2)
        assert "the archive was cut off" in report.rows[-1][2]


def test_numbered_classes_stay_in_order(tmp_path: Path) -> None:
    members = {
        f"{i}.{part}": encoded(i) if part == "png" else str(i).encode() for i in (10, 9, 2) for part in ("png", "cls")
    }
    ds = WebDataset(shard(tmp_path / "a.tar", members))
    assert (ds.classes, ds.labels.tolist()) == (["2", "9", "10"], [2, 1, 0])


def test_a_picture_that_occurs_twice_is_extracted_for_both(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(0))
    assert Dataset([path, path], contents=[path, path]).extract(tmp_path / "out").paths == [path, path]


def test_archives_that_are_damaged_or_odd(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", {"x/1.png": encoded(0), "x/1.cls": b"7", "y/1.JPG": encoded(1), "y/1.cls": b"5",
                                      "2.json": b"{}", "__meta__.json": b"[]"})  # fmt: skip
    with pytest.warns(UserWarning, match="1 keys without a picture are left out"):
        ds = WebDataset([path])
    assert ds.column("label") == ["7", "5"]
    whole = path.read_bytes()
    for kept in (1024, 2000, whole.rindex(b"2.json") + 512):  # in the first, the third, and before the last content
        path.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match=r"a\.tar: expected a whole tar file"):
            WebDataset(path)
    shard(path, {"1.png": encoded(0)}, "w:gz")
    with pytest.raises(ValueError, match="has to be unpacked"):
        WebDataset(path)
    shard(path, {"1.png": encoded(0), "1.jpg": encoded(1)})
    with pytest.raises(ValueError, match=r"each member once, got 1\.jpg twice"):
        WebDataset(path)
    shard(path, {"1.png": encoded(0), "1.json": b"{"})
    with pytest.raises(ValueError, match=r"a\.tar, 1\.json: expected UTF-8 text or JSON"):
        WebDataset(path)
    shard(path, {"..png": b"", "../../1.png": encoded(0)})
    with pytest.raises(ValueError, match="expected a name inside of the folder"):
        WebDataset(path).extract(tmp_path / "out")
    assert not (tmp_path / "1.png").exists()
    with pytest.raises(FileNotFoundError, match="no such archive"):
        WebDataset(tmp_path / "gone.tar")


def test_hugging_face_data_sets(tmp_path: Path) -> None:
    hub = quietly("datasets")
    names = hub.ClassLabel(names=["zebra", "ant"])
    features = hub.Features({"image": hub.Image(), "kind": names, "text": hub.Value("string"), "n": hub.Value("int32")})
    rows = {"image": [{"bytes": encoded(i), "path": None} for i in range(4)], "kind": [1, 0, -1, 1],
            "text": ["a", "b", None, "d"], "n": [1, 2, 3, 4]}  # fmt: skip
    source = hub.Dataset.from_dict(rows, features=features)
    ds = HuggingFace(source)
    assert (ds.classes, ds.labels.tolist(), ds.captions) == (["zebra", "ant"], [1, 0, -1, 1], [["a"], ["b"], [], ["d"]])
    assert list(ds.images()) == [encoded(i) for i in range(4)]
    shuffled = source.select([3, 0])
    assert list(HuggingFace(shuffled).images()) == [encoded(3), encoded(0)]
    both = HuggingFace(hub.DatasetDict({"train": source, "test": shuffled}))
    assert (both.split("test").images()[0], both.metadata["n"].tolist()) == (encoded(3), [1, 2, 3, 4, 4, 1])
    assert both.split("test").paths == [Path("test/0"), Path("test/1")]
    files = photos(tmp_path, ["0.png", "1.png"])
    held = hub.Dataset.from_dict({"image": [str(path) for path in files]}).cast_column("image", hub.Image())
    assert HuggingFace(held).images() == files
    with pytest.raises(ValueError, match="expected a column 'colour' for label=, got 'image', 'kind', 'text', 'n'"):
        HuggingFace(source, label="colour")
    with pytest.raises(ValueError, match="expected a column of the type Image"):
        HuggingFace(source.remove_columns(["image"]))
    with pytest.raises(TypeError, match=r"Dataset or DatasetDict, got list"):
        HuggingFace([])


def film(path: Path, count: int = 60, rate: int = 25) -> list[np.ndarray]:
    """Write a video and give its frames as a player decodes them one after another."""
    av = pytest.importorskip("av")
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.gop_size, stream.max_b_frames = 64, 48, 12, 2
        for number in range(count):
            pixels = np.full((48, 64, 3), rng.integers(0, 256, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_frames_of_a_video_are_those_of_a_player(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    frames = film(path)
    every = VideoFrames(path, every=1, unit="frames")
    assert len(every) == len(frames) == 60
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(every.images(), frames, strict=True))
    half = VideoFrames(path, every=0.5)
    assert half.metadata["frame"].tolist() == [0, 13, 25, 38, 50]  # 25 a second: the first at or after each half
    assert half.metadata["seconds"].tolist() == pytest.approx([0, 0.52, 1, 1.52, 2])
    images = half.images()
    for row in (3, 0, 4, 4, 1):  # in any order
        assert np.array_equal(images[row], frames[half.metadata["frame"][row]])
    part = pickle.loads(pickle.dumps(VideoFrames(path, every=7, unit="frames").subset([5, 2])))
    assert np.array_equal(part.images()[1], frames[14])
    written = part.extract(tmp_path / "out")
    assert written.paths[0] == tmp_path / "out" / "film.mp4" / "000000035.png"
    assert np.array_equal(np.asarray(Image.open(written.paths[0])), frames[35])


def test_videos_that_are_none(tmp_path: Path) -> None:
    pytest.importorskip("av")
    with pytest.raises(FileNotFoundError):
        VideoFrames(tmp_path / "gone.mp4")
    with pytest.raises(ValueError, match="expected a video"):
        VideoFrames(lines(tmp_path / "text.mp4", "no video"))
    for every, unit in ((0, "seconds"), (-1, "frames"), (1.5, "frames"), (float("nan"), "seconds"), (1, "hours")):
        with pytest.raises(ValueError, match=r"(unit|every): expected"):
            VideoFrames(photo(tmp_path / "0.png"), every, unit)  # type: ignore[arg-type]


def test_clip_retrievals_folder(tmp_path: Path) -> None:
    parquet = quietly("pyarrow.parquet")
    images = np.random.default_rng(0).standard_normal((25, 8)).astype(np.float16)
    facts = {"image_path": [f"{i}.jpg" for i in range(25)], "caption": ["猫, x"] * 25}
    EmbeddingFolder(images, images * 2, facts).write(tmp_path / "e", rows_per_part=2)  # 13 parts: 10 comes after 9
    assert parquet.read_table(tmp_path / "e/metadata/metadata_12.parquet").to_pydict()["image_path"] == ["24.jpg"]
    assert np.array_equal(np.load(tmp_path / "e/img_emb/img_emb_10.npy"), images[20:22])
    read = EmbeddingFolder.read(tmp_path / "e")
    assert np.array_equal(read.images, images)
    assert np.array_equal(read.texts, images * 2)
    assert read.metadata == facts
    with pytest.raises(ValueError, match="img_emb: expected at most 1 parts to replace, got 13; remove them"):
        EmbeddingFolder(images).write(tmp_path / "e")
    with pytest.raises(ValueError, match="text_emb: expected at most 0 parts to replace, got 13; remove them"):
        EmbeddingFolder(images).write(tmp_path / "e", rows_per_part=2)
    (tmp_path / "e/img_emb/img_emb_12.npy").unlink()
    with pytest.raises(ValueError, match="as many vectors as rows of metadata, got"):
        EmbeddingFolder.read(tmp_path / "e")
    with pytest.raises(ValueError, match="texts: expected 25 rows, got 24"):
        EmbeddingFolder(images, images[1:]).write(tmp_path / "f")
    with pytest.raises(FileNotFoundError, match="expected img_emb or text_emb"):
        EmbeddingFolder.read(tmp_path)


def test_real_vectors(data: Path) -> None:
    folder = data / "vectors" / "sift_grocery_10k"
    base, queries = read_vectors(folder / "base.bvecs"), read_vectors(folder / "query.fvecs")
    assert (base.shape, base.dtype, queries.shape) == ((10000, 128), np.uint8, (400, 128))
    truth = read_vectors(folder / "groundtruth.ivecs")
    distances = ((queries[:5, None] - base[None].astype(np.float32)) ** 2).sum(2)
    nearest = np.sort(distances, axis=1)[:, :100]
    assert np.array_equal(np.take_along_axis(distances, truth[:5].astype(np.int64), 1), nearest)
    assert read_vectors(folder / "query.fvecs", rows=3).shape == (3, 128)
    vectors = read_vectors(data / "vectors" / "wordvecs_1000x300" / "vectors.npy")
    assert vectors.shape == (1000, 300)


def test_vectors_of_every_suffix(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    rows = np.arange(12).reshape(3, 4)
    for suffix, dtype in ((".fbin", "<f4"), (".ibin", "<i4"), (".u8bin", "u1"), (".i8bin", "i1")):
        path = tmp_path / f"v{suffix}"
        path.write_bytes(np.array(rows.shape, "<u4").tobytes() + rows.astype(dtype).tobytes())
        assert np.array_equal(read_vectors(path), rows.astype(dtype))
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ValueError, match=r"expected 8 bytes and 3 x 4"):
            read_vectors(path)
    with h5py.File(tmp_path / "v.hdf5", "w") as file:
        file["train"], file["test"] = rows, rows * 2
    assert np.array_equal(read_vectors(tmp_path / "v.hdf5", key="test", rows=2), rows[:2] * 2)
    with pytest.raises(ValueError, match="key= one of 'test', 'train', got None"):
        read_vectors(tmp_path / "v.hdf5")
    records = np.concatenate([np.array([4, 1, 2, 3, 4], "<i4"), np.array([3, 1, 2, 3, 4], "<i4")])
    records.tofile(tmp_path / "v.ivecs")
    with pytest.raises(ValueError, match="expected dimension 4 in every record, got 3 in record 1"):
        read_vectors(tmp_path / "v.ivecs")
    records[:-1].tofile(tmp_path / "v.ivecs")
    with pytest.raises(ValueError, match="expected records of a dimension"):
        read_vectors(tmp_path / "v.ivecs")
    for name, content in (("v.csv", b"1"), ("w.hdf5", b"no"), ("w.fvecs", b""), ("w.fbin", b"abc")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=r"expected"):
            read_vectors(tmp_path / name)


def test_an_absent_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "v.h5").write_bytes(b"")
    with pytest.raises(ImportError, match=r'reading HDF5 needs h5py: pip install "pictrieve\[datasets\]"'):
        read_vectors(tmp_path / "v.h5")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'needs pandas: pip install "pictrieve\[pandas\]"'):
        Dataset(["0.jpg"]).to_pandas()
