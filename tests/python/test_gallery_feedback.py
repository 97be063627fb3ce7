"""Sessions of marking and searching, and profiles of what somebody likes, on a gallery."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery_encoders import ColourWords, picture

import pictrieve as pt
from pictrieve.gallery import Gallery, GalleryError, Hits


@pytest.fixture(scope="module")
def products(data: Path) -> tuple[Any, list[int]]:
    """Give the features of 1,155 photos of groceries, and the products on them."""
    with (data / "grocery" / "labels.csv").open(encoding="utf-8") as file:
        labels = [int(row["label_id"]) for row in csv.DictReader(file)]
    return np.load(data / "vectors" / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32), labels


@pytest.fixture
def grocery(products: Any, tmp_path: Path) -> Gallery:
    features, labels = products
    gallery = Gallery.create(tmp_path / "g", dim=features.shape[1])
    gallery.add(vectors=features, metadata=[{"label": label} for label in labels])
    return gallery


def right(hits: Hits, label: int) -> list[bool]:
    return [hit.metadata["label"] == label for hit in hits]


def test_marks_raise_precision_and_are_not_shown_again(grocery: Gallery, products: Any) -> None:
    features, labels = products
    before, after = [], []
    for item in range(0, 1155, 77):
        hits = grocery.search(vector=features[item], k=24)
        session = grocery.session(hits)
        for _ in range(3):
            shown = session.next(10)
            assert not set(shown.ids) & set(session.marked)
            good = [hit for hit in shown if hit.metadata["label"] == labels[item]]
            session.mark(relevant=good, irrelevant=[hit for hit in shown if hit not in good])
        before.append(np.mean(right(hits[:20], labels[item])))
        after.append(np.mean(right(session.next(20, exclude_marked=False), labels[item])))
    assert np.mean(after) > np.mean(before) + 0.1


def test_a_session_is_feedback_on_the_gallerys_index(grocery: Gallery, products: Any) -> None:
    query = products[0][40]
    session = grocery.session(grocery.search(vector=query, k=5), method="rocchio", beta=1.5)
    feedback = pt.rank.Feedback(grocery._searcher.index("features"), query, method="rocchio", beta=1.5)
    for one in (session, feedback):
        one.mark([41, 42], [700])
    np.testing.assert_allclose(session.vector, feedback.query, atol=1e-6)
    expected = feedback.search(7)
    found = session.next(7)
    assert found.ids == expected.ids.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
    assert session.marked == {41: True, 42: True, 700: False}
    assert "(2 relevant, 1 irrelevant)" in repr(found)
    session.unmark(700)
    session.mark(irrelevant=grocery.search(vector=products[0][900], k=2))
    assert list(session.marked.values()) == [True, True, False, False]
    some = session.next(50, where="id <= 30")
    assert sorted(some.ids) == list(range(1, 31))


def test_questions_say_why_they_are_asked(grocery: Gallery, products: Any) -> None:
    session = grocery.session(products[0][40])
    session.mark(relevant=[41], irrelevant=[500])
    asked = session.active(8)
    assert len(asked) == len(set(asked.ids)) == 8
    assert not set(asked.ids) & {41, 500}
    assert all("relevant and irrelevant meet" in (hit.reason or "") for hit in asked)
    assert set(session.active(5, where="id > 1000").ids) <= set(range(1001, 1156))


def test_sessions_start_from_words_hits_marks_or_nothing(tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "g", ColourWords())
    with pytest.raises(ValueError, match="nothing was there to search"):
        gallery.session("red")
    gallery.add([picture(name, seed=i) for name in ("red", "orange", "blue") for i in range(5)])
    assert gallery.session("red").channel == "dual"
    assert set(gallery.session("red").next(5).ids) == {1, 2, 3, 4, 5}
    assert gallery.session(picture("blue")).channel == "features"
    assert set(gallery.session(gallery.search(picture("orange"))[0]).next(5).ids) == {6, 7, 8, 9, 10}
    session = gallery.session()
    with pytest.raises(ValueError, match="nothing is wanted"):
        session.next(3)
    session.mark(relevant=11)
    assert set(session.next(4).ids) == {12, 13, 14, 15}
    fused = gallery.search("red", image=picture("blue"), weights={"query": 1, "image": 3})
    assert gallery.session(fused).channel == "features"
    with pytest.raises(ValueError, match="do not say what was searched for"):
        gallery.session(Hits([]))
    for wrong, error, said in (
        (["a.jpg"], TypeError, "relevant: expected ids or hits"),
        ([99], ValueError, "99"),
        ([1.5], TypeError, "ids or hits"),
    ):
        with pytest.raises(error, match=said):
            session.mark(wrong)
    with pytest.raises(ValueError, match="method: expected"):
        gallery.session("red", method="magic")


def test_a_session_goes_on_after_json_deletion_and_purge(grocery: Gallery, products: Any, tmp_path: Path) -> None:
    session = grocery.session(products[0][40])
    session.mark(relevant=[41, 42], irrelevant=[700, 701])
    state = json.loads(json.dumps(session.to_dict()))
    again = grocery.session(state)
    assert again.next(20).ids == session.next(20).ids
    assert again.marked == session.marked
    gone = session.next(3).ids
    grocery.delete([*gone, 41])
    assert not set(gone) & set(session.next(20).ids)
    grocery.purge()  # a new index
    assert session.next(20).ids == again.next(20).ids
    later = session.next(3).ids
    grocery.delete(later)
    left = session.next(20).ids
    assert len(left) == 20
    assert not {*gone, *later} & set(left)
    with Gallery.create(tmp_path / "other", dim=1280) as other:
        other.add(vectors=products[0][:5])
        with pytest.raises(GalleryError, match="another gallery"):
            other.session(state)
        with pytest.raises(ValueError, match="version"):
            other.session({**state, "version": 9})


def test_a_profile_is_a_query(grocery: Gallery, products: Any) -> None:
    features, labels = products
    liked = [i + 1 for i, label in enumerate(labels) if label == labels[0]][:4]
    disliked = [i + 1 for i, label in enumerate(labels) if label == labels[-1]][:2]
    profile = grocery.profile(liked, disliked, half_life=3600, time=0.0)
    behind = pt.rank.Profile(1280, half_life=3600)
    behind.observe(features[np.array(liked) - 1], 1.0, 0.0)
    behind.observe(features[np.array(disliked) - 1], -1.0, 0.0)
    np.testing.assert_allclose(profile.vector(), behind.vector(), atol=1e-6)
    hits = grocery.search(profile, k=10)
    expected = grocery.search(vector=behind.vector(), k=10)
    assert hits.ids == expected.ids == grocery.search(vector=profile, k=10).ids
    assert hits.title == "(profile)"
    assert np.mean(right(hits, labels[0])) > 0.5
    assert grocery.search(profile, k=10, where="label = 3", negative=profile.vector() * -1)[0].metadata["label"] == 3
    for one in hits[:3]:
        profile.observe(one, time=7200.0)
    assert profile.seen == [*dict.fromkeys([*liked, *disliked, *hits.ids[:3]])]
    assert len(profile) == 9
    found = profile.search(12)
    assert len(found) == 12
    assert not set(found.ids) & set(profile.seen)
    again = grocery.profile(state=json.loads(json.dumps(profile.to_dict())))
    assert again.search(12).ids == found.ids
    np.testing.assert_array_equal(again.vector(), profile.vector())


def test_two_tastes_are_not_averaged(grocery: Gallery, products: Any) -> None:
    _, labels = products
    first, second = labels[0], labels[600]
    groups = [[i + 1 for i, label in enumerate(labels) if label == wanted] for wanted in (first, second)]
    profile = grocery.profile([*groups[0][:6], *groups[1][:6]])
    assert len(profile.interests()) == 2
    shown = [hit.metadata["label"] for hit in profile.search(10)]
    assert shown.count(first) >= 3
    assert shown.count(second) >= 3
    only = profile.search(4, where=f"label = {second}")
    assert [hit.metadata["label"] for hit in only] == [second] * 4


def test_a_profile_of_nothing_or_nobody_says_so(grocery: Gallery, products: Any, tmp_path: Path) -> None:
    profile = grocery.profile()
    assert len(profile.search(5)) == 0
    with pytest.raises(ValueError, match="nothing was liked"):
        grocery.search(profile)
    with pytest.raises(ValueError, match="5000"):
        grocery.profile(liked=[5000])
    with pytest.raises(ValueError, match="half_life"):
        grocery.profile(liked=[1], half_life=0)
    with pytest.raises(ValueError, match="channel: expected one of features"):
        grocery.profile(channel="smell")
    with Gallery.create(tmp_path / "other", dim=1280) as other, pytest.raises(GalleryError, match="another gallery"):
        other.profile(state=grocery.profile([1]).to_dict())


def test_what_was_saved_keeps_its_options_and_is_whole(grocery: Gallery) -> None:
    session, profile = grocery.session(), grocery.profile([1, 2], half_life=60)
    session.mark(relevant=[3], irrelevant=[700])
    saved, kept = session.to_dict(), profile.to_dict()
    for action, said in (
        (lambda: grocery.session(saved, method="rocchio"), "^method: a saved session keeps"),
        (lambda: grocery.session(saved, beta=1.0), "^beta: a saved session keeps"),
        (lambda: grocery.profile(state=kept, half_life=3600), "^half_life: a saved profile keeps"),
        (lambda: grocery.profile(state=kept, channel="features"), "^channel: a saved profile keeps"),
        (lambda: grocery.session({k: v for k, v in saved.items() if k != "channel"}), "state: .* without channel"),
        (lambda: grocery.profile(state={k: v for k, v in kept.items() if k != "channel"}), "state: .* without channel"),
        (lambda: session.active("3"), "k: expected a whole number of at least 1, got '3'"),  # type: ignore[arg-type]
        (lambda: profile.observe([3], time="2020"), "time: expected numbers, got '2020'"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match=said):
            action()
    with pytest.raises(TypeError, match="betta"):
        grocery.session(betta=1.0)
    assert grocery.profile(state=kept).profile.half_life == 60


def test_a_refused_observation_changes_nothing(grocery: Gallery) -> None:
    profile = grocery.profile([1, 2], time=0.0)
    before = profile.to_dict()
    for wrong in ({"liked": [3], "disliked": [5000]}, {"liked": [3, 5000]}, {"liked": [3], "time": float("nan")}):
        with pytest.raises(ValueError, match=r"5000|time"):
            profile.observe(**wrong)  # type: ignore[arg-type]
        assert profile.to_dict() == before


def test_sessions_and_profiles_are_public_types(grocery: Gallery) -> None:
    assert isinstance(grocery.session(), pt.Session)
    assert isinstance(grocery.profile(), pt.GalleryProfile)
    assert {"Session", "GalleryProfile"} <= set(dir(pt))
