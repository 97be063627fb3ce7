"""What a search withstands: pictures that were blurred, compressed, cropped, turned or made noisy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import augment
from pictrieve.evaluate import encoding
from pictrieve.evaluate.differences import compare_reports
from pictrieve.evaluate.protocols import Protocol
from pictrieve.evaluate.report import EvalReport
from pictrieve.evaluate.table import Table
from pictrieve.evaluate.vectors import embeddings
from pictrieve.progress import progress_bar

CORRUPTIONS: dict[str, tuple[float, ...]] = {
    "blur": (1, 2, 4),
    "jpeg": (50, 20, 10),
    "crop": (0.9, 0.75, 0.5),
    "rotation": (10, 30, 90),
    "noise": (8, 16, 32),
}
"""Kinds and default strengths: standard deviation in pixels, quality, part of either side that stays in the middle,
degrees against the clock, standard deviation in levels of 0 to 255."""

_CHUNK = 64  # pictures in memory at a time


class Robustness(NamedTuple):
    """One corruption at one strength; the first row of a table is "none".

    Attributes:
        corruption: Its kind.
        strength: See `CORRUPTIONS`.
        quality: Mean of the metric with corrupted queries and a clean gallery.
        low: Lower end of its 95 % BCa interval over queries.
        high: Upper end.
        change: Quality less that of clean queries.
        p_value: Of the change, by the paired permutation test.
        found: Share of corrupted pictures whose own original is nearest among all.
        similarity: Mean cosine of a corrupted picture to its own original.
    """

    corruption: str
    strength: float
    quality: float
    low: float
    high: float
    change: float
    p_value: float
    found: float
    similarity: float


def robustness(
    encoder: Any,
    dataset: Any,
    corruptions: Sequence[str] | Mapping[str, Sequence[float]] | None = None,
    *,
    protocol: Protocol = "trec",
    metric: str | None = None,
    side: int | None = 256,
    seed: int = 0,
    show_progress_bar: bool | None = None,
    **settings: Any,
) -> Table[Robustness]:
    """Corrupt each picture, and search with it among the clean ones.

    Args:
        encoder: Anything with `encode` or `encode_images` that takes a list of uint8 arrays.
        dataset: A `pictrieve.datasets.Dataset`, or anything with `images()` or `paths`, and `labels`: pictures with the
            same label are relevant, the original itself is left out. Without labels the original alone is relevant.
        corruptions: Some of the kinds in `CORRUPTIONS`, or a dict from these to strengths.
        protocol: As in `retrieval`.
        metric: By default map, or the first one of the protocol.
        side: Larger pictures are first reduced to this shorter side, so that strengths mean the same for all; None
            leaves them as they are.
        seed: Of noise, intervals and tests.
        show_progress_bar: None shows a bar on a terminal once the work has lasted a second.
        **settings: Further arguments of `embeddings`, such as `ks`.

    Raises:
        ValueError: An unknown kind (lists those there are), no strengths, or what `embeddings` refuses.
    """
    kinds = _kinds(corruptions)
    plan = [("none", 0.0), *((kind, float(strength)) for kind, strengths in kinds.items() for strength in strengths)]
    pictures, labels = encoding.pictures_of(dataset), encoding.column_of(dataset, "labels")
    reports: list[EvalReport] = []
    rows: list[Robustness] = []
    clean: NDArray[np.float32] | None = None
    with progress_bar(len(plan) * len(pictures), "pictures", show_progress_bar) as progress:
        for done, (kind, strength) in enumerate(plan):
            if progress:
                progress(done * len(pictures), len(plan) * len(pictures))
            vectors = _encode(encoder, pictures, kind, strength, side, seed)
            clean = vectors if clean is None else clean
            report = _report(vectors, clean, labels, protocol, settings)
            name = metric or ("map" if "map" in report else next(iter(report)))
            reports.append(report)
            rows.append(_row(kind, strength, report, reports[0], name, vectors, clean, seed))
    title = f"{name} with corrupted queries, protocol {protocol!r}, {len(pictures)} queries against the clean gallery"
    return Table(rows, title, ["corruption", "strength", name, *Robustness._fields[3:]])


def _kinds(corruptions: Sequence[str] | Mapping[str, Sequence[float]] | None) -> dict[str, Sequence[float]]:
    asked = CORRUPTIONS if corruptions is None else corruptions
    for kind in asked:
        if kind not in CORRUPTIONS:
            raise ValueError(f"corruptions: expected some of {', '.join(CORRUPTIONS)}, got {kind!r}")
    return {kind: asked[kind] if isinstance(asked, Mapping) else CORRUPTIONS[kind] for kind in asked}


def _encode(
    encoder: Any, pictures: Any, kind: str, strength: float, side: int | None, seed: int
) -> NDArray[np.float32]:
    parts = []
    for begin in range(0, len(pictures), _CHUNK):
        changed = [
            _corrupted(pictures[row], kind, strength, side, seed, row)
            for row in range(begin, min(begin + _CHUNK, len(pictures)))
        ]
        parts.append(encoding.encode_pictures(encoder, changed))
    return np.concatenate(parts)


def _corrupted(picture: Any, kind: str, strength: float, side: int | None, seed: int, row: int) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = augment.transform(picture, [])
    height, width = pixels.shape[:2]
    steps: list[Any] = []
    if side is not None and min(height, width) > side:
        scale = side / min(height, width)
        steps.append(augment.Resize("stretch", (round(height * scale), round(width * scale))))
    makers = {
        "blur": augment.Blur, "jpeg": augment.Jpeg, "crop": augment.CentreCrop, "rotation": augment.Rotate,
        "noise": augment.Noise,
    }  # fmt: skip
    if kind != "none":
        steps.append(makers[kind](int(strength) if kind == "jpeg" else strength))
    changed: NDArray[np.uint8] = augment.transform(pixels, steps, indices=[row], seed=seed)
    return changed


def _report(vectors: Any, clean: Any, labels: Any, protocol: Protocol, settings: Mapping[str, Any]) -> EvalReport:
    rows = np.arange(len(clean))
    if labels is None:
        return embeddings(vectors, clean, rows, rows, protocol=protocol, **settings)
    junk = rows[:, None].tolist()  # its own original
    return embeddings(vectors, clean, labels, labels, junk=junk, protocol=protocol, **settings)


def _row(
    kind: str, strength: float, report: EvalReport, clean_report: EvalReport, name: str, vectors: Any, clean: Any,
    seed: int,
) -> Robustness:  # fmt: skip
    interval = report.interval(name, seed=seed)
    same = report is clean_report
    p_value = 1.0 if same else compare_reports(clean_report, report, [name], seed=seed)[0].p_value
    rows = np.arange(len(clean))
    found = embeddings(vectors, clean, rows, rows, protocol="cmc", ks=(1,))["cmc@1"]
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(clean, axis=1)
    cosines = (vectors * clean).sum(axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)
    change = interval.mean - clean_report[name]
    return Robustness(
        kind, strength, interval.mean, interval.low, interval.high, change, p_value, found, float(cosines.mean())
    )
