"""Training: the core's networks as `torch.nn.Module`s. The only part of the package that imports torch."""

from pictrieve.finetune.network import Network, network

__all__ = ["Network", "network"]
