"""Learning from feedback: a projection that brings what people wanted nearer than what they did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pictrieve import evaluate
from pictrieve.encoders import ImageEncoder, whitening
from pictrieve.encoders.rows import Floats
from pictrieve.encoders.whitening import Whitening
from pictrieve.finetune.embedder import Projection, pca_start
from pictrieve.finetune.marked_items import Items, cached
from pictrieve.finetune.marks import Judgement, Log, judgements
from pictrieve.finetune.samplers import ShuffledBatches
from pictrieve.finetune.task import Batches, Group, Loss, Task
from pictrieve.finetune.trainer import Run, Settings, Trainer
from pictrieve.finetune.trainer.distributed import rank_and_world
from pictrieve.models.own import WHITENING

LOSSES = ("softmax", "triplet")


def learn_from_feedback(
    encoder: ImageEncoder,
    log: Log,
    items: Items,
    *,
    loss: str = "softmax",
    margin: float = 0.2,
    temperature: float = 0.1,
    others: bool = True,
    keep: float = 1.0,
    dim: int | None = None,
    validation: float = 0.2,
    batch_size: int = 64,
    epochs: int = 20,
    lr: float = 1e-4,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train an encoder's projection on what people marked in searches.

    Each item that the log names is looked at once. For each search, pairs of its query and an item that was wanted (of
    two such items, where the query is none) are to be nearer than the query and items that were not.

    Args:
        encoder: What searches; its network stays as it is.
        log: What was marked: see `finetune.marks.judgements`.
        items: Pictures by id; or a data set or list, whose ids are row numbers, paths or file names; or the items'
            `(n, d)` float32 vectors, as the encoder gives them without a projection.
        loss: "softmax": cross entropy over cosines, the pair against what was not wanted (Oord et al. 2018,
            arXiv:1807.03748); "triplet": `max(0, margin + cos(query, not wanted) - cos(query, wanted))`, the mean of
            those above zero (Schroff et al. 2015, arXiv:1503.03832).
        margin: Of "triplet".
        temperature: Of "softmax": divides the cosines.
        others: Whether what was wanted in another search of the batch counts as not wanted in this one.
        keep: Weight of the squared change of the projection, relative to its size (Li et al. 2018, arXiv:1802.01483):
            what nobody marked stays where it was.
        dim: Length of the vectors; None for that of the encoder.
        validation: Share of the searches that are kept back, all of a query together, for "map" (what was wanted among
            all items) and "right_pairs" (share of pairs wanted, not wanted in the right order). 0 for none.
        batch_size: Pairs of a batch, of all processes together.
        epochs: Passes over the pairs.
        lr: Learning rate at its height.
        seed: Of everything random.
        out: Folder of the run, which a second call with the same arguments resumes.
        settings: Further fields of `trainer.Settings`.

    Returns:
        The run: `.encoder` is the encoder with the trained projection; galleries must be encoded anew.

    Raises:
        ValueError: The log is not as described, names unknown items, or holds nothing to learn.
        FileNotFoundError: The log or pictures are not there.

    Example:
        >>> run = learn_from_feedback(encoder, "marks.jsonl", photos, out="runs/marks")      # doctest: +SKIP
        >>> run.report().after["right_pairs"]                                                # doctest: +SKIP
        0.93
    """
    known = Settings(epochs=epochs, lr=lr, seed=seed, out=out, **settings)
    if loss not in LOSSES:
        raise ValueError(f"loss: expected one of {', '.join(LOSSES)}, got {loss!r}")
    if not 0 <= validation < 1 or margin <= 0 or temperature <= 0 or keep < 0:
        raise ValueError(
            "validation, margin, temperature, keep: expected 0 to below 1, two numbers above 0, and 0 or more, got "
            f"{validation}, {margin}, {temperature}, {keep}"
        )
    if encoder._random:
        raise ValueError(f"encoder: expected trained weights, got {encoder!r}")
    searches, rows = cached(encoder, judgements(log), items)
    train, held = _divided(searches, validation, seed)
    start = encoder._whitening or _usual_start(rows, dim)
    if dim not in (None, len(start.matrix)):
        raise ValueError(f"dim: expected {len(start.matrix)}, that of the encoder's projection, got {dim}")
    facts = {
        "encoder": encoder.fingerprint, "loss": loss, "margin": margin, "temperature": temperature, "others": others,
        "keep": keep, "dim": dim, "validation": validation, "batch_size": batch_size, "rows": len(rows),
        "searches": [[search.query, list(search.relevant), list(search.irrelevant)] for search in searches],
    }  # fmt: skip
    plan = Plan(loss, margin, temperature, others, keep, batch_size, seed, facts)
    return Trainer(FromMarks(encoder, Projection(start), torch.from_numpy(rows), train, held, plan), known).run()


