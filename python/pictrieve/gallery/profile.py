"""A query made of behaviour: what somebody liked and disliked in a gallery, the older the fainter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pictrieve.gallery.hits import Hits, ids_of
from pictrieve.gallery.query import Term
from pictrieve.rank import Interest, Profile

if TYPE_CHECKING:
    from pictrieve.gallery.search import Searcher

_VERSION = 1
_DISLIKED = -1.0


class GalleryProfile:
    """What somebody likes in a gallery; `Gallery.profile` makes one, and `Gallery.search` takes it as a query.

    Attributes:
        channel: The vector space in which things are alike.
        profile: The `pictrieve.rank.Profile` behind it.
    """

    def __init__(self, searcher: Searcher, channel: str, profile: Profile, seen: list[int] | None = None) -> None:
        """Take up a profile of vectors of a channel, and the ids that were observed."""
        self._searcher = searcher
        self.channel = channel
        self.profile = profile
        self._seen = dict.fromkeys(seen or [])

    def observe(self, liked: Any = None, disliked: Any = None, *, time: float | datetime | None = None) -> None:
        """Add what somebody looked at, bought or put away.

        Args:
            liked: An id, a hit, or several.
            disliked: Likewise.
            time: When, in seconds or as a datetime; by default now.

        Raises:
            ValueError: An id is not in the gallery, or time is no time; nothing is observed then.
        """
        good, bad = ids_of(liked, "liked"), ids_of(disliked, "disliked")
        ids = np.concatenate([good, bad])
        if len(ids) == 0:
            return
        vectors = self._searcher.index(self.channel).reconstruct(ids)
        self.profile.observe(vectors, np.repeat([1.0, _DISLIKED], [len(good), len(bad)]), time)
        self._seen.update(dict.fromkeys(ids.tolist()))

    @property
    def seen(self) -> list[int]:
        """The ids that were observed, in the order of the first time."""
        return list(self._seen)

    def vector(self) -> NDArray[np.float32]:
        """Give the one query that `Gallery.search` uses: (dim,) float32 of length 1."""
        return self.profile.vector()

    def interests(self, n: int = 5) -> list[Interest]:
        """Group what was liked into at most n interests; see `pictrieve.rank.Profile.interests`."""
        return self.profile.interests(n)

    def search(self, k: int = 10, where: str | None = None, *, n: int = 5, exclude_seen: bool = True) -> Hits:
        """Find items for each of up to n interests, in proportion to their weights, and none that were observed.

        Scores say in which order places were given; `Gallery.search` with the profile gives cosines instead.
        """
        index = self._searcher.index(self.channel)
        allowed = self._searcher.allowed(where)
        found = self.profile.search(index, k, allowed, exclude=self.seen if exclude_seen else (), n=n)
        terms = [Term("vector", None, one.weight, "(interest)") for one in self.interests(n)]
        return self._searcher.hits(found, terms, self.channel)

    def to_dict(self) -> dict[str, Any]:
        """Give everything as values for JSON; `Gallery.profile` takes it up again."""
        state = {"version": _VERSION, "gallery": self._searcher.uuid, "channel": self.channel, "seen": self.seen}
        return {**state, "profile": self.profile.to_dict()}

    @classmethod
    def from_dict(cls, searcher: Searcher, state: Mapping[str, Any]) -> GalleryProfile:
        """Take up what `to_dict` gave."""
        searcher.require_own(state, _VERSION, ("channel", "profile", "seen"))
        return cls(searcher, state["channel"], Profile.from_dict(state["profile"]), [int(one) for one in state["seen"]])

    def __len__(self) -> int:
        """Count the observations."""
        return len(self.profile)

    def __bool__(self) -> bool:
        """A profile is true, also while nothing was observed."""
        return True

    def __repr__(self) -> str:
        return f"GalleryProfile({len(self)} observations, channel {self.channel!r})"
