"""Progress bars with tqdm's conventions, where tqdm is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]


@contextmanager
def progress_bar(total: int | None, unit: str, show: bool | None = None) -> Iterator[Progress | None]:
    """Show a bar on stderr while the block runs; yields `report(done, total)`, or None where nothing is shown.

    Args:
        total: Items of the whole work; None where unknown.
        unit: What is counted, such as "images".
        show: True or False; None shows a bar on a terminal or in a notebook, once the work has lasted a second.
    """
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield None
        return
    wanted = show if show is not None else (sys.stderr.isatty() or "ipykernel" in sys.modules)
    if not wanted:
        yield None
        return
    with tqdm(total=total, unit=unit, delay=1.0 if show is None else 0.0, file=sys.stderr) as bar:

        def report(done: int, _total: int) -> None:
            bar.update(done - bar.n)

        yield report
