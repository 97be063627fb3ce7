"""COCO's annotation files: captions, or objects with boxes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from pictrieve.datasets.counts import finished, with_files
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import StrPath, read_json


def Coco(annotations: StrPath, images: StrPath | None = None, *, check_files: bool = False) -> Dataset:
    """Read `captions_*.json`: a row for each picture; or `instances_*.json`: a row for each object, with its box.

    Args:
        annotations: The file; its "images" have id and file_name, its "annotations" caption, or bbox and category_id.
        images: Folder of the pictures; None: "val2017" beside the folder of "captions_val2017.json", where that is
            there, else the folder of the file.
        check_files: Whether every picture must be there.

    Returns:
        Metadata `image_id`; of objects also `annotation_id`, and the name of the category as label. Crowds and boxes
        without area are left out.

    Raises:
        FileNotFoundError: No such file; with `check_files`, absent pictures.
        ValueError: Not COCO's layout, or an annotation of a picture that the file does not list.
    """
    path = Path(annotations)
    content = read_json(path)
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        raise ValueError(f'{path}: expected an object with "images" and "annotations", as COCO has it')
    folder = _folder_beside(path) if images is None else Path(images)
    files = {image["id"]: folder / image["file_name"] for image in content["images"]}
    if len(files) != len(content["images"]):
        raise ValueError(f"{path}: expected each image id once, got {len(content['images']) - len(files)} repeated")
    for one in content["annotations"]:
        if one["image_id"] not in files:
            raise ValueError(f"{path}: annotation {one.get('id')} is of picture {one['image_id']}, which is not listed")
    has_captions = any("caption" in one for one in content["annotations"])
    read = _captioned if has_captions else _objects
    ds = finished(read(path, files, content), strict=False, published={})
    return with_files(ds) if check_files else ds


def _folder_beside(path: Path) -> Path:
    split = path.parent.parent / path.stem.rpartition("_")[2]
    return split if split.is_dir() else path.parent


def _captioned(path: Path, files: dict[int, Path], content: dict[str, Any]) -> Dataset:
    captions: dict[int, list[str]] = {image: [] for image in files}
    for one in content["annotations"]:
        captions[one["image_id"]].append(one["caption"].strip())
    return Dataset(files.values(), name=path.stem, captions=captions.values(), metadata={"image_id": list(files)})


def _objects(path: Path, files: dict[int, Path], content: dict[str, Any]) -> Dataset:
    names = {category["id"]: category["name"] for category in content.get("categories", [])}
    crowded = [one for one in content["annotations"] if not one.get("iscrowd")]
    kept = [one for one in crowded if one["bbox"][2] > 0 and one["bbox"][3] > 0]
    if len(kept) < len(crowded):
        warnings.warn(f"{path}: {len(crowded) - len(kept)} boxes without area are left out", stacklevel=3)
    boxes = [(x, y, x + width, y + height) for x, y, width, height in (one["bbox"] for one in kept)]
    return Dataset(
        [files[one["image_id"]] for one in kept],
        name=path.stem,
        labels=[names.get(one["category_id"], str(one["category_id"])) for one in kept],
        boxes=boxes,
        metadata={"image_id": [one["image_id"] for one in kept], "annotation_id": [one["id"] for one in kept]},
    )
