"""The demonstration: index real photos of this machine, search by picture and by words, write one page."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from pictrieve.gallery import Gallery, GalleryError
from pictrieve.gallery.report import Report
from pictrieve.gallery.sources import Source, walk
from pictrieve.notebook import Section, section_of, write_page

STAMPS = Path("/usr/share/tuxpaint/stamps")
_NO_PHOTOS = ("cartoon", "symbols")  # drawings, letters, signs

# What scikit-image ships inside its wheel; its other pictures would be downloaded, so files are read, not its
# loaders.
_SKIMAGE = {
    "astronaut.png": "An astronaut in an orange space suit.",
    "chelsea.png": "A tabby cat.",
    "coffee.png": "A cup of coffee on a wooden table.",
    "rocket.jpg": "A rocket on its launch pad.",
    "motorcycle_left.png": "A motorcycle in a garage.",
    "hubble_deep_field.jpg": "Galaxies in deep space.",
    "camera.png": "A man with a camera on a tripod.",
    "coins.png": "Ancient coins.",
    "retina.jpg": "The retina of a human eye.",
    "moon.png": "The surface of the moon.",
}
_PICTURES = ("cats/tiger.png", "birds/rainbow-lorikeet.png", "fruit/apple_red.png")
_SENTENCES = (
    "a cat looking at the camera",
    "a bird with colourful feathers",
    "something sweet to eat",
    "a rocket going to space",
    "a yellow flower",
)


def run(folder: str | None, out: str, say: Callable[[str], None]) -> Path:
    """Build a gallery beside the page, run the queries, show tables with `say`, give the path of the page.

    Args:
        folder: Pictures of your own; None takes Debian's Tux Paint stamps and scikit-image's photos.
        out: Folder for the gallery and index.html.
        say: Receives the text to show.

    Raises:
        GalleryError: There are no pictures; the message says what to install.
    """
    sources = _own(folder) if folder is not None else [*_stamps(say), *_skimage(say)]
    if not sources:
        raise GalleryError(
            f"demo: found no pictures in {folder}"
            if folder is not None
            else "demo: found no pictures; run: apt-get install tuxpaint-stamps-default, or: pip install scikit-image, "
            "or name a folder: pictrieve demo FOLDER"
        )
    target = Path(out)
    target.mkdir(parents=True, exist_ok=True)
    gallery_path = target / "demo.gallery"
    gallery = Gallery.open(gallery_path) if gallery_path.exists() else Gallery.create(gallery_path)
    with gallery:
        say(f"Indexing {len(sources)} pictures into {gallery_path}")
        report = gallery.add(sources)
        say(report.summary())
        own = {source.path for source in sources}
        gallery.delete([item.id for item in gallery if item.path not in own])  # of an earlier run on another folder
        if len(gallery) == 0:
            raise GalleryError(f"demo: none of the {len(sources)} files is a picture that can be read")
        sections = list(_search(gallery, sources, say))
        page = _write(target / "index.html", gallery, report, sections)
    say(f"\nThe page: {page.resolve()}")
    return page


def _write(path: Path, gallery: Gallery, report: Report, sections: list[Section]) -> Path:
    intro = (
        f"{len(gallery)} pictures, indexed on this machine ({_speed(report)}). Pictures are compared by what a network "
        f"sees in them, words by what a sentence encoder makes of them. Nothing was trained for this page, captions "
        f"are shown but were not searched, and nothing left the computer."
    )
    encoder = gallery.info()["encoder"]
    footer = f"Made by pictrieve with {encoder}. Go on with: pictrieve search {gallery.path} 'a red car'"
    return write_page(path, sections, title="Pictures found by pictures and by words", intro=intro, footer=footer)


def _search(gallery: Gallery, sources: list[Source], say: Callable[[str], None]) -> Iterator[Section]:
    captions = {source.path: source.text for source in sources}
    for path in _query_pictures([item.path for item in gallery if item.path is not None]):
        hits = gallery.search(image=path, k=7)
        others = hits[1:] if hits and hits[0].path == path else hits[:6]
        say(f"\n{others!r}")
        section = section_of(others, "the most similar of the other pictures")
        yield replace(section, query=captions[path] or section.query)
    for sentence in _SENTENCES:
        hits = gallery.search(text=sentence, k=6)
        say(f"\n{hits!r}")
        yield section_of(hits)


def _query_pictures(paths: list[str]) -> list[str]:
    """Take three pictures that show well; among unknown ones, three from all over the list."""
    chosen = [path for name in _PICTURES for path in paths if path.endswith(os.sep + name)]
    spread = [paths[i * (len(paths) - 1) // 3] for i in range(3)]
    return list(dict.fromkeys([*chosen, *spread]))[:3]


def _own(folder: str) -> list[Source]:
    if not os.path.isdir(folder):
        raise NotADirectoryError(20, "expected a folder of pictures", folder)
    return [Source(path, text=_caption_beside(path)) for path in walk(os.path.abspath(folder))]


def _stamps(say: Callable[[str], None]) -> list[Source]:
    if not STAMPS.is_dir():
        say("Without Debian's photo stamps; to have them run: apt-get install tuxpaint-stamps-default")
        return []
    paths = [path for path in walk(str(STAMPS)) if not set(_NO_PHOTOS) & set(Path(path).parts)]
    return [Source(path, text=_caption_beside(path)) for path in paths if path.endswith(".png")]


def _skimage(say: Callable[[str], None]) -> list[Source]:
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        say("Without scikit-image's photos; to have them run: pip install scikit-image")
        return []
    folder = Path(spec.submodule_search_locations[0]) / "data"
    return [Source(str(folder / name), text=text) for name, text in _SKIMAGE.items() if (folder / name).is_file()]


def _caption_beside(path: str) -> str | None:
    """Give the first line of the .txt of the same name: Tux Paint keeps its English caption there."""
    caption = Path(path).with_suffix(".txt")
    try:
        lines = caption.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return lines[0].strip() or None if lines else None


def _speed(report: Report) -> str:
    done = report.added + report.updated
    return f"{done} of them now, in {report.seconds:.1f} s" if done else "all of them on an earlier run"
