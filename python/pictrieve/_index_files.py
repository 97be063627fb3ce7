"""How an index comes from files and goes to them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pictrieve import _core
from pictrieve._index_facts import IndexFacts

if TYPE_CHECKING:
    from pictrieve.index import Index
    from pictrieve.index_plan import AutoPlan

AnIndex = TypeVar("AnIndex", bound="IndexFiles")


class IndexFiles(IndexFacts):
    """The files of `pictrieve.index.Index`."""

    _auto: AutoPlan | None

    @classmethod
    def load(cls: type[AnIndex], path: str | os.PathLike[str], mmap: bool = False) -> AnIndex:
        """Read an index that ``save`` wrote.

        Args:
            path: The file.
            mmap: Leave the vectors in the file (with codes beside them, the vectors alone) and let the system
                page them in as searches touch them. Everything else is verified as without it; damage to the
                vectors themselves shows in ``health()``. Saving to the same path is safe meanwhile, writing
                into the file is not.

        Raises:
            FileNotFoundError: Where there is no such file.
            FormatError: For a damaged, foreign or newer file.
        """
        return cls._around(_core.Index.load(os.fsencode(path), mmap))

    def save(self, path: str | os.PathLike[str], note: str = "") -> None:
        """Write the index in one step: after a crash the file is the old one or the new one.

        Args:
            path: The file, replaced if it exists.
            note: Text that travels with the index; ``load(path).note`` gives it back.
        """
        self._core.save(os.fsencode(path), note)

    @classmethod
    def read_faiss(
        cls, path: str | os.PathLike[str], factory: str | None = None, *, show_progress_bar: bool | None = None
    ) -> Index:
        """Read a trusted .faiss file: see `pictrieve.index_exchange.read_faiss`."""
        from pictrieve.index_exchange import read_faiss

        return read_faiss(path, factory, show_progress_bar=show_progress_bar)

    @classmethod
    def read_annoy(
        cls,
        path: str | os.PathLike[str],
        dim: int,
        metric: str = "angular",
        factory: str | None = None,
        *,
        show_progress_bar: bool | None = None,
    ) -> Index:
        """Read the vectors of an Annoy file: see `pictrieve.index_exchange.read_annoy`."""
        from pictrieve.index_exchange import read_annoy

        return read_annoy(path, dim, metric, factory, show_progress_bar=show_progress_bar)

    def write_faiss(self, path: str | os.PathLike[str], *, show_progress_bar: bool | None = None) -> None:
        """Write a .faiss file for other tools: see `pictrieve.index_exchange.write_faiss`."""
        from pictrieve.index_exchange import write_faiss

        write_faiss(self, path, show_progress_bar=show_progress_bar)

    def __reduce__(self) -> NoReturn:
        """Refuse pickle and copy: an index may be larger than the memory that is left."""
        raise TypeError(
            "Index: expected save() instead of pickle or copy; write it with index.save(path) and read it with "
            "pt.Index.load(path, mmap=True), in every process that needs it"
        )

    @classmethod
    def _around(cls: type[AnIndex], core: _core.Index) -> AnIndex:
        index = cls.__new__(cls)
        index._core = core
        index._auto = None
        return index
