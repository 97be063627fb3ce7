"""Metrics of other libraries beside ours, on random rankings: what the conformance tests and the table in docs/ share.

Every reference is a function from a `Case` to pairs of numbers, theirs and ours, by the name of the metric. Rankings
are of unequal length; relevant items have gains, may be missing from the ranking, and may outnumber k; some queries
have none; scores have ties.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import numpy as np

from pictrieve import evaluate

KS = (1, 3, 5, 10, 40)
Pairs = dict[str, list[tuple[float, float]]]


class Case(NamedTuple):
    """Rankings with the scores that they are ordered by, and the gains of relevant items."""

    ranked: list[list[int]]
    scores: list[list[float]]
    gains: list[dict[int, float]]


def random_case(seed: int, *, ties: bool = True, queries: int = 60, shortest: int = 1) -> Case:
    """Draw rankings of up to 50 of 80 items."""
    chance = np.random.default_rng(seed)
    ranked, scores, gains = [], [], []
    for _ in range(queries):
        ids = chance.permutation(80)[: chance.integers(shortest, 50)]
        values = chance.integers(0, 12, len(ids)) / 4 if ties else chance.permutation(len(ids)).astype(float)
        order = np.lexsort((-ids, -values))  # trec_eval's order: equal scores by falling name
        chosen = chance.permutation(80)[: chance.integers(0, 30)]
        ranked.append(ids[order].tolist())
        scores.append(values[order].tolist())
        gains.append({int(item): float(chance.integers(1, 5)) for item in chosen})
    return Case(ranked, scores, gains)


def paired(report: evaluate.EvalReport, theirs: dict[str, list[float]]) -> Pairs:
    """Put their values beside ours, for queries that have relevant items."""
    counted = np.flatnonzero(~np.isnan(next(iter(report.per_query.values()))))
    return {
        name: [(values[query], float(report.per_query[name][query])) for query in counted]
        for name, values in theirs.items()
    }


def known(found: Pairs) -> Pairs:
    """Drop what a reference was not asked for."""
    return {name: [pair for pair in pairs if not math.isnan(pair[0])] for name, pairs in found.items()}


def trec_eval(case: Case) -> Pairs:
    import pytrec_eval

    names = {"map": "map", "ndcg": "ndcg", "recip_rank": "mrr", "Rprec": "r-precision"}
    cuts = {"map_cut": "map", "ndcg_cut": "ndcg", "P": "precision", "recall": "recall", "success": "hit"}
    names |= {f"{theirs}_{k}": f"{ours}@{k}" for theirs, ours in cuts.items() for k in KS}
    ks = ",".join(map(str, KS))
    qrels = {str(q): {f"{i:03d}": int(gain) for i, gain in gains.items()} for q, gains in enumerate(case.gains)}
    run = {
        str(q): {f"{i:03d}": score for i, score in zip(ids, scores, strict=True)}
        for q, (ids, scores) in enumerate(zip(case.ranked, case.scores, strict=True))
    }
    measures = {"map", "ndcg", "recip_rank", "Rprec", *(f"{name}.{ks}" for name in cuts)}
    found = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    shuffled = [
        [(i, s) for i, s in sorted(zip(a, b, strict=True))] for a, b in zip(case.ranked, case.scores, strict=True)
    ]
    report = evaluate.retrieval(
        [[i for i, _ in row] for row in shuffled], case.gains, "trec", KS,
        scores=[[s for _, s in row] for row in shuffled], ties="highest id",
    )  # fmt: skip
    return paired(report, {ours: [found.get(str(q), {}).get(theirs, math.nan) for q in range(len(case.gains))]
                           for theirs, ours in names.items()})  # fmt: skip


def ranx(case: Case) -> Pairs:
    import ranx as library

    names = {"map": "map", "ndcg": "ndcg", "mrr": "mrr", "r-precision": "r-precision"}
    names |= {f"{theirs}@{k}": f"{ours}@{k}" for k in KS for theirs, ours in
              {"map": "map", "ndcg": "ndcg", "precision": "precision", "recall": "recall", "hit_rate": "hit",
               "mrr": "mrr"}.items()}  # fmt: skip
    kept = [q for q, gains in enumerate(case.gains) if gains]
    qrels = library.Qrels({str(q): {str(i): int(g) for i, g in case.gains[q].items()} for q in kept})
    # Of equal scores ranx takes any first: ranks instead.
    run = library.Run({str(q): {str(i): float(-rank) for rank, i in enumerate(case.ranked[q])} for q in kept})
    exponential = [f"ndcg_burges@{k}" for k in KS]
    library.evaluate(qrels, run, [*names, *exponential], return_mean=False)
    ranked, gains = [case.ranked[q] for q in kept], [case.gains[q] for q in kept]
    values = {name: [run.scores[name][str(q)] for q in kept] for name in [*names, *exponential]}
    plain = evaluate.retrieval(ranked, gains, "trec", KS)
    burges = evaluate.retrieval(ranked, gains, "trec", KS, ndcg_gain="exponential")
    found = paired(plain, {ours: values[theirs] for theirs, ours in names.items()})
    other = paired(burges, {f"ndcg@{k}": values[f"ndcg_burges@{k}"] for k in KS})
    return found | {f"{name}, gain 2^g - 1": pairs for name, pairs in other.items()}


def sentence_transformers(case: Case) -> Pairs:
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    kept = [q for q, gains in enumerate(case.gains) if gains]
    theirs: dict[str, list[float]] = {}
    for q in kept:
        judge = InformationRetrievalEvaluator(
            {"q": ""}, {str(i): "" for i in range(80)}, {"q": {str(i) for i in case.gains[q]}},
            mrr_at_k=list(KS), ndcg_at_k=[1], accuracy_at_k=list(KS), precision_recall_at_k=list(KS), map_at_k=list(KS),
        )  # fmt: skip
        hits = [{"corpus_id": str(i), "score": float(-rank)} for rank, i in enumerate(case.ranked[q])]
        found = judge.compute_metrics([hits])
        for key, name in {"map@k": "map", "mrr@k": "mrr", "accuracy@k": "hit", "precision@k": "precision",
                          "recall@k": "recall"}.items():  # fmt: skip
            for k in KS:
                theirs.setdefault(f"{name}@{k}", []).append(float(found[key][k]))
    return paired(evaluate.retrieval([case.ranked[q] for q in kept], [case.gains[q] for q in kept], "beir", KS), theirs)


def torchmetrics(case: Case) -> Pairs:
    import torch
    from torchmetrics.functional import retrieval as library

    functions = {
        "map": library.retrieval_average_precision, "precision": library.retrieval_precision,
        "hit": library.retrieval_hit_rate, "mrr": library.retrieval_reciprocal_rank,
    }  # fmt: skip
    theirs: dict[str, list[float]] = {f"{name}@{k}": [] for name in functions for k in KS}
    for ids, gains in zip(case.ranked, case.gains, strict=True):
        scores = torch.arange(len(ids), 0, -1, dtype=torch.float64)
        target = torch.tensor([item in gains for item in ids])
        for name, function in functions.items():
            for k in KS:
                asked = ids and (name == "precision" or k <= len(ids))  # it refuses no scores
                theirs[f"{name}@{k}"].append(float(function(scores, target, top_k=k)) if asked else math.nan)
    found = paired(evaluate.retrieval(case.ranked, case.gains, "hits", KS), theirs)
    return known(found)


def open_metric_learning(case: Case) -> Pairs:
    import torch
    from oml.functional import metrics as library

    kept = [q for q, gains in enumerate(case.gains) if gains]
    ranked = [torch.tensor(case.ranked[q]) for q in kept]
    wanted = [torch.tensor(sorted(case.gains[q])) for q in kept]
    found = library.calc_retrieval_metrics(ranked, wanted, None, KS, KS, KS, reduce=False, verbose=False)
    long_enough = {k: np.array([len(ids) >= k for ids in ranked]) for k in KS}  # it lowers k to the ranking's length
    theirs = {
        f"{name}@{k}": np.where(long_enough[k], found[name][k].double(), math.nan).tolist()
        for name in ("cmc", "precision", "map")
        for k in KS
    }
    report = evaluate.retrieval([case.ranked[q] for q in kept], [case.gains[q] for q in kept], "oml", KS)
    return known(paired(report, theirs))


def scikit_learn(case: Case) -> Pairs:
    from sklearn.metrics import average_precision_score, ndcg_score

    theirs: dict[str, list[float]] = {"map": [], "ndcg": [], **{f"ndcg@{k}": [] for k in KS}}
    whole = []
    for ids, gains in zip(case.ranked, case.gains, strict=True):
        order = [*ids, *(item for item in range(80) if item not in ids)]  # it judges whole galleries
        whole.append(order)
        scores = np.arange(80.0, 0, -1)
        target = np.array([gains.get(item, 0.0) for item in order])
        theirs["map"].append(average_precision_score(target > 0, scores) if gains else math.nan)
        for k in (None, *KS):
            theirs[f"ndcg@{k}" if k else "ndcg"].append(ndcg_score([target], [scores], k=k) if gains else math.nan)
    return paired(evaluate.retrieval(whole, case.gains, "trec", KS), theirs)


def pytorch_metric_learning(case: Case, *, averages: bool = False) -> Pairs:
    """Its own search by faiss among random vectors, by class; with `averages` means over classes."""
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    names = {
        "mean_average_precision_at_r": "map@r", "r_precision": "r-precision", "precision_at_1": "precision@1",
        "mean_reciprocal_rank": "mrr",
    }  # fmt: skip
    seed = int(sum(case.ranked[0]))
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 9, 150)
    labels[:2] = 20, 21  # alone in their classes
    rows = chance.standard_normal((150, 16)).astype(np.float32) + np.eye(16, dtype=np.float32)[labels % 16]
    calculator = AccuracyCalculator(include=tuple(names), k="max_bin_count", avg_of_avgs=averages)
    found = calculator.get_accuracy(torch.from_numpy(rows), torch.from_numpy(labels))
    classes = labels if averages else None
    # k of max_bin_count ends its rankings where R-based metrics need no more; mrr goes on to the end of ours.
    report = evaluate.embeddings(rows, labels=labels, metric="l2", protocol="map@r", ks=(1,), classes=classes)
    return {ours: [(float(found[theirs]), report[ours])] for theirs, ours in names.items() if ours != "mrr"}


def naive(case: Case) -> Pairs:
    """Plain loops written from the definitions: what no package offers, or only under another name."""
    theirs: dict[str, list[float]] = {}
    for ids, gains in zip(case.ranked, case.gains, strict=True):
        for name, value in _naive_query(ids, gains).items() if gains else _naive_query([0], {0: 1.0}).items():
            theirs.setdefault(name, []).append(value)
    junk = [set(range(0, 80, 7)) - set(gains) for gains in case.gains]
    clean = [[item for item in ids if item not in out] for ids, out in zip(case.ranked, junk, strict=True)]
    revisited = evaluate.retrieval(case.ranked, case.gains, "revisited", KS, junk=junk)
    of_clean = [_naive_query(ids, gains) if gains else None for ids, gains in zip(clean, case.gains, strict=True)]
    found = {}
    for name in revisited:
        key = "oxford" if name == "map" else name
        found |= {
            f"revisited {name}": paired(revisited, {name: [math.nan if x is None else x[key] for x in of_clean]})[name]
        }
    for protocol, ours in (("beir", "map@5"), ("legacy", "ndcg@5"), ("oml", "precision@5"), ("ukbench", "n-s"),
                           ("oxford", "map")):  # fmt: skip
        report = evaluate.retrieval(case.ranked, case.gains, protocol, KS)  # type: ignore[arg-type]
        found[f"{protocol} {ours}"] = paired(report, {ours: theirs[f"{protocol} {ours}"]})[ours]
    return found


def _naive_query(ids: list[int], gains: dict[int, float]) -> dict[str, float]:
    hits = [item in gains for item in ids]
    relevant, k = len(gains), 5
    at_hits = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits[:k]) if hit]
    found = sorted((gains[item] for item in ids[:k] if item in gains), reverse=True)
    dcg = sum(gains.get(item, 0) / math.log2(i + 2) for i, item in enumerate(ids[:k]))
    best = sum(gain / math.log2(i + 2) for i, gain in enumerate(found))
    area, recall, precision, count = 0.0, 0.0, 1.0, 0
    for rank, hit in enumerate(hits, 1):  # precision over recall, point after point
        count += hit
        area += (count / relevant - recall) * (precision + count / rank) / 2
        recall, precision = count / relevant, count / rank
    last = max((i + 1 for i, hit in enumerate(hits) if hit), default=0)
    return {
        "beir map@5": sum(at_hits) / min(k, relevant),
        "legacy ndcg@5": dcg / best if best else 0.0,
        "oml precision@5": sum(hits[:k]) / min(k, relevant),
        "ukbench n-s": float(sum(hits[:4])),
        "oxford map": area,
        "oxford": area,
        **{f"mp@{cut}": sum(hits[:cut]) / min(cut, last) if last else 0.0 for cut in KS},
    }


class Reference(NamedTuple):
    """A library, the protocol of ours that equals it, and what its own arithmetic allows."""

    package: str
    compute: Callable[[Case], Pairs]
    protocol: str
    tolerance: float
    ties: bool = True

    @property
    def version(self) -> str:
        """Of the package, where it is one."""
        return version(self.package) if self.package != "loops from the definitions" else ""


def of_classes(case: Case) -> Pairs:
    """Pytorch-metric-learning's means over classes."""
    return {f"{name}, over classes": pairs for name, pairs in pytorch_metric_learning(case, averages=True).items()}


