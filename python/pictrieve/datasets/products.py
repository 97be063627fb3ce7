"""Products to be found again: Stanford Online Products and DeepFashion's In-Shop clothes."""

from __future__ import annotations

from pathlib import Path

from pictrieve.datasets.counts import finished
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import StrPath, file_of, folder_of, read_fields, read_lines


def StanfordOnlineProducts(root: StrPath, *, strict: bool = False, check_files: bool = False) -> Dataset:
    """Read Stanford Online Products (Song et al., CVPR 2016): `Ebay_train.txt` and `Ebay_test.txt`.

    Products of train (11,318) are not in test (11,316). Metadata `super_class` is the kind of product: "bicycle", ...

    Args:
        root: Folder with the lists and the folders of pictures, or the one above.
        strict: Another number of pictures than published is an error, not a warning.
        check_files: Whether every picture must be there.

    Raises:
        FileNotFoundError: The folder or its lists are absent.
        ValueError: A line of another layout (names it); with `strict`, another size.
    """
    folder = folder_of(root, "StanfordOnlineProducts")
    train = file_of(folder, "StanfordOnlineProducts", "Ebay_train.txt", "Stanford_Online_Products/Ebay_train.txt")
    rows = []
    for split, path in (("train", train), ("test", file_of(train.parent, "StanfordOnlineProducts", "Ebay_test.txt"))):
        lines = list(read_fields(path, 4))[1:]  # below the head
        rows += [(split, product, name) for _, product, _, name in lines]
    ds = Dataset(
        [train.parent / name for _, _, name in rows],
        name="StanfordOnlineProducts",
        labels=[int(product) for _, product, _ in rows],
        splits=[split for split, _, _ in rows],
        metadata={"super_class": [name.partition("/")[0].removesuffix("_final") for _, _, name in rows]},
    )
    return finished(ds, strict=strict, check_files=check_files)


def InShop(root: StrPath, *, boxes: bool = False, strict: bool = False, check_files: bool = False) -> Dataset:
    """Read the In-Shop Clothes Retrieval benchmark (Liu et al., CVPR 2016): `list_eval_partition.txt`.

    Its "query" and "gallery" are the roles of the split "test": `ds.split("test").queries()`.

    Args:
        root: Folder with the list (or with Eval or Anno, which hold it) and with `img` (or Img/img).
        boxes: Whether to crop to the boxes of `list_bbox_inshop.txt`.
        strict: Another number of pictures than published is an error, not a warning.
        check_files: Whether every picture must be there.

    Raises:
        FileNotFoundError: The folder or its lists are absent.
        ValueError: A line of another layout, or a list that ends early; with `strict`, another size.
    """
    folder = folder_of(root, "InShop")
    path = file_of(folder, "InShop", *(f"{sub}list_eval_partition.txt" for sub in ("", "Eval/", "Anno/")))
    rows = _counted(path, 3)
    for number, (_, _, status) in enumerate(rows, 3):
        if status not in ("train", "query", "gallery"):
            raise ValueError(f"{path}, line {number}: expected train, query or gallery, got {status!r}")
    names = [name for name, _, _ in rows]
    base = folder / "Img" if (folder / "Img").is_dir() else folder
    ds = Dataset(
        [base / name for name in names],
        name="InShop",
        labels=[item for _, item, _ in rows],
        splits=["train" if status == "train" else "test" for _, _, status in rows],
        boxes=_boxes(folder, names) if boxes else None,
        is_query=[status == "query" for _, _, status in rows],
        is_gallery=[status == "gallery" for _, _, status in rows],
        metadata={"category": [name.split("/")[-3] if name.count("/") > 2 else "" for name in names]},
    )
    return finished(ds, strict=strict, check_files=check_files)


def _counted(path: Path, fields: int) -> list[list[str]]:
    """Read one of DeepFashion's lists: the number of rows, a head, the rows."""
    lines = [line for _, line in read_lines(path)]
    rows = [line.split() for line in lines[2:]]
    wrong = next((number for number, row in enumerate(rows, 3) if len(row) != fields), None)
    if wrong is not None:
        raise ValueError(f"{path}, line {wrong}: expected {fields} fields, got {lines[wrong - 1]!r:.80}")
    if not lines or lines[0].strip() != str(len(rows)):
        raise ValueError(f"{path}: expected as many rows as its first line says, {lines[:1]}, got {len(rows)}")
    return rows


def _boxes(folder: Path, names: list[str]) -> list[list[float]]:
    path = file_of(folder, "InShop", *(f"{sub}list_bbox_inshop.txt" for sub in ("", "Anno/")))
    found = {row[0]: [float(number) for number in row[3:]] for row in _counted(path, 7)}
    absent = [name for name in names if name not in found]
    if absent:
        raise ValueError(f"{path}: expected a box of every picture, {len(absent)} have none, first {absent[0]}")
    return [found[name] for name in names]
