"""Search results as one self-contained HTML page: no script, no network, light and dark."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pictrieve.gallery.hits import Hit, Hits
from pictrieve.gallery.html import attribute, picture_tag, text

_THUMBNAIL = 320  # sharp on dense screens in columns of about 170 pixels

# One column of cards is as wide as a thumbnail; everything else follows from the eight colours.
_STYLE = """
:root { color-scheme: light dark; --page: #f6f5f2; --card: #fff; --ink: #1d1c1a; --soft: #6d6a64;
  --line: #e3e0d9;
  --accent: #b4532a; --well: #efede8; }
@media (prefers-color-scheme: dark) { :root { --page: #161618; --card: #212124; --ink: #ececea;
  --soft: #a09d97;
  --line: #333338; --accent: #f0a070; --well: #2b2b2f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 48px 24px 64px; }
h1 { font-size: 2.1rem; line-height: 1.15; letter-spacing: -.02em; margin: 0 0 .35em; text-wrap: balance; }
.intro { color: var(--soft); max-width: 72ch; margin: 0 0 2.4rem; }
section { border-top: 1px solid var(--line); padding: 28px 0 34px; }
.query { display: flex; align-items: center; gap: 18px; margin: 0 0 18px; }
.query img { width: 112px; height: 112px; object-fit: contain; background: var(--card); padding: 3px;
  flex: none;
  border: 2px solid var(--accent); border-radius: 12px; }
.kind { display: block; font-size: .74rem; font-weight: 600; letter-spacing: .09em; text-transform: uppercase;
  color: var(--accent); }
h2 { font-size: 1.38rem; line-height: 1.25; font-weight: 600; letter-spacing: -.01em; margin: .1em 0 0;
  overflow-wrap: anywhere; }
.note { color: var(--soft); font-size: .9rem; margin: .2em 0 0; }
ol { list-style: none; margin: 0; padding: 0; display: grid; gap: 14px;
  grid-template-columns: repeat(auto-fill, minmax(158px, 1fr)); }
li { background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden;
  display: flex;
  flex-direction: column; }
li img, .none { width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--card); display: block; }
.none { display: flex; align-items: center; justify-content: center; color: var(--soft); font-size: .85rem; }
.facts { padding: 9px 12px 11px; font-size: .86rem; line-height: 1.35; flex: 1; display: flex; gap: 6px;
  flex-direction: column; }
.facts p { margin: 0; overflow-wrap: anywhere; display: -webkit-box; -webkit-line-clamp: 3; overflow: hidden;
  -webkit-box-orient: vertical; }
.score { margin-top: auto; display: flex; justify-content: space-between; align-items: center; gap: 8px;
  color: var(--soft); font-size: .78rem; font-variant-numeric: tabular-nums; }
.bar { flex: 1; height: 4px; border-radius: 2px; background: var(--well); overflow: hidden; }
.bar i { display: block; height: 100%; border-radius: 2px; background: var(--accent); }
footer { border-top: 1px solid var(--line); padding-top: 18px; color: var(--soft); font-size: .86rem;
  overflow-wrap: anywhere; }
@media print { body { background: #fff; } li { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Section:
    """One query of a page and what it found.

    Attributes:
        query: The words, or what to call the picture.
        hits: The hits.
        picture: The query's picture, where it is one: path, bytes or array.
        note: One line below the query.
    """

    query: str
    hits: Hits
    picture: Any = None
    note: str = ""


def write_page(
    path: str | os.PathLike[str],
    sections: Sequence[Section],
    *,
    title: str,
    intro: str = "",
    footer: str = "",
) -> Path:
    """Write queries and their hits as one HTML file that needs nothing beside it, and give its path.

    Example:
        >>> hits = gallery.search("a red car")                                        # doctest: +SKIP
        >>> write_page("cars.html", [Section("a red car", hits)], title="Red cars")   # doctest: +SKIP
    """
    body = "".join(map(_section, sections))
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{text(title)}</title><style>{_STYLE}</style></head>\n<body><main>"
        f'<header><h1>{text(title)}</h1><p class="intro">{text(intro)}</p></header>\n{body}'
        f"<footer>{text(footer)}</footer></main></body></html>\n"
    )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(target)
    return target


def section_of(hits: Hits, note: str = "") -> Section:
    """Make a section of the hits of `Gallery.search`; the first picture among its terms is shown."""
    pictures = [term for term in hits.terms if term.kind == "image"]
    picture = pictures[0].value if pictures else None
    if isinstance(picture, Hit):
        picture = picture.path
    only_picture = len(hits.terms) == 1 and pictures
    title = os.path.basename(pictures[0].label) if only_picture else hits.title
    return Section(title, hits, picture, note)


def _section(section: Section) -> str:
    kind = "picture" if section.picture is not None else "words"
    image = (
        "" if section.picture is None else picture_tag(section.picture, f"Query: {section.query}", "none", _THUMBNAIL)
    )
    quoted = text(section.query) if section.picture is not None else f"“{text(section.query)}”"
    note = f'<p class="note">{text(section.note)}</p>' if section.note else ""
    top = max((hit.score for hit in section.hits), default=1.0)
    cards = "".join(_card(rank, hit, top) for rank, hit in enumerate(section.hits, 1))
    grid = f"<ol>{cards}</ol>" if cards else '<p class="note">Nothing was found.</p>'
    return (
        f'<section aria-label="{attribute(section.query)}"><div class="query">{image}<div>'
        f'<span class="kind">Search by {kind}</span><h2>{quoted}</h2>{note}</div></div>{grid}</section>\n'
    )


def _card(rank: int, hit: Hit, top: float) -> str:
    caption = hit.text or hit.name
    share = max(0.0, min(1.0, hit.score / top if top > 0 else 0.0))
    return (
        f"<li>{picture_tag(hit.path, caption, 'none', _THUMBNAIL)}"
        f'<div class="facts"><p title="{attribute(hit.path or "")}">{text(caption)}</p>'
        f'<div class="score"><b>{rank}</b><span class="bar" aria-hidden="true">'
        f'<i style="width:{share:.0%}"></i></span><span aria-label="score">{hit.score:.3f}</span>'
        "</div></div></li>"
    )
