"""Networks of the core as torch modules: what is trained is what is served."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pictrieve import _autograd, _core, models
from pictrieve.finetune.saving import Origin, save_network


class Network(nn.Module):
    """An image or text network that torch can train.

    Its tensors are ordinary parameters and buffers under the names of its `state_dict`, so that optimisers, AMP, DDP,
    `deepcopy`, pickling, `to`, hooks and parametrisations work as with any module. The forward runs in the core, with
    torch's operators, over the same definition that encoders serve.

    Args:
        kind: "image" or "text".
        architecture: A name of `architectures(kind)`.
        config: Settings that differ from the architecture's own, such as `{"num_classes": 10}`.
        seed: Of the random weights that it starts with; `load_state_dict` or `load_layout` replace them.
        state: Tensors to start with instead, by the names of `slots`, taken as they are; only those that it lacks are
            drawn.

    Attributes:
        dim: Length of the features of a picture, or of a projected text.
        facts: The network's other numbers: "classes", "input_size", "max_tokens", ...

    Example:
        >>> import torch
        >>> net = Network("image", "efficientnet_lite0")
        >>> outputs = net(torch.zeros(1, 3, 64, 64))
        >>> outputs["features"].shape, outputs["logits"].shape
        (torch.Size([1, 1280]), torch.Size([1, 1000]))
    """

    def __init__(
        self,
        kind: str,
        architecture: str,
        config: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        state: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Build the network; see the class for the arguments."""
        super().__init__()
        self.kind = kind
        self.architecture = architecture
        self.config = dict(config or {})
        self.origin = Origin()
        self._connect()
        start = self._complete(state or {}, seed)
        for name, _, buffer in self._core.slots():
            self._place(name, start[name], buffer)
        self._find_owners()

    def forward(self, inputs: Tensor, mask: Tensor | None = None, segments: Tensor | None = None) -> dict[str, Tensor]:
        """Run the network.

        Args:
            inputs: Pixels `(n, 3, H, W)`, preprocessed; or token ids `(n, length)` int64.
            mask: Of a text network: `(n, length)`, non-zero where a token counts.
            segments: Of a text network: token types `(n, length)` int64; None for all zero.

        Returns:
            For pictures "feature_map" `(n, channels, h, w)`, "features" `(n, dim)` and, with a classifier, "logits"
            `(n, classes)`; for texts "hidden" `(n, length, hidden_size)`.

        Raises:
            ValueError: The input is not as above, or smaller than the network can take.
        """
        tensors = [getattr(owner, leaf) for owner, leaf in self._owners]
        if self.kind == "image":
            training = [owner.training for owner, _ in self._owners]
            outputs: dict[str, Tensor] = self._core.forward_image(tensors, training, self.training, inputs)
            return outputs
        return {"hidden": self._core.forward_text(tensors, self.training, inputs, mask, segments)}

    def project(self, pooled: Tensor) -> Tensor:
        """Project pooled texts `(n, hidden_size)` to `(n, dim)`, where the network has a projection."""
        projected: Tensor = self._core.project([getattr(owner, leaf) for owner, leaf in self._owners], pooled)
        return projected

    @property
    def pooling(self) -> str:
        """How a text network's tokens become one vector in training: "mean", "cls" or "last"."""
        return str(self._core.pooling)

    def slots(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name and shape of every parameter and buffer."""
        return [(name, tuple(shape)) for name, shape, _ in self._core.slots()]

    def load_layout(self, state_dict: Mapping[str, Tensor], layout: str | None = None) -> None:
        """Load a state dict with the names of another library.

        Args:
            state_dict: Tensors by name.
            layout: "transformers", "timm", ... as the network's family knows them; None tells it from the names.

        Raises:
            RuntimeError: A key is missing, unknown or of another shape.
        """
        own = self._core.from_layout(dict(state_dict), layout or "")
        for name, tensor in self.state_dict().items():  # not every library counts batches
            if name.endswith("num_batches_tracked"):
                own.setdefault(name, tensor)
        self.load_state_dict({name: tensor for name, tensor in own.items() if not name.endswith("position_ids")})

    def layout_state(self, layout: str) -> dict[str, Tensor]:
        """Give the state dict with the names of another library; see `load_layout`."""
        state: dict[str, Tensor] = self._core.to_layout(dict(self.state_dict()), layout)
        return state

    def save_pretrained(self, path: str | Path, beside: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Write a directory that encoders serve, and that the library whose checkpoint this was reads back.

        Weights keep the names of the checkpoint that they came from; configuration, preprocessing and tokenizer files
        are copied from beside it, and so are tensors of the checkpoint that are not the network's, such as the other
        tower of CLIP. A network without such an origin gets our own layout.

        Args:
            path: The directory, which is made.
            beside: Further tensors by name; they come before the checkpoint's own of the same names.
        """
        state = self.layout_state(self.origin.layout) if self.origin.layout else dict(self.state_dict())
        others = {**(self._other_tensors() if self.origin.folder else {}), **(beside or {})}
        save_network(Path(path), self.kind, self.architecture, self.config, state, others, self.origin)

    def freeze(self, *patterns: str) -> list[str]:
        """Stop training the parameters whose names fit a pattern such as "layer1.*".

        Batch norms among them go on with the statistics that they have.

        Returns:
            The names that are frozen now.

        Raises:
            ValueError: A pattern fits no parameter.
        """
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name, _ in self.named_parameters()):
                raise ValueError(f"freeze: expected a pattern of parameter names, got {pattern!r}, which fits none")
        frozen = []
        for name, parameter in self.named_parameters():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                parameter.requires_grad_(False)
            if not parameter.requires_grad:
                frozen.append(name)
        return frozen

    def train(self, mode: bool = True) -> Network:
        """Set training mode; batch norms whose parameters are frozen stay in evaluation mode."""
        super().train(mode)
        for owner, leaf in getattr(self, "_owners", ()):
            if leaf == "running_mean" and not owner.weight.requires_grad:
                owner.eval()
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the compiled network, which configuration and tensors make again."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_core", "_owners")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Connect the tensors with a new compiled network."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._connect()
        self._find_owners()

    def extra_repr(self) -> str:
        """Say what the network is."""
        count = sum(parameter.numel() for parameter in self.parameters())
        return f"{self.architecture!r}, {count:,} parameters"

    def _other_tensors(self) -> dict[str, NDArray[Any]]:
        """Give the tensors of the checkpoint for which the layout has no place in the network."""
        if not self.origin.layout or self.origin.weights is None:
            return {}
        others = {}
        for name, array in _core.read_weights(str(self.origin.weights)).items():
            try:
                if not self._core.from_layout({name: torch.empty(array.shape)}, self.origin.layout):
                    others[name] = array
            except _core.FormatError:  # the first of several that we stack
                continue
        return others

    def _connect(self) -> None:
        self._core = _autograd.Network(self.kind, self.architecture, self.config)
        self.facts: dict[str, int] = dict(self._core.facts)
        self.dim: int = self.facts["dim"]

    def _complete(self, given: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        """Give a tensor for every slot: the given ones, and random ones for the others."""
        shapes = dict(self.slots())
        for name, tensor in given.items():
            if shapes.get(name) != tuple(tensor.shape):
                expected = shapes.get(name, f"a name of {self.architecture}")
                raise ValueError(f"state: {name!r}: expected {expected}, got {tuple(tensor.shape)}")
        if not given:
            return self._core.random_state(seed)
        return {**given, **self._core.random_state(seed, [name for name in shapes if name not in given])}

    def _place(self, name: str, tensor: Tensor, buffer: bool) -> None:
        """Register a tensor under its dotted name, in modules that hold nothing else."""
        *groups, leaf = name.split(".")
        owner: nn.Module = self
        for group in groups:
            if group not in owner._modules:
                owner.add_module(group, nn.Module())
            owner = owner.get_submodule(group)
        if buffer:
            owner.register_buffer(leaf, tensor)
        else:
            owner.register_parameter(leaf, nn.Parameter(tensor))

    def _find_owners(self) -> None:
        """Remember where each tensor lies, in the order that the core wants them."""
        self._owners: list[tuple[nn.Module, str]] = []
        for name, _, _ in self._core.slots():
            groups, _, leaf = name.rpartition(".")
            self._owners.append((self.get_submodule(groups), leaf))


def network(
    model: str | Path,
    config: Mapping[str, Any] | None = None,
    *,
    kind: str | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
) -> Network:
    """Make a trainable network.

    Args:
        model: A name of `list_models()`, the name of an architecture, or a directory with a checkpoint.
        config: Settings that differ from the model's own. A classifier of another `num_classes` starts anew.
        kind: "image" or "text", where an architecture's name alone does not tell.
        weights: None for the model's own, "random" for untrained ones, or the path of a weights file.
        seed: Of random weights.

    Returns:
        The network, in training mode as torch's modules are.

    Raises:
        ValueError: The model is unknown, or has no weights and random ones were not asked for.
        FormatError: The weights do not fit the network.

    Example:
        >>> import torch
        >>> net = network("resnet18", {"num_classes": 10}, weights="random")
        >>> net(torch.zeros(2, 3, 64, 64))["logits"].shape
        torch.Size([2, 10])
    """
    return connect(models.resolve(model, kind, weights), config, random=weights == "random", seed=seed)


def connect(
    found: models.ResolvedModel, config: Mapping[str, Any] | None = None, *, random: bool = False, seed: int = 0
) -> Network:
    """Make a trainable network of a model whose parts have been found; see `network`."""
    if found.dense:
        raise ValueError(
            f"model: expected a network that ends with its pooling, got {found.name!r}, behind which "
            f"sentence-transformers has the linear layers {', '.join(found.dense)}; training does not support these"
        )
    settings = {**found.config, **(config or {})}
    state = None if random else _stored_state(found, settings, config or {})
    made = Network(found.kind, found.architecture, settings, seed=seed, state=state)
    layout, source = "", None
    if not random:
        source = found.weights
        layout = made._core.layout_of_file(str(found.weights))
    made.origin = Origin(layout, source, found.directory, dict(config or {}))
    return made


def _stored_state(
    found: models.ResolvedModel, settings: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Read a checkpoint; where its classes are not the wanted ones, the classifier is left out."""
    kept = {name: value for name, value in changes.items() if name != "num_classes"}
    stored = _autograd.Network(found.kind, found.architecture, {**found.config, **kept})
    state: dict[str, Tensor] = stored.state_from_file(str(found.weights))
    if "num_classes" not in changes:
        return state
    shapes = {
        name: shape for name, shape, _ in _autograd.Network(found.kind, found.architecture, dict(settings)).slots()
    }
    return {name: tensor for name, tensor in state.items() if shapes.get(name) == list(tensor.shape)}
