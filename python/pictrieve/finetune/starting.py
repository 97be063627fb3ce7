"""What a fine-tuning starts from: a network, and how pictures reach it and leave it when it is served."""

from __future__ import annotations

import copy
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from pictrieve import _autograd, models
from pictrieve.encoders import ImageEncoder, whitening
from pictrieve.encoders.image_parts import known_preprocess, scaled, stored_whitening
from pictrieve.encoders.rows import RANDOM_SEED, write_json
from pictrieve.encoders.whitening import Whitening
from pictrieve.finetune.network import Network, connect
from pictrieve.images import Preprocess
from pictrieve.models import bare, read_json
from pictrieve.models.own import FILE, WHITENING
from pictrieve.models.resolved import read_json_if_there

Model = str | Path | Network | ImageEncoder
Served = TypeVar("Served")


@dataclass(frozen=True)
class Start:
    """An image network to fine-tune.

    Attributes:
        name: What reports call it.
        network: The network; a copy where the caller gave one.
        preprocess: How pictures are prepared.
        pooling: How its feature map becomes one vector; None for the network's own way.
        projection: What the encoder does to its vectors; None for nothing.
    """

    name: str
    network: Network
    preprocess: Preprocess
    pooling: str | None = None
    projection: Whitening | None = None

    def at_size(self, size: int | None) -> Start:
        """Give the same start for pictures of another size."""
        if size is None:
            return self
        if size < 1:
            raise ValueError(f"size: expected at least 1 pixel, got {size}")
        return replace(self, preprocess=scaled(self.preprocess, size / self.preprocess.size[0]))

    def save(
        self, folder: Path, labels: Sequence[str] | None = None, beside: Mapping[str, NDArray[Any]] | None = None
    ) -> None:
        """Write a directory that `ImageEncoder` serves.

        Args:
            folder: The directory.
            labels: Names of the classes, where they are new.
            beside: Further tensors of the weights; see `Network.save_pretrained`.
        """
        self.network.save_pretrained(folder, beside)
        _write_notes(folder, self, labels)
        (folder / WHITENING).unlink(missing_ok=True)
        if self.projection is not None:
            whitening.save(folder / WHITENING, self.projection)

    def digest(self) -> str:
        """Give 32 hexadecimal digits that change with the weights before the classifier."""
        total = hashlib.blake2b(digest_size=16)
        head = classifier_names(self.network)
        for name, tensor in self.network.state_dict().items():
            if name not in head:
                total.update(name.encode())
                total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()


def start_from(model: Model, classes: int | None, preprocess: Preprocess | None = None, seed: int = 0) -> Start:
    """Make the network that a fine-tuning starts from.

    Args:
        model: A name of `list_models()`, a directory, a `Network` or an `ImageEncoder`.
        classes: The classifier wanted, which starts anew where the model's own has another number; None for vectors
            alone: a classifier that would no longer fit is left out where the model's format allows it.
        preprocess: How pictures are prepared; None for the model's own way.
        seed: Of new weights.

    Raises:
        ValueError: The model is unknown, or a `Network` has another number of classes.
    """
    if isinstance(model, Network):
        return _from_network(model, classes, preprocess)
    random, pooling, projection = False, None, None
    if isinstance(model, ImageEncoder):
        found, random = model._model, model._random
        preprocess, pooling, projection = preprocess or model.preprocess, model.pooling, model._whitening
    else:
        found = models.resolve(model, "image")
        pooling, projection = found.pooling, stored_whitening(found)
    if found.architecture == "torchscript":
        raise ValueError(
            f"model: expected a network of the core, got the TorchScript {found.name}, which has no layers"
        )
    config = {"num_classes": classes or 0} if classes or _may_go(found) else {}
    network = connect(found, config, random=random, seed=RANDOM_SEED if random else seed)
    return Start(found.name, network, known_preprocess(preprocess or found.preprocess, found), pooling, projection)


@contextmanager
def served(save: Callable[[Path], None], opened: Callable[[str], Served]) -> Iterator[Served]:
    """Write an encoder to a temporary folder and open it, as its users will."""
    with tempfile.TemporaryDirectory(prefix="pictrieve-") as folder:
        save(Path(folder))
        yield opened(folder)


def classifier_names(network: Network) -> list[str]:
    """Name the parameters of the classifier: those that the features do not need."""
    bare_network = _autograd.Network(network.kind, network.architecture, {**network.config, "num_classes": 0})
    needed = {name for name, _, _ in bare_network.slots()}
    return [name for name, _ in network.named_parameters() if name not in needed]


def _write_notes(folder: Path, start: Start, labels: Sequence[str] | None) -> None:
    """Write beside a network what an encoder must know: preprocessing, pooling, names of the classes."""
    notes: dict[str, Any] = {"pooling": start.pooling} if start.pooling else {}
    if start.network.origin.folder is None:
        write_json(folder / "preprocessor_config.json", start.preprocess.to_dict())
    else:
        notes["preprocess"] = start.preprocess.to_dict()
    if notes:
        write_json(folder / FILE, read_json_if_there(folder / FILE) | notes)
    if not labels:
        return
    config = read_json(folder / "config.json")
    if "id2label" in config:
        config |= {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    elif "pretrained_cfg" in config:
        config["pretrained_cfg"] = {**config["pretrained_cfg"], "label_names": list(labels)}
    else:
        config["labels"] = list(labels)
    write_json(folder / "config.json", config)


def _may_go(found: models.ResolvedModel) -> bool:
    """Say whether the format of a model knows networks without a classifier, under the same names."""
    if found.directory is None:
        return True
    return "architecture" in read_json_if_there(found.directory / "config.json")


def _from_network(network: Network, classes: int | None, preprocess: Preprocess | None) -> Start:
    if network.kind != "image":
        raise ValueError(
            f"model: expected a network for images, got {network.architecture}, which is for {network.kind}"
        )
    if classes and network.facts.get("classes") != classes:
        raise ValueError(
            f"model: expected a network with {classes} classes, those of the data, got {network.facts.get('classes')}; "
            f'make it with finetune.network(..., {{"num_classes": {classes}}})'
        )
    folder = network.origin.folder
    found = models.resolve(folder, "image") if folder else None
    known = preprocess or (found.preprocess if found else bare.usual_preprocess(network.architecture))
    if known is None:
        raise ValueError("preprocess: expected one, the network's files name none")
    name = found.name if found else network.architecture
    projection = stored_whitening(found) if found else None
    return Start(name, copy.deepcopy(network), known, found.pooling if found else None, projection)
