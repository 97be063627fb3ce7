"""The command line's grammar. Handlers are named, not imported: `--help` must not load a network."""

from __future__ import annotations

import argparse
from typing import Any

from pictrieve import __version__

_EXAMPLES = """examples:
  pictrieve index photos/ -o photos.gallery
  pictrieve search photos.gallery "two dogs in the snow"
  pictrieve search photos.gallery "dog.jpg + snow - 2:car" -k 20 --html found.html
  pictrieve search photos.gallery --image dog.jpg --where "width >= 1000" --json
  pictrieve sync photos/ photos.gallery

exit status: 0 done, 1 error, 2 wrong usage, 3 partly done (some files could not be read), 130 interrupted
"""
_QUERY_HELP = """A query is words, a picture, or a sum of both: "dog.jpg + snow - 2:car". Terms stand
between + and - with spaces around; 2: gives a weight, quotes keep + and - as text. A term
that is an existing file or ends like a picture is one. --where takes conditions on
metadata and on id, path, size, mtime, width, height, format, text and added_at, such as
"price < 20 and label in ('cat', 'dog')"."""


def build_parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    parser = argparse.ArgumentParser(
        prog="pictrieve",
        description="Search pictures by picture and by words, on this computer.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pictrieve {__version__}")
    parser.set_defaults(command=None, debug=False, writes=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _add_writing(commands)
    _add_search(commands)
    _add_others(commands)
    return parser


def _command(commands: Any, name: str, handler: str, summary: str, **more: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary, **more)
    command.set_defaults(handler=handler)
    command.add_argument("--json", action="store_true", help="print results as JSON")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return command


def _add_writing(commands: Any) -> None:
    index = _command(commands, "index", "collection:index", "Take a folder of pictures into a gallery.")
    index.add_argument("items", nargs="+", metavar="DIR", help="folder, searched recursively, or single pictures")
    index.add_argument("-o", "--output", required=True, metavar="GALLERY", help="gallery; an existing one is resumed")
    index.add_argument("--encoder", help="model of a new gallery (default: efficientnet_lite0+minilm)")
    index.add_argument(
        "--texts",
        metavar="CSV",
        help=(
            "captions: a UTF-8 table with columns path and text; paths are relative to the table, to DIR or to the "
            "current folder; several captions of one picture are joined by ' / '"
        ),
    )
    index.add_argument("--retry", action="store_true", help="try files again that failed before and are unchanged")
    index.add_argument("--batch-size", type=_positive, default=64, help="pictures in one commit, at most (default: 64)")
    sync = _command(commands, "sync", "collection:sync", "Make a gallery equal to a folder: new, changed, deleted.")
    sync.add_argument("folder", metavar="DIR")
    sync.add_argument("gallery", metavar="GALLERY")
    for command in (index, sync):
        command.set_defaults(writes=True)
        command.add_argument("-q", "--quiet", action="store_true", help="no progress on stderr")


def _add_search(commands: Any) -> None:
    search = _command(commands, "search", "query:search", "Search a gallery.", epilog=_QUERY_HELP)
    search.add_argument("gallery", metavar="GALLERY")
    search.add_argument("query", nargs="?", metavar="QUERY", help="words, a picture, or a sum such as 'dog.jpg + snow'")
    search.add_argument("--image", metavar="FILE", help="search by this picture")
    search.add_argument("--text", help="search by these words, taken as they are")
    search.add_argument("--negative", metavar="QUERY", help="what is not wanted")
    search.add_argument("-k", type=_positive, default=10, help="number of hits (default: 10)")
    search.add_argument("--where", metavar="CONDITION", help="only items that meet it")
    search.add_argument(
        "--weights",
        type=_weights,
        metavar="PARTS",
        help="search QUERY, --image and --text each in its own space and fuse: image=0.7,text=0.3 (query=, negative=)",
    )
    search.add_argument(
        "--fusion", choices=("weighted", "rrf"), help="fuse them by scores (the default with --weights) or by ranks"
    )
    search.add_argument(
        "--min-confidence", type=float, metavar="P", help="leave out hits that may be chance (0..1; 0 only measures)"
    )
    search.add_argument(
        "--rerank",
        choices=("k_reciprocal", "expansion", "diffusion"),
        help="order hits anew by their neighbours; this can hurt, measure it with pictrieve.rank.evaluate_gain",
    )
    search.add_argument(
        "--diversify", type=float, metavar="X", help="prefer hits that are unlike each other (above 0, up to 1)"
    )
    search.add_argument("--html", metavar="FILE", help="also write the hits as a page with pictures")
    search.add_argument("--explain", action="store_true", help="show what each term adds to each score")


def _add_others(commands: Any) -> None:
    info = _command(commands, "info", "collection:info", "Say what a gallery holds, and which files failed.")
    info.add_argument("gallery", metavar="GALLERY")
    export = _command(commands, "export", "collection:export", "Write vectors (.npy), ids and items as plain files.")
    export.add_argument("gallery", metavar="GALLERY")
    export.add_argument("folder", metavar="DIR")
    _command(commands, "doctor", "doctor:doctor", "Check the installation and print what a bug report needs.")
    demo = _command(commands, "demo", "demonstration:demo", "Index photos of this machine and show what search finds.")
    demo.add_argument("folder", nargs="?", metavar="DIR", help="pictures of your own (default: photos found installed)")
    demo.add_argument("-o", "--output", default="demo", metavar="DIR", help="where the page goes (default: demo)")
    demo.set_defaults(writes=True)


def _positive(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return number


def _weights(text: str) -> dict[str, float]:
    pairs = [part.partition("=") for part in text.split(",")]
    try:
        weights = {name.strip(): float(number) for name, _, number in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected parts and numbers such as image=0.7,text=0.3, got {text!r}"
        ) from None
    if len(weights) < len(pairs):
        raise argparse.ArgumentTypeError(f"expected each part once, got {text!r}")
    return weights
