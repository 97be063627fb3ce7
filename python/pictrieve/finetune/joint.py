"""Checkpoints of pictures and words in one space, such as CLIP: both towers for training, one directory to serve."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pictrieve import _core, models
from pictrieve.encoders import DualEncoder, TextEncoder
from pictrieve.encoders.text import TruncationWarning
from pictrieve.finetune import losses
from pictrieve.finetune.losses._temperature import Temperature
from pictrieve.finetune.network import Network, network
from pictrieve.finetune.starting import start_from
from pictrieve.finetune.trainer.distributed import rank_and_world
from pictrieve.models.own import ALIGNED

_SCALE, _BIAS = "logit_scale", "logit_bias"  # as all formats call them
_WEIGHTS, _OPEN_CLIP = "model.safetensors", "open_clip_{}"
_POOLINGS = ("last", "cls", "mean")


class TextTower(nn.Module):
    """Token ids to vectors, in training exactly what a `TextEncoder` computes.

    Args:
        network: The text network.
        pooling: How its tokens become one vector: "last", "cls" or "mean".
    """

    def __init__(self, network: Network, pooling: str) -> None:
        """Hold the network."""
        super().__init__()
        if pooling not in _POOLINGS:
            raise ValueError(f"pooling: expected one that can be trained, {', '.join(_POOLINGS)}, got {pooling!r}")
        self.network, self.pooling = network, pooling

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed texts as float32 `(n, dim)`, not of unit length.

        Args:
            ids: `(n, length)` int64.
            mask: `(n, length)` int64, 1 where a token stands, 0 behind the text.
        """
        hidden = self.network(ids, mask)["hidden"]
        if self.pooling == "mean":
            pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        else:
            place = mask.sum(1) - 1 if self.pooling == "last" else torch.zeros_like(mask[:, 0])
            pooled = hidden[torch.arange(len(ids), device=ids.device), place]
        return self.network.project(pooled).float()


class Words:
    """Texts as token ids.

    Args:
        texts: The texts.
        encoder: Whose tokenizer and limit are taken.
    """

    def __init__(self, texts: Sequence[str], encoder: TextEncoder) -> None:
        """Tokenise all texts, once."""
        tokens = encoder.tokenizer.encode_batch(texts, encoder.max_length, padding=False)
        self._ids, self._offsets = tokens.ids, tokens.offsets
        if tokens.truncated_texts:
            warnings.warn(
                f"{tokens.truncated_texts} of {len(texts)} captions are longer than {encoder.max_length} tokens; their "
                "ends are not learnt",
                TruncationWarning,
                stacklevel=2,
            )

    def batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Give ids and mask of some texts, both `(n, longest)` int64."""
        lengths = (self._offsets[1:] - self._offsets[:-1])[rows]
        places = np.arange(lengths.max())
        mask = places < lengths[:, None]
        ids = np.zeros(mask.shape, np.int64)
        ids[mask] = self._ids[(self._offsets[rows][:, None] + places)[mask]]
        return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


class Joint:
    """Both towers of a directory of CLIP or SigLIP, to be trained.

    Args:
        model: The directory, or a name of `list_models()` for one.
        seed: Of what the checkpoint lacks.

    Attributes:
        folder: The directory.
        image: The picture tower, and how pictures reach it.
        text: The text tower.
        dual: The encoder as it is before the training.

    Raises:
        ValueError: It is another kind of model.
    """

    def __init__(self, model: str | Path, seed: int = 0) -> None:
        """Load both towers."""
        self.folder = Path(models.locate(model))
        if not self.folder.is_dir() or (self.folder / ALIGNED).is_file() or not models.is_dual(self.folder):
            raise ValueError(
                f"model: expected a directory of CLIP or SigLIP, got {str(model)!r}; fit trains image encoders, align "
                "brings two encoders together"
            )
        self.image = start_from(self.folder, None, seed=seed)
        if self.image.projection is not None:
            raise ValueError(f"model: expected vectors as CLIP has them, got a whitening of the pictures' in {model}")
        self.dual = DualEncoder(self.folder)
        self.text = TextTower(network(self.folder, kind="text", seed=seed), self.dual.text_encoder.pooling)
        stored = _core.read_weights(str(models.resolve(self.folder, "image").weights))
        self._stored = {name: np.array(stored[name]) for name in (_SCALE, _BIAS) if name in stored}

    def loss(self, name: str | None) -> nn.Module:
        """Make the loss that the checkpoint was trained with, or the one asked for, at the checkpoint's temperature.

        Args:
            name: "infonce", "siglip", or None for the second where the checkpoint has a bias, else for the first.
        """
        chosen = name or ("siglip" if _BIAS in self._stored else "infonce")
        if chosen not in ("infonce", "siglip"):
            raise ValueError(f'loss: expected "infonce", "siglip" or a module, got {name!r}')
        made = losses.make(chosen, gather=rank_and_world()[1] > 1)
        with torch.no_grad():
            temperature = made.temperature
            if isinstance(temperature, Temperature) and temperature.log_scale is not None and _SCALE in self._stored:
                temperature.log_scale.fill_(float(self._stored[_SCALE].item())).clamp_(*temperature.bounds)
            if isinstance(made, losses.SigLIP) and _BIAS in self._stored:
                made.bias.fill_(float(self._stored[_BIAS].item()))
        return made

    def save(self, folder: Path, loss: nn.Module) -> None:
        """Write both towers, and the temperature that the loss has learnt, under the names of the checkpoint."""
        words = self.text.network.layout_state(self.text.network.origin.layout)
        beside = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in words.items()}
        for name, value in _learnt(loss).items():
            if name in self._stored:
                beside[name] = np.full_like(self._stored[name], value, np.float32)
        self.image.save(folder, beside=beside)
        if (folder / _OPEN_CLIP.format("config.json")).is_file():
            (folder / _WEIGHTS).replace(folder / _OPEN_CLIP.format(_WEIGHTS))


def _learnt(loss: nn.Module) -> dict[str, float]:
    """Give what a loss has learnt of temperature and bias, as checkpoints store them."""
    temperature = getattr(loss, "temperature", None)
    found = {}
    if isinstance(temperature, Temperature) and temperature.log_scale is not None:
        found[_SCALE] = float(temperature.log_scale.detach().clamp(*temperature.bounds))
    if isinstance(loss, losses.SigLIP):
        found[_BIAS] = float(loss.bias.detach())
    return found
