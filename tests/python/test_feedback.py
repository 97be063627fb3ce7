"""Learning from marked results: sessions, questions, profiles, and what they refuse."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pictrieve as pt
from pictrieve.rank import Feedback, Profile, combine_queries

Floats = NDArray[np.float32]
METHODS = ("logistic", "svm", "rocchio")


def clusters(groups: int, each: int, dim: int, spread: float, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    chance = np.random.default_rng(seed)
    labels = np.repeat(np.arange(groups), each)
    rows = chance.normal(size=(groups, dim))[labels] + spread * chance.normal(size=(groups * each, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def index_of(rows: Floats, **options: Any) -> pt.Index:
    index = pt.Index(rows.shape[1], **options)
    index.add(rows)
    return index


@pytest.mark.parametrize("method", METHODS)
def test_three_marks_of_each_kind_a_round_raise_precision(method: Any) -> None:
    rows, labels = clusters(20, 100, 32, 1.8, 0)
    index = index_of(rows)
    chance = np.random.default_rng(1)
    means = np.zeros(4)
    for start in range(0, len(rows), 40):
        feedback = Feedback(index, rows[start], method=method)
        feedback.mark(relevant=[start])
        for round_ in range(4):
            top = feedback.search(10).ids
            means[round_] += (labels[top] == labels[start]).mean() / 50
            shown = feedback.search(200).ids
            hit = labels[shown] == labels[start]
            feedback.mark(chance.permutation(shown[hit])[:3], chance.permutation(shown[~hit])[:3])
    assert (np.diff(means) > 0).all(), means
    assert means[3] > means[0] + 0.2


def grocery(data: Path) -> tuple[Floats, NDArray[np.int64]]:
    rows = np.load(data / "vectors" / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32)
    with (data / "grocery" / "labels.csv").open(encoding="utf-8", newline="") as file:
        labels = np.array([int(row["label_id"]) for row in csv.DictReader(file)])
    return rows, labels


@pytest.mark.parametrize("method", METHODS)
def test_marked_photos_raise_precision_on_photos_never_shown(data: Path, method: Any) -> None:
    rows, labels = grocery(data)
    chance = np.random.default_rng(0)
    means = np.zeros(4)
    queries = chance.choice(len(rows), 25, replace=False)
    for query in queries:
        order = chance.permutation(np.delete(np.arange(len(rows)), query))
        seen, held_out = np.sort(order[::2]), order[1::2]
        index = pt.Index(rows.shape[1])
        index.add(rows[seen], seen)
        feedback = Feedback(index, rows[query], method=method)
        for round_ in range(4):
            best = held_out[np.argsort(-(rows[held_out] @ feedback.query))[:10]]
            means[round_] += (labels[best] == labels[query]).mean() / len(queries)
            shown = feedback.search(10).ids
            hit = labels[shown] == labels[query]
            feedback.mark(shown[hit], shown[~hit])
    assert (np.diff(means) > 0).all(), means
    assert means[3] - means[0] > {"rocchio": 0.08, "logistic": 0.17, "svm": 0.17}[method]


def session() -> tuple[pt.Index, Floats, Feedback]:
    rows, _ = clusters(4, 25, 16, 1.0, 2)
    index = pt.Index(16)
    index.add(rows, ids=np.arange(100) * 10 + 5)
    return index, rows, Feedback(index, rows[0])


def test_a_session() -> None:
    index, rows, feedback = session()
    np.testing.assert_allclose(feedback.query, rows[0], atol=1e-7)
    assert feedback.search(5).ids.tolist() == index.search(rows[0], 5).ids.tolist()
    feedback.mark(relevant=[15, 25], irrelevant=[505])
    before = feedback.query
    assert np.linalg.norm(before) == pytest.approx(1, abs=1e-6)
    assert not {15, 25, 505} & set(feedback.search(100).ids.tolist())
    assert len(feedback.search(100).ids) == 97
    assert {15, 25} & set(feedback.search(3, exclude_marked=False).ids.tolist())
    assert set(feedback.search(50, where=[15, 35, 45]).ids.tolist()) == {35, 45}
    feedback.mark(irrelevant=[15])
    assert feedback.marked == {15: False, 25: True, 505: False}
    assert not np.allclose(feedback.query, before, atol=1e-4)
    feedback.mark(relevant=15)
    np.testing.assert_allclose(feedback.query, before, atol=1e-4)
    feedback.unmark([15, 25, 505])
    np.testing.assert_allclose(feedback.query, rows[0], atol=1e-7)
    assert [tuple(one) for one in feedback.history] == [
        ((15, 25), (505,), (), 0),
        ((), (15,), (), 0),
        ((15,), (), (), 0),
        ((), (), (15, 25, 505), 0),
    ]


@pytest.mark.parametrize("method", METHODS)
def test_vectors_count_like_the_ids_they_belong_to(method: Any) -> None:
    index, rows, _ = session()
    by_id, by_vector = (Feedback(index, rows[0], method=method, background=0) for _ in range(2))
    by_id.mark([15, 25], [505])
    by_vector.mark(rows[[1, 2]], rows[50])
    np.testing.assert_allclose(by_id.query, by_vector.query, atol=1e-6)
    assert by_vector.marked == {}
    assert by_vector.history[0].vectors == 3
    by_vector.unmark(rows[[1, 2, 50]])
    np.testing.assert_allclose(by_vector.query, rows[0], atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_examples_alone_start_it(method: Any) -> None:
    index, rows, _ = session()
    feedback = Feedback(index, method=method)
    feedback.mark(relevant=[15])
    assert feedback.query @ rows[1] > 0.7
    alone = Feedback(method=method)
    alone.mark(relevant=rows[:2], irrelevant=rows[50:52])
    assert alone.query @ rows[0] > 0 > alone.query @ rows[50]


@pytest.mark.parametrize("method", METHODS)
def test_negatives_never_flip_a_query(method: Any) -> None:
    index, rows, _ = session()
    feedback = Feedback(index, rows[0], method=method)
    feedback.mark(irrelevant=[15, 25, 35])
    assert feedback.query @ rows[0] > 0


def test_saved_and_read_again() -> None:
    index, rows, feedback = session()
    feedback.mark([15, 25], [505])
    feedback.mark(irrelevant=rows[60])
    again = Feedback.from_dict(json.loads(json.dumps(feedback.to_dict())), index)
    np.testing.assert_allclose(again.query, feedback.query, atol=1e-6)
    assert again.history == feedback.history
    assert again.marked == feedback.marked
    assert again.to_dict() == feedback.to_dict()
    for damage in ({"version": 2}, {"examples": 5}, {"query": "%"}, {"options": {"beta": -1}}, {"history": [[1]]}):
        with pytest.raises(ValueError, match=r"state|beta|ase64|unpack|Options|missing"):
            Feedback.from_dict(feedback.to_dict() | damage, index)
    with pytest.raises(ValueError, match="expected vectors of 3 numbers, got 16"):
        Feedback.from_dict(feedback.to_dict(), pt.Index(3))


def test_questions_are_uncertain_and_unlike_each_other() -> None:
    index, rows, feedback = session()
    feedback.mark([15, 25], [505])
    questions = feedback.active(6)
    ids = [question.id for question in questions]
    assert len(set(ids)) == 6
    assert not {15, 25, 505} & set(ids)
    ranked, scores = feedback.search(97)
    boundary = float(questions[0].reason.split("close to ")[1].split(",")[0])
    doubts = np.sort(np.abs(scores - boundary))
    asked = np.abs([question.score for question in questions] - np.float64(boundary))
    assert asked.max() <= doubts[23] + 1e-3  # among the 4 * 6 nearest to the boundary
    chosen = rows[(np.array(ids) - 5) // 10]
    nearest = rows[(ranked[np.argsort(np.abs(scores - boundary))[:6]] - 5) // 10]
    likeness = [np.triu(some @ some.T, 1).max() for some in (chosen, nearest)]
    assert likeness[0] < likeness[1]
    assert "cosine to the questions before" in questions[1].reason
    assert len(Feedback(index, rows[0]).active(3)) == 3
    assert feedback.active(4, where=[15]) == []


def test_what_feedback_refuses() -> None:
    index, rows, feedback = session()
    nan = np.full(16, np.nan, np.float32)
    wrong: list[tuple[str, Any]] = [
        ("got none", {}),
        ("got none", {"relevant": []}),
        ("id 15 on both", {"relevant": [15, 25], "irrelevant": [15]}),
        ("7", {"relevant": [7]}),
        ("expected finite", {"relevant": nan}),
        ("expected vectors of 16", {"irrelevant": rows[:, :3].copy()}),
        ("float32", {"relevant": rows.astype(np.float64)}),
    ]
    for message, arguments in wrong:
        with pytest.raises(ValueError, match=message):
            feedback.mark(**arguments)
    assert feedback.marked == {}
    assert feedback.history == []
    for action in (
        lambda: feedback.unmark([15]),
        lambda: Feedback(index, nan),
        lambda: Feedback(index, np.zeros(16, np.float32)),
        lambda: Feedback(index, rows[:2]),
        lambda: Feedback(index, rows[0], method="magic"),
        lambda: Feedback(index, rows[0], l2=0),
        lambda: Feedback(pt.Index(16, metric="l2"), rows[0]),
        lambda: Feedback(index).query,
        lambda: Feedback(index).search(3),
        lambda: feedback.search(0),
        lambda: feedback.active(0),
        lambda: Feedback(None, rows[0]).search(3),
        lambda: Feedback(None, rows[0]).mark(relevant=[3]),
    ):
        with pytest.raises(ValueError, match=r": "):
            action()
    with pytest.raises(TypeError, match="query="):
        Feedback(rows[0])  # type: ignore[arg-type]
    feedback.mark(relevant=index.ids)
    assert len(feedback.search(5).ids) == 0
    assert feedback.active() == []


def test_combined_queries() -> None:
    rows = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(combine_queries(rows[:2]), [2**-0.5, 2**-0.5, 0], atol=1e-6)
    np.testing.assert_allclose(
        combine_queries(rows[0], rows[1], negative_weight=1), [2**-0.5, -(2**-0.5), 0], atol=1e-6
    )
    assert combine_queries(rows[0], rows[0], negative_weight=9).tolist() == [1, 0, 0]
    for wrong in ({"weights": [1]}, {"weights": [0, 0]}, {"weights": [-1, 2]}, {"negative_weight": -1}):
        with pytest.raises(ValueError, match="weight"):
            combine_queries(rows[:2], rows[2], **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nothing is wanted"):
        combine_queries(np.stack([rows[0], -rows[0]]))


def test_a_person_with_two_interests_gets_both() -> None:
    rows, labels = clusters(6, 60, 32, 0.9, 4)
    index = index_of(rows)
    profile = Profile(32)
    liked = [*range(0, 12), *range(60, 66)]
    profile.observe(rows[liked])
    interests = profile.interests()
    assert [one.size for one in interests] == [12, 6]
    assert interests[0].weight == pytest.approx(2 / 3)
    found = profile.search(index, 15, exclude=liked).ids
    assert not set(liked) & set(found.tolist())
    assert np.bincount(labels[found], minlength=6).tolist() == [10, 5, 0, 0, 0, 0]
    scores = profile.search(index, 15).scores
    assert (np.diff(scores) <= 0).all()
    profile.observe(rows[60:66], weights=-1.0)
    assert profile.vector() @ rows[:12].mean(axis=0) > profile.vector() @ rows[60:66].mean(axis=0)
    one = Profile(32)
    one.observe(rows[:12])
    assert len(one.interests()) == 1
    assert len(one.search(index, 1000).ids) == 360


def test_old_behaviour_fades() -> None:
    first, second = np.eye(2, dtype=np.float32)
    profile = Profile(2, half_life=3600)
    start = datetime(2024, 5, 1, tzinfo=timezone.utc)
    profile.observe(first, time=start)
    profile.observe(second, time=start + timedelta(hours=3))
    np.testing.assert_allclose(profile.vector(), np.array([1, 8]) / 65**0.5, atol=1e-6)
    assert profile.vector(now=start).tolist() == [1, 0]
    again = Profile.from_dict(json.loads(json.dumps(profile.to_dict())))
    assert again.vector().tolist() == profile.vector().tolist()
    small = Profile(2, half_life=3600, capacity=1)
    small.observe(np.stack([first, second]), time=[0, 60])
    assert len(small) == 1
    assert small.vector().tolist() == [0, 1]


def test_what_profiles_refuse() -> None:
    profile = Profile(2)
    row = np.array([1, 0], np.float32)
    for action in (
        lambda: Profile(0),
        lambda: Profile(2, half_life=0),
        profile.vector,
        lambda: profile.observe(row * np.float32(np.nan)),
        lambda: profile.observe(row * 0),
        lambda: profile.observe(row, weights=0),
        lambda: profile.observe(row, weights=[1, 2]),
        lambda: profile.observe(row, time=float("nan")),
        lambda: profile.observe(row, time="2020"),  # type: ignore[arg-type]
        lambda: profile.search(pt.Index(2), 1, exclude=[0.5]),
        lambda: profile.observe(np.ones(3, np.float32)),
        lambda: profile.search(pt.Index(3), 1),
        lambda: profile.interests(0),
        lambda: Profile.from_dict({"version": 1}),
    ):
        with pytest.raises(ValueError, match=r": "):
            action()
    assert profile.interests() == []
    assert profile.search(index_of(np.eye(2, dtype=np.float32)), 3).ids.tolist() == []
