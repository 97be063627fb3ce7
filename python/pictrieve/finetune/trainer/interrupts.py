"""Ctrl-C between two steps, never in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupts:
    """Holds Ctrl-C back while a step changes weights; a second Ctrl-C is not held back.

    Python delivers signals to the main thread alone: in another thread this does nothing.

    Attributes:
        torn: A second Ctrl-C ended a step in the middle: the weights are in no state that may be saved.
    """

    def __init__(self) -> None:
        """Start without an interrupt."""
        self._holding = False
        self._pending = False
        self.torn = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Take charge of Ctrl-C for the time of the block."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the block end before KeyboardInterrupt is raised."""
        self._holding = True
        try:
            yield
        except KeyboardInterrupt:
            self.torn = True
            raise
        finally:
            self._holding = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: Any) -> None:
        if not self._holding or self._pending:
            raise KeyboardInterrupt
        self._pending = True
