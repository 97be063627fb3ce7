"""A search that learns from what somebody marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pictrieve.gallery.hits import Hits, ids_of
from pictrieve.gallery.query import Term
from pictrieve.rank import Feedback
from pictrieve.search_result import SearchResult

if TYPE_CHECKING:
    from pictrieve.gallery.search import Searcher

_VERSION = 1


class Session:
    """Rounds of marking and searching; `Gallery.session` makes one.

    Example:
        >>> session = gallery.session(gallery.search("a dog", k=24))   # doctest: +SKIP
        >>> session.mark(relevant=[3, 7], irrelevant=[4])              # doctest: +SKIP
        >>> session.next(k=24)                                         # doctest: +SKIP
        >>> session.active(k=8)  # whose marks would teach most        # doctest: +SKIP
    """

    def __init__(self, searcher: Searcher, channel: str, feedback: Feedback) -> None:
        """Go on from a feedback on the channel's index."""
        self._searcher = searcher
        self.channel = channel
        self._index = searcher.index(channel)
        self._feedback = feedback

    def mark(self, relevant: Any = None, irrelevant: Any = None) -> None:
        """Tell which items are wanted and which are not; marking again changes an opinion.

        Args:
            relevant: An id, a hit, or several.
            irrelevant: Likewise.

        Raises:
            ValueError: Nothing to mark, an unknown id, or one on both sides; nothing is marked then.
        """
        self._current().mark(ids_of(relevant, "relevant"), ids_of(irrelevant, "irrelevant"))

    def unmark(self, items: Any) -> None:
        """Take marks back."""
        self._current().unmark(ids_of(items, "unmark"))

    def next(self, k: int = 24, where: str | None = None, *, exclude_marked: bool = True) -> Hits:
        """Find the k best under what was learned so far; items that are marked are left out."""
        feedback = self._current()
        found = feedback.search(k, self._searcher.allowed(where), exclude_marked)
        return self._searcher.hits(found, self._terms(feedback), self.channel)

    def active(self, k: int = 8, where: str | None = None) -> Hits:
        """Choose up to k items whose marks would teach most: each hit's `reason` says why."""
        feedback = self._current()
        asked = feedback.active(k, self._searcher.allowed(where))
        ids = np.array([question.id for question in asked], np.int64)
        scores = np.array([question.score for question in asked], np.float32)
        hits = self._searcher.hits(SearchResult(ids, scores), self._terms(feedback), self.channel)
        reasons = {question.id: question.reason for question in asked}
        return Hits([replace(hit, reason=reasons[hit.id]) for hit in hits], hits.terms, self.channel)

    @property
    def marked(self) -> dict[int, bool]:
        """Each marked id and whether it is relevant, in the order of the first marks."""
        return self._feedback.marked

    @property
    def vector(self) -> NDArray[np.float32]:
        """What was learned: (dim,) float32 of length 1, for `Gallery.search(vector=...)`."""
        return self._current().query

    def to_dict(self) -> dict[str, Any]:
        """Give everything as values for JSON; `Gallery.session` takes it up again."""
        state = {"version": _VERSION, "gallery": self._searcher.uuid, "channel": self.channel}
        return {**state, "feedback": self._feedback.to_dict()}

    @classmethod
    def from_dict(cls, searcher: Searcher, state: Mapping[str, Any]) -> Session:
        """Take up what `to_dict` gave."""
        searcher.require_own(state, _VERSION, ("channel", "feedback"))
        channel = state["channel"]
        return cls(searcher, channel, Feedback.from_dict(state["feedback"], searcher.index(channel)))

    def __repr__(self) -> str:
        return f"Session(channel={self.channel!r}, {self._feedback!r})"

    def _current(self) -> Feedback:
        """Bring the index up to date; where the gallery made a new one, go on with that."""
        index = self._searcher.index(self.channel)
        if index is not self._index:
            self._feedback, self._index = Feedback.from_dict(self._feedback.to_dict(), index), index
        return self._feedback

    def _terms(self, feedback: Feedback) -> list[Term]:
        wanted = sum(feedback.marked.values())
        return [Term("vector", None, 1.0, f"({wanted} relevant, {len(feedback.marked) - wanted} irrelevant)")]
