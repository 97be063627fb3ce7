"""Learning from marks on real photos: what was learnt is served, searches get better, and wrong logs are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

import pictrieve as pt  # noqa: E402
from pictrieve import datasets, finetune  # noqa: E402
from pictrieve.encoders.whitening import Whitening  # noqa: E402
from pictrieve.finetune.embedder import Projection  # noqa: E402
from pictrieve.finetune.feedback import FromMarks, Plan, measure  # noqa: E402
from pictrieve.finetune.marks import Judgement, judgements  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

QUIET: dict[str, Any] = {"show_progress_bar": False}


@pytest.fixture(scope="module")
def encoder() -> pt.ImageEncoder:
    return pt.ImageEncoder("efficientnet_lite0")


@pytest.fixture(scope="module")
def grocery(data: Path) -> datasets.Dataset:
    every = datasets.Table(data / "grocery" / "labels.csv").with_labels("coarse_label")
    return every.split("train")


@pytest.fixture(scope="module")
def vectors(data: Path, grocery: datasets.Dataset) -> NDArray[np.float32]:
    stored = np.load(data / "vectors" / "efficientnet_lite0_grocery" / "features.npy").astype(np.float32)
    every = datasets.Table(data / "grocery" / "labels.csv")
    return np.ascontiguousarray(stored[every.splits == "train"])


def marked(vectors: NDArray[np.float32], labels: NDArray[np.int64], queries: Any, k: int = 20) -> list[Judgement]:
    """What somebody marks who wants the same kind: the first k results of each query."""
    log = []
    for query in queries:
        order = [int(row) for row in np.argsort(-(vectors @ vectors[query])) if row != query][:k]
        wanted = [row for row in order if labels[row] == labels[query]]
        log.append(Judgement(int(query), tuple(wanted), tuple(row for row in order if row not in wanted)))
    return log


@pytest.mark.parametrize("loss", ["softmax", "triplet"])
def test_marks_make_the_searches_of_others_better(
    encoder: pt.ImageEncoder, grocery: datasets.Dataset, vectors: NDArray[np.float32], tmp_path: Path, loss: str
) -> None:
    queries = np.random.default_rng(0).permutation(len(vectors))
    log = marked(vectors, grocery.labels, queries[:100], k=12)
    run = finetune.learn_from_feedback(
        encoder, log, vectors, loss=loss, dim=48, epochs=5, lr=1e-3, out=tmp_path, **QUIET
    )
    before, after = run.report().before, run.report().after
    assert after["map"] > before["map"] + 0.01
    assert after["right_pairs"] > before["right_pairs"] + 0.05
    trained = torch.load(tmp_path / "best.pt", weights_only=True)["modules"]
    rows = torch.nn.functional.normalize((torch.from_numpy(vectors[:4]) - trained["mean"]) @ trained["matrix"].T)
    served = run.encoder.encode(grocery.paths[:4])
    assert served.shape == (4, 48)
    assert np.abs(served - rows.numpy()).max() < 0.03  # the stored vectors are float16, of pictures decoded in full


def test_a_trained_projection_is_trained_on(
    encoder: pt.ImageEncoder, grocery: datasets.Dataset, vectors: NDArray[np.float32]
) -> None:
    log = marked(vectors, grocery.labels, range(0, 60, 2), k=8)
    given: dict[str, Any] = {"others": False, "loss": "triplet", "validation": 0.0, **QUIET}
    first = finetune.learn_from_feedback(encoder, log, vectors, dim=16, epochs=1, **given)
    assert "map" not in first.history
    second = finetune.learn_from_feedback(first.encoder, log, vectors, epochs=1, **given)
    assert second.encoder.dim == 16
    assert second.history["marks_loss"].iloc[1] < first.history["marks_loss"].iloc[1]
    with pytest.raises(ValueError, match="dim: expected 16"):
        finetune.learn_from_feedback(first.encoder, log, vectors, dim=8, **given)


def test_figures_equal_plain_loops(vectors: NDArray[np.float32]) -> None:
    rows = vectors[:30]
    searches = [Judgement(3, (5, 9), (1, 2)), Judgement(None, (4, 8, 12), ()), Judgement(7, (0,), (6,))]
    maps, rights = [], []
    for query, relevant, irrelevant in searches:
        anchor = relevant[0] if query is None else query
        order = sorted((row for row in range(30) if row != anchor), key=lambda row: -float(rows[row] @ rows[anchor]))
        places = sorted(order.index(row) + 1 for row in relevant if row != anchor)
        maps.append(np.mean([(i + 1) / place for i, place in enumerate(places)]))
        pairs = [float(rows[a] @ rows[anchor]) > float(rows[b] @ rows[anchor]) for a in relevant for b in irrelevant]
        rights += [np.mean(pairs)] if pairs else []
    found = measure(rows, searches)
    assert abs(found["map"] - np.mean(maps)) < 1e-12
    assert abs(found["right_pairs"] - np.mean(rights)) < 1e-12


def naive_loss(task: Any, pairs: Any, loss: str) -> float:
    """The loss of a batch, pair by pair."""
    rows = torch.nn.functional.normalize(task.modules(task._rows)).double()
    total: list[float] = []
    for anchor, wanted, number in pairs:
        search = task._train[number]
        allowed = set(search.irrelevant) | {int(p) for _, p, _ in pairs}
        against = sorted(allowed - set(search.relevant) - {int(anchor)})
        own = float(rows[anchor] @ rows[wanted])
        others = [float(rows[anchor] @ rows[row]) for row in against]
        if loss == "softmax":
            total.append(float(np.log(sum(np.exp((other - own) / 0.1) for other in [own, *others]))))
        else:
            total += [0.2 + other - own for other in others if 0.2 + other - own > 0]
    return float(np.mean(total))


@pytest.mark.parametrize("loss", ["softmax", "triplet"])
def test_the_loss_equals_a_plain_loop(
    encoder: pt.ImageEncoder, grocery: datasets.Dataset, vectors: NDArray[np.float32], loss: str
) -> None:
    chance = np.random.default_rng(1)
    start = Whitening(np.zeros(1280, np.float32), chance.normal(size=(8, 1280)).astype(np.float32))
    log = [*marked(vectors, grocery.labels, range(0, 40, 5), k=5), Judgement(None, (1, 3), (30,))]
    plan = Plan(loss, 0.2, 0.1, True, 0.0, 9, 0, {})
    task = FromMarks(encoder, Projection(start), torch.from_numpy(vectors), log, [], plan)
    task._sampler.set_epoch(0)
    for numbers in list(task._sampler)[:3]:
        with torch.no_grad():
            found = task.loss(task._load(numbers))["marks_loss"]
            expected = naive_loss(task, task._pairs[numbers], loss)
        assert abs(float(found) - expected) < 1e-5


def test_logs_of_all_forms_are_one(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    expected = [Judgement("红.jpg", ("a", "b"), ("c",)), Judgement("2", ("d",), ())]
    lines = tmp_path / "marks.jsonl"
    entries = [{"query": one.query, "relevant": one.relevant, "irrelevant": one.irrelevant} for one in expected]
    lines.write_text("\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries) + "\n", encoding="utf-8")
    table = tmp_path / "marks.csv"
    table.write_text("query,item,relevant\n红.jpg,a,1\n2,d,true\n红.jpg,b,1\n红.jpg,c,0\n", encoding="utf-8-sig")
    assert judgements(lines) == judgements(table) == judgements(entries) == judgements(expected) == expected
    index = pt.Index(vectors.shape[1])
    index.add(vectors[:50])
    feedback = pt.rank.Feedback(index, vectors[0])
    feedback.mark([3, 4], [7])
    assert judgements([feedback, {3: True, 7: False}]) == [Judgement(None, (3, 4), (7,)), Judgement(None, (3,), (7,))]


WRONG: list[tuple[str, bytes, str]] = [
    ("a.jsonl", b'{"query": 1, "relevant": [2]}\n{"relevant": 3}\n', "a.jsonl: line 2: .*expected a list of ids"),
    ("a.jsonl", b"{}\n", "expected marks, got none"),
    ("a.jsonl", b"{\n", "a.jsonl: line 1: Expecting property name"),
    ("a.jsonl", b'{"clicked": [1]}', "expected query, relevant and irrelevant, got clicked"),
    ("a.csv", b"query,item\n1,2\n", "got no relevant"),
    ("a.csv", b"query,item,relevant\n1,2,maybe\n", "a.csv: line 2: expected an item and 1 or 0, got '2', 'maybe'"),
    ("a.csv", b"query,item,relevant\n1,2,1\n1,2,0\n", "query '1': marked both ways: 2"),
    ("a.csv", "query,item,relevant\n1,红,1\n".encode("gbk"), "a.csv: line 2: expected UTF-8, got byte 0xba"),
    ("a.txt", b"1", "expected a file .jsonl or .csv"),
]


@pytest.mark.parametrize(("name", "content", "message"), WRONG)
def test_wrong_logs_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        judgements(tmp_path / name)


def test_wrong_arguments_are_named(encoder: pt.ImageEncoder, vectors: NDArray[np.float32]) -> None:
    for log, more, message in (
        ([Judgement(1, (900,))], {}, "log: 1 of 2 ids are unknown: 900"),
        ([Judgement(1, (), (2,))], {"validation": 0.0}, "expected a query with something relevant"),
        ([Judgement(1, (2,))], {"validation": 0.0, "others": False}, "others: expected True"),
        ([Judgement(1, (2,))], {"loss": "magic"}, "loss: expected one of softmax, triplet, got 'magic'"),
    ):
        with pytest.raises(ValueError, match=message):
            finetune.learn_from_feedback(encoder, log, vectors, **more, **QUIET)
