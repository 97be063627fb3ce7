"""Learning from an episode: a few steps of gradient descent on a few pictures of each class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

HEADS = ("prototypes", "zeros")


class Learner(NamedTuple):
    """What learns in an episode: a network, and a linear classifier of its unit rows.

    Attributes:
        parameters: Of the network, by name, those that learn.
        weights: Of the classifier `(classes, dim)`.
        bias: Of the classifier `(classes,)`.
    """

    parameters: Mapping[str, Tensor]
    weights: Tensor
    bias: Tensor

    def values(self) -> list[Tensor]:
        """Give everything that learns."""
        return [*self.parameters.values(), self.weights, self.bias]

    def with_values(self, values: list[Tensor]) -> Learner:
        """Give a learner with other values, in the order of `values`."""
        return Learner(dict(zip(self.parameters, values, strict=False)), *values[-2:])


@dataclass(frozen=True)
class InnerLoop:
    """Gradient descent on all pictures of an episode at once, for the network and a new classifier behind it.

    Attributes:
        steps: How many; 0 leaves everything as it starts.
        lr: Learning rate.
        head: Where the classifier starts: "prototypes" takes the class whose mean is nearest (Proto-MAML,
            Triantafillou et al. 2020, arXiv:1903.03096); "zeros" knows nothing.
        scale: Factor on scores: those of unit rows are near each other.
    """

    steps: int
    lr: float
    head: str
    scale: float

    def __post_init__(self) -> None:
        """Refuse what cannot be learnt with."""
        if self.head not in HEADS:
            raise ValueError(f"head: expected one of {', '.join(HEADS)}, got {self.head!r}")
        least = int(self.head == "zeros")
        if self.steps < least:
            raise ValueError(f"steps: expected {least} or more with head {self.head}, got {self.steps}")
        if not (self.lr > 0 and self.scale > 0):
            raise ValueError(f"lr, scale: expected numbers above 0, got {self.lr} and {self.scale}")

    def start(self, network: nn.Module, pixels: Tensor, labels: Tensor) -> Learner:
        """Give the network as it is, and the classifier that starts from these pictures.

        Args:
            network: Pixels to rows `(n, dim)`; what requires a gradient learns.
            pixels: `(n, 3, H, W)`.
            labels: `(n,)` int64; each class from 0 on has a picture.
        """
        parameters = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
        rows = functional.normalize(network(pixels), eps=1e-30)
        member = functional.one_hot(labels).to(rows.dtype)
        with torch.autocast(rows.device.type, enabled=False):
            means = (member / member.sum(0)).T @ rows
        if self.head == "zeros":
            means = torch.zeros_like(means)
        return Learner(parameters, 2 * means, -means.square().sum(1))

    def run(self, network: nn.Module, pixels: Tensor, labels: Tensor) -> tuple[Learner, Tensor | None]:
        """Learn from pictures; arguments as in `start`.

        Returns:
            What was learnt, and the loss before the last step (None without steps). The gradient of what is computed
            from it is the first-order one: it goes to the network's parameters as if the steps had added constants,
            and from the classifier through the means that it started from.
        """
        loss = None
        with torch.enable_grad():
            start = learner = self.start(network, pixels, labels)
            for _ in range(self.steps):
                learner = learner.with_values([value.detach().requires_grad_() for value in learner.values()])
                loss = functional.cross_entropy(self.scores(network, learner, pixels), labels)
                gradients = torch.autograd.grad(loss, learner.values(), materialize_grads=True)
                learner = learner.with_values(
                    [value - self.lr * gradient for value, gradient in zip(learner.values(), gradients, strict=True)]
                )
            moved = [
                first + (last - first).detach() for first, last in zip(start.values(), learner.values(), strict=True)
            ]
        return start.with_values(moved), loss

    def scores(self, network: nn.Module, learner: Learner, pixels: Tensor) -> Tensor:
        """Give `(n, classes)` scores of pictures."""
        rows = functional.normalize(functional_call(network, dict(learner.parameters), (pixels,)), eps=1e-30)
        with torch.autocast(rows.device.type, enabled=False):
            return self.scale * functional.linear(rows, learner.weights, learner.bias)


def fomaml(
    loop: InnerLoop, network: nn.Module, support: tuple[Tensor, Tensor], queries: tuple[Tensor, Tensor]
) -> dict[str, Tensor]:
    """Learn from an episode's support and ask for its queries: first-order MAML (Finn et al. 2017, arXiv:1703.03400).

    Args:
        loop: How it learns.
        network: As `InnerLoop.start` takes it.
        support: Pixels and labels to learn from.
        queries: Pixels and labels to ask for.

    Returns:
        "loss" of the queries, whose gradient is the first-order one, and their "query_accuracy".
    """
    learner, _ = loop.run(network, *support)
    scores = loop.scores(network, learner, queries[0])
    right = (scores.argmax(1) == queries[1]).float().mean()
    return {"loss": functional.cross_entropy(scores, queries[1]), "query_accuracy": right}


def reptile(loop: InnerLoop, network: nn.Module, pixels: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Learn from all pictures of an episode, and go where that led: Reptile (Nichol et al. 2018, arXiv:1803.02999).

    Args:
        loop: How it learns, with one step or more.
        network: As `InnerLoop.start` takes it.
        pixels: `(n, 3, H, W)`.
        labels: `(n,)` int64.

    Returns:
        "loss", of the pictures before the last step. Its gradient is (start - end) / learning rate of the loop.
    """
    learner, loss = loop.run(network, pixels, labels)
    assert loss is not None
    pull = torch.zeros_like(loss)
    for name, start in network.named_parameters():
        if name in learner.parameters:
            pull = pull + (start * (start - learner.parameters[name]).detach()).sum() / loop.lr
    return {"loss": loss.detach() + pull - pull.detach()}
