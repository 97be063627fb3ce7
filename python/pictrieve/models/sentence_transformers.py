"""What sentence-transformers notes beside a checkpoint: pooling and the longest text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from pictrieve.models.resolved import read_json, read_json_if_there

# its flags, and its names since they became words -> ours
POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_weightedmean_tokens": "weighted_mean",
    "pooling_mode_lasttoken": "last",
    "pooling_mode_mean_sqrt_len_tokens": "",
}
_WORDS = {"mean": "mean", "cls": "cls", "max": "max", "weightedmean": "weighted_mean", "lasttoken": "last"}
_NO_LIMIT = 10**6  # transformers writes 10^30 where a tokenizer has no limit


class Modules(NamedTuple):
    """What `modules.json` and its neighbours say; None where they are silent."""

    pooling: str | None
    max_length: int | None
    dense: tuple[str, ...] = ()  # folders of linear layers, within that of the model


def read_modules(folder: Path) -> Modules:
    """Read the steps after the network.

    Raises:
        ValueError: A step changes vectors in a way that we do not have.
    """
    pooling = None
    dense: list[str] = []
    steps = _steps(folder)
    for i, (name, path) in enumerate(steps):
        if name == "Pooling":
            pooling = _pooling(path / "config.json")
        elif name == "Dense" and "Normalize" not in [before for before, _ in steps[:i]]:
            dense.append(path.name)
        elif name not in ("Transformer", "Normalize", "CLIPModel"):  # vectors are scaled when they are returned
            raise ValueError(
                f"{folder / 'modules.json'}: expected Transformer, Pooling, Dense and Normalize in this order, got "
                f"{[step for step, _ in steps]}; other layers are not supported"
            )
    limit = read_json_if_there(folder / "sentence_bert_config.json").get("max_seq_length")
    if not limit:
        limit = read_json_if_there(folder / "tokenizer_config.json").get("model_max_length")
    return Modules(pooling, int(limit) if limit and limit < _NO_LIMIT else None, tuple(dense))


def _steps(folder: Path) -> list[tuple[str, Path]]:
    """Give the last word of each step's class, and its folder."""
    path = folder / "modules.json"
    if not path.is_file():
        alone = folder / "1_Pooling"
        return [("Pooling", alone)] if (alone / "config.json").is_file() else []
    try:
        steps: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(steps, list):
            raise TypeError(type(steps).__name__)
        return [(str(step["type"]).rpartition(".")[2], folder / str(step["path"])) for step in steps]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a list of steps with type and path, got {error!r}") from error


def _pooling(path: Path) -> str:
    settings = read_json(path)
    told = settings.get("pooling_mode")
    if told:
        chosen = [told] if isinstance(told, str) else list(told)
        found = _WORDS.get(chosen[0], "") if len(chosen) == 1 else ""
    else:
        chosen = [name for name in POOLINGS if settings.get(name)]
        found = POOLINGS[chosen[0]] if len(chosen) == 1 else ""
    if not found:
        raise ValueError(
            f"{path}: expected one of the poolings {', '.join(_WORDS)}, got {chosen}; several at once are not supported"
        )
    return found
