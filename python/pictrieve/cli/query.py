"""The search command."""

from __future__ import annotations

import argparse

from pictrieve.cli.output import say, show, show_json
from pictrieve.gallery import Gallery


def search(options: argparse.Namespace) -> int:
    """Search a gallery and print the hits."""
    if options.query is None and options.image is None and options.text is None:
        say("pictrieve search: expected a QUERY, --image FILE or --text WORDS")
        return 2
    with Gallery.open(options.gallery) as gallery:
        hits = gallery.search(
            options.query,
            image=options.image,
            text=options.text,
            negative=options.negative,
            k=options.k,
            where=options.where,
            weights=options.weights,
            fusion=options.fusion,
            rerank=options.rerank,
            diversify=options.diversify,
            min_confidence=options.min_confidence,
        )
    if options.json:
        show_json(hits.to_dicts())
    else:
        show(hits.explain() if options.explain else repr(hits))
    if options.html is not None:
        from pictrieve.notebook import section_of, write_page

        page = write_page(options.html, [section_of(hits)], title=hits.title, footer=f"{options.gallery}, pictrieve")
        say(f"page: {page}")
    return 0
