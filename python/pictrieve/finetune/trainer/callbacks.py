"""Who watches a run: TensorBoard, Weights & Biases, or anything with these four methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pictrieve.finetune.trainer.settings import Settings


class Callback:
    """Called by the trainer, of several processes in the first alone; override what you need."""

    def on_start(self, folder: Path, setup: Mapping[str, Any], step: int) -> None:
        """Training begins, or goes on after `step` steps; what was reported for later steps will come again."""

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        """A step of the optimiser is done: its losses, "lr" and "gradient_norm"."""

    def on_epoch(self, row: Mapping[str, Any]) -> None:
        """An epoch is done and evaluated: its row of the history."""

    def on_end(self) -> None:
        """Training ended, was interrupted or failed."""


class TensorBoard(Callback):
    """Writes scalars for TensorBoard into `tensorboard/` of the run's folder."""

    def __init__(self) -> None:
        """Check that TensorBoard is there, before a run has begun."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError('log="tensorboard": run: pip install "pictrieve[tensorboard]"') from error
        self._make = SummaryWriter

    def on_start(self, folder: Path, setup: Mapping[str, Any], step: int) -> None:
        """Open the log; values of later steps than `step` are taken back."""
        self._writer = self._make(str(folder / "tensorboard"), purge_step=step + 1)

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of a step."""
        self._write("step", values, step)

    def on_epoch(self, row: Mapping[str, Any]) -> None:
        """Write a row of the history."""
        self._write("epoch", {name: value for name, value in row.items() if name != "epoch"}, row["epoch"])

    def on_end(self) -> None:
        """Close the log."""
        self._writer.close()

    def _write(self, group: str, values: Mapping[str, Any], at: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, at)


class WeightsAndBiases(Callback):
    """Reports to Weights & Biases; a resumed run goes on under its id."""

    def __init__(self) -> None:
        """Check that wandb is there, before a run has begun."""
        try:
            import wandb
        except ImportError as error:
            raise ImportError('log="wandb": run: pip install "pictrieve[wandb]"') from error
        self._wandb = wandb

    def on_start(self, folder: Path, setup: Mapping[str, Any], step: int) -> None:
        """Start the run, or go on with it."""
        known = folder / "wandb.id"
        name = known.read_text(encoding="utf-8") if known.is_file() else self._wandb.util.generate_id()
        known.write_text(name, encoding="utf-8")
        self._run = self._wandb.init(id=name, resume="allow", dir=str(folder), name=folder.name, config=dict(setup))
        self._step = step

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        """Report the values of a step."""
        self._step = step
        self._run.log({f"step/{name}": value for name, value in values.items()}, step=step)

    def on_epoch(self, row: Mapping[str, Any]) -> None:
        """Report a row of the history."""
        self._run.log({f"epoch/{name}": value for name, value in row.items()}, step=self._step)

    def on_end(self) -> None:
        """End the run."""
        self._run.finish()


_LOGS = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}


def callbacks_of(settings: Settings) -> list[Callback]:
    """Make the callbacks that the settings name.

    Raises:
        ValueError: A log of another name.
        ImportError: Its package is not installed; says what to install.
    """
    names: Sequence[str] = [settings.log] if isinstance(settings.log, str) else settings.log or ()
    for name in names:
        if name not in _LOGS:
            raise ValueError(f"log: expected {', '.join(map(repr, _LOGS))} or a list of these, got {name!r}")
    return [*(_LOGS[name]() for name in names), *settings.callbacks]
