"""The demo command."""

from __future__ import annotations

import argparse

from pictrieve import demo as demonstration
from pictrieve.cli.output import say, show, show_json


def demo(options: argparse.Namespace) -> int:
    """Run the demonstration."""
    page = demonstration.run(options.folder, options.output, say if options.json else show)
    if options.json:
        show_json({"page": str(page.resolve())})
    return 0
