"""Objects that are made of a file of weights: how they are copied, and how they travel to other processes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pictrieve import _core

Self = TypeVar("Self", bound="Portable")


class Portable:
    """Base of the objects that serve a network.

    A pickle holds settings, the path of the weights and their fingerprint, never the weights: another process reads
    them from the same place, and refuses others that it finds there. Copies share the network, which nothing changes.
    """

    _remade: ClassVar[tuple[str, ...]] = ("_core",)  # attributes that `_connect` and cached properties make again
    _weights: Path | None  # where the weights are, absolute; None where they are random

    @property
    def _random(self) -> bool:
        return self._weights is None

    @property
    def _weights_path(self) -> str | None:
        return None if self._weights is None else str(self._weights)

    def _connect(self) -> None:
        """Make what a pickle leaves out."""
        raise NotImplementedError

    def _identity(self) -> str:
        """Give a text that changes with all the files that this object is made of; no network is loaded for it."""
        return "random" if self._weights is None else _core.weights_fingerprint(str(self._weights))

    def __copy__(self: Self) -> Self:
        """Share the network, so that a copy costs nothing; what is set on the copy later is its own."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        """Share the network, and copy the settings."""
        twin = memo[id(self)] = copy.copy(self)
        for name, value in self.__dict__.items():
            if name not in self._remade:
                twin.__dict__[name] = copy.deepcopy(value, memo)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Give the settings, and what tells whether the files are still the same."""
        kept = {name: value for name, value in self.__dict__.items() if name not in self._remade}
        return {**kept, "_expected": self._identity()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read the weights again.

        Raises:
            FileNotFoundError: There is nothing any more where they were.
            FormatError: The files there are others.
        """
        self.__dict__.update(state)
        expected = self.__dict__.pop("_expected")
        what = f"{type(self).__name__} from a pickle, which keeps the place of the weights, not the weights"
        if self._weights is not None and not self._weights.exists():
            raise FileNotFoundError(f"{what}: expected them at {self._weights}, got no such file or directory")
        if self._identity() != expected:
            place = "its files" if self._weights is None else f"{self._weights} and the files beside it"
            raise _core.FormatError(f"{what}: expected {place} as they were, got others; make it and pickle it again")
        self._connect()
