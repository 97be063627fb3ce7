"""The `pictrieve` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from pictrieve.cli.arguments import build_parser
from pictrieve.cli.output import fail

OK, ERROR, USAGE, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 0 done, 1 error, 2 usage, 3 partly done, 130 interrupted."""
    parser = build_parser()
    options, rest = parser.parse_known_args(arguments)
    if len(rest) == 1 and getattr(options, "query", "") is None and not rest[0].startswith("--"):
        options.query = rest.pop()  # argparse takes an optional positional only before the first option
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if options.command is None:
        parser.print_help()
        return USAGE
    try:
        module, function = options.handler.split(":")
        status = int(getattr(import_module(f"pictrieve.cli.{module}"), function)(options))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR
    except KeyboardInterrupt:
        kept = "; what was committed is kept: the same command goes on from there" if options.writes else ""
        fail(f"interrupted{kept}")
        return INTERRUPTED
    except Exception as error:
        if options.debug:
            raise
        fail(_in_words(error))
        return ERROR


def _in_words(error: Exception) -> str:
    from pictrieve._core import Error

    if isinstance(error, OSError) and error.strerror and not isinstance(error, Error):
        name = os.fsdecode(error.filename) + ": " if error.filename else ""
        return f"{name}{error.strerror}"
    if isinstance(error, Error | ValueError | OSError | ImportError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error} (run again with --debug for the traceback)"
