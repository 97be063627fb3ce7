"""Re-rankers against dense float64 NumPy written from the papers, on real pictures with labels."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt

Rows = NDArray[np.float32]
Dense = NDArray[np.float64]
# Cosines of unit float32 rows are right to about 1e-7; where two that decide a rank are nearer, either order is right.
UNCLEAR = 5e-7


class Labelled(NamedTuple):
    items: Rows
    queries: Rows
    relevant: list[set[int]]


def split(vectors: Rows, labels: NDArray[np.str_]) -> Labelled:
    """Hold every tenth out as a query."""
    held_out = np.arange(len(vectors)) % 10 == 0
    own = labels[~held_out]
    relevant = [set(np.flatnonzero(own == label).tolist()) for label in labels[held_out]]
    return Labelled(np.ascontiguousarray(vectors[~held_out]), np.ascontiguousarray(vectors[held_out]), relevant)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def labelled(data: Path) -> dict[str, Labelled]:
    features = np.load(data / "vectors" / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32)
    products = np.array([row["label"] for row in table(data / "grocery" / "labels.csv")])
    clothing = table(data / "clothing" / "labels.csv")
    encoded = pt.ImageEncoder().encode([data / "clothing" / row["image"] for row in clothing], show_progress_bar=False)
    return {
        "grocery": split(features, products),
        "clothing": split(encoded, np.array([row["label"] for row in clothing])),
    }


@pytest.fixture(params=["grocery", "clothing"])
def real(request: pytest.FixtureRequest, labelled: dict[str, Labelled]) -> Labelled:
    return labelled[request.param]


def units(rows: NDArray[np.floating]) -> Dense:
    wide = rows.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=-1, keepdims=True)


def ranking(cosines: Dense) -> NDArray[np.int64]:
    return np.argsort(-cosines, axis=-1, kind="stable")


def cut_is_clear(cosines: Dense, *depths: int) -> bool:
    """Whether rounding decides no place in the first of each row's largest cosines, after any of the depths."""
    falling = -np.sort(-cosines, axis=-1)
    gaps = falling[..., :-1] - falling[..., 1:]
    return bool((gaps[..., [depth - 1 for depth in depths if depth < cosines.shape[-1]]] > UNCLEAR).all())


def expanded(query: Dense, items: Dense, cosines: Dense, n: int, alpha: float) -> Dense:
    nearest = ranking(cosines)[:n]
    weights = np.where(cosines[nearest] > 0, np.maximum(cosines[nearest], 0) ** alpha, 0)
    return units(query + weights @ items[nearest])


