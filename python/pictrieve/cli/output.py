"""Text for people on stderr, results on stdout, both safe for any file name."""

from __future__ import annotations

import json
import sys
from typing import Any


def say(text: str) -> None:
    """Tell a person on stderr what is going on."""
    print(_printable(text, sys.stderr.encoding), file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Print a result."""
    print(_printable(text, sys.stdout.encoding))


def show_json(value: Any) -> None:
    """Print a result as one line of JSON, in ASCII: odd file names survive any terminal and pipe."""
    print(json.dumps(value), flush=True)


def fail(message: str) -> None:
    """Say in one line what went wrong."""
    say("pictrieve: " + " ".join(message.splitlines()))


def _printable(text: str, encoding: str | None) -> str:
    return text.encode(encoding or "utf-8", "backslashreplace").decode(encoding or "utf-8")
