"""The losses once more: formulas of their papers as plain loops over float64 rows, for tests to compare with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]


def unit(rows: Rows) -> Rows:
    return np.array([row / math.sqrt(sum(x * x for x in row)) for row in rows])


def distance(a: Rows, b: Rows) -> float:
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def cosine(a: Rows, b: Rows) -> float:
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def active(values: Sequence[float]) -> float:
    return mean([value for value in values if value > 0])


def entropy(logits: Sequence[float], target: int, smoothing: float = 0.0) -> float:
    """Cross entropy with label smoothing: most on the target, the rest on all alike."""
    total = math.log(sum(math.exp(x) for x in logits))
    spread = mean([total - x for x in logits])
    return (1 - smoothing) * (total - logits[target]) + smoothing * spread


def contrastive(
    rows: Rows, labels: Any, near: float = 0.0, far: float = 1.0, power: int = 2, normalise: bool = True
) -> float:
    rows = unit(rows) if normalise else rows
    positives, negatives = [], []
    for i in range(len(rows)):
        for j in range(len(rows)):
            d = distance(rows[i], rows[j])
            if i != j and labels[i] == labels[j]:
                positives.append(max(0.0, d - near) ** power)
            if labels[i] != labels[j]:
                negatives.append(max(0.0, far - d) ** power)
    return active(positives) + active(negatives)


def triplets(rows: Rows, labels: Any, kind: str, margin: float) -> list[tuple[float, float]]:
    """Distances (anchor to positive, anchor to negative) of the triplets that a kind of mining chooses."""
    found = []
    for i in range(len(rows)):
        positives = [distance(rows[i], rows[j]) for j in range(len(rows)) if j != i and labels[j] == labels[i]]
        negatives = [distance(rows[i], rows[j]) for j in range(len(rows)) if labels[j] != labels[i]]
        if kind == "hard" and positives and negatives:
            found.append((max(positives), min(negatives)))
        for positive in positives if kind != "hard" else []:
            if kind == "all":
                found += [(positive, negative) for negative in negatives]
            else:
                beyond = [negative for negative in negatives if positive < negative < positive + margin]
                found += [(positive, min(beyond))] if beyond else []
    return found


def triplet(rows: Rows, labels: Any, margin: float | str, kind: str, normalise: bool = True) -> float:
    rows = unit(rows) if normalise else rows
    if isinstance(margin, str):
        return mean([math.log1p(math.exp(p - n)) for p, n in triplets(rows, labels, kind, math.inf)])
    losses = [max(0.0, p - n + margin) for p, n in triplets(rows, labels, kind, margin)]
    return active(losses) if kind == "all" else mean(losses)


def multi_similarity(rows: Rows, labels: Any, alpha: float, beta: float, base: float, epsilon: float | None) -> float:
    losses = []
    for i in range(len(rows)):
        positives = [cosine(rows[i], rows[j]) for j in range(len(rows)) if j != i and labels[j] == labels[i]]
        negatives = [cosine(rows[i], rows[j]) for j in range(len(rows)) if labels[j] != labels[i]]
        if epsilon is not None:
            kept = [s for s in positives if negatives and s < max(negatives) + epsilon]
            negatives = [s for s in negatives if positives and s > min(positives) - epsilon]
            positives = kept
        near = math.log(1 + sum(math.exp(-alpha * (s - base)) for s in positives)) / alpha
        losses.append(near + math.log(1 + sum(math.exp(beta * (s - base)) for s in negatives)) / beta)
    return mean(losses)


def supcon(rows: Rows, labels: Any, temperature: float) -> float:
    losses = []
    for i in range(len(rows)):
        scores = {j: cosine(rows[i], rows[j]) / temperature for j in range(len(rows)) if j != i}
        total = math.log(sum(math.exp(s) for s in scores.values())) if scores else 0.0
        positives = [j for j in scores if labels[j] == labels[i]]
        if positives:
            losses.append(-mean([scores[j] - total for j in positives]))
    return mean(losses)


def infonce(a: Rows, b: Rows, temperature: float, labels: Any = None) -> float:
    labels = range(len(a)) if labels is None else labels
    total = 0.0
    for left, right in ((a, b), (b, a)):
        for i in range(len(left)):
            scores = [cosine(left[i], row) / temperature for row in right]
            partners = [j for j in range(len(right)) if labels[j] == labels[i]]
            total += mean([entropy(scores, j) for j in partners]) / (2 * len(a))
    return total


def siglip(a: Rows, b: Rows, temperature: float, bias: float, labels: Any = None) -> float:
    labels = range(len(a)) if labels is None else labels
    total = 0.0
    for i in range(len(a)):
        for j in range(len(b)):
            z = 1 if labels[i] == labels[j] else -1
            total += math.log1p(math.exp(-z * (cosine(a[i], b[j]) / temperature + bias)))
    return total / len(a)


def margin_softmax(
    rows: Rows,
    labels: Any,
    centres: Rows,
    change: Any,
    scale: float,
    sub_centres: int = 1,
    smoothing: float = 0.0,
    weights: Any = None,
) -> float:
    """Cross entropy over scaled cosines to the nearest centre of each class; `change` is done to the own class's."""
    total, shares = 0.0, 0.0
    classes = len(centres) // sub_centres
    for row, label in zip(rows, labels, strict=True):
        cosines = [
            max(cosine(row, c) for c in centres[k * sub_centres : (k + 1) * sub_centres]) for k in range(classes)
        ]
        cosines[label] = change(cosines[label])
        logits = [scale * c for c in cosines]
        if weights is None:
            total, shares = total + entropy(logits, label, smoothing), shares + 1
        else:
            total, shares = total + weights[label] * entropy(logits, label), shares + weights[label]
    return total / shares


def proxy_anchor(rows: Rows, labels: Any, proxies: Rows, alpha: float, margin: float) -> float:
    near, far = [], 0.0
    for k, proxy in enumerate(proxies):
        own = [cosine(row, proxy) for row, label in zip(rows, labels, strict=True) if label == k]
        others = [cosine(row, proxy) for row, label in zip(rows, labels, strict=True) if label != k]
        if own:
            near.append(math.log(1 + sum(math.exp(-alpha * (s - margin)) for s in own)))
        far += math.log(1 + sum(math.exp(alpha * (s + margin)) for s in others)) / len(proxies)
    return mean(near) + far


def centre(rows: Rows, labels: Any, centres: Rows) -> float:
    return sum(distance(row, centres[label]) ** 2 for row, label in zip(rows, labels, strict=True)) / (2 * len(rows))


def moved_centres(rows: Rows, labels: Any, centres: Rows, rate: float) -> Rows:
    moved = centres.copy()
    for k in range(len(centres)):
        own = [row for row, label in zip(rows, labels, strict=True) if label == k]
        if own:
            moved[k] = centres[k] + rate * sum(row - centres[k] for row in own) / (1 + len(own))
    return moved