@pytest.mark.parametrize(("n", "alpha"), [(1, 3.0), (10, 3.0), (5, 0.0), (2000, 1.0)])
def test_query_expansion_is_the_weighted_sum(real: Labelled, n: int, alpha: float) -> None:
    asked = real.queries[:40]
    ours = pt.rank.query_expansion(real.items, asked, n=n, alpha=alpha)
    items, queries = units(real.items), units(asked)
    clear = [i for i, query in enumerate(queries) if cut_is_clear(items @ query, n)]
    assert len(clear) > 0.9 * len(queries)
    reference = [expanded(queries[i], items, items @ queries[i], n, alpha) for i in clear]
    np.testing.assert_allclose(ours[clear], reference, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_augmentation_is_the_weighted_sum_over_the_others(real: Labelled, alpha: float) -> None:
    index = pt.Index(real.items.shape[1])
    shuffled = np.random.default_rng(0).permutation(len(real.items)) * 7
    index.add(real.items, ids=shuffled)
    ours = pt.rank.augment_database(index, n=10, alpha=alpha)
    items = units(real.items)
    cosines = items @ items.T
    np.fill_diagonal(cosines, -2)
    clear = [i for i, row in enumerate(cosines) if cut_is_clear(row, 10)]
    assert len(clear) > 0.9 * len(items)
    reference = [expanded(items[i], items, cosines[i], 10, alpha) for i in clear]
    np.testing.assert_allclose(ours[clear], reference, atol=1e-6)
    np.testing.assert_array_equal(ours, pt.rank.augment_database(real.items, n=10, alpha=alpha))


def k_reciprocal_scores(cosines: Dense, k1: int, k2: int, weight: float) -> Dense:
    """Zhong et al. 2017, equations 2 to 10, with 1 - cosine as the original distance; the query is row 0."""
    count = len(cosines)
    own_first = cosines + 2 * np.eye(count)
    order = ranking(own_first)

    def neighbours(i: int, k: int) -> set[int]:
        return set(order[i, : k + 1].tolist())

    def reciprocal(i: int, k: int) -> set[int]:
        return {j for j in neighbours(i, k) if i in neighbours(j, k)}

    encodings = np.zeros((count, count))
    for i in range(count):
        robust = base = reciprocal(i, k1)
        for j in base:
            half = reciprocal(j, (k1 + 1) // 2)
            if len(base & half) >= 2 / 3 * len(half):
                robust = robust | half
        members = sorted(robust)
        encodings[i, members] = np.exp(-(1 - cosines[i, members]))
    averaged = np.stack([encodings[order[i, :k2]].mean(axis=0) for i in range(count)])
    smaller = np.minimum(averaged[0], averaged[1:]).sum(axis=1)
    distance = 1 - smaller / np.maximum(averaged[0], averaged[1:]).sum(axis=1)
    return 1 - ((1 - weight) * distance + weight * (1 - cosines[0, 1:]))


def candidate_cosines(query: Dense, items: Dense, candidates: int) -> tuple[NDArray[np.int64], Dense]:
    """The query's nearest items, and the cosines among the query, first, and them."""
    found = ranking(items @ query)[:candidates]
    rows = np.concatenate([query[np.newaxis], items[found]])
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, 1)
    return found, cosines


def assert_same_ranking(result: pt.SearchResult, query: int, found: NDArray[np.int64], scores: Dense) -> None:
    """Equal scores, and each id with the score that the reference has for it."""
    of_id = dict(zip(found.tolist(), scores.tolist(), strict=True))
    own = [of_id[item] for item in result.ids[query].tolist()]
    np.testing.assert_allclose(result.scores[query], own, atol=2e-6)
    np.testing.assert_allclose(own, -np.sort(-scores)[: len(own)], atol=2e-6)


@pytest.mark.parametrize(
    ("candidates", "k1", "k2", "weight"), [(100, 20, 6, 0.3), (60, 7, 1, 0.0), (40, 60, 3, 0.8), (2000, 20, 6, 0.3)]
)
def test_k_reciprocal_is_the_paper_s(real: Labelled, candidates: int, k1: int, k2: int, weight: float) -> None:
    real = real._replace(items=real.items[:300])
    asked = 8 if candidates < 1000 else 4  # with all items as candidates it is the method as published
    options = {"candidates": candidates, "k1": k1, "k2": k2, "weight": weight}
    ours = pt.rank.k_reciprocal(real.items, real.queries[:asked], 30, **options)  # type: ignore[arg-type]
    items, queries = units(real.items), units(real.queries)
    compared = 0
    for i in range(asked):
        found, cosines = candidate_cosines(queries[i], items, candidates)
        own_first = cosines + 2 * np.eye(len(cosines))
        if not cut_is_clear(own_first, k1 + 1, (k1 + 1) // 2 + 1, k2):
            continue
        compared += 1
        assert_same_ranking(ours, i, found, k_reciprocal_scores(cosines, k1, k2, weight))
    assert compared >= 0.5 * asked


def affinities(cosines: Dense, neighbours: int) -> Dense:
    """S of Iscen et al. 2017: mutual neighbours among the items, cubed cosines, normalised by the degrees."""
    others = cosines[1:, 1:] - 3 * np.eye(len(cosines) - 1)
    near = np.zeros_like(others, dtype=bool)
    np.put_along_axis(near, ranking(others)[:, : min(neighbours, len(others) - 1)], True, axis=1)
    links = np.where(near & near.T, np.maximum(others, 0) ** 3, 0)
    degrees = links.sum(axis=1)
    roots = np.sqrt(np.where(degrees > 0, degrees, 1))
    return links / roots[:, np.newaxis] / roots


@pytest.mark.parametrize(
    ("neighbours", "candidates", "alpha"), [(10, 200, 0.9), (50, 100, 0.99), (5, 300, 0.5), (500, 40, 0.9)]
)
def test_diffusion_solves_the_linear_system(real: Labelled, neighbours: int, candidates: int, alpha: float) -> None:
    asked = real.queries[:8]
    ours = pt.rank.diffusion(
        real.items, asked, 30, neighbours=neighbours, candidates=candidates, alpha=alpha, iterations=1000
    )
    items, queries = units(real.items), units(asked)
    compared = 0
    for i, query in enumerate(queries):
        found, cosines = candidate_cosines(query, items, candidates)
        if not cut_is_clear(cosines[1:, 1:], neighbours + 1):
            continue
        compared += 1
        start = np.where(np.arange(len(found)) < neighbours, np.maximum(cosines[0, 1:], 0) ** 3, 0)
        system = np.eye(len(found)) - alpha * affinities(cosines, neighbours)
        assert_same_ranking(ours, i, found, (1 - alpha) * np.linalg.solve(system, start))
    assert compared >= 0.75 * len(asked)


@pytest.mark.parametrize("rerank", [pt.rank.k_reciprocal, pt.rank.diffusion])
def test_a_query_s_result_does_not_depend_on_its_batch(real: Labelled, rerank) -> None:  # type: ignore[no-untyped-def]
    index = pt.Index(real.items.shape[1])
    index.add(real.items)
    allowed = index.ids % 3 != 0
    together = rerank(index, real.queries, 10, where=allowed)
    assert (together.ids % 3 != 0).all()
    for i, query in enumerate(real.queries):
        alone = rerank(index, query, 10, where=allowed)
        np.testing.assert_array_equal(alone.ids, together.ids[i])
        np.testing.assert_array_equal(alone.scores, together.scores[i])


def test_gain_is_that_of_the_means_and_resampling(real: Labelled) -> None:
    index = pt.Index(real.items.shape[1])
    index.add(real.items)
    rerank = partial(pt.rank.k_reciprocal, candidates=50)
    gain = pt.rank.evaluate_gain(rerank, index, real.queries, real.relevant, metrics=("map@k", "mrr"))
    assert list(gain) == ["map@1", "map@5", "map@10", "mrr"]
    for search, column in ((index.search, "before"), (rerank.__call__, "after")):
        found = search(real.queries, 10) if column == "before" else rerank(index, real.queries, 10)
        report = pt.evaluate.retrieval(found.ids, real.relevant)
        assert all(getattr(row, column) == pytest.approx(report[name], abs=1e-12) for name, row in gain.items())
    row = gain["map@10"]
    differences = gain.after.per_query["map@10"] - gain.before.per_query["map@10"]
    assert (row.better, row.worse) == (np.mean(differences > 0), np.mean(differences < 0))
    # the bootstrap's spread is the standard error of a mean, its shape nearly normal
    error = differences.std() / np.sqrt(len(differences))
    np.testing.assert_allclose([row.low, row.high], row.difference + np.array([-1.96, 1.96]) * error, atol=0.3 * error)


def test_a_shuffled_ranking_is_called_a_loss_and_the_search_itself_no_difference(real: Labelled) -> None:
    random = np.random.default_rng(0)

    def shuffled(index: pt.Index, queries: Rows, k: int) -> tuple[NDArray[np.int64], None]:
        return np.stack([random.permutation(index.ids)[:k] for _ in queries]), None

    loss = pt.rank.evaluate_gain(shuffled, real.items, real.queries, real.relevant)
    assert all(row.verdict == "loss" for row in loss.values())
    assert "a significant loss" in repr(loss)
    same = pt.rank.evaluate_gain(lambda ix, q, k: ix.search(q, k), real.items, real.queries, real.relevant)
    assert all(row.verdict == "no difference" and row.difference == 0 for row in same.values())
    assert "no significant difference" in repr(same)
    assert same.to_pandas().loc["map@10", "before"] == same["map@10"].before
