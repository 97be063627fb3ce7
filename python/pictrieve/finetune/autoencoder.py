"""Convolutional autoencoder: features from which a picture can be drawn again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pictrieve.datasets import Dataset
from pictrieve.finetune.pictures import PictureSet
from pictrieve.finetune.task import Loss
from pictrieve.finetune.trainer import Run, Settings, Trainer
from pictrieve.finetune.unsupervised import Unsupervised, stages


def autoencoder(
    pictures: PictureSet,
    *,
    dim: int = 64,
    size: int = 32,
    width: int = 32,
    noise: float = 0.0,
    validation: Dataset | None = None,
    batch_size: int = 64,
    augment: Any = "none",
    epochs: int = 30,
    lr: float = 2e-3,
    seed: int = 0,
    out: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train a convolutional autoencoder from nothing and serve its code as features (Masci et al. 2011).

    Filters of stride 2 bring the picture to 4 x 4, a linear layer to `dim` numbers of mean 0 and deviation 1, and their
    mirror image back to pixels; the loss is the mean squared error of pixels from -1 to 1.

    Args:
        pictures: A data set, whose labels are not looked at, or pictures as `ImageEncoder.encode` takes them.
        dim: Length of the features.
        size: Side of the pictures that the network sees: 8, 16, 32, 64, ...
        width: Channels after the first layer, doubled by each further one.
        noise: Deviation of normal noise on the input, which is not to be drawn again (Vincent et al. 2008); pixels go
            from -1 to 1.
        validation: Labelled pictures, for "map" and "hit@1" of the features.
        batch_size: Pictures of a batch, of all processes together.
        augment: How pictures are disturbed, before they are to be drawn: a recipe of `Augmentation` or "none".
        epochs: Passes over the pictures.
        lr: Learning rate at its height.
        seed: Of everything random.
        out: Folder of the run, which a second call with the same arguments resumes.
        settings: Further fields of `trainer.Settings`.

    Returns:
        The run: `.encoder` gives the features. Its directory holds a program of TorchScript.

    Raises:
        ValueError: An argument is not as described, or `out` holds a run of another setup.
        FileNotFoundError: Pictures are not there.

    Example:
        >>> run = autoencoder(photos, dim=64, validation=labelled_photos)        # doctest: +SKIP
        >>> run.encoder.encode("cat.jpg").shape                                  # doctest: +SKIP
        (64,)
    """
    known = Settings(epochs=epochs, lr=lr, seed=seed, out=out, **settings)
    if noise < 0 or dim < 1 or width < 1 or batch_size < 2:
        raise ValueError(
            f"noise, dim, width, batch_size: expected 0, 1, 1, 2 or more, got {noise}, {dim}, {width}, {batch_size}"
        )
    facts = {"dim": dim, "width": width, "noise": noise}
    torch.manual_seed(seed)
    task = Reconstruction(
        Autoencoder(dim, size, width), noise, pictures, validation, size, batch_size, augment, seed, facts
    )
    return Trainer(task, known).run()


class Autoencoder(nn.Module):
    """Encoder and decoder of pictures `(n, 3, size, size)` from -1 to 1.

    Args:
        dim: Length of the code.
        size: Side of the pictures.
        width: Channels after the first layer.
    """

    def __init__(self, dim: int, size: int, width: int) -> None:
        """Build both parts."""
        super().__init__()
        channels = [3, *(width << i for i in range(stages(size)))]
        flat = channels[-1] * 16
        down: list[nn.Module] = []
        for before, after in pairwise(channels):
            down += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        level = nn.BatchNorm1d(dim, affine=False)  # numbers of one spread all count in a cosine
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, dim), level)
        up: list[nn.Module] = [nn.Linear(dim, flat), nn.ReLU(), nn.Unflatten(1, (channels[-1], 4, 4))]
        for before, after in pairwise(reversed(channels[1:])):
            up += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.decoder = nn.Sequential(*up, nn.ConvTranspose2d(width, 3, 4, 2, 1), nn.Tanh())

    def forward(self, pixels: Tensor) -> Tensor:
        """Draw pictures again."""
        drawn: Tensor = self.decoder(self.encoder(pixels))
        return drawn


class Reconstruction(Unsupervised):
    """Pictures through a narrow code and back; see `autoencoder`.

    Args:
        network: What is trained.
        noise: Deviation of the noise on its input.
        arguments: Those of `Unsupervised`.
    """

    def __init__(self, network: Autoencoder, noise: float, *arguments: Any) -> None:
        """Join the parts."""
        super().__init__(*arguments)
        self.modules = network
        self._network, self._noise = network, noise

    @property
    def features(self) -> nn.Module:
        """Give the encoder."""
        return self._network.encoder

    def loss(self, batch: Any) -> Loss:
        """Compare the drawn pictures with the given ones."""
        pixels, _ = batch
        seen = pixels + self._noise * torch.randn_like(pixels) if self._noise else pixels
        return functional.mse_loss(self._network(seen).float(), pixels)
