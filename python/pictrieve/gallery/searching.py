"""What a gallery can be asked: searches, rounds of feedback, profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pictrieve.gallery.hits import Hits
from pictrieve.gallery.opened import OpenGallery
from pictrieve.gallery.profile import GalleryProfile
from pictrieve.gallery.ranking import Fusion, Ranking, Rerank
from pictrieve.gallery.session import Session
from pictrieve.gallery.spaces import FEATURES
from pictrieve.gallery.terms import parts_of
from pictrieve.rank import Feedback, Profile


class SearchableGallery(OpenGallery):
    """Base of `Gallery`: everything that reads."""

    def search(
        self,
        query: Any = None,
        *,
        image: Any = None,
        text: str | Sequence[str] | None = None,
        vector: Any = None,
        negative: Any = None,
        k: int = 10,
        where: str | None = None,
        weights: Mapping[str, float] | Sequence[float] | None = None,
        fusion: Fusion | None = None,
        rerank: Rerank = None,
        diversify: float | None = None,
        min_confidence: float | None = None,
    ) -> Hits:
        """Find the items that are most similar to a picture, to words, or to a sum of both.

        Pictures alone are compared by the picture encoder's own vectors; as soon as words take part, in the
        space that pictures and words share.

        Args:
            query: Words, a picture (path, bytes, array, PIL image, or a `Hit`), a profile, or a sum such as
                "dog.jpg + snow - 2:car". A term that is an existing file or ends like a picture is one; see
                `pictrieve.gallery.query.parse_query` for quotes and weights.
            image: A picture, or a list of them.
            text: Words taken as they are, or a list of them.
            vector: A vector of your own, as long as those of a channel.
            negative: What is not wanted: a query or a picture, or a list of them.
            k: How many hits; fewer only where fewer items match.
            where: Condition on metadata and built-in columns: "price < 20 and label in ('cat', 'dog')".
            weights: One factor for each term of the sum. Or a mapping such as {"image": 0.7, "text": 0.3}: then
                query, image, text and vector are each searched for in their own space and the rankings fused, with
                negative terms (whose factor is "negative") taken off each; `Hits.explain` shows every part.
            fusion: How the rankings of query, image, text and vector become one: "weighted" adds up z-scores
                (`pictrieve.rank.weighted`; so does None beside a mapping of weights), "rrf" reciprocal ranks. Parts
                without a weight have 1.
            rerank: "k_reciprocal", "expansion" or "diffusion" (see `pictrieve.rank`), or a function
                ``(index, queries, k)`` that gives ids and scores, with ``where=`` the allowed ids where there is a
                condition. Re-rankers can hurt: measure yours with `pictrieve.rank.evaluate_gain` first.
            diversify: Above 0 and up to 1: choose among the best few dozen hits those that are unlike each other
                (`pictrieve.rank.mmr`); scores then need not fall.
            min_confidence: Between 0 and 1: leave out hits as near as which an unrelated item of this gallery could
                be with a chance of more than 1 - min_confidence (`pictrieve.rank.Calibration`). Every hit then has a
                `confidence`; 0 asks for that alone. The first such search measures the gallery, in about a second
                for words. Galleries of under a hundred items give rough values, under three items none.

        Raises:
            ValueError: The query or `where` cannot be read, or names an unknown column; a number is out of range.
            DecodeError: A picture of the query cannot be read.
            GalleryError: This gallery's encoder knows no words.
            TypeError: Weights that are no numbers, or a function for rerank that does not take or give what it should.
        """
        options = Ranking(k, where, rerank, diversify, min_confidence, fusion)
        arguments = {"image": image, "text": text, "vector": vector, "negative": negative}
        parts = parts_of(query, arguments, weights, fusion)
        hits = self._searcher.search(parts, options)
        self._save_rebuilt()
        return hits

    def session(self, start: Any = None, *, method: str | None = None, **options: Any) -> Session:
        """Begin rounds of marking and searching, or go on with those that were saved.

        Args:
            start: The hits of a search, a query as for `search`, what `Session.to_dict` gave, or None to start from
                marks alone.
            method: "logistic" (the default), "svm" or "rocchio"; see `pictrieve.rank.Feedback`.
            **options: Further ones of `pictrieve.rank.Feedback`, by their names there.

        Raises:
            ValueError: Hits without a query, a gallery without items, an unknown method, an option out of range, or
                any beside a saved session, which keeps its own.
            TypeError: An option of a name that `pictrieve.rank.Feedback` does not have.
            GalleryError: A session of another gallery.
        """
        if method is not None:
            options["method"] = method
        if isinstance(start, Mapping):
            _require_none(options, "session")
            return Session.from_dict(self._searcher, start)
        channel, vector = FEATURES, None
        if start is not None:
            hits = start if isinstance(start, Hits) else self.search(start, k=1)
            channel, vector = hits.channel, hits.vector
            if vector is None:
                raise ValueError(
                    "session: these hits do not say what was searched for: they were put together, or "
                    "nothing was there to search; pass a query to a gallery with items"
                )
        return Session(self._searcher, channel, Feedback(self._searcher.index(channel), vector, **options))

    def profile(
        self,
        liked: Any = None,
        disliked: Any = None,
        *,
        half_life: float | None = None,
        time: float | datetime | None = None,
        channel: str | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> GalleryProfile:
        """Make a query of what somebody liked and disliked: pass it to `search`, or call its own `search`.

        Args:
            liked: An id, a hit, or several.
            disliked: Likewise.
            half_life: Seconds after which an observation counts half; None forgets nothing.
            time: When these were observed, in seconds or as a datetime; by default now.
            channel: The space in which things are alike, by default "features".
            state: What `GalleryProfile.to_dict` gave, to go on with; it keeps its half_life and channel.

        Raises:
            ValueError: An id is not in the gallery, half_life is not above 0, or one is given beside a state.
            GalleryError: A profile of another gallery.
        """
        if state is not None:
            given = {"half_life": half_life, "channel": channel}
            _require_none({name: value for name, value in given.items() if value is not None}, "profile")
            profile = GalleryProfile.from_dict(self._searcher, state)
        else:
            space = FEATURES if channel is None else channel
            dim = self._searcher.index(space).dim
            profile = GalleryProfile(self._searcher, space, Profile(dim, half_life=half_life))
        profile.observe(liked, disliked, time=time)
        return profile


def _require_none(options: Mapping[str, Any], what: str) -> None:
    """Refuse options beside something saved."""
    if options:
        raise ValueError(f"{', '.join(options)}: a saved {what} keeps what it was made with; pass none beside it")