@dataclass(frozen=True)
class Plan:
    """What `learn_from_feedback` was asked for: see there; `facts` must be the same for a run to be resumed."""

    loss: str
    margin: float
    temperature: float
    others: bool
    keep: float
    batch_size: int
    seed: int
    facts: Mapping[str, Any]


class FromMarks(Task):
    """A projection of cached vectors that learns from searches; see `learn_from_feedback`.

    Args:
        encoder: Whose vectors they are.
        projection: What is trained.
        rows: `(m, d)` unit vectors of the items.
        train: Searches to learn from, with row numbers as ids.
        held: Searches to measure with.
        plan: Everything else.
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        projection: Projection,
        rows: Tensor,
        train: Sequence[Judgement],
        held: Sequence[Judgement],
        plan: Plan,
    ) -> None:
        """List the pairs."""
        self.modules = projection
        self._projection, self._start = projection, projection.matrix.detach().clone()
        self._encoder, self._rows, self._train, self._held, self._plan = encoder, rows, train, held, plan
        pairs = [
            (a, p, i) for i, search in enumerate(train) for a in _anchors(search) for p in search.relevant if a != p
        ]
        self._pairs = np.array(pairs, np.int64).reshape(-1, 3)
        if not pairs:
            raise ValueError("log: expected a query with something relevant, or two relevant items, got no such search")
        if not plan.others and not any(train[i].irrelevant for _, _, i in pairs):
            raise ValueError("others: expected True, as nothing is marked irrelevant")
        rank, world = rank_and_world()
        size = min(plan.batch_size, len(pairs) - len(pairs) % world)
        self._sampler = ShuffledBatches(len(pairs), size, plan.seed, rank=rank, world=world)

    def batches(self, epoch: int) -> Batches:
        """Give this process's share of the epoch's pairs."""
        self._sampler.set_epoch(epoch)
        return Batches(list(self._sampler), self._load)

    def loss(self, batch: Any) -> Loss:
        """Compare each pair with what was not wanted."""
        anchors, wanted, candidates, counts = batch
        rows = functional.normalize(self._projection(self._rows.to(counts.device)[candidates[0]]), eps=1e-30)
        cosines = rows[anchors] @ rows.T
        own = cosines.gather(1, wanted[:, None])
        if self._plan.loss == "softmax":
            scores = torch.cat([own, cosines.masked_fill(~counts, -torch.inf)], 1) / self._plan.temperature
            learnt = functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.int64, device=scores.device))
        else:
            gaps = functional.relu(self._plan.margin + cosines - own)[counts]
            learnt = gaps.sum() / (gaps > 0).sum().clamp_min(1)
        start = self._start.to(rows.device)
        change = (self._projection.matrix - start).square().sum() / start.square().sum()
        return {"loss": learnt + self._plan.keep * change, "marks_loss": learnt, "change": change}

    def parameter_groups(self, rate: float) -> list[Group]:
        """Let weights go back to their start, not to zero."""
        return [{**group, "weight_decay": 0.0} for group in super().parameter_groups(rate)]

    def evaluate(self) -> dict[str, float]:
        """Measure on the searches that were kept back."""
        if not self._held:
            return {}
        device = self._projection.matrix.device
        rows = functional.normalize(self._projection(self._rows.to(device)), eps=1e-30).cpu().numpy()
        return measure(rows, self._held)

    def export(self, folder: Path) -> None:
        """Write the encoder with the trained projection."""
        self._encoder.save_pretrained(folder)
        whitening.save(folder / WHITENING, self._projection.parts())

    def fingerprint(self) -> dict[str, Any]:
        """Give the log and the settings."""
        return dict(self._plan.facts)

    def _load(self, numbers: Sequence[int]) -> tuple[Tensor, ...]:
        """Give a batch: anchors and wanted items as places among the candidates, these, and who counts for whom."""
        pairs = self._pairs[list(numbers)]
        searches = [self._train[i] for i in pairs[:, 2]]
        listed = [pairs[:, 0], pairs[:, 1], *(np.array(search.irrelevant, np.int64) for search in searches)]
        candidates, places = np.unique(np.concatenate(listed), return_inverse=True)
        others = np.zeros(len(candidates), np.bool_)
        others[places[len(pairs) : 2 * len(pairs)]] = self._plan.others
        counts = np.tile(others, (len(pairs), 1))
        for line, anchor, search in zip(counts, pairs[:, 0], searches, strict=True):
            line[np.isin(candidates, search.irrelevant)] = True
            line[np.isin(candidates, (*search.relevant, anchor))] = False
        parts = (places[: len(pairs)], places[len(pairs) : 2 * len(pairs)], candidates[None], counts)
        return tuple(map(torch.from_numpy, parts))


def measure(rows: Floats, searches: Sequence[Judgement]) -> dict[str, float]:
    """Give "map" of what was wanted among all rows, and "right_pairs" where something was not wanted.

    Args:
        rows: `(m, d)` unit vectors.
        searches: Marks by row number; of a search without a query its first wanted item searches for the others.
    """
    ranked, relevant, right = [], [], []
    for search in searches:
        anchor = _anchors(search)[0]
        wanted = np.array([one for one in search.relevant if one != anchor], np.int64)
        cosines = rows @ rows[anchor]
        order = np.argsort(-cosines, kind="stable")
        ranked.append(order[order != anchor])
        relevant.append(wanted)
        gaps = cosines[wanted][:, None] - cosines[list(search.irrelevant)]
        if gaps.size:
            right.append(float((gaps > 0).mean()))
    report = evaluate.retrieval(ranked, relevant, ks=(1,), empty="zero")
    metrics = {"map": float(np.mean(report.per_query["map"]))}
    return {**metrics, "right_pairs": float(np.mean(right))} if right else metrics


def _anchors(search: Judgement) -> tuple[int, ...]:
    """Give what a search starts from: its query, or all that was wanted."""
    return search.relevant if search.query is None else (search.query,)  # type: ignore[return-value]


def _divided(searches: Sequence[Judgement], share: float, seed: int) -> tuple[list[Judgement], list[Judgement]]:
    """Keep back a share of the searches that can be measured, all of a query together."""
    queries = [
        ("query", search.query) if search.query is not None else ("search", i) for i, search in enumerate(searches)
    ]
    useful = [query for query, search in zip(queries, searches, strict=True) if _is_useful(search)]
    names = list(dict.fromkeys(useful))
    order = np.random.default_rng(seed).permutation(len(names))
    held = {names[i] for i in order[: round(share * len(names))]}
    train = [search for query, search in zip(queries, searches, strict=True) if query not in held]
    kept = [search for query, search in zip(queries, searches, strict=True) if query in held and _is_useful(search)]
    return train, kept


def _is_useful(search: Judgement) -> bool:
    anchors = _anchors(search)
    return any(one != anchors[0] for one in search.relevant)


def _usual_start(rows: NDArray[np.float32], dim: int | None) -> Whitening:
    if dim is not None:
        return pca_start(rows, dim)
    length = rows.shape[1]
    return Whitening(np.zeros(length, np.float32), np.eye(length, dtype=np.float32))
