"""Which parts of a network learn, and how fast."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from pictrieve.finetune.network import Network
from pictrieve.finetune.starting import classifier_names
from pictrieve.finetune.task import Group

Freeze = str | float | Sequence[str | float] | None


def freeze(network: Network, what: Freeze) -> list[str]:
    """Stop training parts of a network.

    Args:
        network: The network.
        what: Patterns of parameter names such as "layer1.*"; "backbone" for all but the classifier; "norms" for batch
            norms, whose statistics then stay as well; a share such as 0.5 for so much of the depth, from the input on;
            or several of these. None or () for nothing.

    Returns:
        The names that are frozen now.

    Raises:
        ValueError: A pattern fits no parameter, or a share is not between 0 and 1.
    """
    wanted = [what] if isinstance(what, str | float | int) else list(what or ())
    for one in wanted:
        if isinstance(one, str) and one not in ("backbone", "norms"):
            network.freeze(one)
            continue
        for name in _names(network, one):
            network.get_parameter(name).requires_grad_(False)
    return [name for name, parameter in network.named_parameters() if not parameter.requires_grad]


def freeze_classifier(network: Network) -> None:
    """Stop training a classifier that the model's format keeps, and that is of no use to features."""
    for name in classifier_names(network):
        network.get_parameter(name).requires_grad_(False)


def groups(network: Network, rate: float, layer_decay: float | None, head_rate: float) -> list[Group]:
    """Give the optimiser's groups of a network: the classifier at `head_rate`, other parts by their depth.

    Args:
        network: The network.
        rate: Learning rate of the last block.
        layer_decay: Factor from each block to the one before it (Howard and Ruder 2018; Clark et al. 2020); None for
            one rate everywhere.
        head_rate: Learning rate of the classifier.
    """
    found: list[Group] = []
    stages = blocks(network)
    for depth, names in enumerate(stages):
        share = 1.0 if layer_decay is None else layer_decay ** (len(stages) - 1 - depth)
        found.append({"params": [network.get_parameter(name) for name in names], "lr": rate * share})
    head = [network.get_parameter(name) for name in classifier_names(network)]
    found.append({"params": head, "lr": head_rate})
    kept = [{**group, "params": [p for p in group["params"] if p.requires_grad]} for group in found]
    return [group for group in kept if group["params"]]


def blocks(network: Network) -> list[list[str]]:
    """Give the names of the parameters before the classifier by block, in the order in which the network has them.

    A block is what shares its name up to its first numbers: "layer1.0", "blocks.3.1", "encoder.layer.5"; what has no
    number is a block by its first name.
    """
    head = set(classifier_names(network))
    found: dict[str, list[str]] = {}
    for name, _ in network.named_parameters():
        if name not in head:
            found.setdefault(_block(name), []).append(name)
    order = {name: i for i, (name, _, _) in enumerate(network._core.slots())}
    return sorted(found.values(), key=lambda names: order[names[0]])


def _names(network: Network, what: str | float) -> list[str]:
    if what == "norms":
        owners = {name.rpartition(".")[0] for name, _ in network.named_buffers() if name.endswith("running_mean")}
        return [name for name, _ in network.named_parameters() if name.rpartition(".")[0] in owners]
    stages = blocks(network)
    if what == "backbone":
        return [name for names in stages for name in names]
    share = float(what)
    if not 0 <= share <= 1:
        raise ValueError(f"freeze: expected a share of the depth from 0 to 1, got {share}")
    return [name for names in stages[: round(share * len(stages))] for name in names]


def _block(name: str) -> str:
    parts = name.split(".")
    numbers = [i for i, part in enumerate(parts) if part.isdigit()]
    if not numbers:
        return parts[0]
    end = numbers[0] + 1
    while end < len(parts) and parts[end].isdigit():
        end += 1
    return ".".join(parts[:end])


def parameters_of(*modules: nn.Module | None) -> list[nn.Parameter]:
    """Give what is trained in some modules."""
    return [p for module in modules if module is not None for p in module.parameters() if p.requires_grad]
