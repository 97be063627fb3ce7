"""What `Gallery.search` can do beyond the nearest: fusing, re-ranking, diversity, confidence, what is not wanted."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery_encoders import PALETTE, ColourWords, picture
from numpy.typing import NDArray

import pictrieve as pt
from pictrieve.cli import main
from pictrieve.gallery import Gallery, Hits


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Give a gallery of pictures and words: ten of each colour."""
    gallery = Gallery.create(tmp_path_factory.mktemp("colours") / "g", ColourWords())
    names = [name for name in PALETTE for _ in range(10)]
    gallery.add([picture(name, seed=i) for i, name in enumerate(names)], metadata=[{"colour": n} for n in names])
    return gallery


@pytest.fixture(scope="module")
def grocery(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Give the features of 1,155 photos of groceries, with their products as metadata."""
    features = np.load(data / "vectors" / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32)
    with (data / "grocery" / "labels.csv").open(encoding="utf-8") as file:
        labels = [{"label": int(row["label_id"])} for row in csv.DictReader(file)]
    gallery = Gallery.create(tmp_path_factory.mktemp("grocery") / "g", dim=features.shape[1])
    gallery.add(vectors=features, metadata=labels)
    return gallery


def vector_of(gallery: Gallery, item: int) -> NDArray[np.float32]:
    return gallery._searcher.index("features").reconstruct(item)


def test_parts_with_weights_are_searched_in_their_own_space_and_fused(colours: Gallery) -> None:
    orange = picture("orange", seed=900)
    both = colours.search(image=orange, text="red", weights={"image": 0.7, "text": 0.3}, k=80)
    apart = {"image": colours.search(image=orange, k=80), "text": colours.search(text="red", k=80)}
    assert (apart["image"].channel, apart["text"].channel) == ("features", "dual")
    expected = np.zeros(80)
    for name, weight in (("image", 0.7), ("text", 0.3)):
        scores = np.array(apart[name].scores, np.float32).astype(float)
        z = (scores - scores.mean()) / scores.std()
        expected += weight * z[np.argsort(apart[name].ids)]
    order = np.argsort(both.ids)
    np.testing.assert_allclose(np.array(both.scores)[order], expected, atol=1e-4)
    assert both.channel == "features"
    for hit in both:
        assert sum(hit.contributions) == pytest.approx(hit.score, abs=1e-5)
        for place in hit.places:
            assert place.rank is not None
            assert apart[place.part].ids[place.rank - 1] == hit.id
            assert apart[place.part].scores[place.rank - 1] == place.score
    assert colours.search(image=orange, text="red", weights={"text": 1, "image": 0}, k=5).ids == apart["text"].ids[:5]


def test_ranks_are_fused_where_that_is_asked_for(colours: Gallery) -> None:
    orange = picture("orange", seed=900)
    hits = colours.search(image=orange, text="red", weights={"text": 2}, fusion="rrf", k=20)
    for hit in hits:
        image, text = hit.places
        assert image.rank is not None
        assert text.rank is not None
        assert hit.score == pytest.approx(1 / (60 + image.rank) + 2 / (60 + text.rank), rel=1e-6)
    lines = hits.explain().splitlines()
    assert lines[0].split("  ")[-1].strip() == "text adds"
    assert len(lines) == 21
    assert f"{hits[0].places[0].score:.3f}" in lines[1]


def test_a_fusion_alone_gives_each_part_the_weight_1(colours: Gallery) -> None:
    arguments: dict[str, Any] = {"image": picture("orange", seed=900), "text": "red", "negative": "blue", "k": 20}
    plain = colours.search(**arguments)
    for fusion in ("rrf", "weighted"):
        hits = colours.search(**arguments, fusion=fusion)
        assert {place.part for place in hits[0].places} == {"image", "text"}
        assert hits.scores == colours.search(**arguments, fusion=fusion, weights={"text": 1}).scores
        assert hits.scores != plain.scores


def test_a_fusion_keeps_to_where_and_k(colours: Gallery) -> None:
    condition = "colour in ('red', 'blue')"
    hits = colours.search("red", image=picture("green"), weights={"query": 1, "image": 1}, where=condition, k=50)
    assert len(hits) == 20
    assert {hit.metadata["colour"] for hit in hits} == {"red", "blue"}
    assert len(colours.search("red", image=picture("green"), weights={"query": 1}, where="colour = 'none'")) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"text": "red", "weights": {"image": 1}}, "no part"),
        ({"text": "red", "weights": {"text": -1}}, "weights: expected numbers from 0"),
        ({"text": "red", "weights": {"text": 0}}, "weights: expected one above 0"),
        ({"negative": "red", "weights": {"negative": 1}}, "expected a query"),
        ({"text": "red", "negative": "blue", "fusion": "rrf"}, "fusion: expected several of .*, got text alone"),
        ({"text": ["red", "blue"], "fusion": "rrf", "weights": [1, 2]}, "fusion: expected weights by part"),
        ({"text": "red", "min_confidence": "0.5"}, "min_confidence: expected 0 to 1, got '0.5'"),
        ({"text": "red", "diversify": "0.5"}, "diversify: expected above 0 and up to 1, got '0.5'"),
        ({"text": "red", "fusion": "sum"}, "fusion: expected weighted or rrf"),
        ({"text": "red", "rerank": "magic"}, "rerank: expected k_reciprocal, expansion, diffusion or a function"),
        ({"text": "red", "diversify": 0}, "diversify: expected above 0"),
        ({"text": "red", "diversify": 1.1}, "diversify"),
        ({"text": "red", "min_confidence": 2}, "min_confidence"),
        ({"text": "red", "k": 0}, "k: expected"),
    ],
)
def test_what_has_no_meaning_is_refused(colours: Gallery, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        colours.search(**arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"weights": "x"}, "weights: expected a number for each term, or a dict from part to number, got 'x'"),
        ({"weights": 3}, "weights: expected a number for each term"),
        ({"weights": ["1"]}, "weights: expected numbers, got '1'"),
        ({"weights": {"text": None}}, "weights: expected numbers, got None"),
        ({"rerank": lambda index, queries, k: None}, r"rerank: expected .* pair \(ids, scores\), got NoneType"),
        ({"rerank": lambda queries: None}, r"rerank: expected a function \(index, queries, k\) -> SearchResult"),
        ({"rerank": pt.rank.query_expansion}, r"write one, such as lambda ix, q, k: ix\.search\(pt\.rank\.query_exp"),
        ({"rerank": lambda index, queries, k: None, "where": "id > 1"}, "unexpected keyword argument 'where'"),
    ],
)
def test_what_is_of_the_wrong_type_is_named(colours: Gallery, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        colours.search(text="red", **arguments)


def test_a_frame_has_the_confidence_where_it_was_measured(colours: Gallery) -> None:
    pytest.importorskip("pandas")
    hits = colours.search("red", min_confidence=0)
    assert hits.to_pandas()["confidence"].tolist() == [hit.confidence for hit in hits]
    assert "confidence" not in colours.search("red").to_pandas()


def test_what_is_not_wanted_goes_down(colours: Gallery) -> None:
    plain = colours.search("orange", k=80)
    less = colours.search("orange", negative=["0.6:red", picture("yellow")], k=80)
    assert [term.weight for term in less.terms] == [1.0, -0.6, -1.0]

    def mean_rank(hits: Hits, colour: str) -> float:
        return float(np.mean([rank for rank, hit in enumerate(hits) if hit.metadata["colour"] == colour]))

    for colour in ("red", "yellow"):
        assert mean_rank(less, colour) > mean_rank(plain, colour)
    twice = colours.search("orange", text="orange", negative="red", weights={"negative": 0.5})
    assert [term.weight for term in twice.terms] == [1.0, -0.5, 1.0, -0.5]


@pytest.mark.parametrize("rerank", ["k_reciprocal", "expansion", "diffusion"])
def test_rerankers_are_those_of_rank_and_keep_to_where(grocery: Gallery, rerank: str) -> None:
    query = vector_of(grocery, 300)
    index = grocery._searcher.index("features")
    if rerank == "expansion":
        expected = index.search(pt.rank.query_expansion(index, query), 30)
    else:
        expected = getattr(pt.rank, rerank)(index, query, 30)
    hits = grocery.search(vector=query, rerank=rerank, k=30)
    assert hits.ids == expected.ids.tolist()
    np.testing.assert_array_equal(np.array(hits.scores, np.float32), expected.scores)
    assert hits[0].contributions == ()
    filtered = grocery.search(vector=query, rerank=rerank, k=40, where="id between 200 and 230")
    assert sorted(filtered.ids) == list(range(200, 231))
    assert "score" in hits.explain()


def test_a_reranker_of_ones_own_sees_index_queries_and_k(grocery: Gallery) -> None:
    seen = []

    def backwards(index: pt.Index, queries: NDArray[np.float32], k: int, where: Any = None) -> tuple[Any, Any]:
        seen.append((type(index), queries.shape, k, None if where is None else len(where)))
        ids, scores = index.search(queries, k, where=where)
        return ids[:, ::-1], scores[:, ::-1]

    query = vector_of(grocery, 5)
    assert grocery.search(vector=query, rerank=backwards, k=4).ids == grocery.search(vector=query, k=4).ids[::-1]
    grocery.search(vector=query, rerank=backwards, k=4, where="id <= 9")
    assert seen == [(pt.Index, (1, 1280), 4, None), (pt.Index, (1, 1280), 4, 9)]


def test_diversity_shows_more_products_and_keeps_the_best_first(grocery: Gallery) -> None:
    def products(hits: Hits) -> int:
        return len({hit.metadata["label"] for hit in hits})

    queries = [vector_of(grocery, item) for item in range(1, 1155, 60)]
    plain, diverse = [], []
    for query in queries:
        plain.append(grocery.search(vector=query, k=10))
        diverse.append(grocery.search(vector=query, k=10, diversify=0.6))
        assert diverse[-1].ids[0] == plain[-1].ids[0]
        assert len(diverse[-1]) == 10
    assert sum(map(products, diverse)) > 1.3 * sum(map(products, plain))
    index = grocery._searcher.index("features")
    expected = pt.rank.mmr(index.search(queries[0], 100), 10, index=index, diversity=0.6)
    assert diverse[0].ids == expected.ids.tolist()
    plain_ids = grocery.search(vector=queries[0], rerank="k_reciprocal", k=10).ids
    both = grocery.search(vector=queries[0], rerank="k_reciprocal", diversify=0.3, min_confidence=0, k=10)
    assert len(both) == 10
    assert both.ids[0] == plain_ids[0]
    assert both.ids != plain_ids
    assert len(set(both.ids) & set(plain_ids)) >= 5  # relevance counts, too


def test_confidence_tells_finds_from_chance_on_real_features(grocery: Gallery, data: Path, tmp_path: Path) -> None:
    folder = data / "flickr8k_features"
    flickr = (np.load(folder / "features_u8.npy")[::20] * np.load(folder / "scale.npy")).astype(np.float32)
    absent = [grocery.search(vector=row, k=1, min_confidence=0).is_confident for row in flickr]
    there = []
    for item in range(1, 1155, 12):
        hits = grocery.search(vector=vector_of(grocery, item), k=2, min_confidence=0)
        there.append(hits[1:].is_confident)  # the first is the photo itself
        assert hits.is_confident is True
    assert np.mean(absent) < 0.03 < 0.15 < np.mean(there)
    query = vector_of(grocery, 7)
    measured = grocery.search(vector=query, k=200, min_confidence=0)
    sure = [hit.confidence for hit in measured]
    assert sure == sorted(sure, reverse=True)
    index = grocery._searcher.index("features")
    expected = pt.rank.Calibration.fit(index, sample=500).confidence(np.array(measured.scores))
    np.testing.assert_allclose(sure, expected, atol=1e-6)
    cut = grocery.search(vector=query, k=200, min_confidence=0.5)
    assert cut.ids == [hit.id for hit in measured if hit.confidence is not None and hit.confidence >= 0.5]
    assert 0 < len(cut) < 200
    assert grocery.search(vector=query).is_confident is None
    assert "confidence" not in grocery.search(vector=query).to_dicts()[0]
    assert measured.to_dicts()[3]["confidence"] == pytest.approx(sure[3], abs=1e-5)


def test_confidence_is_kept_on_disk_and_measured_anew_once_the_gallery_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    fits = []
    fit = pt.rank.Calibration.fit.__func__  # type: ignore[attr-defined]

    def counted(cls: Any, index: pt.Index, **options: Any) -> Any:
        fits.append(len(index))
        return fit(cls, index, **options)

    monkeypatch.setattr(pt.rank.Calibration, "fit", classmethod(counted))
    query = random.normal(size=16).astype(np.float32)
    with Gallery.create(tmp_path / "g", dim=16) as gallery:
        gallery.add(vectors=random.normal(size=(2, 16)))
        assert [hit.confidence for hit in gallery.search(vector=query, min_confidence=0.99)] == [None, None]
        gallery.add(vectors=random.normal(size=(998, 16)))
        first = [hit.confidence for hit in gallery.search(vector=query, min_confidence=0)]
    with Gallery.open(tmp_path / "g") as gallery:
        assert [hit.confidence for hit in gallery.search(vector=query, min_confidence=0)] == first
        gallery.add(vectors=random.normal(size=(200, 16)))
        gallery.search(vector=query, min_confidence=0)
        assert fits == [1000]
        gallery.add(vectors=random.normal(size=(100, 16)))
        gallery.search(vector=query, min_confidence=0)
        assert fits == [1000, 1300]
    kept = tmp_path / "g" / "index" / "confidence.json"
    kept.write_text(kept.read_text()[:100])
    with Gallery.open(tmp_path / "g") as gallery:
        gallery.search(vector=query, min_confidence=0)
        assert fits == [1000, 1300, 1300]
        assert json.loads(kept.read_text())


def test_confidence_of_words_and_sums(colours: Gallery) -> None:
    for query in ("red", f"{'red'} + blue - 0.5:green"):
        hits = colours.search(query, min_confidence=0, k=80)
        sure = [hit.confidence for hit in hits]
        assert sure == sorted(sure, reverse=True)
        assert all(0 <= one <= 1 for one in sure if one is not None)
    fused = colours.search("red", image=picture("red"), weights={"query": 1, "image": 1}, min_confidence=0, k=80)
    assert fused[0].confidence is not None
    assert fused[0].confidence >= (fused[79].confidence or 0)


@pytest.mark.parametrize("graph_from", [200_000, 1000])
def test_deleted_rows_leave_the_index_file_once_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graph_from: int
) -> None:
    monkeypatch.setattr("pictrieve.gallery.channels.GRAPH_FROM", graph_from)
    random = np.random.default_rng(0)
    rows = random.normal(size=(4000, 16)).astype(np.float32)
    with Gallery.create(tmp_path / "g", dim=16) as gallery:
        gallery.add(vectors=rows)
        path = tmp_path / "g" / "index" / "features.ptidx"
        full = path.stat().st_size
        gallery.delete(list(range(1, 1301)))
        gallery.add(vectors=rows[:1])
        assert pt.Index.load(path).removed == 0
        assert pt.Index.load(path).factory == ("HNSW16" if graph_from == 1000 else "Flat")
        assert path.stat().st_size < 0.7 * full
        gallery.delete(2000)
        marked = (rows[1999] / np.linalg.norm(rows[1999])).astype(np.float32).tobytes()
        gallery.purge()
        stored = b"".join(file.read_bytes() for file in (tmp_path / "g").rglob("*") if file.is_file())
        assert marked not in stored
        assert len(gallery) == 2700


def test_the_command_line_ranks_too(colours: Gallery, data: Path, tmp_path: Path, capsys: Any) -> None:
    photos = sorted((data / "coco_captions" / "images").glob("*.jpg"))[:8]
    assert main(["index", *map(str, photos), "-o", str(tmp_path / "g"), "-q"]) == 0
    capsys.readouterr()
    search = ["search", str(tmp_path / "g"), "--image", str(photos[0]), "--json", "-k", "5"]
    assert main(search) == 0
    plain = json.loads(capsys.readouterr().out)
    assert "confidence" not in plain[0]
    assert main([*search, "--rerank", "expansion", "--diversify", "0.9", "--min-confidence", "0"]) == 0
    ranked = json.loads(capsys.readouterr().out)
    assert ranked[0]["id"] == plain[0]["id"]
    assert all(0 <= hit["confidence"] <= 1 for hit in ranked)
    assert main([*search, "--negative", str(photos[1]), "--min-confidence", "0.5"]) == 0
    assert [hit["id"] for hit in json.loads(capsys.readouterr().out)][:1] == [plain[0]["id"]]
    assert main([*search, "--diversify", "3"]) == 1
    assert "diversify: expected above 0" in capsys.readouterr().err
    for wrong in (
        ["--rerank", "magic"],
        ["--weights", "image"],
        ["--weights", "image=a"],
        ["--weights", "image=1,image=2"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main([*search, *wrong])
        assert stopped.value.code == 2
    capsys.readouterr()
    with Gallery.open(tmp_path / "g") as gallery:
        for more, arguments in (
            (["--weights", "image=0.7, text=0.3"], {"weights": {"image": 0.7, "text": 0.3}}),
            (["--fusion", "rrf"], {"fusion": "rrf"}),
        ):
            assert main([*search, "--text", "a cat", *more]) == 0
            expected = gallery.search(image=photos[0], text="a cat", k=5, **arguments)  # type: ignore[arg-type]
            assert json.loads(capsys.readouterr().out) == expected.to_dicts()
