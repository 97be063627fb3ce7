"""Precision@10 by round of relevance feedback on labelled photos: methods, and marking the top beside asking.

A simulated user starts from one photo and marks by label what each round shows. Three measures:

- held out: the photos are cut in halves; marks are given on one, the direction ranks the other, which the user never
  sees (test and control collections, Chang, Cirillo & Razon 1971). The fair one: nothing can be learned by heart.
- all: the ranking of the half that was marked, marked photos included. It also rises because marked ones move up.
- rest: the same half without the marked photos (residual collection), beside the best that is still possible there:
  it has to fall once the relevant ones have been found.
"""

from __future__ import annotations

import numpy as np
from _labelled_sets import load

import pictrieve as pt

ROUNDS, SHOWN, QUERIES = 5, 10, 100
METHODS = ("rocchio", "logistic", "svm")


def one_session(vectors: np.ndarray, same: np.ndarray, query: int, method: str, ask: bool, seed: int) -> np.ndarray:
    """Precision by round (held out, all, rest, the best that rest could be)."""
    order = np.random.default_rng(seed).permutation(np.delete(np.arange(len(vectors)), query))
    shown_half, held_out = (np.sort(half) for half in np.array_split(order, 2))
    index, control = pt.Index(vectors.shape[1]), pt.Index(vectors.shape[1])
    index.add(vectors[shown_half], shown_half, show_progress_bar=False)
    control.add(vectors[held_out], held_out, show_progress_bar=False)
    feedback = pt.rank.Feedback(index, vectors[query], method=method)  # type: ignore[arg-type]
    rows = []
    for _ in range(ROUNDS):
        left = int(same[shown_half].sum()) - sum(feedback.marked.values())
        found = [control.search(feedback.query, 10), feedback.search(10, exclude_marked=False), feedback.search(10)]
        rows.append([same[one.ids].sum() / 10 for one in found] + [min(left, 10) / 10])
        ids = np.array([q.id for q in feedback.active(SHOWN)]) if ask else feedback.search(SHOWN).ids
        feedback.mark(ids[same[ids]], ids[~same[ids]])
    return np.array(rows)


def main() -> None:
    """Print one line a measure and check that precision rises from round 0 to 3."""
    for name in ("grocery", "clothing", "cifar10"):
        vectors, labels = load(name)
        queries = np.random.default_rng(0).choice(len(vectors), QUERIES, replace=False)
        print(f"{name}: {len(vectors)} photos, {labels.max() + 1} labels, {QUERIES} queries, {SHOWN} marks a round")
        for method in METHODS:
            for ask in (False, True):
                sessions = [one_session(vectors, labels == labels[q], q, method, ask, i) for i, q in enumerate(queries)]
                mean = np.mean(sessions, axis=0)
                title = f"{method}, {'asks' if ask else 'top marked'}"
                for column, measure in enumerate(("held out", "all", "rest", "rest, best possible")):
                    print(f"  {title:22s} {measure:20s}", *(f"{value:.3f}" for value in mean[:, column]), flush=True)
                if not ask:
                    assert mean[3, 0] > mean[0, 0], f"{name}, {method}: precision did not rise"
                    assert mean[3, 1] > mean[0, 1], f"{name}, {method}: precision did not rise"


if __name__ == "__main__":
    main()
