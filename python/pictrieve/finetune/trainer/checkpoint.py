"""The state of a run on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from pictrieve.finetune.trainer import files
from pictrieve.finetune.trainer.optimization import Optimization
from pictrieve.finetune.trainer.progress import Progress
from pictrieve.finetune.trainer.setup import differences


class Checkpoint:
    """Writes and reads the two states that a run keeps: the last one, complete, and the best weights.

    Args:
        folder: The run's folder.
        modules: Their parameters and buffers are kept.
        optimization: So is the optimiser's state.
        setup: What the run was set up with: only a run of the same setup may go on.
    """

    def __init__(self, folder: Path, modules: nn.Module, optimization: Optimization, setup: dict[str, Any]) -> None:
        """Name the files; nothing is written yet."""
        self._last, self._best = folder / files.CHECKPOINT, folder / files.BEST
        self._folder = folder
        self._modules = modules
        self._optimization = optimization
        self._setup = setup

    def exists(self) -> bool:
        """Say whether there is a run to go on with."""
        return self._last.is_file()

    def delete(self) -> None:
        """Forget both states."""
        for path in (self._last, self._best):
            path.unlink(missing_ok=True)

    def save(self, progress: Progress) -> None:
        """Write the state.

        Raises:
            FloatingPointError: A weight is not finite; what was written before stays.
        """
        for name, parameter in self._modules.named_parameters():
            if not parameter.isfinite().all():
                raise FloatingPointError(
                    f"{name}: expected finite weights, got NaN or infinity after step {progress.step}"
                )
        state = {
            "modules": self._modules.state_dict(),
            "optimization": self._optimization.state_dict(),
            "progress": progress.to_dict(),
            "setup": json.dumps(self._setup, ensure_ascii=False),
        }
        files.save_tensors(self._last, state)

    def load(self) -> Progress:
        """Bring modules and optimiser to the state of the last `save`.

        Raises:
            ValueError: It belongs to a run of another setup; names what differs.
        """
        state = files.load_tensors(self._last)
        found = differences(json.loads(state["setup"]), self._setup)
        if found:
            raise ValueError(
                f"out: {self._folder} holds a run of another setup: {'; '.join(found)}. Give the same setup to go on, "
                "another out=, or resume=False to start over"
            )
        self._modules.load_state_dict(state["modules"])
        self._optimization.load_state_dict(state["optimization"])
        return Progress(**state["progress"])

    def save_best(self) -> None:
        """Write the weights as they are."""
        files.save_tensors(self._best, {"modules": self._modules.state_dict()})

    def load_best(self) -> None:
        """Bring the modules to the best weights."""
        self._modules.load_state_dict(files.load_tensors(self._best)["modules"])
