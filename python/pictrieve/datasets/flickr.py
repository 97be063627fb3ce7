"""Flickr8k and Flickr30k: photos with five captions each, in the files of their authors and the usual rewritings."""

from __future__ import annotations

from pathlib import Path

from pictrieve.datasets.counts import finished
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import StrPath, file_of, folder_of, read_lines

_TOKENS_8K = ("Flickr8k.token.txt", "Flickr8k_text/Flickr8k.token.txt", "captions.txt")
_LISTS_8K = {"train": "Flickr_8k.trainImages.txt", "val": "Flickr_8k.devImages.txt", "test": "Flickr_8k.testImages.txt"}
_IMAGES_8K = ("Flicker8k_Dataset", "Flickr8k_Dataset", "Flickr8k_Dataset/Flicker8k_Dataset", "Images", "images")
_TOKENS_30K = ("results_20130124.token", "flickr30k/results_20130124.token", "captions.txt")
_IMAGES_30K = ("flickr30k-images", "flickr30k_images", "Images", "images")
Captions = dict[str, list[str]]


def Flickr8k(root: StrPath, *, strict: bool = False, check_files: bool = False) -> Dataset:
    """Read Flickr8k (Hodosh et al., JAIR 2013): `Flickr8k.token.txt` and the lists of 6,000, 1,000 and 1,000 photos.

    The list "dev" is the split "val". Photos that no list names are left out. "captions.txt" (`name,caption` below a
    head) is read where the token file is absent; without lists there are no splits.

    Args:
        root: Folder with the texts, or with Flickr8k_text, and with Flicker8k_Dataset.
        strict: Another number of photos than published is an error, not a warning.
        check_files: Whether every photo must be there.

    Raises:
        FileNotFoundError: The folder or its files are absent.
        ValueError: A line of another layout (names it), a listed photo without captions; with `strict`, another size.
    """
    folder = folder_of(root, "Flickr8k")
    path = file_of(folder, "Flickr8k", *_TOKENS_8K)
    captions = _captions(path)
    lists = {split: path.parent / name for split, name in _LISTS_8K.items() if (path.parent / name).is_file()}
    images = _images_in(folder, _IMAGES_8K)
    if not lists:
        return finished(
            _dataset("Flickr8k", images, captions, None), strict=strict, check_files=check_files, published={}
        )
    split_of = {line.strip(): split for split, file in lists.items() for _, line in read_lines(file)}
    for name in split_of:
        if name not in captions:
            raise ValueError(f"{path}: expected captions of every listed photo, {name} has none")
    listed = {name: captions[name] for name in split_of}
    return finished(
        _dataset("Flickr8k", images, listed, list(split_of.values())), strict=strict, check_files=check_files
    )


def Flickr30k(
    root: StrPath, *, captions: StrPath | None = None, strict: bool = False, check_files: bool = False
) -> Dataset:
    """Read Flickr30k (Young et al., TACL 2014): `results_20130124.token`, or lists as CLIP_benchmark has them.

    The lists are named `flickr30k_test_karpathy.txt` (train, val), with `name.jpg,caption` below a head; each is a
    split. For Karpathy's splits of all photos from his JSON see `Karpathy`.

    Args:
        root: Folder with the captions and with flickr30k-images.
        captions: File of captions of another name or place, of either layout.
        strict: Another number of photos than published is an error, not a warning.
        check_files: Whether every photo must be there.

    Raises:
        FileNotFoundError: The folder or its files are absent.
        ValueError: A line of another layout (names it); with `strict`, another size.
    """
    folder = folder_of(root, "Flickr30k")
    images = _images_in(folder, _IMAGES_30K)
    names = {split: folder / f"flickr30k_{split}_karpathy.txt" for split in ("train", "val", "test")}
    lists = {split: path for split, path in names.items() if captions is None and path.is_file()}
    if not lists:
        path = file_of(folder, "Flickr30k", *_TOKENS_30K) if captions is None else Path(captions)
        published = {"all": 31783} if path.suffix == ".token" else {}
        ds = _dataset("Flickr30k", images, _captions(path), None)
        return finished(ds, strict=strict, check_files=check_files, published=published)
    read = {split: _captions(path) for split, path in lists.items()}
    splits = [split for split, found in read.items() for _ in found]
    merged = {name: texts for found in read.values() for name, texts in found.items()}
    if len(merged) != len(splits):
        raise ValueError(f"{folder}: expected each photo in one split, {len(splits) - len(merged)} are in two")
    sizes = {"train": 29000, "val": 1014, "test": 1000}
    ds = _dataset("Flickr30k", images, merged, splits)
    return finished(ds, strict=strict, check_files=check_files, published={split: sizes[split] for split in lists})


def _dataset(name: str, images: Path, captions: Captions, splits: list[str] | None) -> Dataset:
    return Dataset([images / file for file in captions], name=name, captions=captions.values(), splits=splits)


def _images_in(folder: Path, names: tuple[str, ...]) -> Path:
    return next((folder / name for name in names if (folder / name).is_dir()), folder)


def _captions(path: Path) -> Captions:
    """Read lines of `name.jpg#0<tab>caption`, or of `name.jpg,caption` below a head line."""
    captions: Captions = {}
    for number, line in read_lines(path):
        name, tab, text = line.partition("\t")
        if tab:
            name = name.rpartition("#")[0]
        elif number == 1:
            continue
        else:  # captions have commas, names may: only the first ".jpg," parts them
            name, comma, text = line.partition(".jpg,")
            name, text = (f"{name}.jpg", _unquoted(text)) if comma else ("", "")
        if not name:
            raise ValueError(
                f"{path}, line {number}: expected 'name.jpg#0<tab>caption' or 'name.jpg,caption', got {line!r:.80}"
            )
        captions.setdefault(name, []).append(text.strip())
    return captions


def _unquoted(text: str) -> str:
    """Undo the quotes that csv puts around text with commas or quotes."""
    text = text.strip()
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text