DOUBLE, SINGLE = 1e-12, 1e-6  # what compute in float32 cannot be nearer
REFERENCES: dict[str, Reference] = {
    "trec_eval": Reference("pytrec-eval-terrier", trec_eval, "trec", DOUBLE),
    "scikit-learn": Reference("scikit-learn", scikit_learn, "trec", DOUBLE),
    "sentence-transformers": Reference("sentence-transformers", sentence_transformers, "beir", DOUBLE),
    "torchmetrics": Reference("torchmetrics", torchmetrics, "hits", SINGLE),
    "pytorch-metric-learning": Reference("pytorch-metric-learning", pytorch_metric_learning, "map@r", DOUBLE),
    "pytorch-metric-learning, avg_of_avgs": Reference("pytorch-metric-learning", of_classes, "map@r", DOUBLE),
    "naive": Reference("loops from the definitions", naive, "each its own", DOUBLE),
    "ranx": Reference("ranx", ranx, "trec", DOUBLE),
    "open-metric-learning": Reference("open-metric-learning", open_metric_learning, "oml", SINGLE),
}
# Too heavy for the tests' requirements (numba; opencv, albumentations, gdown): the table in docs/ has them.
ON_REQUEST: set[str] = {"ranx", "open-metric-learning"}


def largest_differences(reference: Reference, cases: int, seed: int = 0) -> dict[str, tuple[float, int]]:
    """By metric the largest difference, and how many numbers were compared."""
    found: dict[str, tuple[float, int]] = {}
    for number in range(cases):
        for name, pairs in reference.compute(random_case(seed + number)).items():
            worst, count = found.get(name, (0.0, 0))
            differences = np.array([abs(a - b) for a, b in pairs])
            found[name] = (float(np.max([worst, *differences])), count + len(pairs))  # NaN, where it is wrong, stays
    return found
