"""Results as HTML and text: escaped, self-contained, readable by a browser and by people."""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from gallery_encoders import ColourWords, picture
from PIL import Image

from pictrieve.gallery import Gallery, Hit, Hits
from pictrieve.gallery.html import thumbnail
from pictrieve.gallery.report import Report
from pictrieve.notebook import Section, section_of, write_page

EVIL = "<script>alert(\"x\")</script> & 'quoted'"
VOID = {"img", "meta", "br", "link"}


class Checker(HTMLParser):
    """Checks that tags nest, and collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.alts: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        found = dict(attrs)
        self.sources += [found[key] or "" for key in ("src", "href") if key in found]
        if tag == "img":
            self.alts.append(found.get("alt"))
        assert tag != "script"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert all(source.startswith("data:image/jpeg;base64,") for source in checker.sources)
    assert all(checker.alts)
    assert "http" not in html.replace("data:", "")
    return checker


@pytest.fixture
def hits(tmp_path: Path) -> Hits:
    """Give hits with markup in every text, of which one file is gone."""
    for i, name in enumerate(("red", "orange", "blue")):
        Image.fromarray(picture(name, size=400, seed=i)).save(tmp_path / f"{name} <b>&'\".png")
    with Gallery.create(tmp_path / "g", ColourWords()) as g:
        g.add(sorted(tmp_path.glob("*.png")), texts=["蓝色的图片", EVIL, EVIL], metadata={EVIL: EVIL})
        found = g.search("red", k=3)
    next(tmp_path.glob("orange*")).unlink()
    return found


def test_notebook_html_is_escaped_and_self_contained(hits: Hits) -> None:
    html = hits._repr_html_()
    checker = checked(html)
    assert len(checker.sources) == 2
    assert "no preview" in checker.text
    assert EVIL in checker.text
    assert "蓝色的图片" in checker.text
    assert len(html) < 60_000


def test_thumbnails_are_the_pictures(tmp_path: Path) -> None:
    Image.fromarray(picture("green", size=500)[:250]).save(tmp_path / "a.png")
    source = thumbnail(tmp_path / "a.png")
    assert source is not None
    image = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))
    assert image.size == (160, 80)
    assert (
        np.abs(np.asarray(image).reshape(-1, 3).mean(axis=0) - picture("green").reshape(-1, 3).mean(axis=0)).max() < 3
    )
    assert thumbnail(tmp_path / "gone.png") is None
    assert thumbnail(b"no picture") is None


def test_a_page_is_one_file(hits: Hits, tmp_path: Path) -> None:
    sections = [section_of(hits, "a note"), Section(EVIL, hits, picture("red")), Section("none", Hits([]))]
    page = write_page(tmp_path / "deep" / "page.html", sections, title=EVIL, intro="i", footer="f")
    html = page.read_text(encoding="utf-8")
    checker = checked(html)
    assert html.startswith("<!DOCTYPE html>")
    assert "prefers-color-scheme: dark" in html
    assert checker.text.count("1.000") + checker.text.count(f"{hits[0].score:.3f}") >= 2
    assert "Nothing was found." in checker.text
    assert sorted(path.name for path in page.parent.iterdir()) == ["page.html"]


def test_tables_align_also_with_chinese(hits: Hits) -> None:
    made = Hits(
        [
            Hit(1, 0.5, "/a/雪中的狗.jpg", "两只狗"),
            Hit(20, 0.25, "/a/plain.jpg", "two dogs"),
            Hit(3, -0.125, None, "line\nbreak"),
        ]
    )
    lines = repr(made).splitlines()[1:]

    def width(text: str) -> int:
        return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)

    starts = {width(line[: line.index(word)]) for line, word in zip(lines, ("text", "两", "two", "line"), strict=True)}
    assert len(starts) == 1
    assert len(lines) == 4
    assert "Hits(none" in repr(Hits([]))


def test_results_in_other_forms(hits: Hits) -> None:
    frame = hits.to_pandas()
    assert list(frame.columns) == ["rank", "id", "score", "path", "text", EVIL]
    assert frame["rank"].tolist() == [1, 2, 3]
    assert isinstance(hits[:2], Hits)
    assert [hit.id for hit in hits[:2]] == hits.ids[:2]
    assert hits[-1] == list(hits)[2]


def test_reports_say_what_failed() -> None:
    report = Report(added=3, seconds=1.5)
    for i in range(12):
        report.fail(f"/p/{i}{EVIL}", "corrupt", "cut off")
    assert "3 added, 0 skipped, 12 failed in 1.5 s (2/s)" in repr(report)
    assert "and 2 more" in repr(report)
    checker = checked(report._repr_html_())
    assert checker.text.count("corrupt") == 12
    assert not re.search(r"<script", report._repr_html_())
