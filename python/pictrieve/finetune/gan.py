"""Generative adversarial network: features of a network that tells photos from drawn pictures."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pictrieve.augment import AsServed, HorizontalFlip
from pictrieve.datasets import Dataset
from pictrieve.finetune.pictures import PictureSet
from pictrieve.finetune.task import Group, Loss, Precision, Scale
from pictrieve.finetune.trainer import Run, Settings, Trainer
from pictrieve.finetune.unsupervised import Unsupervised, stages

_FLIP = (HorizontalFlip(), AsServed())
_BETAS = (0.5, 0.999)  # Radford et al.
_REAL = 0.9  # what the discriminator shall say of photos (Salimans et al. 2016)


def gan(
    pictures: PictureSet,
    *,
    size: int = 32,
    width: int = 32,
    latent: int = 100,
    validation: Dataset | None = None,
    batch_size: int = 64,
    augment: Any = _FLIP,
    epochs: int = 30,
    lr: float = 2e-4,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train a DCGAN and serve its discriminator's features (Radford et al. 2016, arXiv:1511.06434).

    The generator draws pictures from random numbers, the discriminator learns to tell them from the given ones.
    Features are as in the paper: the maps after each layer of the discriminator, each pooled by its maxima to 4 x 4,
    one after the other. `ImageEncoder.fit_whitening` shortens them.

    Args:
        pictures: A data set, whose labels are not looked at, or pictures as `ImageEncoder.encode` takes them.
        size: Side of the pictures that the networks see and draw: 8, 16, 32, 64, ...
        width: Channels after the discriminator's first layer, doubled by each further one.
        latent: How many random numbers a picture is drawn from.
        validation: Labelled pictures, for "map" and "hit@1" of the features; the best epoch is kept by them.
        batch_size: Pictures of a batch, of all processes together.
        augment: How pictures are disturbed; flipped by default.
        epochs: Passes over the pictures.
        lr: Learning rate of both networks.
        seed: Of everything random.
        out: Folder of the run, which a second call with the same arguments resumes.
        settings: Further fields of `trainer.Settings`; by default Adam at a constant rate.

    Returns:
        The run: `.encoder` gives the features. Its directory holds a program of TorchScript.

    Raises:
        ValueError: An argument is not as described, or `out` holds a run of another setup.
        FileNotFoundError: Pictures are not there.

    Example:
        >>> run = gan(photos, validation=labelled_photos, epochs=50)         # doctest: +SKIP
        >>> run.encoder.fit_whitening(photos, dim=128)                       # doctest: +SKIP
    """
    usual = {"optimizer": "adam", "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0}
    known = Settings(epochs=epochs, lr=lr, seed=seed, out=out, **{**usual, **settings})
    if latent < 1 or width < 1 or batch_size < 2:
        raise ValueError(f"latent, width, batch_size: expected 1, 1, 2 or more, got {latent}, {width}, {batch_size}")
    torch.manual_seed(seed)
    task = Adversaries(
        Generator(latent, size, width), Discriminator(size, width),
        pictures, validation, size, batch_size, augment, seed, {"width": width, "latent": latent},
    )  # fmt: skip
    return Trainer(task, known).run()


class Generator(nn.Module):
    """Random numbers `(n, latent)` to pictures `(n, 3, size, size)` from -1 to 1.

    Args:
        latent: How many numbers.
        size: Side of the pictures.
        width: Channels before the last layer.
    """

    def __init__(self, latent: int, size: int, width: int) -> None:
        """Build the layers."""
        super().__init__()
        self.latent = latent
        channels = [width << i for i in reversed(range(stages(size)))]
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent, channels[0], 4, 1, 0, bias=False)]
        layers += [nn.BatchNorm2d(channels[0]), nn.ReLU()]
        for before, after in pairwise(channels):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1), nn.Tanh())
        self.apply(_start)

    def forward(self, numbers: Tensor) -> Tensor:
        """Draw pictures."""
        drawn: Tensor = self.layers(numbers[:, :, None, None])
        return drawn


class Discriminator(nn.Module):
    """Pictures `(n, 3, size, size)` to a logit each, high for photos; and to features.

    Args:
        size: Side of the pictures.
        width: Channels after the first layer.
    """

    def __init__(self, size: int, width: int) -> None:
        """Build the layers."""
        super().__init__()
        channels = [3, *(width << i for i in range(stages(size)))]
        self.layers = nn.ModuleList()
        for before, after in pairwise(channels):
            norm = nn.BatchNorm2d(after) if before > 3 else nn.Identity()  # none on the pixels' layer: Radford et al.
            layer = nn.Conv2d(before, after, 4, 2, 1, bias=before == 3)
            self.layers.append(nn.Sequential(layer, norm, nn.LeakyReLU(0.2)))
        self.last = nn.Conv2d(channels[-1], 1, 4)
        self.apply(_start)

    def forward(self, pixels: Tensor) -> Tensor:
        """Judge pictures."""
        for layer in self.layers:
            pixels = layer(pixels)
        judged: Tensor = self.last(pixels).flatten()
        return judged


class Features(nn.Module):
    """The discriminator's maps after each layer, pooled by their maxima to 4 x 4.

    Args:
        discriminator: Whose.
    """

    def __init__(self, discriminator: Discriminator) -> None:
        """Share its layers."""
        super().__init__()
        self.layers = discriminator.layers

    def forward(self, pixels: Tensor) -> Tensor:
        """Give rows `(n, 16 * channels of all layers)`."""
        found: list[Tensor] = []
        for layer in self.layers:
            pixels = layer(pixels)
            found.append(functional.adaptive_max_pool2d(pixels, (4, 4)).flatten(1))
        return torch.cat(found, 1)


class Adversaries(Unsupervised):
    """A generator and a discriminator against each other, both one step for each batch; see `gan`.

    Args:
        generator: Draws.
        discriminator: Judges.
        arguments: Those of `Unsupervised`.
    """

    def __init__(self, generator: Generator, discriminator: Discriminator, *arguments: Any) -> None:
        """Join the parts."""
        super().__init__(*arguments)
        self.modules = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
        self._generator, self._discriminator = generator, discriminator

    @property
    def features(self) -> nn.Module:
        """Give the discriminator's features."""
        return Features(self._discriminator)

    def parameter_groups(self, rate: float) -> list[Group]:
        """Give Adam the memory of the paper."""
        return [{**group, "betas": _BETAS} for group in super().parameter_groups(rate)]

    def loss(self, batch: Any) -> Loss:
        """Compute the losses of both; each is for its own network only, see `backward`."""
        pixels, _ = batch
        drawn = self._generator(torch.randn(len(pixels), self._generator.latent, device=pixels.device))
        real, false = self._discriminator(pixels), self._discriminator(drawn.detach())
        judged = _says(real, _REAL) + _says(false, 0.0)
        fooled = _says(self._discriminator(drawn), 1.0)
        return {"loss": judged + fooled, "discriminator_loss": judged, "generator_loss": fooled}

    def backward(self, batch: Any, scale: Scale, precision: Precision) -> Mapping[str, Tensor]:
        """Add each loss's gradient to the parameters of its own network."""
        with precision():
            losses = self.loss(batch)
        assert isinstance(losses, Mapping)
        for name, network in (("discriminator", self._discriminator), ("generator", self._generator)):
            loss = scale(losses[f"{name}_loss"])
            loss.backward(inputs=list(network.parameters()), retain_graph=True)  # type: ignore[no-untyped-call]
        return losses


def _says(logits: Tensor, wanted: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, wanted).float())


def _start(module: nn.Module) -> None:
    """Draw weights as Radford et al. do."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
