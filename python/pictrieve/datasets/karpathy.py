"""Karpathy's splits of Flickr8k, Flickr30k and COCO (Karpathy and Fei-Fei, CVPR 2015), the ones papers report on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pictrieve.datasets.counts import PUBLISHED, finished
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import StrPath, read_json

_NAMES = {"flickr8k": "Flickr8k", "flickr30k": "Flickr30k (Karpathy)", "coco": "COCO (Karpathy)"}


def Karpathy(
    annotations: StrPath,
    images: StrPath | None = None,
    *,
    restval: Literal["train", "keep", "drop"] = "train",
    strict: bool = False,
    check_files: bool = False,
) -> Dataset:
    """Read `dataset_coco.json`, `dataset_flickr30k.json` or `dataset_flickr8k.json`.

    Args:
        annotations: The file.
        images: Folder that holds the photos, of COCO the one with train2014 and val2014; None: that of the file.
        restval: COCO's 30,504 photos of val2014 that are neither in val nor in test: "train" adds them to train, as
            papers do, "keep" makes them a split of their own, "drop" leaves them out.
        strict: Another number of photos than published is an error, not a warning.
        check_files: Whether every photo must be there.

    Raises:
        FileNotFoundError: No such file; with `check_files`, absent photos.
        ValueError: Another layout; with `strict`, another size.
    """
    if restval not in ("train", "keep", "drop"):
        raise ValueError(f"restval: expected train, keep or drop, got {restval!r}")
    path = Path(annotations)
    content = read_json(path)
    listed = content.get("images") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not all({"filename", "split", "sentences"} <= one.keys() for one in listed):
        raise ValueError(
            f'{path}: expected "images" with filename, split and sentences, as Karpathy\'s files have them'
        )
    kept = [one for one in listed if restval != "drop" or one["split"] != "restval"]
    splits = ["train" if one["split"] == "restval" and restval == "train" else one["split"] for one in kept]
    folder = path.parent if images is None else Path(images)
    name = _NAMES.get(content.get("dataset", ""), path.stem)
    ds = Dataset(
        [folder / one.get("filepath", "") / one["filename"] for one in kept],
        name=name,
        captions=[[sentence["raw"].strip() for sentence in one["sentences"]] for one in kept],
        splits=splits,
        metadata={key: [one[key] for one in kept] for key in _shared_keys(kept)},
    )
    published = dict(PUBLISHED.get(name, {}))
    if "coco" in name.lower() and restval != "train":
        published |= {"train": 82783} | ({"restval": 30504} if restval == "keep" else {})
    return finished(ds, strict=strict, check_files=check_files, published=published)


def _shared_keys(images: list[dict[str, Any]]) -> list[str]:
    return [key for key in ("cocoid", "imgid") if images and all(key in one for one in images)]
