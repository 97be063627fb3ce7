"""Relevance feedback: a query that learns from results somebody marked, and asks about those worth marking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from pictrieve import _core
from pictrieve._index_arguments import as_ids
from pictrieve.index import Index
from pictrieve.rank._examples import (
    Floats,
    Key,
    Question,
    Round,
    examples_of,
    index_rows,
    pack,
    reason_of,
    require_count,
    require_products,
    search_without,
    shown,
    unit_rows,
    unpack,
)
from pictrieve.rank._learner import Direction, Learner, Options
from pictrieve.search_result import SearchResult

Method = Literal["logistic", "svm", "rocchio"]

_VERSION = 1


class Feedback:
    """Learns what somebody looks for from marked examples, as a direction that any inner-product search can use.

    Three methods; on labelled photos the two classifiers find clearly more than Rocchio's formula (see
    ``benchmarks/feedback_rounds.py``). Every round costs one fit of milliseconds and one search of the index.

    - ``"logistic"``: L2-regularised logistic regression, fitted exactly by Newton's method.
    - ``"svm"``: a linear support vector machine (squared hinge or hinge loss) by dual coordinate descent (Hsieh et al.,
      ICML 2008).
    - ``"rocchio"``: alpha * query + beta * mean(relevant) - gamma * mean(irrelevant) (Rocchio 1971). Salton & Buckley
      (1990) took 1, 0.75 and 0.15 for words; for picture features larger beta and gamma found more. Irrelevant
      examples may undo at most half of what the others ask for: they turn a query, they do not flip it.

    The classifiers also see weak pseudo examples: the query as a relevant one of weight alpha, and 100 random rows of
    the index as irrelevant ones of the total weight ``background``, so that relevant marks alone suffice. Where there
    is nothing irrelevant at all (no marks, no index), the direction is Rocchio's. A fit starts from that of the round
    before. A cosine index ranks by the cosine of item and direction, that is by w.x / (|w| |x|), and marked vectors
    count at unit length; an ip index ranks by w.x.

    Args:
        index: Where to search and where ids come from, with the metric "cosine" or "ip"; None learns from vectors
            alone.
        query: ``(dim,)`` float32, where to start; None starts from marked examples alone.
        method: See above.
        alpha: Weight of the query, from 0.
        beta: Rocchio's weight of the relevant examples.
        gamma: Rocchio's weight of the irrelevant examples.
        l2: Strength of the classifiers' regularisation, above 0: l2 / 2 |w|^2 beside the sum of losses (1 / C in
            scikit-learn).
        loss: Of ``"svm"``, "squared_hinge" or "hinge".
        background: See above; 0 draws no rows.
        seed: Of the random rows. Equal seeds and marks give equal queries.

    Raises:
        TypeError: Where index is not an Index.
        ValueError: For an unknown method or loss, a metric that a direction does not rank, a number out of range, or a
            query of a wrong shape or dtype, with NaN or all zero.

    Example:
        >>> import numpy as np
        >>> import pictrieve as pt
        >>> ix = pt.Index(2)
        >>> ix.add(np.array([[1, 0], [1, 1], [0, 1], [-1, 0]], np.float32))
        >>> feedback = pt.rank.Feedback(ix, np.array([1, 0.5], np.float32), background=0)
        >>> feedback.mark(relevant=[1], irrelevant=[0])
        >>> feedback.search(k=1).ids.tolist()
        [2]
    """

    def __init__(
        self,
        index: Index | None = None,
        query: Floats | None = None,
        *,
        method: Method = "logistic",
        alpha: float = 1.0,
        beta: float = 2.0,
        gamma: float = 1.0,
        l2: float = 0.1,
        loss: Literal["squared_hinge", "hinge"] = "squared_hinge",
        background: float = 5.0,
        seed: int = 0,
    ) -> None:
        """Start from a query, or from nothing."""
        if index is not None and not isinstance(index, Index):
            raise TypeError(f"index: expected an Index or None, got {type(index).__name__}; pass vectors as query=")
        if index is not None:
            require_products(index)
        self._index = index
        self._options = Options(method, alpha, beta, gamma, l2, loss, background, seed)
        self._learner = Learner(self._options)
        self._dim = None if index is None else index.dim
        self._start: Floats | None = None
        if query is not None:
            self._start = unit_rows(query, self._dim, "query")[0]
            if np.ndim(query) != 1 or not self._start.any():
                raise ValueError(f"query: expected one vector (dim,) that is not all zero, got shape {query.shape}")
            self._dim = self._start.size
        self._examples: dict[Key, tuple[bool, Floats]] = {}
        self._history: list[Round] = []
        self._learned: Direction | None = None

    def mark(
        self,
        relevant: ArrayLike | None = None,
        irrelevant: ArrayLike | None = None,
    ) -> None:
        """Tell which items are wanted and which are not; marking again changes an opinion.

        Args:
            relevant: Ids of the index, or vectors, float32 ``(n, dim)`` or ``(dim,)``, that need not be in it.
            irrelevant: Likewise.

        Raises:
            ValueError: For nothing to mark, unknown ids, one example on both sides (it is named), and vectors of a
                wrong shape or dtype or with NaN. Nothing is marked then.
        """
        wanted = examples_of(relevant, self._index, self._dim, "relevant")
        unwanted = examples_of(irrelevant, self._index, self._dim, "irrelevant")
        both = [key for key in wanted if key in unwanted]
        if both:
            raise ValueError(f"mark: expected each example on one side, got {shown(both)} on both")
        if not wanted and not unwanted:
            raise ValueError("mark: expected relevant or irrelevant examples, got none")
        rows = [*wanted.values(), *unwanted.values()]
        if any(row.size != rows[0].size for row in rows):
            raise ValueError(f"irrelevant: expected vectors of {rows[0].size} numbers, got {rows[-1].size}")
        self._dim = rows[0].size
        self._examples.update({key: (True, row) for key, row in wanted.items()})
        self._examples.update({key: (False, row) for key, row in unwanted.items()})
        vectors = sum(isinstance(key, bytes) for key in (*wanted, *unwanted))
        self._changed(Round(_ids(wanted), _ids(unwanted), (), vectors))

    def unmark(self, examples: ArrayLike) -> None:
        """Take marks back: those of ids, or of vectors equal to the marked ones.

        Raises:
            ValueError: For what is not marked; then nothing is taken back.
        """
        array = np.asarray(examples)
        keys: list[Key]
        if array.dtype.kind in "iu":
            keys = list(dict.fromkeys(as_ids(np.atleast_1d(array), "unmark").tolist()))
        else:
            keys = list(dict.fromkeys(row.tobytes() for row in unit_rows(examples, self._dim, "unmark")))
        missing = [key for key in keys if key not in self._examples]
        if missing or not keys:
            raise ValueError(f"unmark: expected marked examples, got {shown(missing) or 'none'}")
        for key in keys:
            del self._examples[key]
        self._changed(Round(unmarked=_ids(keys), vectors=sum(isinstance(key, bytes) for key in keys)))

    @property
    def query(self) -> Floats:
        """``(dim,)`` float32 of length 1: the first query, or what was learned once there are marks.

        Raises:
            ValueError: Where there is neither a query nor a relevant example.
        """
        return self._fit().query.copy()

    @property
    def marked(self) -> dict[int, bool]:
        """Each marked id in the order of its first mark, and whether it is relevant."""
        return {key: relevant for key, (relevant, _) in self._examples.items() if isinstance(key, int)}

    @property
    def history(self) -> list[Round]:
        """One entry for each call of ``mark`` and ``unmark``."""
        return list(self._history)

    def search(self, k: int, where: ArrayLike | None = None, exclude_marked: bool = True) -> SearchResult:
        """Find the k best items under the query so far; one search of the index.

        Args:
            k: At least 1.
            where: As in ``Index.search``.
            exclude_marked: Leave out what is marked, so that each round shows something new.

        Returns:
            Ids and scores, best first; fewer than k, down to none, where fewer are left.
        """
        index = self._searchable()
        marked = self.marked if exclude_marked else ()
        return SearchResult(*search_without(index, self._fit().query, k, where, marked), None, index.metric)

    def active(self, k: int = 8, where: ArrayLike | None = None) -> list[Question]:
        """Choose the unmarked items whose marks would teach most: "mark these 8".

        Of the best few hundred items those are taken whose score lies nearest to the boundary between relevant and
        irrelevant (uncertainty sampling, Lewis & Gale 1994; for support vector machines Tong & Chang 2001), and
        among them items unlike each other, farthest first. The boundary is the classifier's own, for Rocchio the
        middle between the mean scores of both sides, and without marks the middle of the items found. Measured,
        asking pays after a few rounds and where many items are relevant; with few, marking the best found is better.

        Args:
            k: How many questions, at least 1.
            where: As in ``Index.search``.

        Returns:
            At most k questions, none where everything is marked.
        """
        require_count(k)
        index = self._searchable()
        boundary = self._fit().boundary
        found, scores = self.search(max(200, 20 * k), where)
        if len(found) == 0:
            return []
        middle = float(np.median(scores)) if boundary is None else boundary
        rows = unit_rows(index_rows(index, found), None, "index")
        chosen, likeness = _core.choose_questions(rows, scores, middle, 4 * k, k)
        return [
            Question(int(found[at]), float(scores[at]), reason_of(float(scores[at]), middle, near if i else None))
            for i, (at, near) in enumerate(zip(chosen.tolist(), likeness.tolist(), strict=True))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Give everything but the index as values for JSON; vectors are base64 of little-endian float32."""
        examples = [
            {"id": key if isinstance(key, int) else None, "relevant": relevant, "vector": pack(row)}
            for key, (relevant, row) in self._examples.items()
        ]
        return {
            "version": _VERSION,
            "options": asdict(self._options),
            "query": None if self._start is None else pack(self._start),
            "examples": examples,
            "history": [[list(part) if isinstance(part, tuple) else part for part in one] for one in self._history],
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any], index: Index | None = None) -> Feedback:
        """Go on from ``to_dict``; with the same index the queries are equal up to rounding.

        Raises:
            ValueError: For a damaged or newer state, or an index of other vectors.
        """
        if state.get("version") != _VERSION:
            raise ValueError(f"state: expected version {_VERSION}, got {state.get('version')!r}")
        try:
            query = None if state["query"] is None else unpack(state["query"], np.float32)
            feedback = cls(index, query, **state["options"])
            for one in state["examples"]:
                row = unpack(one["vector"], np.float32)
                unit_rows(row, feedback._dim, "state")
                feedback._dim = row.size
                feedback._examples[row.tobytes() if one["id"] is None else int(one["id"])] = bool(one["relevant"]), row
            feedback._history = [Round(tuple(a), tuple(b), tuple(c), int(n)) for a, b, c, n in state["history"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"state: expected what Feedback.to_dict gives, got {error!r}") from error
        return feedback

    def __repr__(self) -> str:
        """Show the method and how much was marked."""
        wanted = sum(relevant for relevant, _ in self._examples.values())
        return f"Feedback({self._options.method!r}, relevant={wanted}, irrelevant={len(self._examples) - wanted})"

    def _fit(self) -> Direction:
        if self._learned is None:
            self._learned = self._learner.fit(self._start, self._examples, self._index)
        return self._learned

    def _changed(self, change: Round) -> None:
        self._history.append(change)
        self._learned = None

    def _searchable(self) -> Index:
        if self._index is None:
            raise ValueError("feedback: searching needs an index; pass Feedback(index, ...)")
        return self._index


def _ids(keys: Iterable[Key]) -> tuple[int, ...]:
    return tuple(key for key in keys if isinstance(key, int))
