"""Retrieval metrics against scikit-learn and against plain Python written from the definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from pictrieve.evaluate import retrieval

# Sums of at most a few hundred doubles near 1: 1e-12 leaves room for their order only.
TOLERANCE = 1e-12
KS = (1, 3, 5, 10, 40)


def random_case(seed: int) -> tuple[list[list[int]], list[dict[int, float]]]:
    """Draw rankings of unequal length; some relevant items are not ranked, and R may exceed k."""
    chance = np.random.default_rng(seed)
    ranked = [chance.permutation(60)[: chance.integers(0, 50)].tolist() for _ in range(200)]
    chosen = [chance.permutation(80)[: chance.integers(1, 30)].tolist() for _ in ranked]
    return ranked, [{item: float(chance.integers(1, 5)) for item in items} for items in chosen]


def naive(ranked: list[int], gains: dict[int, float], k: int, protocol: str) -> dict[str, float]:
    hits = [item in gains for item in ranked[:k]]
    count, relevant = sum(hits), len(gains)
    at_hits = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
    divisor = {"trec": relevant, "beir": min(k, relevant), "hits": max(count, 1)}[protocol]
    dcg = sum(gains.get(item, 0) / math.log2(i + 2) for i, item in enumerate(ranked[:k]))
    best = sum(gain / math.log2(i + 2) for i, gain in enumerate(sorted(gains.values(), reverse=True)[:k]))
    return {
        "map": sum(at_hits) / divisor,
        "ndcg": dcg / best,
        "recall": count / relevant,
        "precision": count / k,
        "hit": float(count > 0),
    }


def oxford(ranked: list[int], relevant: set[int], junk: set[int]) -> float:
    """Integrate precision over recall from point to point, both read off after each rank."""
    area, recall, precision, hits, rank = 0.0, 0.0, 1.0, 0, 0
    for item in ranked:
        if item in junk:
            continue
        rank += 1
        hits += item in relevant
        area += (hits / len(relevant) - recall) * (precision + hits / rank) / 2
        recall, precision = hits / len(relevant), hits / rank
    return area


@pytest.mark.parametrize("protocol", ["trec", "beir", "hits"])
@pytest.mark.parametrize("seed", [0, 1])
def test_cut_metrics(protocol: Any, seed: int) -> None:
    ranked, gains = random_case(seed)
    report = retrieval(ranked, gains, protocol, KS)
    for query, (ids, wanted) in enumerate(zip(ranked, gains, strict=True)):
        for k in KS:
            for name, value in naive(ids, wanted, k, protocol).items():
                assert abs(report.per_query[f"{name}@{k}"][query] - value) < TOLERANCE
    expected = np.mean([naive(*pair, 5, protocol)["map"] for pair in zip(ranked, gains, strict=True)])
    assert abs(report["map@5"] - expected) < TOLERANCE


def test_whole_metrics() -> None:
    ranked, gains = random_case(2)
    report = retrieval(ranked, gains, "trec")
    for query, (ids, wanted) in enumerate(zip(ranked, gains, strict=True)):
        at_r = naive(ids, wanted, len(wanted), "trec")
        first = next((i for i, item in enumerate(ids) if item in wanted), None)
        values = {
            "map": naive(ids, wanted, 1000, "trec")["map"],
            "ndcg": naive(ids, wanted, 1000, "trec")["ndcg"],
            "map@r": at_r["map"],
            "r-precision": at_r["precision"],
            "mrr": 0.0 if first is None else 1 / (first + 1),
        }
        for name, value in values.items():
            assert abs(report.per_query[name][query] - value) < TOLERANCE


def test_oxford() -> None:
    ranked, gains = random_case(3)
    junk = [set(range(0, 60, 7)) - set(wanted) for wanted in gains]
    report = retrieval(ranked, gains, "oxford", junk=junk)
    for query, (ids, wanted) in enumerate(zip(ranked, gains, strict=True)):
        assert abs(report.per_query["map"][query] - oxford(ids, set(wanted), junk[query])) < TOLERANCE


@pytest.mark.parametrize("k", [1, 5, 10, None])
def test_scikit_learn(k: int | None) -> None:
    chance = np.random.default_rng(4)
    scores = chance.permuted(np.tile(np.arange(40.0), (100, 1)), axis=1)
    gains = chance.integers(0, 4, scores.shape) * (chance.random(scores.shape) < 0.3)
    gains[:, 0] = 1
    ranked = np.argsort(-scores, axis=1)
    relevant = [{int(i): float(row[i]) for i in np.flatnonzero(row)} for row in gains]
    report = retrieval(ranked, relevant, ks=(k,) if k else (1,))
    assert abs(report[f"ndcg@{k}" if k else "ndcg"] - ndcg_score(gains, scores, k=k)) < TOLERANCE
    precision = [average_precision_score(row > 0, score) for row, score in zip(gains, scores, strict=True)]
    assert abs(report["map"] - np.mean(precision)) < TOLERANCE
