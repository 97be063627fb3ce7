"""Pictures as small self-contained HTML: no network, no script, every text escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pictrieve import images
from pictrieve._core import Error

THUMBNAIL = 160  # pixels of the longer side
_QUALITY = 82

# Colours come from the page around where that is a notebook; `color-mix` keeps borders visible on light and
# dark.
NOTEBOOK_STYLE = """<style>
.pt-grid{display:flex;flex-wrap:wrap;gap:10px;margin:6px 0;font:13px/1.35 system-ui,sans-serif}
.pt-card{width:148px;margin:0;border:1px solid rgba(128,128,128,.35);border-radius:8px;overflow:hidden}
.pt-card img,.pt-none{display:block;width:148px;height:120px;object-fit:contain}
.pt-card img,.pt-none{background:rgba(128,128,128,.12)}
.pt-none{display:flex;align-items:center;justify-content:center;opacity:.6}
.pt-card figcaption{padding:5px 8px 7px;overflow-wrap:anywhere}
.pt-card small{opacity:.65}
</style>"""


@dataclass(frozen=True)
class Card:
    """One picture of a grid: the file (None: a placeholder), rank, score, caption and alt text."""

    path: str | None
    rank: str
    score: float
    caption: str
    alt: str


def thumbnail(picture: Any, size: int = THUMBNAIL) -> str | None:
    """Give a picture as a JPEG data URI of at most `size` pixels; None where it cannot be read any more."""
    if picture is None:
        return None
    try:
        pixels = images.decode(picture)
        height, width = pixels.shape[:2]
        scale = min(1.0, size / max(height, width))
        if scale < 1.0:
            shape = (max(1, round(height * scale)), max(1, round(width * scale)))
            pixels = images.resize(pixels, shape, interpolation="box" if scale < 0.25 else "bicubic")
        encoded = images.encode_jpeg(pixels, _QUALITY)
    except (Error, OSError, ValueError, TypeError):
        return None
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode()


def picture_tag(picture: Any, alt: str, placeholder_class: str, size: int = THUMBNAIL) -> str:
    """Give an img element, or a placeholder that says that the file is gone."""
    source = thumbnail(picture, size)
    if source is None:
        return f'<div class="{placeholder_class}" role="img" aria-label="{attribute(alt)}">no preview</div>'
    return f'<img src="{source}" alt="{attribute(alt)}" loading="lazy">'


def notebook_grid(title: str, cards: Sequence[Card]) -> str:
    """Give a grid of pictures that fits into light and dark notebooks."""
    figures = "".join(
        f'<figure class="pt-card">{picture_tag(card.path, card.alt, "pt-none")}'
        f"<figcaption><b>{text(card.rank)}</b> {text(_short(card.caption))}<br>"
        f"<small>{card.score:.3f}</small></figcaption></figure>"
        for card in cards
    )
    return f'{NOTEBOOK_STYLE}<div><p>{text(title)}</p><div class="pt-grid">{figures}</div></div>'


def text(value: str) -> str:
    """Escape a text; what UTF-8 cannot hold (odd file names) is replaced."""
    return escape(value.encode("utf-8", "replace").decode())


def attribute(value: str) -> str:
    """Escape a text for use between double quotes."""
    return text(value).replace("\n", " ")


def _short(caption: str) -> str:
    return caption if len(caption) <= 90 else caption[:89] + "…"
