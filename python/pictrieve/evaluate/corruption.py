"""What a search withstands: pictures that were blurred, compressed, cropped, turned or made noisy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pictrieve import augment
from pictrieve.evaluate import encoding, protocols
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

Corruptions = Sequence[str] | Mapping[str, float | Sequence[float]]

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
        similarity: Mean cosine of a corrupted picture to its own original; of uint8 rows, the share of equal bits.
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
    corruptions: Corruptions | None = None,
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
        corruptions: Some of the kinds in `CORRUPTIONS`, or a dict from these to a strength or several.
        protocol: As in `retrieval`.
        metric: By default the protocol's `EvalReport.headline`, such as map.
        side: Larger pictures are first reduced to this shorter side, so that strengths mean the same for all; None
            leaves them as they are.
        seed: Of noise, intervals and tests.
        show_progress_bar: None shows a bar on a terminal once the work has lasted a second.
        **settings: Further arguments of `embeddings`, such as `ks`.

    Raises:
        ValueError: An unknown kind (lists those there are), a strength that it cannot have, an unknown metric (all of
            it before anything is encoded), or what `embeddings` refuses.
        TypeError: Something that does not encode.
    """
    plan = [Corruption("none", 0.0, []), *_planned(corruptions)]
    encoding.require_encoder(encoder, "encoder")
    protocols.require_metric(metric, protocol, settings.get("ks", (1, 5, 10)))
    pictures, labels = encoding.pictures_of(dataset), encoding.column_of(dataset, "labels")
    reports: list[EvalReport] = []
    rows: list[Robustness] = []
    clean: NDArray[Any] | None = None
    with progress_bar(len(plan) * len(pictures), "pictures", show_progress_bar) as progress:
        for number, corruption in enumerate(plan):
            parts = []
            for begin in range(0, len(pictures), _CHUNK):
                chunk = range(begin, min(begin + _CHUNK, len(pictures)))
                changed = [_corrupted(pictures[row], corruption.steps, side, seed, row) for row in chunk]
                parts.append(encoding.encode_pictures(encoder, changed, show_progress_bar=False))
                if progress:
                    progress(number * len(pictures) + chunk.stop, len(plan) * len(pictures))
            vectors = np.concatenate(parts)
            clean = vectors if clean is None else clean
            reports.append(_report(vectors, clean, labels, protocol, settings))
            name = metric or reports[0].headline
            rows.append(_row(corruption, reports[-1], reports[0], name, vectors, clean, seed))
    title = f"{name} with corrupted queries, protocol {protocol!r}, {len(pictures)} queries against the clean gallery"
    return Table(rows, title, ["corruption", "strength", name, *Robustness._fields[3:]])


class Corruption(NamedTuple):
    """One kind at one strength, and the steps of `augment.transform` that make it."""

    kind: str
    strength: float
    steps: list[Any]


def _planned(corruptions: Corruptions | None) -> list[Corruption]:
    """All kinds and strengths, each tried on a small picture: a strength that cannot be is refused at once."""
    asked = CORRUPTIONS if corruptions is None else corruptions
    makers: dict[str, Callable[[Any], Any]] = {
        "blur": augment.Blur, "jpeg": lambda quality: augment.Jpeg(int(quality)), "crop": augment.CentreCrop,
        "rotation": augment.Rotate, "noise": augment.Noise,
    }  # fmt: skip
    plan = []
    for kind in asked:
        if kind not in CORRUPTIONS:
            raise ValueError(f"corruptions: expected some of {', '.join(CORRUPTIONS)}, got {kind!r}")
        for strength in np.atleast_1d(asked[kind] if isinstance(asked, Mapping) else CORRUPTIONS[kind]).tolist():
            try:
                steps = [makers[kind](strength)]
                augment.transform(np.zeros((32, 32, 3), np.uint8), steps, indices=[0])
            except ValueError as error:
                raise ValueError(f"corruptions: {kind} of strength {strength}: {error}") from error
            plan.append(Corruption(kind, float(strength), steps))
    return plan


def _corrupted(picture: Any, steps: list[Any], side: int | None, seed: int, row: int) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = augment.transform(picture, [])
    height, width = pixels.shape[:2]
    if side is not None and min(height, width) > side:
        scale = side / min(height, width)
        steps = [augment.Resize("stretch", (round(height * scale), round(width * scale))), *steps]
    changed: NDArray[np.uint8] = augment.transform(pixels, steps, indices=[row], seed=seed)
    return changed


def _report(vectors: Any, clean: Any, labels: Any, protocol: Protocol, settings: Mapping[str, Any]) -> EvalReport:
    rows = np.arange(len(clean))
    common: dict[str, Any] = {"protocol": protocol, "show_progress_bar": False, **settings}
    if labels is None:
        return embeddings(vectors, clean, rows, rows, **common)
    return embeddings(vectors, clean, labels, labels, junk=rows[:, None].tolist(), **common)  # its own original


def _row(
    corruption: Corruption, report: EvalReport, clean_report: EvalReport, name: str, vectors: Any, clean: Any, seed: int
) -> Robustness:
    interval = report.interval(name, seed=seed)
    same = report is clean_report
    p_value = 1.0 if same else compare_reports(clean_report, report, [name], seed=seed)[0].p_value
    rows = np.arange(len(clean))
    found = embeddings(vectors, clean, rows, rows, protocol="cmc", ks=(1,), show_progress_bar=False)["cmc@1"]
    change = interval.mean - clean_report[name]
    return Robustness(
        corruption.kind, corruption.strength, interval.mean, interval.low, interval.high, change, p_value, found,
        _similarity(vectors, clean),
    )  # fmt: skip


def _similarity(vectors: NDArray[Any], clean: NDArray[Any]) -> float:
    if vectors.dtype == np.uint8:
        return 1 - float(np.unpackbits(vectors ^ clean, axis=1).mean())
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(clean, axis=1)
    return float(((vectors * clean).sum(axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)).mean())
